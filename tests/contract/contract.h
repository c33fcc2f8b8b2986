/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every contract program includes.
 *
 * A contract program prints what it observes and judges nothing: run natively, its output and exit status are the
 * expectation; run in a guest, they must be equal byte for byte.  So an observation must be the same on every native run:
 * print relations, names and counts, never addresses, ids or times.
 *
 *     CALL(e)   a call that returns a count or -1: prints the value or the errno's name
 *     OK(e)     a call that returns something that varies (an fd, a pid): prints ok or the errno's name
 *     PTR(e)    the same for mmap and friends, which fail with MAP_FAILED
 *     SHOW(e)   an integer;  HEX(e) the same in hex;  YES(e) a truth;  STR(e) a string, escaped
 *     IN_CHILD(label) { ... }   runs the block in a forked child, and prints how the child ended
 *
 * Each of the first three evaluates to the call's value.  Output goes through one write(2) per line, so it may be used in
 * signal handlers, after vfork and in threads.
 */
#ifndef TESTS_CONTRACT_CONTRACT_H
#define TESTS_CONTRACT_CONTRACT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED_OK __attribute__((unused))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define PAGE 4096UL
#define NOBODY 65534

/* A pointer no mapping can have: below mmap_min_addr. */
#define BAD_PTR ((void *)8)
/* Not canonical: the processor itself refuses it. */
#define WILD_PTR ((void *)0x8000000000000000UL)
/* The kernel's half. */
#define KERNEL_PTR ((void *)0xffffffff81000000UL)

/* ---- printing ---- */

UNUSED_OK static void write_all(int fd, const char *s, size_t n)
{
	while (n) {
		ssize_t w = write(fd, s, n);

		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return;
		s += w;
		n -= w;
	}
}

/* Prints one line (the newline is added).  Keeps errno. */
UNUSED_OK __attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	char line[4096];
	int saved = errno;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n > (int)sizeof(line) - 2)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	write_all(1, line, n);
	errno = saved;
}

UNUSED_OK static const char *errno_name(int e)
{
	static const struct {
		int nr;
		const char *name;
	} names[] = {
#define E(x) { x, #x }
		E(EPERM), E(ENOENT), E(ESRCH), E(EINTR), E(EIO), E(ENXIO), E(E2BIG), E(ENOEXEC), E(EBADF), E(ECHILD),
		E(EAGAIN), E(ENOMEM), E(EACCES), E(EFAULT), E(ENOTBLK), E(EBUSY), E(EEXIST), E(EXDEV), E(ENODEV),
		E(ENOTDIR), E(EISDIR), E(EINVAL), E(ENFILE), E(EMFILE), E(ENOTTY), E(ETXTBSY), E(EFBIG), E(ENOSPC),
		E(ESPIPE), E(EROFS), E(EMLINK), E(EPIPE), E(EDOM), E(ERANGE), E(EDEADLK), E(ENAMETOOLONG), E(ENOLCK),
		E(ENOSYS), E(ENOTEMPTY), E(ELOOP), E(ENOMSG), E(EIDRM), E(ENOSTR), E(ENODATA), E(ETIME), E(EPROTO),
		E(EBADMSG), E(EOVERFLOW), E(EBADFD), E(ELIBBAD), E(EILSEQ), E(EUSERS), E(ENOTSOCK), E(EDESTADDRREQ),
		E(EMSGSIZE), E(EPROTOTYPE), E(ENOPROTOOPT), E(EPROTONOSUPPORT), E(ESOCKTNOSUPPORT), E(EOPNOTSUPP),
		E(EPFNOSUPPORT), E(EAFNOSUPPORT), E(EADDRINUSE), E(EADDRNOTAVAIL), E(ENETDOWN), E(ENETUNREACH),
		E(ECONNABORTED), E(ECONNRESET), E(ENOBUFS), E(EISCONN), E(ENOTCONN), E(ESHUTDOWN), E(ETIMEDOUT),
		E(ECONNREFUSED), E(EHOSTUNREACH), E(EALREADY), E(EINPROGRESS), E(ESTALE), E(EDQUOT), E(ECANCELED),
		E(EOWNERDEAD), E(ENOTRECOVERABLE), E(EHWPOISON),
#undef E
	};
	static char other[32];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].nr == e)
			return names[i].name;
	snprintf(other, sizeof(other), "errno %d", e);
	return other;
}

UNUSED_OK static const char *signal_name(int sig)
{
	static const char *const names[] = {
		"0",	   "SIGHUP",  "SIGINT",	 "SIGQUIT",   "SIGILL",	   "SIGTRAP", "SIGABRT",   "SIGBUS",
		"SIGFPE",  "SIGKILL", "SIGUSR1", "SIGSEGV",   "SIGUSR2",   "SIGPIPE", "SIGALRM",   "SIGTERM",
		"SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",   "SIGTTIN", "SIGTTOU",   "SIGURG",
		"SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH",  "SIGIO",   "SIGPWR",    "SIGSYS",
	};
	static char rt[32];

	if (sig >= 0 && sig < (int)ARRAY_SIZE(names))
		return names[sig];
	snprintf(rt, sizeof(rt), "signal %d", sig);
	return rt;
}

UNUSED_OK static long show_call(const char *what, long ret)
{
	if (ret == -1)
		say("%s -> %s", what, errno_name(errno));
	else
		say("%s -> %ld", what, ret);
	return ret;
}

UNUSED_OK static long show_ok(const char *what, long ret)
{
	say("%s -> %s", what, ret == -1 ? errno_name(errno) : "ok");
	return ret;
}

/* Prints @n bytes with everything that is not plain text escaped. */
UNUSED_OK static void show_bytes(const char *what, const void *data, size_t n)
{
	const unsigned char *p = data;
	char out[3000];
	size_t o = 0;

	for (size_t i = 0; i < n && o < sizeof(out) - 8; i++) {
		if (p[i] >= ' ' && p[i] < 127 && p[i] != '\\')
			out[o++] = p[i];
		else
			o += snprintf(out + o, 8, "\\x%02x", p[i]);
	}
	out[o] = 0;
	say("%s = \"%s\"", what, out);
}

#define CALL(e) ({ errno = 0; show_call(#e, (long)(e)); })
#define OK(e) ({ errno = 0; show_ok(#e, (long)(e)); })
#define PTR(e) ({ errno = 0; (void *)show_ok(#e, (long)(e)); })
#define SHOW(e) say("%s = %lld", #e, (long long)(e))
#define HEX(e) say("%s = %#llx", #e, (unsigned long long)(e))
#define YES(e) say("%s: %s", #e, (e) ? "yes" : "no")
#define BYTES(p, n) show_bytes(#p, p, n)
#define STR(s) ({ const char *s_ = (s); show_bytes(#s, s_, strlen(s_)); })
#define SECTION(name) say("-- %s", name)

/* For steps that are not under test: ends the program with a message when @e is -1. */
#define MUST(e)                                                                             \
	({                                                                                  \
		long must_ = (long)(e);                                                     \
		if (must_ == -1) {                                                          \
			say("%s:%d: %s: %s", __FILE_NAME__, __LINE__, #e, errno_name(errno)); \
			_exit(99);                                                          \
		}                                                                           \
		must_;                                                                      \
	})
#ifndef __FILE_NAME__
#define __FILE_NAME__ "contract"
#endif

/* The machine lacks something natively: the runner prints the reason. */
UNUSED_OK static void skip(const char *why)
{
	say("%s", why);
	exit(77);
}

/* ---- time ---- */

UNUSED_OK static void sleep_ms(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

UNUSED_OK static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

UNUSED_OK static pid_t get_tid(void)
{
	return syscall(SYS_gettid);
}

/* ---- children ---- */

UNUSED_OK static void show_status(const char *what, int status)
{
	if (WIFEXITED(status))
		say("%s: exit %d", what, WEXITSTATUS(status));
	else if (WIFSIGNALED(status))
		say("%s: killed by %s", what, signal_name(WTERMSIG(status)));
	else if (WIFSTOPPED(status))
		say("%s: stopped by %s", what, signal_name(WSTOPSIG(status)));
	else if (WIFCONTINUED(status))
		say("%s: continued", what);
	else
		say("%s: status %#x", what, status);
}

/* Waits for @pid and prints how it ended. */
UNUSED_OK static void reap(const char *what, pid_t pid)
{
	int status;
	pid_t r;

	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	if (r < 0)
		say("%s: waitpid: %s", what, errno_name(errno));
	else
		show_status(what, status);
}

UNUSED_OK static pid_t child_finish(const char *what, pid_t pid)
{
	if (pid == 0)
		_exit(0);
	reap(what, pid);
	return -1;
}

#define IN_CHILD(label)                                                                           \
	for (pid_t child_ = MUST(fork()); child_ >= 0; child_ = child_finish(label, child_)) \
		if (child_ == 0)

/* Until the thread @tid (0: none such any more) sleeps in the kernel, as /proc shows it. */
UNUSED_OK static void wait_asleep(pid_t tid)
{
	char path[64], buf[512];

	snprintf(path, sizeof(path), "/proc/%d/stat", tid);
	for (int i = 0; i < 500; i++) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n;
		char *p;

		if (fd < 0) {
			sleep_ms(100);
			return;
		}
		n = read(fd, buf, sizeof(buf) - 1);
		close(fd);
		buf[n > 0 ? n : 0] = 0;
		p = strrchr(buf, ')');
		if (p && (p[2] == 'S' || p[2] == 'T' || p[2] == 'Z'))
			return;
		sleep_ms(2);
	}
}

/* A gate between processes: one side waits until the other opens it. */
struct gate {
	int fd[2];
};

UNUSED_OK static void gate_init(struct gate *g)
{
	MUST(pipe2(g->fd, O_CLOEXEC));
}

UNUSED_OK static void gate_open(struct gate *g)
{
	write_all(g->fd[1], "g", 1);
}

UNUSED_OK static void gate_wait(struct gate *g)
{
	char c;

	while (read(g->fd[0], &c, 1) < 0 && errno == EINTR)
		;
}

/* Becomes an ordinary user for good when root; so what follows is the same for everybody. */
UNUSED_OK static void drop_privileges(void)
{
	if (geteuid() != 0)
		return;
	MUST(syscall(SYS_setgroups, 0, NULL));
	MUST(syscall(SYS_setresgid, NOBODY, NOBODY, NOBODY));
	MUST(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY));
}

/* ---- touching memory that may not be there ---- */

static __thread sigjmp_buf probe_env;
static __thread siginfo_t probe_info;

UNUSED_OK static void probe_handler(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	probe_info = *si;
	siglongjmp(probe_env, 1);
}

UNUSED_OK static const char *fault_name(const siginfo_t *si)
{
	if (si->si_signo == SIGSEGV)
		return si->si_code == SEGV_MAPERR   ? "SIGSEGV MAPERR"
		       : si->si_code == SEGV_ACCERR ? "SIGSEGV ACCERR"
		       : si->si_code == SI_KERNEL   ? "SIGSEGV SI_KERNEL"
						    : "SIGSEGV other code";
	if (si->si_signo == SIGBUS)
		return si->si_code == BUS_ADRERR ? "SIGBUS ADRERR" : "SIGBUS other code";
	return "another signal";
}

/* Tries one access: kind is 'r', 'w' (writes back what it read, or 1) or 'x' (calls it).  "ok" or the fault. */
UNUSED_OK static const char *probe(const volatile void *addr, char kind)
{
	struct sigaction sa = { .sa_sigaction = probe_handler, .sa_flags = SA_SIGINFO | SA_NODEFER }, old[2];
	const char *volatile ret = "ok";
	static char text[64];

	sigemptyset(&sa.sa_mask);
	sigaction(SIGSEGV, &sa, &old[0]);
	sigaction(SIGBUS, &sa, &old[1]);
	if (sigsetjmp(probe_env, 1) == 0) {
		if (kind == 'r')
			(void)*(const volatile char *)addr;
		else if (kind == 'w')
			*(volatile char *)addr = 1;
		else
			((void (*)(void))(uintptr_t)addr)();
	} else {
		snprintf(text, sizeof(text), "%s%s", fault_name(&probe_info),
			 probe_info.si_addr == addr ? "" : ", wrong address");
		ret = text;
	}
	sigaction(SIGSEGV, &old[0], NULL);
	sigaction(SIGBUS, &old[1], NULL);
	return ret;
}

#define PROBE(addr, kind) say("probe %s %s: %s", #addr, #kind, probe((const volatile void *)(addr), *#kind))

/* Whether all @n bytes at @p are @c. */
UNUSED_OK static bool all_bytes(const void *p, int c, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++)
		if (b[i] != (unsigned char)c)
			return false;
	return true;
}

/* ---- scratch files ---- */

static char scratch_dir[256];
static pid_t scratch_owner;

/* Removes what is in the directory @dirfd (taken). */
UNUSED_OK static void remove_tree(int dirfd)
{
	DIR *d = fdopendir(dirfd);
	struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (unlinkat(dirfd, e->d_name, 0) == 0)
			continue;
		if (unlinkat(dirfd, e->d_name, AT_REMOVEDIR) < 0) {
			int fd;

			fchmodat(dirfd, e->d_name, 0700, 0);
			fd = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
			if (fd >= 0)
				remove_tree(fd);
			unlinkat(dirfd, e->d_name, AT_REMOVEDIR);
		}
	}
	closedir(d);
}

UNUSED_OK static void scratch_remove(void)
{
	int fd;

	if (!scratch_dir[0] || getpid() != scratch_owner || chdir("/") < 0)
		return;
	chmod(scratch_dir, 0700);
	fd = open(scratch_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0)
		remove_tree(fd);
	if (rmdir(scratch_dir) < 0)
		say("scratch directory not removed: %s", errno_name(errno));
}

/* A directory of our own, mode 0755, which becomes the current one and is removed at exit. */
UNUSED_OK static const char *scratch(void)
{
	const char *base = getenv("SENTRY_TEST_TMP");

	snprintf(scratch_dir, sizeof(scratch_dir), "%s/contract.XXXXXX", base && *base ? base : "/tmp");
	if (!mkdtemp(scratch_dir)) {
		say("mkdtemp: %s", errno_name(errno));
		exit(99);
	}
	scratch_owner = getpid();
	MUST(chmod(scratch_dir, 0755));
	MUST(chdir(scratch_dir));
	umask(022);
	atexit(scratch_remove);
	return scratch_dir;
}

/* Creates @name holding @text. */
UNUSED_OK static void put_file(const char *name, const char *text, mode_t mode)
{
	int fd = MUST(open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));

	write_all(fd, text, strlen(text));
	close(fd);
	MUST(chmod(name, mode));
}

/* Prints what @name holds now. */
UNUSED_OK static void show_file(const char *name)
{
	char buf[1024];
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0) {
		say("%s: %s", name, errno_name(errno));
		return;
	}
	n = read(fd, buf, sizeof(buf));
	close(fd);
	if (n < 0)
		say("%s: read: %s", name, errno_name(errno));
	else
		show_bytes(name, buf, n);
}

/* A file of @size bytes where byte i is i / 4096 + 'A', for mapping tests; open read-write. */
UNUSED_OK static int page_file(const char *name, size_t size)
{
	int fd = MUST(open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
	char page[PAGE];

	for (size_t off = 0; off < size; off += PAGE) {
		memset(page, 'A' + off / PAGE % 26, PAGE);
		write_all(fd, page, size - off < PAGE ? size - off : PAGE);
	}
	return fd;
}

#endif
