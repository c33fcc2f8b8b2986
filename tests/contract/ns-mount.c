/* SPDX-License-Identifier: Apache-2.0 */
/* Mount namespaces: copies, propagation, what may be unmounted, pivot_root. */
#include "tests/contract/contract.h"
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static void put(const char *path, const char *text)
{
	int fd = MUST(open(path, O_WRONLY));

	MUST(write(fd, text, strlen(text)));
	close(fd);
}

static void enter(void)
{
	char text[64];
	uid_t uid = geteuid();
	gid_t gid = getegid();

	prctl(PR_SET_DUMPABLE, 1);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		skip("no user namespaces here");
	put("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %d 1", (int)uid);
	put("/proc/self/uid_map", text);
	snprintf(text, sizeof(text), "0 %d 1", (int)gid);
	put("/proc/self/gid_map", text);
}

static void make(const char *name)
{
	close(MUST(open(name, O_CREAT | O_WRONLY, 0600)));
}

static bool there(const char *name)
{
	return access(name, F_OK) == 0;
}

/* Optional fields of the mount on @where in the scratch directory, numbers left out. */
static void show_fields(const char *where)
{
	char line[1024], found[1024] = "", want[PATH_MAX + 8];
	FILE *f = fopen("/proc/self/mountinfo", "r");

	snprintf(want, sizeof(want), " %s/%s ", scratch_dir, where);
	while (f && fgets(line, sizeof(line), f)) {
		char *p = strstr(line, want), *end, *to = found;

		if (!p)
			continue;
		p = strchr(p + strlen(want), ' ') + 1;
		end = strstr(p, "- ");
		for (; p < end; p++)
			if (*p < '0' || *p > '9')
				*to++ = *p;
		*to = '\0';
	}
	if (f)
		fclose(f);
	say("%s: %s", where, found);
}

static void propagation(void)
{
	SECTION("a peer group");
	mkdir("a", 0700);
	mkdir("b", 0700);
	mkdir("c", 0700);
	mkdir("d", 0700);
	CALL(mount("t", "a", "tmpfs", 0, NULL));
	mkdir("a/m", 0700);
	mkdir("a/n", 0700);
	CALL(mount("none", "a", NULL, MS_SHARED, NULL));
	CALL(mount("a", "b", NULL, MS_BIND, NULL));
	CALL(mount("a", "c", NULL, MS_BIND, NULL));
	CALL(mount("none", "c", NULL, MS_SLAVE, NULL));
	CALL(mount("a", "d", NULL, MS_BIND, NULL));
	CALL(mount("none", "d", NULL, MS_PRIVATE, NULL));
	show_fields("a");
	show_fields("b");
	show_fields("c");
	show_fields("d");
	SECTION("a mount on one");
	CALL(mount("t2", "a/m", "tmpfs", 0, NULL));
	make("a/m/f");
	YES(there("b/m/f"));
	YES(there("c/m/f"));
	YES(there("d/m/f"));
	show_fields("a/m");
	show_fields("b/m");
	show_fields("c/m");
	SECTION("a mount on the slave");
	CALL(mount("t3", "c/n", "tmpfs", 0, NULL));
	make("c/n/g");
	YES(there("a/n/g"));
	YES(there("b/n/g"));
	SECTION("a shared slave");
	mkdir("e", 0700);
	CALL(mount("none", "c", NULL, MS_SHARED, NULL));
	CALL(mount("c", "e", NULL, MS_BIND, NULL));
	show_fields("c");
	show_fields("e");
	mkdir("a/o", 0700);
	CALL(mount("t4", "b/o", "tmpfs", 0, NULL));
	make("b/o/h");
	YES(there("a/o/h"));
	YES(there("c/o/h"));
	YES(there("e/o/h"));
	show_fields("e/o");
	SECTION("unmounted on one");
	CALL(umount("a/o"));
	YES(there("b/o/h"));
	YES(there("c/o/h"));
	YES(there("e/o/h"));
	CALL(umount("a/m"));
	YES(there("b/m/f"));
	YES(there("c/m/f"));
	YES(there("c/n/g"));
	SECTION("bad types");
	CALL(mount("none", "a", NULL, MS_SHARED | MS_PRIVATE, NULL));
	CALL(mount("none", "a/m", NULL, MS_SHARED, NULL));
	CALL(mount("none", "a", NULL, MS_SHARED | MS_NOSUID, NULL));
	SECTION("unbindable");
	mkdir("u", 0700);
	CALL(mount("t", "u", "tmpfs", 0, NULL));
	CALL(mount("none", "u", NULL, MS_UNBINDABLE, NULL));
	show_fields("u");
	mkdir("v", 0700);
	CALL(mount("u", "v", NULL, MS_BIND, NULL));
	CALL(mount("none", "u", NULL, MS_PRIVATE, NULL));
	CALL(mount("u", "v", NULL, MS_BIND, NULL));
	SECTION("moves");
	CALL(mount("a", "v", NULL, MS_MOVE, NULL));
	YES(there("v/m"));
	CALL(mount("c/n", "v", NULL, MS_MOVE, NULL));
}

static void unmounting(void)
{
	int fd;

	SECTION("busy and lazy");
	mkdir("l", 0700);
	CALL(mount("t", "l", "tmpfs", 0, NULL));
	make("l/f");
	fd = MUST(open("l/f", O_RDONLY));
	CALL(umount("l"));
	CALL(umount2("l", MNT_EXPIRE));
	CALL(umount2("l", MNT_DETACH | MNT_EXPIRE));
	CALL(umount2("l", MNT_DETACH));
	YES(there("l/f"));
	CALL(fcntl(fd, F_GETFD));
	close(fd);
	CALL(umount("l"));
	CALL(mount("t", "l", "tmpfs", 0, NULL));
	CALL(umount2("l", MNT_EXPIRE));
	CALL(umount2("l", MNT_EXPIRE));
	CALL(umount2("l", 0x100));
	SECTION("read-only");
	CALL(mount("t", "l", "tmpfs", 0, NULL));
	make("l/f");
	fd = MUST(open("l/f", O_WRONLY));
	CALL(mount("none", "l", NULL, MS_REMOUNT | MS_RDONLY, NULL));
	CALL(mount("none", "l", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	close(fd);
	CALL(mount("none", "l", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL));
	CALL(open("l/g", O_CREAT | O_WRONLY, 0600));
	CALL(mount("none", "l", NULL, MS_REMOUNT | MS_BIND, NULL));
	OK(open("l/g", O_CREAT | O_WRONLY, 0600));
	SECTION("not ours alone");
	CALL(umount("/proc"));
	CALL(umount("/"));
}

static void pivoting(void)
{
	char cwd[PATH_MAX];

	SECTION("pivot_root");
	mkdir("new", 0700);
	CALL(syscall(SYS_pivot_root, "new", "new"));
	CALL(mount("t", "new", "tmpfs", 0, NULL));
	mkdir("new/old", 0700);
	CALL(syscall(SYS_pivot_root, "new", "nowhere"));
	CALL(syscall(SYS_pivot_root, "new", "."));
	MUST(chdir("new"));
	CALL(syscall(SYS_pivot_root, ".", "old"));
	STR(getcwd(cwd, sizeof(cwd)));
	MUST(chdir("/"));
	YES(there("/old/proc/self"));
	YES(there("/proc"));
	CALL(umount("/old"));
	CALL(umount2("/old", MNT_DETACH));
	YES(there("/old/proc"));
	CALL(rmdir("/old"));
}

int main(void)
{
	drop_privileges();
	scratch();
	enter();
	CALL(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
	CALL(mount(scratch_dir, scratch_dir, NULL, MS_BIND, NULL));
	MUST(chdir(scratch_dir));
	propagation();
	unmounting();
	pivoting();
	_exit(0);
}
