/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the system calls, from inside a guest.
 *
 *     sentry do --memory=400m --pids=200 -- tests/fuzz/syscall_fuzz SEED BATCHES
 *
 * A batch is a few workers: processes with three threads each that make random calls, whose arguments are of the types that
 * syscalls.tbl gives them, now and then of another.  They share memory, descriptors, signals and children, and change all of it under
 * each other.  A fourth thread interrupts what blocks.  After a batch everything that is left is killed, and must be gone soon: what
 * isn't is a hang, and the exit status 3.  The sentry's own end, or what a sanitizer reports, is for the caller to see.
 *
 * It must be process 1 of a guest, since it kills all others; anywhere else it refuses to run.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/fuzz/syscall_fuzz.h"

#define NR_WORKERS 3
#define NR_THREADS 3
#define CALLS 400
#define CHILD_CALLS 25
#define WORKER_MS 3000
#define REAP_MS 20000

/* Of all processes; where no call is aimed at. */
struct shared {
	unsigned long calls, workers, late;
	unsigned long by_errno[134];
	/* What each thread of a worker called last; children write there too. */
	struct {
		int tid;
		const char *name;
		uint64_t arg[6];
	} last[NR_WORKERS * NR_THREADS];
};
static struct shared *shared;

static struct worker {
	int fds[NR_FDS];
	volatile int tid[NR_THREADS];
	volatile int done;
	struct fuzz fuzz[NR_THREADS];
} worker;

/* --- calls --- */

long fuzz_syscall(long nr, const uint64_t *arg)
{
	static const uint64_t none[6];
	long ret;

	if (!arg)
		arg = none;
	__asm__ volatile("movq %[a3], %%r10\nmovq %[a4], %%r8\nmovq %[a5], %%r9\nsyscall"
			 : "=a"(ret)
			 : "a"(nr), "D"(arg[0]), "S"(arg[1]),
			   "d"(arg[2]), [a3] "r"(arg[3]), [a4] "r"(arg[4]), [a5] "r"(arg[5])
			 : "rcx", "r8", "r9", "r10", "r11", "memory");
	return ret;
}

/* A call after which a child may run on with this memory and perhaps this stack: it makes two calls and ends. */
static long fuzz_clone(long nr, const uint64_t *arg)
{
	long ret;

	__asm__ volatile("movq %[a3], %%r10\nmovq %[a4], %%r8\nmovq %[a5], %%r9\n"
			 "syscall\n"
			 "testq %%rax, %%rax\njnz 1f\n"
			 "movl $186, %%eax\nsyscall\n"
			 "movl $24, %%eax\nsyscall\n"
			 "movl $60, %%eax\nxorl %%edi, %%edi\nsyscall\nud2\n"
			 "1:"
			 : "=a"(ret)
			 : "a"(nr), "D"(arg[0]), "S"(arg[1]),
			   "d"(arg[2]), [a3] "r"(arg[3]), [a4] "r"(arg[4]), [a5] "r"(arg[5])
			 : "rcx", "r8", "r9", "r10", "r11", "memory");
	return ret;
}

static void fuzz_exit(void) __attribute__((noreturn));
static void fuzz_exit(void)
{
	for (;;)
		fuzz_syscall(SYS_exit_group, NULL);
}

static void fuzz_loop(struct fuzz *f, unsigned n);

static void fuzz_fork(struct fuzz *f)
{
	long pid;

	if (f->depth >= 2)
		return;
	pid = fuzz_syscall(SYS_fork, NULL);
	if (pid)
		return;
	f->depth++;
	fuzz_loop(f, CHILD_CALLS);
	fuzz_exit();
}

/* From a frame of random memory. */
static void fuzz_sigreturn(struct fuzz *f)
{
	uint64_t frame = ARENA + fuzz_rnd(f, 20 * 4096 / 8) * 8;

	if (f->depth >= 2 || fuzz_syscall(SYS_fork, NULL))
		return;
	for (unsigned i = 0; i < 120; i++)
		((volatile uint64_t *)frame)[i] = fuzz_word(f);
	__asm__ volatile("movq %0, %%rsp\nmovl $15, %%eax\nsyscall\nmovl $231, %%eax\nsyscall\nud2" : : "r"(frame));
	__builtin_unreachable();
}

/* --- one call --- */

static bool row_is_memory(unsigned nr)
{
	return nr == SYS_mmap || nr == SYS_munmap || nr == SYS_mprotect || nr == SYS_mremap || nr == SYS_madvise ||
	       nr == SYS_mlock || nr == SYS_munlock || nr == SYS_mlock2 || nr == SYS_msync || nr == SYS_mincore ||
	       nr == SYS_pkey_mprotect || nr == SYS_remap_file_pages || nr == SYS_shmat || nr == SYS_shmdt;
}

static bool row_is_dangerous(struct fuzz *f, unsigned nr)
{
	switch (nr) {
	case SYS_exit_group:
	case SYS_exit:
	case SYS_execve:
	case SYS_execveat:
		return !f->depth || !fuzz_one_in(f, 3);
	case SYS_pause:
	case SYS_rt_sigsuspend:
	case SYS_reboot:
		return !fuzz_one_in(f, 8);
	case SYS_setrlimit:
	case SYS_prlimit64:
	case SYS_seccomp:
	case SYS_arch_prctl:
	case SYS_chroot:
	case SYS_pivot_root:
	case SYS_umount2:
	case SYS_close_range:
		return !fuzz_one_in(f, 4);
	}
	return false;
}

static void note_result(struct fuzz *f, long ret)
{
	if (ret >= 0 && ret < 1024 && fuzz_one_in(f, 3))
		f->fds[fuzz_rnd(f, NR_FDS)] = (int)ret;
	if (ret < 0 && ret > -134)
		__atomic_add_fetch(&shared->by_errno[-ret], 1, __ATOMIC_RELAXED);
	else
		__atomic_add_fetch(&shared->by_errno[0], 1, __ATOMIC_RELAXED);
	__atomic_add_fetch(&shared->calls, 1, __ATOMIC_RELAXED);
}

static void fuzz_call(struct fuzz *f)
{
	const struct fuzz_row *row = &fuzz_rows[fuzz_rnd(f, fuzz_nr_rows)];
	uint64_t arg[6];
	long ret;

	if (row_is_dangerous(f, row->nr) || (!row->there && !fuzz_one_in(f, 16)))
		return;
	for (unsigned i = 0; i < 6; i++)
		arg[i] = row->arg[i] ? fuzz_arg(f, row->arg[i]) : fuzz_word(f);
	if (row_is_memory(row->nr) && !fuzz_one_in(f, 12)) {
		arg[0] = fuzz_region(f);
		if (!fuzz_one_in(f, 8))
			arg[1] = (1 + fuzz_rnd(f, 20)) * 4096;
	}
	shared->last[f->slot].tid = (int)fuzz_syscall(SYS_gettid, NULL);
	shared->last[f->slot].name = row->name;
	memcpy(shared->last[f->slot].arg, arg, sizeof(arg));
	switch (row->nr) {
	case SYS_fork:
		fuzz_fork(f);
		return;
	case SYS_rt_sigreturn:
		fuzz_sigreturn(f);
		return;
	case SYS_clone:
		if (fuzz_one_in(f, 2))
			arg[0] = 0x3d0f00; /* a thread */
		arg[1] = fuzz_one_in(f, 4) ? 0 : ARENA + 8192;
		/* fall through */
	case SYS_vfork:
	case SYS_clone3:
		ret = fuzz_clone(row->nr, arg);
		break;
	default:
		ret = fuzz_syscall(row->nr, arg);
	}
	note_result(f, ret);
	f->calls++;
}

static void fuzz_loop(struct fuzz *f, unsigned n)
{
	static const uint64_t nothing;
	const uint64_t unblock[6] = { SIG_SETMASK, (uint64_t)(uintptr_t)&nothing, 0, 8 };

	for (unsigned i = 0; i < n; i++) {
		fuzz_call(f);
		if (fuzz_one_in(f, 8))
			fuzz_syscall(SYS_rt_sigprocmask, unblock);
	}
}

/* --- a worker --- */

static void on_usr1(int sig)
{
	(void)sig;
}

static void map_arena(void)
{
	const uint64_t arena[6] = { ARENA, ARENA_SIZE, 3, 0x32, (uint64_t)-1, 0 };
	const uint64_t read_only[6] = { ARENA + 32 * 4096, 4096, 1 };
	const uint64_t playground[6] = { PLAYGROUND, PLAYGROUND_PAGES * 4096, 3, 0x32, (uint64_t)-1, 0 };

	fuzz_syscall(SYS_mmap, arena);
	fuzz_syscall(SYS_mprotect, read_only);
	fuzz_syscall(SYS_mmap, playground);
}

/* What a call has taken from the arena comes back when it is missed. */
static void on_segv(int sig, siginfo_t *info, void *ucontext)
{
	uint64_t addr = (uint64_t)(uintptr_t)info->si_addr;

	(void)sig;
	(void)ucontext;
	if (info->si_code <= 0 || addr < ARENA || addr >= ARENA + ARENA_SIZE)
		fuzz_exit();
	map_arena();
	fuzz_syscall(SYS_mprotect, (const uint64_t[6]){ ARENA, ARENA_SIZE, 3 });
}

static void *thread_main(void *arg) __attribute__((noreturn));
static void *thread_main(void *arg)
{
	struct fuzz *f = arg;

	worker.tid[f - worker.fuzz] = (int)fuzz_syscall(SYS_gettid, NULL);
	fuzz_loop(f, CALLS);
	__atomic_add_fetch(&worker.done, 1, __ATOMIC_SEQ_CST);
	for (;;)
		fuzz_syscall(SYS_exit, NULL);
}

static void worker_files(unsigned nr)
{
	char dir[32];

	snprintf(dir, sizeof(dir), "w%u", nr);
	mkdir(dir, 0777);
	if (chdir(dir))
		exit(1);
	symlink("a", "link");
	mkfifo("fifo", 0600);
	mkdir("d", 0700);
	for (int i = 0; i < NR_FDS; i++)
		worker.fds[i] = i % 3 ? open(i % 2 ? "a" : "b", O_RDWR | O_CREAT, 0600) : open("/dev/null", O_RDWR);
	for (int i = 0; i < 3; i++)
		dup2(worker.fds[0], i);
}

static void worker_main(uint64_t seed, unsigned nr) __attribute__((noreturn));
static void worker_main(uint64_t seed, unsigned nr)
{
	struct sigaction usr1 = { .sa_handler = on_usr1 },
			 segv = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO | SA_NODEFER };
	const uint64_t sleep[6] = { (uint64_t)(uintptr_t) & (struct timespec){ 0, 3000000 } };
	pthread_t thread;

	setsid();
	if (nr % 2)
		unshare(CLONE_NEWNS);
	if (nr % 4 == 2 && (setgid(65534) || setuid(65534)))
		exit(1);
	worker_files(nr);
	map_arena();
	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGCHLD)
			sigaction(sig, &usr1, NULL);
	sigaction(SIGSEGV, &segv, NULL);
	sigaction(SIGBUS, &segv, NULL);
	for (unsigned i = 0; i < NR_THREADS; i++) {
		worker.fuzz[i] = (struct fuzz){ .rnd = (seed + nr * 7919 + i * 104729) * 0x9e3779b97f4a7c15ULL | 1,
						.fds = worker.fds };
		pthread_create(&thread, NULL, thread_main, &worker.fuzz[i]);
	}
	for (unsigned ms = 0; worker.done < NR_THREADS && ms < WORKER_MS; ms += 3) {
		fuzz_syscall(SYS_nanosleep, sleep);
		for (unsigned i = 0; i < NR_THREADS; i++)
			fuzz_syscall(SYS_tkill, (const uint64_t[6]){ (uint64_t)worker.tid[i], SIGUSR1 });
	}
	fuzz_exit();
}

/* --- all of them --- */

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static unsigned long ended_by[65]; /* signal */

static void note_end(int status)
{
	if (WIFSIGNALED(status))
		ended_by[WTERMSIG(status)]++;
	else if (WIFEXITED(status))
		ended_by[0]++;
}

/* Whether all children were gone within the time. */
static bool reap(long ms)
{
	long deadline = now_ms() + ms;

	for (;;) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG | __WALL);

		if (pid < 0 && errno == ECHILD)
			return true;
		if (pid > 0) {
			note_end(status);
			continue;
		}
		if (now_ms() > deadline)
			return false;
		usleep(2000);
	}
}

static void batch(uint64_t seed, unsigned nr)
{
	for (unsigned i = 0; i < NR_WORKERS; i++) {
		pid_t pid = fork();

		if (!pid)
			worker_main(seed, nr * NR_WORKERS + i);
		shared->workers += pid > 0;
	}
	if (!reap(WORKER_MS * 2))
		shared->late++;
	kill(-1, SIGKILL);
	if (reap(REAP_MS))
		return;
	fprintf(stderr, "syscall_fuzz: seed %lu, batch %u: processes do not end\n", seed, nr);
	for (unsigned i = 0; i < NR_WORKERS * NR_THREADS; i++)
		fprintf(stderr, "%d %s(%#lx, %#lx, %#lx, %#lx, %#lx, %#lx)\n", shared->last[i].tid, shared->last[i].name,
			shared->last[i].arg[0], shared->last[i].arg[1], shared->last[i].arg[2], shared->last[i].arg[3],
			shared->last[i].arg[4], shared->last[i].arg[5]);
	execl("/bin/sh", "sh", "-c",
	      "cd /proc; for t in [0-9]*/task/*; do echo; echo \"$t: \"; cat $t/stat $t/syscall $t/wchan;"
	      " grep -E 'State|Pnd|Blk' $t/status; done >&2; sleep ${FUZZ_HOLD:-0}; exit 3",
	      NULL);
	exit(3);
}

int main(int argc, char **argv)
{
	uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	unsigned batches = argc > 2 ? (unsigned)atoi(argv[2]) : 10;
	unsigned first = argc > 3 ? (unsigned)atoi(argv[3]) : 0;
	char dir[64];

	if (getpid() != 1) {
		fputs("syscall_fuzz kills all processes: it runs only as process 1 of a guest\n", stderr);
		return 2;
	}
	shared = mmap((void *)0x140000000, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	snprintf(dir, sizeof(dir), "/tmp/syscall_fuzz.XXXXXX");
	if (shared == MAP_FAILED || !mkdtemp(dir) || chmod(dir, 0777) || chdir(dir))
		return 1;
	for (int sig = 1; sig < 65; sig++)
		if (sig != SIGCHLD && sig != SIGSEGV && sig != SIGBUS)
			signal(sig, SIG_IGN);
	for (unsigned i = 0; i < batches; i++)
		batch(seed, first + i);
	printf("syscall_fuzz: seed %lu: %lu workers, %lu calls, %lu succeeded, %lu EINVAL, %lu EFAULT, %lu ENOSYS, %lu "
	       "EINTR; %lu batches late\n",
	       seed, shared->workers, shared->calls, shared->by_errno[0], shared->by_errno[EINVAL],
	       shared->by_errno[EFAULT], shared->by_errno[ENOSYS], shared->by_errno[EINTR], shared->late);
	printf("processes ended:");
	for (unsigned i = 0; i < 65; i++)
		if (ended_by[i])
			printf(" %lu by %u", ended_by[i], i);
	puts("");
	return 0;
}
