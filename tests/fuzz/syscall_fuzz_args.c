/* SPDX-License-Identifier: Apache-2.0 */
/* Values for arguments: mostly such that the call gets past its first checks, sometimes such that it must not. */
#define _GNU_SOURCE 1
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/syscall_fuzz.h"

const struct fuzz_row fuzz_rows[] = {
#include "tests/fuzz/syscall_fuzz_table.h"
};
const unsigned fuzz_nr_rows = sizeof(fuzz_rows) / sizeof(fuzz_rows[0]);

uint32_t fuzz_rnd(struct fuzz *f, uint32_t n)
{
	f->rnd ^= f->rnd << 13;
	f->rnd ^= f->rnd >> 7;
	f->rnd ^= f->rnd << 17;
	return (uint32_t)(f->rnd * 0x2545f4914f6cdd1dULL >> 33) % n;
}

bool fuzz_one_in(struct fuzz *f, uint32_t n)
{
	return fuzz_rnd(f, n) == 0;
}

static uint64_t rnd64(struct fuzz *f)
{
	return (uint64_t)fuzz_rnd(f, 1U << 31) << 33 ^ (uint64_t)fuzz_rnd(f, 1U << 31) << 11 ^ fuzz_rnd(f, 1U << 31);
}

/* --- numbers --- */

static const uint64_t edges[] = {
	0,
	1,
	2,
	3,
	7,
	8,
	16,
	255,
	256,
	4095,
	4096,
	4097,
	65535,
	65536,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	0x100000000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xffffffffffffffff,
	0xfffffffffffff000,
	0x7ffffffff000,
	0x7fffffffffff,
	0x800000000000,
	0xffff800000000000,
	0xffffffffff600000,
	0x7fffe0000000,
	0x7fffe0010000,
	0x7fffe1000000,
	0x7fffe1008000,
	0x7fffe100fc00,
	ARENA,
	ARENA + ARENA_SIZE - 8,
	ARENA + ARENA_SIZE,
	PLAYGROUND,
};

static uint64_t edge(struct fuzz *f)
{
	return edges[fuzz_rnd(f, sizeof(edges) / sizeof(edges[0]))];
}

static uint64_t small(struct fuzz *f)
{
	return fuzz_rnd(f, fuzz_one_in(f, 4) ? 64 : 9);
}

static uint64_t flags(struct fuzz *f)
{
	uint64_t v = 0;

	switch (fuzz_rnd(f, 8)) {
	case 0:
		return 0;
	case 1:
		return edge(f);
	case 2:
		return rnd64(f);
	case 3:
		return small(f);
	}
	for (unsigned i = 1 + fuzz_rnd(f, 3); i; i--)
		v |= 1ULL << fuzz_rnd(f, fuzz_one_in(f, 3) ? 32 : 13);
	return v;
}

static uint64_t size(struct fuzz *f)
{
	static const uint64_t sizes[] = { 0, 1, 4, 8, 8, 8, 16, 24, 64, 128, 256, 1000, 4096, 8192, 12345, 65536 };

	if (fuzz_one_in(f, 20))
		return edge(f);
	return sizes[fuzz_rnd(f, sizeof(sizes) / sizeof(sizes[0]))];
}

static uint64_t offset(struct fuzz *f)
{
	return fuzz_one_in(f, 6) ? edge(f) : fuzz_rnd(f, 70000);
}

static uint64_t fd(struct fuzz *f)
{
	if (fuzz_one_in(f, 30))
		return edge(f);
	if (fuzz_one_in(f, 8))
		return fuzz_rnd(f, 40);
	return (uint64_t)f->fds[fuzz_rnd(f, NR_FDS)];
}

static uint64_t pid(struct fuzz *f)
{
	switch (fuzz_rnd(f, 6)) {
	case 0:
		return 0;
	case 1:
		return (uint64_t)fuzz_syscall(SYS_getpid, NULL);
	case 2:
		return (uint64_t)fuzz_syscall(SYS_gettid, NULL);
	case 3:
		return (uint64_t)fuzz_syscall(SYS_getpid, NULL) + 1 + fuzz_rnd(f, 4);
	case 4:
		return 100000 + fuzz_rnd(f, 100);
	}
	return 0x7fffffff - fuzz_rnd(f, 3);
}

static uint64_t sig(struct fuzz *f)
{
	uint64_t n = fuzz_rnd(f, 66);

	if (n == SIGKILL || n == SIGSTOP || n == SIGTSTP || n == SIGTTIN || n == SIGTTOU)
		return fuzz_one_in(f, 10) ? n : SIGUSR1;
	return n;
}

/* --- memory --- */

static uint64_t arena(struct fuzz *f)
{
	return ARENA + fuzz_rnd(f, ARENA_SIZE / 16) * 16;
}

/* A word of a structure. */
uint64_t fuzz_word(struct fuzz *f)
{
	switch (fuzz_rnd(f, 10)) {
	case 0:
		return edge(f);
	case 1:
		return arena(f);
	case 2:
		return fd(f);
	case 3:
		return flags(f);
	case 4:
		return size(f);
	case 5:
		return rnd64(f);
	case 6:
		return pid(f);
	case 7:
		return 0;
	}
	return small(f);
}

static uint64_t pointer(struct fuzz *f)
{
	uint64_t p;

	switch (fuzz_rnd(f, 24)) {
	case 0:
		return 0;
	case 1:
		return edge(f);
	case 2:
		return ARENA + ARENA_SIZE - fuzz_rnd(f, 64);
	case 3:
		return ARENA + fuzz_rnd(f, ARENA_SIZE);
	case 4:
		return PLAYGROUND + fuzz_rnd(f, PLAYGROUND_PAGES * 4096);
	case 5:
		return ARENA + 32 * 4096 - fuzz_rnd(f, 64); /* runs into the read-only page */
	}
	p = arena(f);
	if (p >= ARENA + 32 * 4096 && p < ARENA + 33 * 4096)
		p -= 4096;
	p = p > ARENA + ARENA_SIZE - 512 ? ARENA : p;
	if (fuzz_one_in(f, 2))
		for (unsigned i = 0; i < 16; i++)
			((volatile uint64_t *)p)[i] = fuzz_word(f);
	return p;
}

/* Room for a structure that is made by hand. */
static void *room(struct fuzz *f, size_t len)
{
	uint64_t p = ARENA + fuzz_rnd(f, 30 * 4096 / 16) * 16;

	(void)len; /* less than two pages */
	return (void *)p;
}

uint64_t fuzz_region(struct fuzz *f)
{
	if (fuzz_one_in(f, 12))
		return edge(f);
	if (fuzz_one_in(f, 8))
		return arena(f) & ~4095UL;
	return PLAYGROUND + fuzz_rnd(f, PLAYGROUND_PAGES) * 4096UL;
}

static uint64_t path(struct fuzz *f)
{
	static const char *const paths[] = {
		".",
		"..",
		"a",
		"b",
		"c",
		"d",
		"d/e",
		"d/../a",
		"a/",
		"./d/.",
		"link",
		"link/x",
		"fifo",
		"sock",
		"/",
		"",
		"/proc/self/maps",
		"/proc/self/status",
		"/proc/self/fd",
		"/proc/self/fd/0",
		"/proc/self/exe",
		"/proc/self/mem",
		"/proc/self/stat",
		"/proc/self/task",
		"/proc/self/ns/mnt",
		"/proc/self/ns/pid",
		"/proc/self/mountinfo",
		"/proc/self/oom_score_adj",
		"/proc/self/comm",
		"/proc/self/environ",
		"/proc/self/cmdline",
		"/proc/self/pagemap",
		"/proc/self/smaps",
		"/proc/self/uid_map",
		"/proc/self/setgroups",
		"/proc/stat",
		"/proc/meminfo",
		"/proc/net/tcp",
		"/proc/sys/kernel/hostname",
		"/proc/sys/vm/overcommit_memory",
		"/proc/locks",
		"/proc",
		"/sys",
		"/sys/fs/cgroup",
		"/sys/fs/cgroup/cgroup.procs",
		"/sys/class/net",
		"/dev/null",
		"/dev/zero",
		"/dev/full",
		"/dev/urandom",
		"/dev/tty",
		"/dev/ptmx",
		"/dev/pts",
		"/dev/pts/0",
		"/dev/shm/x",
		"/etc/passwd",
		"/usr/bin",
		"/tmp",
		"tmpfs",
		"proc",
		"sysfs",
		"cgroup2",
		"overlay",
		"user.x",
		"ext4",
	};
	char *p;

	if (fuzz_one_in(f, 20))
		return pointer(f);
	p = room(f, 4200);
	if (fuzz_one_in(f, 30)) {
		memset(p, 'n', 4200);
		for (unsigned i = fuzz_rnd(f, 300); i < 4200; i += 1 + fuzz_rnd(f, 300))
			p[i] = '/';
		p[fuzz_rnd(f, 4200)] = '\0';
	} else {
		strcpy(p, paths[fuzz_rnd(f, sizeof(paths) / sizeof(paths[0]))]);
	}
	return (uint64_t)p;
}

static uint64_t iov(struct fuzz *f)
{
	struct iovec *v = room(f, 40 * sizeof(*v));

	for (unsigned i = 0; i < 20; i++) {
		v[i].iov_base = (void *)pointer(f);
		v[i].iov_len = size(f);
	}
	return (uint64_t)v;
}

static uint64_t sockaddr(struct fuzz *f)
{
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		struct sockaddr_un un;
		uint8_t raw[128];
	} *a = room(f, sizeof(*a));

	memset(a, 0, sizeof(*a));
	switch (fuzz_rnd(f, 5)) {
	case 0:
		a->in.sin_family = AF_INET;
		a->in.sin_port = (uint16_t)(fuzz_rnd(f, 4) * 1000);
		a->in.sin_addr.s_addr = htonl(fuzz_one_in(f, 4) ? 0 : INADDR_LOOPBACK);
		break;
	case 1:
		a->in6.sin6_family = AF_INET6;
		a->in6.sin6_port = (uint16_t)(fuzz_rnd(f, 4) * 1000);
		a->in6.sin6_addr.s6_addr[15] = (uint8_t)fuzz_rnd(f, 2);
		break;
	case 2:
		a->un.sun_family = AF_UNIX;
		strcpy(a->un.sun_path + fuzz_rnd(f, 2), "sock");
		break;
	default:
		a->in.sin_family = (uint16_t)fuzz_rnd(f, 20);
		for (unsigned i = 2; i < 64; i++)
			a->raw[i] = (uint8_t)fuzz_rnd(f, 256);
	}
	return (uint64_t)a;
}

static uint64_t msghdr(struct fuzz *f)
{
	struct msghdr *m = room(f, sizeof(*m));
	struct cmsghdr *c = room(f, 256);

	m->msg_name = (void *)(fuzz_one_in(f, 2) ? 0 : sockaddr(f));
	m->msg_namelen = (socklen_t)size(f);
	m->msg_iov = (void *)iov(f);
	m->msg_iovlen = fuzz_one_in(f, 20) ? edge(f) : fuzz_rnd(f, 5);
	m->msg_control = c;
	m->msg_controllen = fuzz_one_in(f, 10) ? size(f) : fuzz_rnd(f, 3) * 24;
	m->msg_flags = (int)flags(f);
	c->cmsg_len = fuzz_one_in(f, 10) ? edge(f) : CMSG_LEN(4 * (1 + fuzz_rnd(f, 3)));
	c->cmsg_level = fuzz_one_in(f, 4) ? (int)fuzz_rnd(f, 50) : SOL_SOCKET;
	c->cmsg_type = fuzz_one_in(f, 4) ? (int)fuzz_rnd(f, 50) : SCM_RIGHTS;
	for (unsigned i = 0; i < 4; i++)
		((int *)CMSG_DATA(c))[i] = (int)fd(f);
	return (uint64_t)m;
}

/* Short, so that what sleeps is soon awake. */
static uint64_t timespec(struct fuzz *f)
{
	struct timespec *t = room(f, 4 * sizeof(*t));

	if (fuzz_one_in(f, 12))
		return pointer(f);
	for (unsigned i = 0; i < 4; i++) {
		t[i].tv_sec = fuzz_one_in(f, 20) ? (time_t)edge(f) : 0;
		t[i].tv_nsec = fuzz_one_in(f, 20) ? (long)edge(f) : (long)fuzz_rnd(f, 3000000);
	}
	return (uint64_t)t;
}

static uint64_t pollfds(struct fuzz *f)
{
	struct pollfd *p = room(f, 32 * sizeof(*p));

	for (unsigned i = 0; i < 32; i++) {
		p[i].fd = (int)fd(f);
		p[i].events = (short)fuzz_rnd(f, 65536);
	}
	return (uint64_t)p;
}

static uint64_t clone_args(struct fuzz *f)
{
	uint64_t *a = room(f, 128);

	memset(a, 0, 128);
	a[0] = flags(f) & ~0x100ULL; /* CLONE_VM, only by hand: see fuzz_clone */
	a[1] = pointer(f);
	a[2] = pointer(f);
	a[3] = pointer(f);
	a[4] = sig(f);
	for (unsigned i = 5; i < 11; i++)
		a[i] = fuzz_one_in(f, 8) ? fuzz_word(f) : 0;
	return (uint64_t)a;
}

static uint64_t siginfo(struct fuzz *f)
{
	int *p = room(f, 128);

	memset(p, 0, 128);
	p[0] = (int)sig(f);
	p[2] = -(int)fuzz_rnd(f, 10);
	for (unsigned i = 3; i < 8; i++)
		p[i] = (int)fuzz_word(f);
	return (uint64_t)p;
}

static uint64_t sigset_arg(struct fuzz *f)
{
	uint64_t *p = room(f, 8);

	*p = fuzz_one_in(f, 3) ? rnd64(f) : 1ULL << fuzz_rnd(f, 64);
	return (uint64_t)p;
}

static uint64_t sigaction_arg(struct fuzz *f)
{
	uint64_t *p = room(f, 32);

	p[0] = fuzz_one_in(f, 8) ? fuzz_word(f) : fuzz_rnd(f, 2);
	p[1] = flags(f);
	p[2] = 0;
	p[3] = flags(f);
	return (uint64_t)p;
}

static uint64_t ioctl_nr(struct fuzz *f)
{
	switch (fuzz_rnd(f, 8)) {
	case 0:
		return 0x8900 + fuzz_rnd(f, 0x100);
	case 1:
		return 0x5421;
	case 2:
		return 0x541b;
	case 3: /* _IOR/_IOW of the types in use, with the sizes in use */
		return (uint64_t)fuzz_rnd(f, 4) << 30 | (1ULL << fuzz_rnd(f, 8)) << 16 |
		       (uint64_t) "fTtXvRHE"[fuzz_rnd(f, 8)] << 8 | fuzz_rnd(f, 80);
	case 4:
		return rnd64(f);
	}
	return 0x5400 + fuzz_rnd(f, 0x80);
}

static uint64_t socktype(struct fuzz *f)
{
	return (1 + fuzz_rnd(f, 5)) | (fuzz_one_in(f, 2) ? 0x800 : 0) | (fuzz_one_in(f, 4) ? 0x80000 : 0);
}

static uint64_t family(struct fuzz *f)
{
	static const uint8_t families[] = { 1, 1, 2, 2, 10, 16, 17 };

	return fuzz_one_in(f, 10) ? fuzz_rnd(f, 50) : families[fuzz_rnd(f, sizeof(families))];
}

static uint64_t argv(struct fuzz *f)
{
	char **v = room(f, 64);

	v[0] = (char *)path(f);
	v[1] = fuzz_one_in(f, 4) ? (char *)pointer(f) : NULL;
	v[2] = NULL;
	return (uint64_t)v;
}

static uint64_t name(struct fuzz *f)
{
	static const char *const names[] = { "user.a",
					     "user.b",
					     "security.capability",
					     "trusted.x",
					     "system.posix_acl_access",
					     "system.posix_acl_default",
					     "user.",
					     "x",
					     "" };
	char *p = room(f, 64);

	return fuzz_one_in(f, 12) ? pointer(f) : (uint64_t)strcpy(p, names[fuzz_rnd(f, 9)]);
}

static uint64_t mmap_flags(struct fuzz *f)
{
	uint64_t v = 1 + fuzz_rnd(f, 2);

	if (!fuzz_one_in(f, 3))
		v |= 0x20; /* ANONYMOUS */
	if (!fuzz_one_in(f, 3))
		v |= 0x10; /* FIXED: stays in the playground, mostly */
	return fuzz_one_in(f, 6) ? v | flags(f) : v;
}

static uint64_t open_flags(struct fuzz *f)
{
	uint64_t v = fuzz_rnd(f, 3) | 0x800; /* NONBLOCK */

	if (fuzz_one_in(f, 2))
		v |= 0x40;
	return fuzz_one_in(f, 3) ? v | flags(f) : v;
}

static uint64_t fcntl_nr(struct fuzz *f)
{
	return fuzz_one_in(f, 2) ? fuzz_rnd(f, 40) : 1024 + fuzz_rnd(f, 16);
}

static uint64_t prctl_nr(struct fuzz *f)
{
	return fuzz_one_in(f, 20) ? flags(f) : fuzz_rnd(f, 80);
}

static uint64_t arch_prctl_nr(struct fuzz *f)
{
	return fuzz_one_in(f, 3) ? 0x1001 + fuzz_rnd(f, 0x30) : 0x1003;
}

static uint64_t dirfd(struct fuzz *f)
{
	return fuzz_one_in(f, 3) ? fd(f) : (uint64_t)AT_FDCWD;
}

static uint64_t level(struct fuzz *f)
{
	static const uint16_t levels[] = { 0, 1, 1, 6, 17, 41, 255, 263, 270 };

	return levels[fuzz_rnd(f, 9)];
}

static uint64_t millis(struct fuzz *f)
{
	return fuzz_rnd(f, 4);
}

static uint64_t clockid(struct fuzz *f)
{
	return fuzz_one_in(f, 4) ? (uint64_t)(int64_t) - (int)fuzz_rnd(f, 100) : fuzz_rnd(f, 14);
}

static uint64_t socklen(struct fuzz *f)
{
	uint32_t *p = room(f, 4);

	*p = (uint32_t)size(f);
	return (uint64_t)p;
}

static uint64_t off_pointer(struct fuzz *f)
{
	uint64_t *p = room(f, 8);

	*p = offset(f);
	return fuzz_one_in(f, 2) ? 0 : (uint64_t)p;
}

static uint64_t futex_op(struct fuzz *f)
{
	return fuzz_rnd(f, 16) | fuzz_rnd(f, 4) << 7;
}

static uint64_t count(struct fuzz *f)
{
	return fuzz_one_in(f, 10) ? edge(f) : fuzz_rnd(f, 20);
}

/* --- by type --- */

static const struct {
	const char *type;
	uint64_t (*make)(struct fuzz *f);
} makers[] = {
	{ "fd", fd },
	{ "dirfd", dirfd },
	{ "path", path },
	{ "size", size },
	{ "int", count },
	{ "uint", count },
	{ "pid", pid },
	{ "signal", sig },
	{ "off", offset },
	{ "timespec", timespec },
	{ "timespec2", timespec },
	{ "itimerspec", timespec },
	{ "timeval", timespec },
	{ "timeval2", timespec },
	{ "itimerval", timespec },
	{ "iovec", iov },
	{ "iovec_addr", iov },
	{ "sockaddr", sockaddr },
	{ "msghdr", msghdr },
	{ "msghdr_out", msghdr },
	{ "pollfds", pollfds },
	{ "clone_args", clone_args },
	{ "siginfo", siginfo },
	{ "sigset", sigset_arg },
	{ "sigaction", sigaction_arg },
	{ "ioctl", ioctl_nr },
	{ "socktype", socktype },
	{ "family", family },
	{ "sockproto", small },
	{ "argv", argv },
	{ "envp", argv },
	{ "name", name },
	{ "str", name },
	{ "mmap", mmap_flags },
	{ "open", open_flags },
	{ "fcntl", fcntl_nr },
	{ "fcntl_arg", fuzz_word },
	{ "prctl", prctl_nr },
	{ "prctl_arg", fuzz_word },
	{ "prctl_more", fuzz_word },
	{ "arch_prctl", arch_prctl_nr },
	{ "arch_prctl_arg", pointer },
	{ "sol", level },
	{ "sockopt", fuzz_word },
	{ "clockid", clockid },
	{ "socklen", socklen },
	{ "offset", off_pointer },
	{ "futex", futex_op },
	{ "futex_val", small },
	{ "futex_timeout", timespec },
	{ "futex_uaddr2", pointer },
	{ "futex_val3", small },
	{ "prot", small },
	{ "whence", small },
	{ "uid", small },
	{ "at", flags },
	{ "perm", flags },
	{ "hex", flags },
	{ "long", fuzz_word },
	{ "access", small },
	{ "mode", flags },
	{ "omode", flags },
	{ "shutdown", small },
	{ "idtype", small },
	{ "sighow", small },
	{ "itimer", small },
	{ "rlimit", small },
	{ "prio", small },
	{ "sched", small },
	{ "wait", flags },
	{ "ipckey", small },
	{ "dev", small },
	{ "timer", small },
	{ "madvise", small },
	{ "msg", flags },
	{ "epoll_ctl", small },
	{ "ptrace", small },
	{ "kcmp", small },
	{ "timeout", millis },
	{ "ms", flags },
	{ "umount", flags },
	{ "ioctl_arg", fuzz_word },
	{ "seccomp", small },
	{ "close_range", flags },
	{ "unshare", flags },
	{ "mremap", small },
	{ "mremap_addr", fuzz_region },
};

/* Types that hold flags have no pointer behind them; all others of the table point to something. */
static const char *const flag_types[] = { "unlinkat",	"rename",      "splice",     "eventfd",		"epoll_create",
					  "pipe2",	"dup3",	       "memfd",	     "inotify",		"inotify_init",
					  "timerfd",	"timerfd_set", "signalfd",   "sock_flags",	"fallocate",
					  "fadvise",	"flock",       "getrandom",  "membarrier",	"mlockall",
					  "mlock2",	"mpol",	       "msync",	     "personality",	"pidfd_open",
					  "rusage_who", "rwf",	       "statx_mask", "sync_file_range", "umask",
					  "xattr",	"at_statx",    "at_eaccess", "ioprio_who",	"skip" };

uint64_t fuzz_arg(struct fuzz *f, const char *type)
{
	if (fuzz_one_in(f, 60))
		return fuzz_word(f);
	for (unsigned i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (!strcmp(makers[i].type, type))
			return makers[i].make(f);
	for (unsigned i = 0; i < sizeof(flag_types) / sizeof(flag_types[0]); i++)
		if (!strcmp(flag_types[i], type))
			return flags(f);
	return pointer(f);
}
