/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The filter, in two ways: the program that libseccomp makes of the rules is run by the guest kernel's own interpreter, for every
 * call number; and the host is asked, by children that shut themselves in and try.
 */
#define _GNU_SOURCE 1
#include "platform/confine/confine.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "sentry/kernel/bpf_classic.h"

TestSuite(confine, .timeout = 400);

#define OWN 1234
#define MAX_CALL 512
#define X32_BIT 0x40000000

#define RET_KILL 0x80000000u
#define RET_ERRNO(e) (0x00050000u | (e))
#define RET_ALLOW 0x7fff0000u

/* --- by interpretation --- */

static struct linux_sock_filter prog[4096];
static unsigned prog_len;

static void make(struct filter_params p)
{
	int fd = host_memfd_create("filter", 0);
	ssize_t n;

	p.pid = OWN;
	cr_assert_eq(filter_export(&p, fd), 0);
	n = host_pread(fd, prog, sizeof(prog), 0);
	cr_assert_gt(n, 0);
	prog_len = (unsigned)(n / (ssize_t)sizeof(*prog));
	cr_assert_eq(bpf_check(prog, prog_len, 64), 0);
	host_close(fd);
}

static uint32_t run(uint32_t arch, uint32_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t arg[6] = { a, b, c, d, 1, 1 };
	uint32_t data[16] = { nr, arch };

	memcpy(&data[4], arg, sizeof(arg));
	return bpf_run(prog, data, sizeof(data));
}
#define ASK(nr, a, b, c, d) run(AUDIT_ARCH_X86_64, nr, a, b, c, d)
#define ALLOWED(nr, ...) (ASK(nr, __VA_ARGS__) == RET_ALLOW)

/* The sanitizers' run-time libraries make calls of their own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
/* Never, whatever is shared and whatever the arguments. */
static const int never[] = {
	SYS_open, SYS_fork, SYS_vfork, SYS_execve, SYS_execveat, SYS_mount, SYS_umount2, SYS_pivot_root,
	SYS_chroot, SYS_unshare, SYS_setns, SYS_bpf, SYS_keyctl, SYS_add_key, SYS_request_key,
	SYS_perf_event_open, SYS_userfaultfd, SYS_io_uring_setup, SYS_init_module, SYS_finit_module,
	SYS_kexec_load, SYS_reboot, SYS_socket, SYS_connect, SYS_bind, SYS_listen, SYS_epoll_create1,
	SYS_socketpair, SYS_pidfd_open, SYS_process_vm_writev, SYS_pidfd_getfd, SYS_seccomp,
	SYS_setuid, SYS_setgid, SYS_setresuid, SYS_capset, SYS_personality, SYS_iopl, SYS_ioperm,
	SYS_modify_ldt, SYS_open_by_handle_at, SYS_fsopen, SYS_move_mount, SYS_open_tree, SYS_openat2,
	SYS_memfd_create, SYS_shmget, SYS_shmat, SYS_tkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
	SYS_pkey_mprotect, SYS_remap_file_pages, SYS_chdir, SYS_quotactl, SYS_swapon, SYS_settimeofday,
	SYS_clock_settime, SYS_acct, SYS_kcmp,
};

Test(confine, what_is_never_allowed)
{
	for (unsigned mask = 0; mask < 8; mask++) {
		make((struct filter_params){ .names = mask & 1, .writes = mask & 2, .ptrace = mask & 4 });
		for (size_t i = 0; i < ARRAY_SIZE(never); i++)
			cr_assert_eq(ASK((uint32_t)never[i], 0, 0, 0, 0), RET_KILL, "call %d, mask %u", never[i], mask);
		cr_assert_eq(ASK(SYS_clone3, 0, 0, 0, 0), RET_ERRNO(ENOSYS));
	}
}

Test(confine, the_count_is_right)
{
	for (unsigned mask = 0; mask < 8; mask++) {
		struct filter_params p = { .names = mask & 1, .writes = mask & 2, .ptrace = mask & 4, .pid = OWN };
		struct host_filter_count count;
		unsigned free = 0;

		make(p);
		filter_count(&p, &count);
		/* Arguments that no rule names. */
		for (uint32_t nr = 0; nr < MAX_CALL; nr++)
			if (ALLOWED(nr, 0x12345678, 0x12345678, 0xfff, 0))
				free++;
		cr_assert_gt(count.calls, 50);
		cr_assert_lt(count.calls, 130);
		cr_assert_eq(free, count.calls - count.restricted, "%u of %u - %u", free, count.calls, count.restricted);
	}
}

Test(confine, limits_of_others)
{
	make((struct filter_params){ .ptrace = true });
	cr_assert(ALLOWED(SYS_prlimit64, 0, 4 /* RLIMIT_CORE */, 0, 0));
	cr_assert(!ALLOWED(SYS_prlimit64, OWN + 1, 4, 0, 0));
}

Test(confine, names_only_where_they_are_shared)
{
	static const int changes[] = { SYS_unlinkat, SYS_mkdirat, SYS_renameat2, SYS_linkat, SYS_symlinkat, SYS_fchownat };
	static const int flags[] = { O_WRONLY, O_RDWR, O_CREAT, O_TRUNC, O_TMPFILE | O_RDWR, O_APPEND };
	uint64_t at = (uint32_t)AT_FDCWD;

	make((struct filter_params){ 0 });
	cr_assert_eq(ASK(SYS_openat, at, 0, O_RDONLY, 0), RET_KILL);
	cr_assert_eq(ASK(SYS_openat, 5, 0, O_RDONLY | O_CLOEXEC, 0), RET_KILL);
	cr_assert_eq(ASK(SYS_openat, at, 0, O_RDONLY | O_CLOEXEC, 0), RET_ERRNO(EACCES));
	cr_assert(!ALLOWED(SYS_statx, at, 0, 0, 0));
	cr_assert(ALLOWED(SYS_statx, at, 0, AT_EMPTY_PATH, 0));
	make((struct filter_params){ .names = true });
	cr_assert(ALLOWED(SYS_openat, at, 0, O_RDONLY | O_CLOEXEC | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK, 0));
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++)
		cr_assert(!ALLOWED(SYS_openat, at, 0, (unsigned)flags[i], 0));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		cr_assert(!ALLOWED((uint32_t)changes[i], at, 0, 0, 0));
	make((struct filter_params){ .names = true, .writes = true });
	cr_assert(ALLOWED(SYS_openat, at, 0, O_RDWR | O_CREAT, 0));
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++)
		cr_assert(ALLOWED((uint32_t)changes[i], at, 0, 0, 0));
}
#endif

Test(confine, arguments)
{
	uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_SETTLS |
			  CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;

	make((struct filter_params){ .ptrace = true });
	cr_assert(ALLOWED(SYS_mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE));
	cr_assert(!ALLOWED(SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE));
	cr_assert(!ALLOWED(SYS_mprotect, 0, 4096, PROT_EXEC, 0));
	cr_assert(!ALLOWED(SYS_mprotect, 0, 4096, PROT_EXEC | (1UL << 32), 0));
	cr_assert(ALLOWED(SYS_clone, thread, 0, 0, 0));
	cr_assert(!ALLOWED(SYS_clone, thread | CLONE_NEWUSER, 0, 0, 0));
	cr_assert(!ALLOWED(SYS_clone, SIGCHLD, 0, 0, 0));
	cr_assert(!ALLOWED(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0));
	cr_assert(!ALLOWED(SYS_clone, thread & ~(uint64_t)CLONE_FILES, 0, 0, 0));
	cr_assert(ALLOWED(SYS_kill, OWN, SIGSTOP, 0, 0));
	cr_assert(!ALLOWED(SYS_kill, OWN + 1, SIGKILL, 0, 0));
	cr_assert(!ALLOWED(SYS_kill, (uint32_t)-1, SIGKILL, 0, 0));
	cr_assert(!ALLOWED(SYS_kill, (uint64_t)-1, SIGCONT, 0, 0));
	cr_assert(!ALLOWED(SYS_tgkill, OWN + 1, OWN + 1, SIGKILL, 0));
	cr_assert(ALLOWED(SYS_ptrace, PTRACE_SEIZE, OWN + 1, 0, 0));
	cr_assert(!ALLOWED(SYS_ptrace, PTRACE_ATTACH, OWN + 1, 0, 0));
	cr_assert(!ALLOWED(SYS_ptrace, PTRACE_POKETEXT, OWN + 1, 0, 0));
	cr_assert(!ALLOWED(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, 0, 0));
	make((struct filter_params){ 0 });
	cr_assert(!ALLOWED(SYS_ptrace, PTRACE_SEIZE, OWN + 1, 0, 0));
}

Test(confine, other_abis)
{
	make((struct filter_params){ .names = true, .writes = true, .ptrace = true });
	for (uint32_t nr = 0; nr < MAX_CALL; nr++) {
		cr_assert_eq(run(AUDIT_ARCH_X86_64, nr | X32_BIT, 0, 0, 0, 0), RET_KILL, "x32 %u", nr);
		cr_assert_eq(run(AUDIT_ARCH_I386, nr, 0, 0, 0, 0), RET_KILL, "i386 %u", nr);
	}
}

/* --- by the host --- */

/* What @fn makes of a child that has shut itself in: a wait status. */
static int shut_in(enum confine_mode mode, bool ptrace, void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct confine_params p = { 0 };
		const char *why;
		int null = open("/dev/null", O_WRONLY);

		dup2(null, 2);
		if (confine_begin(&p, &why) || confine_seal(mode, ptrace, &why))
			_exit(99);
		fn();
		_exit(0);
	}
	cr_assert_gt(pid, 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static bool killed(void (*fn)(void))
{
	int status = shut_in(CONFINE_KILL, true, fn);

	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

static void do_nothing(void) {}
static void do_socket(void) { syscall(SYS_socket, AF_INET, SOCK_STREAM, 0); }
static void do_exec(void) { syscall(SYS_execve, "/bin/true", NULL, NULL); }
static void do_fork(void) { syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0); }
static void do_attach(void) { syscall(SYS_ptrace, PTRACE_ATTACH, getppid(), 0, 0); }
static void do_kill_parent(void) { syscall(SYS_kill, 1, SIGKILL); }
static void do_exec_memory(void) { mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); }
static void do_open(void) { syscall(SYS_openat2, AT_FDCWD, "/etc/passwd", NULL, 0); }

static void *thread_main(void *arg)
{
	*(int *)arg = 1;
	return NULL;
}

static void do_thread(void)
{
	pthread_t thread;
	int ran = 0;

	if (pthread_create(&thread, NULL, thread_main, &ran) || pthread_join(thread, NULL) || !ran)
		_exit(1);
}

static void *forbidden_main(void *arg __unused)
{
	do_socket();
	return NULL;
}

/* A later thread is in too, and takes all down with it. */
static void do_in_thread(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, forbidden_main, NULL);
	pthread_join(thread, NULL);
}

Test(confine, a_call_outside_the_list_kills)
{
	cr_assert_eq(shut_in(CONFINE_KILL, true, do_nothing), 0);
	cr_assert(killed(do_socket));
	cr_assert(killed(do_exec));
	cr_assert(killed(do_fork));
	cr_assert(killed(do_attach));
	cr_assert(killed(do_kill_parent));
	cr_assert(killed(do_exec_memory));
	cr_assert(killed(do_open));
	cr_assert(killed(do_in_thread));
	cr_assert_eq(shut_in(CONFINE_KILL, true, do_thread), 0);
}

Test(confine, a_trapped_call_is_a_bug)
{
	int status = shut_in(CONFINE_TRAP, true, do_socket);

	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 125);
}

/* Threads that were there before are in, too. */
static pthread_barrier_t before;

static void *waiting_main(void *arg __unused)
{
	pthread_barrier_wait(&before);
	pthread_barrier_wait(&before);
	do_socket();
	return NULL;
}

Test(confine, threads_from_before)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		struct confine_params p = { 0 };
		const char *why;
		pthread_t thread;

		pthread_barrier_init(&before, NULL, 2);
		if (confine_begin(&p, &why) || pthread_create(&thread, NULL, waiting_main, NULL))
			_exit(99);
		pthread_barrier_wait(&before);
		if (confine_seal(CONFINE_KILL, false, &why))
			_exit(99);
		pthread_barrier_wait(&before);
		pthread_join(thread, NULL);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
}

/* --- Landlock --- */

static void in_landlock(int dir)
{
	const struct confine_share share = { .fd = dir, .directory = true };
	const struct confine_params p = { .shares = &share, .nr_shares = 1, .shares_names = true };
	const char *why;
	pid_t parent = getppid();

	if (confine_begin(&p, &why))
		_exit(99);
	if (open("/usr/bin/env", O_RDONLY) >= 0 || errno != EACCES)
		_exit(1);
	if (openat(dir, "passwd", O_RDONLY) < 0)
		_exit(2);
	if (openat(dir, "passwd", O_RDWR) >= 0 || openat(dir, "confine_test.new", O_WRONLY | O_CREAT, 0600) >= 0)
		_exit(3);
	if (landlock_abi() >= 6 && (kill(parent, 0) == 0 || errno != EPERM))
		_exit(4);
	if (ptrace(PTRACE_SEIZE, parent, 0, 0) == 0)
		_exit(5);
	_exit(0);
}

Test(confine, landlock)
{
	int dir = open("/etc", O_PATH | O_DIRECTORY), status;
	pid_t pid;

	if (!landlock_abi())
		cr_skip("the host has no Landlock");
	pid = fork();
	if (!pid)
		in_landlock(dir);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(WIFEXITED(status));
	cr_assert_eq(WEXITSTATUS(status), 0, "step %d", WEXITSTATUS(status));
}

Test(confine, layers_by_name)
{
	const char *bad = NULL;

	cr_assert_eq(confine_parse_layers("seccomp", &bad), BIT(CONFINE_SECCOMP));
	cr_assert_eq(confine_parse_layers("landlock,seccomp", &bad), BIT(CONFINE_SECCOMP) | BIT(CONFINE_LANDLOCK));
	cr_assert_eq(confine_parse_layers("all", &bad), BIT(NR_CONFINE_LAYERS) - 1);
	cr_assert_eq(confine_parse_layers("seccomp,moat", &bad), 0);
	cr_assert_str_eq(bad, "moat");
	cr_assert_eq(confine_parse_layers("", &bad), 0);
	cr_assert_eq(confine_parse_layers("seccomp,", &bad), 0);
}
