/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, processes, signals and limits. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

pid_t host_gettid(void)
{
	return gettid();
}

pid_t host_getpid(void)
{
	return getpid();
}

pid_t host_getppid(void)
{
	return getppid();
}

uint32_t host_getuid(void)
{
	return getuid();
}

uint32_t host_geteuid(void)
{
	return geteuid();
}

uint32_t host_getgid(void)
{
	return getgid();
}

uint32_t host_getegid(void)
{
	return getegid();
}

int host_getgroups(int max, uint32_t *groups)
{
	static_assert(sizeof(gid_t) == sizeof(*groups), "gid_t");
	return ret_errno(getgroups(max, groups));
}

int host_kill(pid_t pid, int sig)
{
	return ret_errno(kill(pid, sig));
}

int host_tgkill(pid_t tgid, pid_t tid, int sig)
{
	return (int)ret_errno(syscall(SYS_tgkill, tgid, tid, sig));
}

int host_prctl(int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d)
{
	return ret_errno(prctl(op, a, b, c, d));
}

int host_seccomp_action_avail(uint32_t action)
{
	return (int)ret_errno(syscall(SYS_seccomp, 2 /* SECCOMP_GET_ACTION_AVAIL */, 0, &action));
}

int host_personality(unsigned long persona)
{
	return ret_errno(personality(persona));
}

int host_setsid(void)
{
	return ret_errno(setsid());
}

void host_exit_group(int status)
{
	_exit(status);
}

int host_sigaction(int sig, void (*fn)(int), unsigned long flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = (int)flags };

	return ret_errno(sigaction(sig, &sa, NULL));
}

/* Raw, so that libc's own real-time signals are covered too. */
int host_sigprocmask(int how, uint64_t mask, uint64_t *ret_old)
{
	return (int)ret_errno(syscall(SYS_rt_sigprocmask, how, &mask, ret_old, sizeof(mask)));
}

uint64_t host_signals_block(void)
{
	uint64_t old = 0;

	host_sigprocmask(SIG_SETMASK, ~0ULL, &old);
	return old;
}

void host_signals_restore(uint64_t mask)
{
	host_sigprocmask(SIG_SETMASK, mask, NULL);
}

int host_sigtimedwait(uint64_t mask, int64_t timeout_ns, int *ret_code)
{
	struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };
	siginfo_t info;
	long sig;

	sig = ret_errno(syscall(SYS_rt_sigtimedwait, &mask, &info, timeout_ns < 0 ? NULL : &ts, sizeof(mask)));
	if (sig > 0)
		*ret_code = info.si_code;
	return (int)sig;
}

/*
 * Not through libc's clone(), which the sanitizers replace by something that takes the child for a fork and forgets what
 * locks the parent holds.
 */
int host_vfork(int (*fn)(void *), void *arg, void *stack_top, int extra_flags)
{
	long ret = SYS_clone;
	unsigned long flags = (unsigned long)(CLONE_VM | CLONE_VFORK | extra_flags | SIGCHLD);
	uintptr_t stack = (uintptr_t)stack_top & ~15UL;
	register long ptid asm("rdx") = 0;
	register long ctid asm("r10") = 0;
	register long tls asm("r8") = 0;
	register int (*child)(void *) asm("r12") = fn;
	register void *child_arg asm("r13") = arg;

	asm volatile("syscall\n\t"
		     "testq %%rax, %%rax\n\t"
		     "jnz 1f\n\t"
		     "xorl %%ebp, %%ebp\n\t"
		     "movq %%r13, %%rdi\n\t"
		     "call *%%r12\n\t"
		     "movl %%eax, %%edi\n\t"
		     "movl %[exit_group], %%eax\n\t"
		     "syscall\n\t"
		     "hlt\n"
		     "1:"
		     : "+a"(ret)
		     : "D"(flags), "S"(stack), "r"(ptid), "r"(ctid), "r"(tls), "r"(child), "r"(child_arg),
		       [exit_group] "i"(SYS_exit_group)
		     : "rcx", "r11", "memory", "cc");
	return (int)ret;
}

int host_execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags)
{
	return (int)ret_errno(syscall(SYS_execveat, fd, path, argv, envp, flags));
}

int host_waitpid(pid_t pid, int *ret_status, int options)
{
	return retry_eintr(waitpid(pid, ret_status, options));
}

long host_ptrace(int request, pid_t tid, uint64_t addr, void *data)
{
	return ret_errno(syscall(SYS_ptrace, request, tid, addr, data));
}

int host_pidfd_open(pid_t pid)
{
	return (int)ret_errno(syscall(SYS_pidfd_open, pid, 0));
}

int host_pidfd_send_signal(int pidfd, int sig)
{
	return (int)ret_errno(syscall(SYS_pidfd_send_signal, pidfd, sig, NULL, 0));
}

int host_sched_setaffinity(pid_t tid, size_t size, const void *mask)
{
	return (int)ret_errno(syscall(SYS_sched_setaffinity, tid, size, mask));
}

int host_sched_getaffinity(pid_t tid, size_t size, void *mask)
{
	return (int)ret_errno(syscall(SYS_sched_getaffinity, tid, size, mask));
}

int host_sched_getcpu(void)
{
	return sched_getcpu();
}

void host_sched_yield(void)
{
	sched_yield();
}

int host_membarrier(int cmd, unsigned flags)
{
	return ret_errno(syscall(SYS_membarrier, cmd, flags, 0));
}

int host_setpriority(pid_t tid, int nice)
{
	return ret_errno(setpriority(PRIO_PROCESS, (id_t)tid, nice));
}

int host_getnice(void)
{
	/* The call itself answers 20 - nice, so that errors can be told. */
	long ret = syscall(SYS_getpriority, PRIO_PROCESS, 0);

	return ret > 0 ? 20 - (int)ret : 0;
}

unsigned host_nr_cpus(void)
{
	uint64_t mask[1024 / 64] = { 0 };
	/* The main thread's: platforms move the others about. */
	int n = host_sched_getaffinity(host_getpid(), sizeof(mask), mask);
	unsigned nr = 0;

	for (int i = 0; i < n / 8; i++)
		nr += (unsigned)__builtin_popcountll(mask[i]);
	return nr ? nr : 1;
}

int host_getrlimit(int resource, struct host_rlimit *ret_lim)
{
	struct rlimit lim;

	if (getrlimit(resource, &lim) < 0)
		return -errno;
	*ret_lim = (struct host_rlimit){ lim.rlim_cur, lim.rlim_max };
	return 0;
}

int host_setrlimit(int resource, const struct host_rlimit *lim)
{
	struct rlimit l = { lim->cur, lim->max };

	return ret_errno(setrlimit(resource, &l));
}

int host_shared_futex_wait(atomic_uint *word, unsigned val, int64_t timeout_ns)
{
	struct timespec ts = { timeout_ns / 1000000000, timeout_ns % 1000000000 };

	return (int)ret_errno(syscall(SYS_futex, word, FUTEX_WAIT, val, timeout_ns < 0 ? NULL : &ts, NULL, 0));
}

void host_shared_futex_wake(atomic_uint *word)
{
	syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

int host_shared_futex_requeue(atomic_uint *word, atomic_uint *to, unsigned val)
{
	return (int)ret_errno(syscall(SYS_futex, word, FUTEX_CMP_REQUEUE, 0, (unsigned long)1, to, val));
}

int host_getrandom(void *buf, size_t len)
{
	while (len) {
		ssize_t n = retry_eintr(getrandom(buf, len, 0));

		if (n < 0)
			return (int)n;
		buf = (char *)buf + n;
		len -= (size_t)n;
	}
	return 0;
}

int host_uname(struct host_utsname *ret_uts)
{
	static_assert(sizeof(struct host_utsname) == sizeof(struct utsname), "struct new_utsname");
	return ret_errno(uname((struct utsname *)ret_uts));
}

int host_sysinfo(struct host_sysinfo *ret_info)
{
	struct sysinfo si;

	if (sysinfo(&si) < 0)
		return -errno;
	*ret_info = (struct host_sysinfo){
		.totalram = (uint64_t)si.totalram * si.mem_unit,
		.freeram = (uint64_t)si.freeram * si.mem_unit,
		.loads = { si.loads[0], si.loads[1], si.loads[2] },
		.uptime = (uint64_t)si.uptime,
	};
	return 0;
}

/* The C library puts platform names of its own into what it calls AT_HWCAP on x86; the kernel's is in /proc. */
static uint64_t kernel_hwcap(void)
{
	uint64_t v[2 * 64], hwcap = 0;
	int fd = open("/proc/self/auxv", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, v, sizeof(v));

	for (ssize_t i = 0; i + 1 < n / 8; i += 2)
		if (v[i] == AT_HWCAP)
			hwcap = v[i + 1];
	if (fd >= 0)
		close(fd);
	return hwcap;
}

uint64_t host_getauxval(unsigned type)
{
	static _Atomic uint64_t hwcap;

	if (type != AT_HWCAP)
		return getauxval(type);
	if (!hwcap)
		hwcap = kernel_hwcap();
	return hwcap;
}

static atomic_int cpuinfo_fd = -1;

/* Two threads at once may leave a descriptor open; it is open for good anyway. */
static int cpuinfo_open(void)
{
	int fd = atomic_load(&cpuinfo_fd);

	if (fd < 0) {
		fd = ret_errno(open("/proc/cpuinfo", O_RDONLY | O_CLOEXEC));
		atomic_store(&cpuinfo_fd, fd);
	}
	return fd;
}

ssize_t host_cpuinfo(void *buf, size_t size, uint64_t off)
{
	int fd = cpuinfo_open();

	return fd < 0 ? fd : host_pread(fd, buf, size, off);
}

void host_prepare(void)
{
	host_getauxval(AT_HWCAP);
	cpuinfo_open();
}
