/* SPDX-License-Identifier: Apache-2.0 */
/* User namespaces: maps, what capabilities in one are worth, UTS namespaces, setns, ioctl_ns. */
#include "tests/contract/contract.h"
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <grp.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>

static int put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static void show_text(const char *path)
{
	char buf[512];
	int fd = MUST(open(path, O_RDONLY | O_CLOEXEC));
	ssize_t n = MUST(read(fd, buf, sizeof(buf) - 1));

	buf[n] = '\0';
	close(fd);
	STR(buf);
}

static uint64_t ns_ino(const char *name)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	MUST(stat(path, &st));
	return st.st_ino;
}

static void show_ids(void)
{
	SHOW(getuid());
	SHOW(geteuid());
	SHOW(getgid());
}

static void in_user_ns(int uts_fd, int user_fd)
{
	struct utsname u;
	struct stat st;
	unsigned owner;
	int fd, parent;

	SECTION("nobody yet");
	YES(ns_ino("user") != 0);
	show_ids();
	show_text("/proc/self/uid_map");
	CALL(setuid(0));
	CALL(put("/proc/self/gid_map", "0 65534 1"));
	CALL(put("/proc/self/setgroups", "deny"));
	show_text("/proc/self/setgroups");
	CALL(put("/proc/self/setgroups", "allow"));
	SECTION("bad maps");
	CALL(put("/proc/self/uid_map", "0 65534"));
	CALL(put("/proc/self/uid_map", "0 65534 0"));
	CALL(put("/proc/self/uid_map", "0 65534 2"));
	CALL(put("/proc/self/uid_map", "0 1 1"));
	CALL(put("/proc/self/uid_map", "0 65534 1\n0 65535 1"));
	CALL(put("/proc/self/uid_map", "x"));
	SECTION("maps");
	CALL(put("/proc/self/uid_map", "0 65534 1\n"));
	CALL(put("/proc/self/uid_map", "0 65534 1\n"));
	CALL(put("/proc/self/gid_map", "0 65534 1"));
	show_text("/proc/self/uid_map");
	show_text("/proc/self/gid_map");
	show_ids();
	SECTION("as root of little");
	CALL(setgroups(0, NULL));
	CALL(setuid(1));
	CALL(chown(".", 1, 1));
	CALL(chown(".", 0, 0));
	MUST(stat("/", &st));
	SHOW(st.st_uid);
	MUST(stat(".", &st));
	SHOW(st.st_uid);
	CALL(sethostname("other", 5));
	CALL(chroot("/"));
	CALL(mount("none", "/", "tmpfs", 0, NULL));
	CALL(mknod("dev", S_IFCHR | 0600, makedev(1, 3)));
	CALL(setns(user_fd, 0));
	CALL(setns(uts_fd, 0));
	SECTION("names of one's own");
	CALL(unshare(CLONE_NEWUTS));
	CALL(sethostname("other", 5));
	MUST(uname(&u));
	STR(u.nodename);
	CALL(setns(uts_fd, CLONE_NEWUTS));
	SECTION("ioctl_ns");
	fd = MUST(open("/proc/self/ns/uts", O_RDONLY));
	HEX(ioctl(fd, NS_GET_NSTYPE));
	CALL(ioctl(fd, NS_GET_OWNER_UID, &owner));
	CALL(ioctl(fd, NS_GET_PARENT));
	OK(parent = ioctl(fd, NS_GET_USERNS));
	HEX(ioctl(parent, NS_GET_NSTYPE));
	CALL(ioctl(parent, NS_GET_OWNER_UID, &owner));
	SHOW(owner);
	CALL(ioctl(parent, NS_GET_PARENT));
	CALL(setns(parent, 0));
	CALL(setns(fd, CLONE_NEWNET));
	CALL(setns(fd, 0));
	CALL(setns(0, 0));
	CALL(setns(-1, 0));
}

int main(void)
{
	uint64_t uts, user;
	int uts_fd, user_fd;
	struct utsname before, after;

	drop_privileges();
	scratch();
	uts = ns_ino("uts");
	user = ns_ino("user");
	uts_fd = MUST(open("/proc/self/ns/uts", O_RDONLY));
	user_fd = MUST(open("/proc/self/ns/user", O_RDONLY));
	MUST(uname(&before));
	CALL(setns(uts_fd, 0));
	CALL(unshare(CLONE_NEWUTS));
	IN_CHILD("in a user namespace") {
		prctl(PR_SET_DUMPABLE, 1);
		if (unshare(CLONE_NEWUSER) < 0)
			skip("no user namespaces here");
		YES(ns_ino("user") != user);
		YES(ns_ino("uts") == uts);
		in_user_ns(uts_fd, user_fd);
	}
	MUST(uname(&after));
	YES(!strcmp(before.nodename, after.nodename));
	IN_CHILD("a thread") {
		CALL(unshare(CLONE_NEWUSER | CLONE_THREAD | CLONE_NEWTIME | 1));
	}
	return 0;
}
