/* SPDX-License-Identifier: Apache-2.0 */
/* fanotify(7): marks on files, directories, mounts and file systems, and the events that come with descriptors. */
#include "tests/contract/contract.h"

#include <poll.h>
#include <sched.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/mount.h>

static void show_events(const char *what, int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n = read(fd, buf, sizeof(buf));
	struct fanotify_event_metadata *m = (void *)buf;

	if (n < 0) {
		say("%s: %s", what, errno_name(errno));
		return;
	}
	for (; FAN_EVENT_OK(m, n); m = FAN_EVENT_NEXT(m, n)) {
		char link[64], target[PATH_MAX] = "";
		const char *base;

		snprintf(link, sizeof(link), "/proc/self/fd/%d", m->fd);
		MUST(readlink(link, target, sizeof(target) - 1));
		base = strrchr(target, '/');
		say("%s: %#llx of %s, by %s, version %d, length %d, metadata %d, descriptor flags %#x %d", what,
		    (unsigned long long)m->mask, base + 1, m->pid == getpid() ? "me" : "another", m->vers, (int)m->event_len,
		    m->metadata_len, fcntl(m->fd, F_GETFL) & ~(0100000 | O_CLOEXEC), fcntl(m->fd, F_GETFD));
		close(m->fd);
	}
}

static void use(const char *name, int flags)
{
	int fd = MUST(open(name, flags | O_CLOEXEC, 0644));
	char c = 'x';

	if ((flags & O_ACCMODE) != O_WRONLY)
		MUST(read(fd, &c, 1));
	if ((flags & O_ACCMODE) != O_RDONLY)
		MUST(write(fd, &c, 1));
	close(fd);
}

static void arguments(void)
{
	int fd = MUST(fanotify_init(FAN_CLASS_NOTIF | FAN_NONBLOCK | FAN_CLOEXEC, O_RDONLY)), other = MUST(open("f", O_RDONLY));
	char small[8];

	SECTION("arguments");
	SHOW(fcntl(fd, F_GETFD));
	CALL(fanotify_init(0x40000000, O_RDONLY));
	CALL(fanotify_init(FAN_CLASS_CONTENT | FAN_CLASS_PRE_CONTENT, O_RDONLY));
	CALL(fanotify_init(0, O_ACCMODE));
	CALL(fanotify_init(0, O_CREAT));
	CALL(fanotify_mark(999, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "f"));
	CALL(fanotify_mark(other, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, 0, FAN_OPEN, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD | 0x40000000, FAN_OPEN, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT | FAN_MARK_FILESYSTEM, FAN_OPEN, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, 0, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, 1ULL << 40, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_CREATE, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "missing"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, BAD_PTR));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, 999, NULL));
	CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR, FAN_OPEN, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_REMOVE, FAN_OPEN, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_FLUSH, 0, AT_FDCWD, "."));
	CALL(fanotify_mark(fd, FAN_MARK_FLUSH | FAN_MARK_ONLYDIR, 0, AT_FDCWD, "."));
	show_events("nothing yet", fd);
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, other, NULL));
	use("f", O_RDONLY);
	CALL(read(fd, small, sizeof(small)));
	show_events("marked by descriptor", fd);
	close(other);
	close(fd);
}

static void files(void)
{
	int fd = MUST(fanotify_init(FAN_NONBLOCK, O_RDWR | O_LARGEFILE | O_CLOEXEC)), n = -1;
	struct pollfd p = { fd, POLLIN, 0 };

	SECTION("a file");
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_ACCESS | FAN_MODIFY | FAN_CLOSE, AT_FDCWD, "f"));
	CALL(poll(&p, 1, 0));
	use("f", O_RDONLY);
	CALL(poll(&p, 1, 0));
	CALL(ioctl(fd, FIONREAD, &n));
	SHOW(n);
	show_events("read", fd);
	use("f", O_WRONLY);
	show_events("written", fd);
	MUST(open("f", O_PATH));
	MUST(truncate("f", 4));
	MUST(chmod("f", 0600));
	show_events("neither", fd);
	IN_CHILD("child")
		use("f", O_RDONLY);
	show_events("of a child", fd);
	use("f", O_RDONLY);
	IN_CHILD("child")
		use("f", O_RDONLY);
	use("f", O_WRONLY);
	show_events("of two", fd);
	CALL(fanotify_mark(fd, FAN_MARK_REMOVE, FAN_ACCESS | FAN_MODIFY | FAN_OPEN, AT_FDCWD, "f"));
	use("f", O_RDWR);
	show_events("closed only", fd);
	CALL(fanotify_mark(fd, FAN_MARK_REMOVE, FAN_CLOSE, AT_FDCWD, "f"));
	CALL(fanotify_mark(fd, FAN_MARK_REMOVE, FAN_CLOSE, AT_FDCWD, "f"));
	use("f", O_RDWR);
	show_events("no mark", fd);
	close(fd);
}

static void directories(void)
{
	int fd = MUST(fanotify_init(FAN_NONBLOCK, O_RDONLY)), dir;

	SECTION("directories");
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE, AT_FDCWD, "d"));
	use("d/in", O_RDONLY);
	MUST(dir = open("d", O_RDONLY));
	close(dir);
	show_events("the directory alone", fd);
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN | FAN_CLOSE | FAN_ONDIR, AT_FDCWD, "d"));
	MUST(dir = open("d", O_RDONLY));
	close(dir);
	show_events("opened", fd);
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_MODIFY | FAN_EVENT_ON_CHILD, AT_FDCWD, "d"));
	use("d/in", O_RDWR);
	use("d/sub/deep", O_RDWR);
	MUST(dir = open("d/sub", O_RDONLY));
	close(dir);
	show_events("its children", fd);
	CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK, FAN_OPEN, AT_FDCWD, "d/in"));
	use("d/in", O_RDONLY);
	show_events("one ignored", fd);
	use("d/in", O_WRONLY);
	use("d/in", O_RDONLY);
	show_events("until it is written", fd);
	CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_IGNORED_MASK | FAN_MARK_IGNORED_SURV_MODIFY, FAN_OPEN, AT_FDCWD, "d/in"));
	use("d/in", O_WRONLY);
	show_events("even then", fd);
	CALL(fanotify_mark(fd, FAN_MARK_FLUSH, 0, AT_FDCWD, "."));
	use("d/in", O_RDONLY);
	show_events("flushed", fd);
	CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR | FAN_MARK_DONT_FOLLOW, FAN_OPEN, AT_FDCWD, "l"));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "l"));
	use("d/in", O_RDONLY);
	show_events("through a link", fd);
	close(fd);
}

static void mounts(void)
{
	int fd = MUST(fanotify_init(FAN_NONBLOCK, O_RDONLY)), on_sb = MUST(fanotify_init(FAN_NONBLOCK, O_RDONLY));

	SECTION("mounts");
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		say("no mounts");
		return;
	}
	MUST(mkdir("m", 0755));
	MUST(mkdir("again", 0755));
	MUST(mount("none", "m", "tmpfs", 0, NULL));
	MUST(mount("m", "again", NULL, MS_BIND, NULL));
	put_file("m/x", "text", 0644);
	CALL(fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_MOUNT, FAN_OPEN | FAN_CLOSE, AT_FDCWD, "m"));
	CALL(fanotify_mark(on_sb, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_OPEN, AT_FDCWD, "m"));
	use("m/x", O_RDONLY);
	show_events("by the mount", fd);
	show_events("the file system", on_sb);
	use("again/x", O_RDONLY);
	use("f", O_RDONLY);
	show_events("by another mount", fd);
	show_events("the file system", on_sb);
	CALL(umount("m"));
	use("again/x", O_RDONLY);
	show_events("unmounted", fd);
	/* What was not read holds on to the mount. */
	CALL(umount("again"));
	close(on_sb);
	CALL(umount("again"));
	close(fd);
}

static void blocking(void)
{
	int fd = MUST(fanotify_init(0, O_RDONLY));
	pid_t child, me = getpid();

	SECTION("waiting");
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN, AT_FDCWD, "f"));
	child = MUST(fork());
	if (!child) {
		wait_asleep(me);
		use("f", O_RDONLY);
		_exit(0);
	}
	show_events("waited for", fd);
	reap("opener", child);
	close(fd);
}

/* Reads one event and answers it; prints what it was. */
static void decide(int fd, unsigned response)
{
	struct fanotify_event_metadata m;
	struct fanotify_response r;

	if (MUST(read(fd, &m, sizeof(m))) != sizeof(m))
		return;
	say("asked: %#llx", (unsigned long long)m.mask);
	r = (struct fanotify_response){ m.fd, response };
	if (response == 7) {
		say("an answer that is none: %s", write(fd, &r, sizeof(r)) < 0 ? errno_name(errno) : "taken");
		r.response = FAN_ALLOW;
		r.fd = 777;
		say("for another: %s", write(fd, &r, sizeof(r)) < 0 ? errno_name(errno) : "taken");
		say("too short: %s", write(fd, &r, 4) < 0 ? errno_name(errno) : "taken");
		r.fd = m.fd;
	}
	if (write(fd, &r, sizeof(r)) != sizeof(r))
		say("answer: %s", errno_name(errno));
	close(m.fd);
}

static void try(const char *what, long ret)
{
	say("%s: %s", what, ret < 0 ? errno_name(errno) : "allowed");
}

static void decisions(void)
{
	int fd = MUST(fanotify_init(FAN_CLASS_CONTENT, O_RDONLY)), p[2];
	pid_t child;

	SECTION("decisions");
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_PERM | FAN_ACCESS_PERM, AT_FDCWD, "f"));
	MUST(pipe(p));
	child = MUST(fork());
	if (!child) {
		char c;
		int f;

		close(fd);
		dup2(p[1], 1);
		try("open", f = open("f", O_RDONLY));
		try("read", read(f, &c, 1));
		try("read", read(f, &c, 1));
		try("open", open("f", O_RDONLY));
		try("open", open("f", O_RDONLY));
		try("another file", open("d/in", O_RDONLY));
		_exit(0);
	}
	close(p[1]);
	decide(fd, FAN_ALLOW);
	decide(fd, FAN_ALLOW);
	decide(fd, FAN_DENY);
	decide(fd, FAN_DENY);
	wait_asleep(child);
	/* Nobody is left to decide. */
	close(fd);
	reap("child", child);
	for (char line[512]; memset(line, 0, sizeof(line)), read(p[0], line, sizeof(line) - 1) > 0;)
		write_all(1, line, strlen(line));
	close(p[0]);
	fd = MUST(fanotify_init(FAN_CLASS_PRE_CONTENT, O_RDONLY));
	CALL(fanotify_mark(fd, FAN_MARK_ADD, FAN_OPEN_EXEC_PERM, AT_FDCWD, "tool"));
	child = MUST(fork());
	if (!child) {
		char *argv[] = { "tool", NULL };

		close(fd);
		close(MUST(open("tool", O_RDONLY)));
		execv("tool", argv);
		_exit(errno == EPERM ? 5 : 6);
	}
	decide(fd, 7);
	reap("run", child);
	child = MUST(fork());
	if (!child) {
		char *argv[] = { "tool", NULL };

		close(fd);
		execv("tool", argv);
		_exit(errno == EPERM ? 5 : 6);
	}
	decide(fd, FAN_DENY);
	reap("not run", child);
	child = MUST(fork());
	if (!child) {
		char *argv[] = { "tool", NULL };

		close(fd);
		execv("tool", argv);
		_exit(6);
	}
	wait_asleep(child);
	MUST(kill(child, SIGKILL));
	reap("killed", child);
	close(fd);
}

/* A copy of /bin/true to be run. */
static void make_tool(void)
{
	int from = MUST(open("/bin/true", O_RDONLY)), to = MUST(open("tool", O_CREAT | O_WRONLY | O_CLOEXEC, 0755));
	char buf[4096];
	ssize_t n;

	while ((n = MUST(read(from, buf, sizeof(buf)))) > 0)
		write_all(to, buf, n);
	close(from);
	close(to);
}

int main(void)
{
	scratch();
	put_file("f", "some text", 0644);
	MUST(mkdir("d", 0755));
	MUST(mkdir("d/sub", 0755));
	put_file("d/in", "text", 0644);
	put_file("d/sub/deep", "text", 0644);
	MUST(symlink("d/in", "l"));
	if (geteuid()) {
		CALL(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY));
		CALL(fanotify_init(FAN_CLASS_CONTENT, O_RDONLY));
		return 0;
	}
	arguments();
	files();
	directories();
	mounts();
	blocking();
	make_tool();
	decisions();
	IN_CHILD("ordinary") {
		drop_privileges();
		CALL(fanotify_init(FAN_CLASS_NOTIF, O_RDONLY));
	}
	return 0;
}
