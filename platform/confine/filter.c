/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host calls of a running sentry.  Everything that is not in a row here kills it.
 *
 * There is no way to a new program (execve, execveat), a new process (clone without CLONE_THREAD, fork, vfork), a new
 * socket, executable memory, another's memory or descriptors (pidfd_getfd, process_vm_writev), mounts, keys, BPF, io_uring,
 * user namespaces; no name is looked up unless a directory of the host is shared, and then not written unless it is shared
 * so.  Stubs are made by the spawner (platform/spawner.h), which was forked before and takes no other orders.
 *
 * clone3 answers ENOSYS: its flags are in memory, where a filter can't see them, and libc falls back to clone.
 */
#define _GNU_SOURCE 1
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>

#include "platform/confine/confine.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZING true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZING true
#endif
#endif
#ifndef SANITIZING
#define SANITIZING false
#endif

#ifndef PTRACE_SYSEMU
#define PTRACE_SYSEMU 31
#endif

enum rule_when { ALWAYS, NAMES, WRITES, PTRACE, SANITIZER };

/* The sentry's own pid, put in when the filter is made. */
#define OWN_PID UINT64_MAX

struct rule {
	int nr;
	uint8_t when, nr_args;
	struct scmp_arg_cmp arg[2];
};

#define CALL(name, when) { SCMP_SYS(name), when, 0, { { 0 } } }
#define CALL1(name, when, a) { SCMP_SYS(name), when, 1, { a } }
#define CALL2(name, when, a, b) { SCMP_SYS(name), when, 2, { a, b } }
#define EQ(n, value) { n, SCMP_CMP_EQ, value, 0 }
/* The low 32 bits, which is what the call looks at; the upper ones are as the compiler left them. */
#define EQ32(n, value) { n, SCMP_CMP_MASKED_EQ, 0xffffffff, value }
#define HAS(n, bits) { n, SCMP_CMP_MASKED_EQ, bits, bits }
#define HAS_NOT(n, bits) { n, SCMP_CMP_MASKED_EQ, bits, 0 }

/* What libcs start threads with; exactly, but for a flag that musl adds and Linux ignores. */
#define THREAD_FLAGS                                                                                                   \
	(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |             \
	 CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID)
#define O_TMPFILE_BIT 020000000 /* alone; libc's has O_DIRECTORY in it */
#define NOT_READING (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC | O_APPEND | O_TMPFILE_BIT)

static const struct rule rules[] = {
	/* Descriptors that are open. */
	CALL(read, ALWAYS),
	CALL(write, ALWAYS),
	CALL(readv, ALWAYS),
	CALL(writev, ALWAYS),
	CALL(pread64, ALWAYS),
	CALL(pwrite64, ALWAYS),
	CALL(preadv, ALWAYS),
	CALL(pwritev, ALWAYS),
	CALL(close, ALWAYS),
	CALL(lseek, ALWAYS),
	CALL(fstat, ALWAYS),
	CALL(fstatfs, ALWAYS),
	CALL(ftruncate, ALWAYS),
	CALL(fallocate, ALWAYS),
	CALL(fsync, ALWAYS),
	CALL(fdatasync, ALWAYS),
	CALL(sync_file_range, ALWAYS),
	CALL(fadvise64, ALWAYS),
	CALL(flock, ALWAYS),
	CALL(poll, ALWAYS),
	CALL(ppoll, ALWAYS),
	CALL(eventfd2, ALWAYS),
	CALL(epoll_wait, ALWAYS),
	CALL(epoll_ctl, ALWAYS),
	CALL1(newfstatat, ALWAYS, HAS(3, AT_EMPTY_PATH)),
	CALL1(statx, ALWAYS, HAS(2, AT_EMPTY_PATH)),
	CALL1(fcntl, ALWAYS, EQ32(1, F_GETFL)),
	CALL1(fcntl, ALWAYS, EQ32(1, F_SETFL)),
	CALL1(fcntl, ALWAYS, EQ32(1, F_GETFD)),
	CALL1(fcntl, ALWAYS, EQ32(1, F_SETFD)),
	CALL1(fcntl, ALWAYS, EQ32(1, F_DUPFD_CLOEXEC)),
	/* To and from the spawner and helpers, with descriptors.  No address: sockets can't be connected anew. */
	CALL(sendmsg, ALWAYS),
	CALL(recvmsg, ALWAYS),
	CALL(sendmmsg, ALWAYS),
	CALL(recvmmsg, ALWAYS),
	CALL2(recvfrom, ALWAYS, EQ(4, 0), EQ(5, 0)),
	CALL2(sendto, ALWAYS, EQ(4, 0), EQ(5, 0)),
	/* The control socket, the only one that listens: who is there, before a byte is read. */
	CALL(accept4, ALWAYS),
	CALL2(getsockopt, ALWAYS, EQ32(1, SOL_SOCKET), EQ32(2, SO_PEERCRED)),
	/* Connections that the network helper has made. */
	CALL(shutdown, ALWAYS),
	CALL2(getsockopt, ALWAYS, EQ32(1, SOL_SOCKET), EQ32(2, SO_ERROR)),
	CALL2(getsockopt, ALWAYS, EQ32(1, IPPROTO_TCP), EQ32(2, TCP_INFO)),
	CALL2(setsockopt, ALWAYS, EQ32(1, SOL_SOCKET), EQ32(2, SO_LINGER)),
	CALL2(setsockopt, ALWAYS, EQ32(1, SOL_SOCKET), EQ32(2, SO_KEEPALIVE)),
	CALL2(setsockopt, ALWAYS, EQ32(1, SOL_SOCKET), EQ32(2, SO_OOBINLINE)),
	CALL2(setsockopt, ALWAYS, EQ32(1, SOL_SOCKET), EQ32(2, SO_RCVLOWAT)),
	CALL2(setsockopt, ALWAYS, EQ32(1, SOL_SOCKET), EQ32(2, SO_RCVBUF)),
	CALL2(setsockopt, ALWAYS, EQ32(1, SOL_SOCKET), EQ32(2, SO_SNDBUF)),
	CALL2(setsockopt, ALWAYS, EQ32(1, IPPROTO_TCP), EQ32(2, TCP_NODELAY)),
	CALL2(setsockopt, ALWAYS, EQ32(1, IPPROTO_TCP), EQ32(2, TCP_CORK)),
	CALL2(setsockopt, ALWAYS, EQ32(1, IPPROTO_TCP), EQ32(2, TCP_QUICKACK)),
	CALL2(setsockopt, ALWAYS, EQ32(1, IPPROTO_TCP), EQ32(2, TCP_KEEPIDLE)),
	CALL2(setsockopt, ALWAYS, EQ32(1, IPPROTO_TCP), EQ32(2, TCP_KEEPINTVL)),
	CALL2(setsockopt, ALWAYS, EQ32(1, IPPROTO_TCP), EQ32(2, TCP_KEEPCNT)),
	CALL2(setsockopt, ALWAYS, EQ32(1, IPPROTO_TCP), EQ32(2, TCP_USER_TIMEOUT)),
	CALL1(ioctl, ALWAYS, EQ32(1, SIOCATMARK)),
	/* Terminals and streams. */
	CALL1(ioctl, ALWAYS, EQ32(1, TCGETS)),
	CALL1(ioctl, ALWAYS, EQ32(1, TCSETS)),
	CALL1(ioctl, ALWAYS, EQ32(1, TCSETSW)),
	CALL1(ioctl, ALWAYS, EQ32(1, TCSETSF)),
	CALL1(ioctl, ALWAYS, EQ32(1, TCSBRK)),
	CALL1(ioctl, ALWAYS, EQ32(1, TCXONC)),
	CALL1(ioctl, ALWAYS, EQ32(1, TCFLSH)),
	CALL1(ioctl, ALWAYS, EQ32(1, TIOCGWINSZ)),
	CALL1(ioctl, ALWAYS, EQ32(1, TIOCSWINSZ)),
	CALL1(ioctl, ALWAYS, EQ32(1, TIOCGPGRP)),
	CALL1(ioctl, ALWAYS, EQ32(1, TIOCOUTQ)),
	CALL1(ioctl, ALWAYS, EQ32(1, FIONREAD)),

	/* The sentry's own memory.  Nothing in it becomes executable. */
	CALL1(mmap, ALWAYS, HAS_NOT(2, PROT_EXEC)),
	CALL1(mprotect, ALWAYS, HAS_NOT(2, PROT_EXEC)),
	CALL(munmap, ALWAYS),
	CALL(mremap, ALWAYS),
	CALL(madvise, ALWAYS),
	CALL(mincore, ALWAYS),
	CALL(msync, ALWAYS),
	CALL(brk, ALWAYS),
	CALL(membarrier, ALWAYS),

	/* Threads. */
	CALL1(clone, ALWAYS, EQ(0, THREAD_FLAGS)),
	CALL1(clone, ALWAYS, EQ(0, THREAD_FLAGS | CLONE_DETACHED)),
	CALL(exit, ALWAYS),
	CALL(exit_group, ALWAYS),
	CALL(set_robust_list, ALWAYS),
	CALL(rseq, ALWAYS),
	CALL(futex, ALWAYS),
	CALL(gettid, ALWAYS),
	CALL(getpid, ALWAYS),
	CALL(sched_yield, ALWAYS),
	CALL(sched_getaffinity, ALWAYS),
	CALL(sched_setaffinity, ALWAYS),
	CALL(getcpu, ALWAYS),
	CALL1(prctl, ALWAYS, EQ32(0, PR_SET_NAME)),
	CALL1(prctl, ALWAYS, EQ32(0, PR_SET_TIMERSLACK)),

	/* Signals: to itself, and the two that stubs get, of which one is ignored and one undoes a stop. */
	CALL(rt_sigprocmask, ALWAYS),
	CALL(rt_sigaction, ALWAYS),
	CALL(rt_sigreturn, ALWAYS),
	CALL(rt_sigtimedwait, ALWAYS),
	CALL(sigaltstack, ALWAYS),
	CALL(restart_syscall, ALWAYS),
	CALL1(kill, ALWAYS, EQ32(0, OWN_PID)),
	CALL1(tgkill, ALWAYS, EQ32(0, OWN_PID)),
	CALL1(tgkill, ALWAYS, EQ32(2, SIGURG)),
	CALL1(tgkill, ALWAYS, EQ32(2, 0)),
	CALL2(kill, PTRACE, HAS_NOT(0, 0x80000000), EQ32(1, SIGCONT)),
	/* By descriptor only: it has those of its stubs, and no way to get others. */
	CALL(pidfd_send_signal, ALWAYS),
	CALL(wait4, ALWAYS),

	/* Time, chance, and what there is. */
	CALL(clock_gettime, ALWAYS),
	CALL(clock_getres, ALWAYS),
	CALL(gettimeofday, ALWAYS),
	CALL(clock_nanosleep, ALWAYS),
	CALL(nanosleep, ALWAYS),
	CALL(getrandom, ALWAYS),
	CALL(uname, ALWAYS),
	CALL(sysinfo, ALWAYS),
	CALL(getrusage, ALWAYS),
	CALL2(getpriority, ALWAYS, EQ32(0, 0), EQ32(1, 0)),
	CALL(getuid, ALWAYS),
	CALL(geteuid, ALWAYS),
	CALL(getgid, ALWAYS),
	CALL(getegid, ALWAYS),
	CALL2(prlimit64, ALWAYS, EQ32(0, 0), EQ(2, 0)),

	/* The ptrace platform.  The spawner and all others are out of its reach where Landlock is, or by being undumpable. */
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_SEIZE)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_INTERRUPT)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_DETACH)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_CONT)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_SYSEMU)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_GETREGS)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_SETREGS)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_GETREGSET)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_SETREGSET)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_GETSIGINFO)),
	CALL1(ptrace, PTRACE, EQ(0, PTRACE_GET_SYSCALL_INFO)),
	CALL(process_vm_readv, PTRACE),

	/* A directory or file of the host is shared: names below it.  Landlock, where it is, sees that they are below. */
	CALL1(openat, NAMES, HAS_NOT(2, NOT_READING)),
	CALL(newfstatat, NAMES),
	CALL(statx, NAMES),
	CALL(readlinkat, NAMES),
	CALL(getdents64, NAMES),
	CALL(faccessat, NAMES),
	CALL(faccessat2, NAMES),
	CALL(fgetxattr, NAMES),
	CALL(getxattr, NAMES),
	CALL(lgetxattr, NAMES),
	CALL(flistxattr, NAMES),
	CALL(listxattr, NAMES),
	CALL(llistxattr, NAMES),
	CALL(copy_file_range, NAMES),

	/* It may be changed. */
	CALL(openat, WRITES),
	CALL(unlinkat, WRITES),
	CALL(mkdirat, WRITES),
	CALL(mknodat, WRITES),
	CALL(linkat, WRITES),
	CALL(symlinkat, WRITES),
	CALL(renameat, WRITES), /* what the C library makes of renameat2 without flags */
	CALL(renameat2, WRITES),
	CALL(fchown, WRITES),
	CALL(fchownat, WRITES),
	CALL(fchmod, WRITES),
	CALL(fchmodat, WRITES),
	{ .nr = 452 /* fchmodat2, newer than the library */, .when = WRITES },
	CALL(utimensat, WRITES),
	CALL(fsetxattr, WRITES),
	CALL(setxattr, WRITES),
	CALL(lsetxattr, WRITES),
	CALL(fremovexattr, WRITES),
	CALL(removexattr, WRITES),
	CALL(lremovexattr, WRITES),

	/* What the sanitizers' run-time libraries do, mostly to print a report. */
	CALL1(openat, SANITIZER, HAS_NOT(2, NOT_READING)),
	CALL1(open, SANITIZER, HAS_NOT(1, NOT_READING)),
	CALL(readlink, SANITIZER),
	CALL(readlinkat, SANITIZER),
	CALL(stat, SANITIZER),
	CALL(newfstatat, SANITIZER),
	CALL(access, SANITIZER),
	CALL(getdents64, SANITIZER),
	CALL(getcwd, SANITIZER),
	CALL(getppid, SANITIZER),
	CALL(prctl, SANITIZER),
	CALL(getrlimit, SANITIZER),
	CALL(setrlimit, SANITIZER),
	CALL(prlimit64, SANITIZER),
	CALL(pipe2, SANITIZER),
	CALL(dup2, SANITIZER),
};

static bool rule_applies(const struct rule *r, const struct filter_params *p)
{
	switch (r->when) {
	case ALWAYS:
		return true;
	case NAMES:
		return p->names;
	case WRITES:
		return p->names && p->writes;
	case PTRACE:
		return p->ptrace;
	default:
		return SANITIZING;
	}
}

static int rule_add(scmp_filter_ctx ctx, const struct rule *r, const struct filter_params *p)
{
	struct scmp_arg_cmp arg[2];

	for (unsigned i = 0; i < r->nr_args; i++) {
		arg[i] = r->arg[i];
		if (arg[i].op == SCMP_CMP_MASKED_EQ && arg[i].datum_b == OWN_PID)
			arg[i].datum_b = (scmp_datum_t)p->pid;
	}
	return seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, r->nr, r->nr_args, arg);
}

/* *ret_ctx is the caller's to release. */
static int filter_new(const struct filter_params *p, scmp_filter_ctx *ret_ctx)
{
	uint32_t violation = p->trap ? SCMP_ACT_TRAP : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx ctx = seccomp_init(violation);
	int err;

	if (!ctx)
		return -ENOMEM;
	err = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, violation);
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	/* Speculation is for the guest's stubs to worry about; the mitigation costs a factor here. */
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_SSB, 1);
	if (!err)
		err = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (!err)
		err = seccomp_rule_add_exact(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	/* The symbolizer of a sanitizer's report: it does without. */
	if (!err && SANITIZING)
		err = seccomp_rule_add_exact(ctx, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(fork), 0);
	/* malloc looks into /proc/sys/vm/overcommit_memory before it first gives memory back; "no" will do. */
	if (!err && !p->names && !SANITIZING)
		err = seccomp_rule_add_exact(ctx, SCMP_ACT_ERRNO(EACCES), SCMP_SYS(openat), 2,
					     SCMP_A0(SCMP_CMP_MASKED_EQ, 0xffffffff, (uint32_t)AT_FDCWD),
					     SCMP_A2(SCMP_CMP_EQ, O_RDONLY | O_CLOEXEC, 0));
	for (size_t i = 0; i < ARRAY_SIZE(rules) && !err; i++)
		if (rule_applies(&rules[i], p))
			err = rule_add(ctx, &rules[i], p);
	if (err)
		seccomp_release(ctx);
	else
		*ret_ctx = ctx;
	return err;
}

int filter_load(const struct filter_params *params)
{
	scmp_filter_ctx ctx;
	int err = filter_new(params, &ctx);

	if (err)
		return err;
	err = seccomp_load(ctx);
	seccomp_release(ctx);
	return err;
}

int filter_export(const struct filter_params *params, int fd)
{
	scmp_filter_ctx ctx;
	int err = filter_new(params, &ctx);

	if (err)
		return err;
	err = seccomp_export_bpf(ctx, fd);
	seccomp_release(ctx);
	return err;
}

/* Of the rules of one call: true when all that apply look at arguments. */
static bool call_is_restricted(int nr, const struct filter_params *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
		if (rules[i].nr == nr && rule_applies(&rules[i], p) && !rules[i].nr_args)
			return false;
	return true;
}

static bool call_was_counted(size_t before, const struct filter_params *p)
{
	for (size_t i = 0; i < before; i++)
		if (rules[i].nr == rules[before].nr && rule_applies(&rules[i], p))
			return true;
	return false;
}

void filter_count(const struct filter_params *p, struct host_filter_count *ret)
{
	*ret = (struct host_filter_count){ 0 };
	for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
		if (!rule_applies(&rules[i], p) || call_was_counted(i, p))
			continue;
		ret->calls++;
		if (call_is_restricted(rules[i].nr, p))
			ret->restricted++;
	}
}
