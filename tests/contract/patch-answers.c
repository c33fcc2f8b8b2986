/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls from a hot place that a kernel may answer without being entered: what others change meanwhile (the parent, the group,
 * the session), the signal mask, futexes that nobody waits for, the processor.  The answer must be that of the moment.
 */
#include "tests/contract/contract.h"
#include <linux/futex.h>
#include <sched.h>
#include <sys/prctl.h>

#define HOT 100
#define SETSIZE 8

/* One call instruction for all.  The arguments are those of the call, behind its number. */
long hot(long nr, long a, long b, long c, long d);
__asm__(".pushsection .text\n"
	"hot: mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx; mov %r8,%r10; jmp 1f\n.balign 64\n"
	"1: syscall; ret\n.balign 16\n"
	".popsection");
#define HOT0(nr) hot(nr, 0, 0, 0, 0)

/* Shared with children; words that are spun on, without calls. */
static volatile struct shared {
	int go, ready, done, word;
} *shm;

static void warm(void)
{
	for (int i = 0; i < HOT; i++)
		HOT0(SYS_gettid);
}

static void until(volatile int *word, int value)
{
	while (*word != value)
		;
}

/* --- parents, groups, sessions --- */

static void reparented(void)
{
	pid_t child, me = getpid(), before;
	int status;

	prctl(PR_SET_CHILD_SUBREAPER, 1);
	memset((void *)shm, 0, sizeof(*shm));
	child = fork();
	if (!child) {
		pid_t mother = getpid();

		if (!fork()) {
			for (int i = 0; i < HOT; i++)
				before = (pid_t)HOT0(SYS_getppid);
			YES(before == mother);
			shm->ready = 1;
			until(&shm->go, 1);
			YES(HOT0(SYS_getppid) == me);
			YES(HOT0(SYS_getppid) == getppid());
			_exit(3);
		}
		until(&shm->ready, 1);
		_exit(4);
	}
	waitpid(child, &status, 0);
	SHOW(WEXITSTATUS(status));
	shm->go = 1;
	wait(&status);
	SHOW(WEXITSTATUS(status));
}

static void grouped(void)
{
	pid_t child;
	int status;

	memset((void *)shm, 0, sizeof(*shm));
	child = fork();
	if (!child) {
		pid_t group = (pid_t)HOT0(SYS_getpgrp), sid = (pid_t)HOT0(SYS_getsid);

		warm();
		YES(group == HOT0(SYS_getpgid) && group == getpgrp());
		shm->ready = 1;
		until(&shm->go, 1);
		YES(HOT0(SYS_getpgrp) == getpid());
		YES(HOT0(SYS_getpgid) == getpid());
		YES(HOT0(SYS_getsid) == sid);
		YES(hot(SYS_getpgid, getppid(), 0, 0, 0) == group);
		SHOW(hot(SYS_getsid, -1, 0, 0, 0));
		_exit(0);
	}
	until(&shm->ready, 1);
	CALL(setpgid(child, child));
	shm->go = 1;
	waitpid(child, &status, 0);
	SHOW(status);
}

static void *session_thread(void *arg)
{
	warm();
	shm->ready = 1;
	until(&shm->go, 1);
	YES(HOT0(SYS_getsid) == getpid());
	YES(HOT0(SYS_getpgrp) == getpid());
	return arg;
}

static void session(void)
{
	pthread_t t;

	memset((void *)shm, 0, sizeof(*shm));
	IN_CHILD("setsid beside a thread") {
		pthread_create(&t, NULL, session_thread, NULL);
		until(&shm->ready, 1);
		OK(setsid());
		shm->go = 1;
		pthread_join(t, NULL);
	}
}

/* --- the signal mask --- */

static volatile sig_atomic_t handled, handled_by;

static void on_signal(int sig)
{
	handled += sig;
	handled_by = (sig_atomic_t)syscall(SYS_gettid);
}

static uint64_t bit(int sig)
{
	return 1ULL << (sig - 1);
}

static long mask(int how, const uint64_t *set, uint64_t *old)
{
	return hot(SYS_rt_sigprocmask, how, (long)set, (long)old, SETSIZE);
}

static uint64_t mask_now(void)
{
	uint64_t old = 0;

	mask(0, NULL, &old);
	return old;
}

static void mask_values(void)
{
	uint64_t all = ~0ULL, one = bit(SIGUSR1), two = bit(SIGUSR2), both[2] = { one | two, 0 }, old = 7;

	for (int i = 0; i < HOT; i++) {
		mask(SIG_BLOCK, &one, NULL);
		mask(SIG_UNBLOCK, &one, NULL);
	}
	SHOW(mask(SIG_BLOCK, &one, &old));
	HEX(old);
	SHOW(mask(SIG_BLOCK, &two, &old));
	HEX(old);
	SHOW(mask(SIG_UNBLOCK, &one, &old));
	HEX(old);
	SHOW(mask(SIG_SETMASK, &all, NULL));
	HEX(mask_now());
	/* The same place for both, and places that overlap. */
	SHOW(mask(SIG_SETMASK, both, both));
	HEX(both[0]);
	both[0] = one, both[1] = two;
	SHOW(hot(SYS_rt_sigprocmask, SIG_SETMASK, (long)both, (long)both + 4, SETSIZE));
	HEX(both[1]);
	HEX(mask_now());
	/* Wrong ones change nothing, but for the place of the old one. */
	SHOW(mask(3, &all, &old));
	SHOW(mask(-1, &all, &old));
	SHOW(hot(SYS_rt_sigprocmask, 0, (long)&all, 0, 4));
	SHOW(mask(SIG_BLOCK, BAD_PTR, NULL));
	SHOW(mask(SIG_BLOCK, WILD_PTR, NULL));
	SHOW(mask(SIG_BLOCK, KERNEL_PTR, &old));
	HEX(mask_now());
	SHOW(mask(SIG_BLOCK, &two, BAD_PTR));
	HEX(mask_now());
	IN_CHILD("inherited") {
		HEX(mask_now());
		mask(SIG_SETMASK, &one, NULL);
		HEX(mask_now());
	}
	HEX(mask_now());
	old = 0;
	SHOW(mask(SIG_SETMASK, &old, NULL));
}

/* The line of /proc/PID/status. */
static uint64_t mask_shown(pid_t pid)
{
	char path[64], line[256];
	unsigned long long got = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "SigBlk: %llx", &got) == 1)
			break;
	fclose(f);
	return got;
}

/* Blocks a signal and tells so; what is sent then stays until it is unblocked. */
static void mask_pending(int sig, void (*handler)(int))
{
	uint64_t one = bit(sig), none = 0, pending = 0;
	pid_t child;

	memset((void *)shm, 0, sizeof(*shm));
	child = fork();
	if (!child) {
		signal(sig, handler);
		warm();
		handled = 0;
		mask(SIG_BLOCK, &one, NULL);
		shm->ready = 1;
		until(&shm->go, 1);
		SHOW(handled);
		if (handler == SIG_DFL) {
			syscall(SYS_rt_sigpending, &pending, SETSIZE);
			HEX(pending);
			signal(sig, on_signal);
		}
		SHOW(mask(SIG_SETMASK, &none, NULL));
		SHOW(handled);
		_exit(0);
	}
	until(&shm->ready, 1);
	HEX(mask_shown(child));
	CALL(kill(child, sig));
	shm->go = 1;
	wait(NULL);
}

static void *mask_thread(void *arg)
{
	uint64_t all = ~0ULL;

	warm();
	mask(SIG_SETMASK, &all, NULL);
	shm->ready = 1;
	until(&shm->go, 1);
	HEX(mask_now());
	return arg;
}

/* A signal for the process goes to a thread that takes it. */
static void mask_threads(void)
{
	uint64_t all = ~0ULL, none = 0;
	pthread_t t;

	signal(SIGUSR1, on_signal);
	memset((void *)shm, 0, sizeof(*shm));
	handled = 0;
	pthread_create(&t, NULL, mask_thread, NULL);
	until(&shm->ready, 1);
	CALL(kill(getpid(), SIGUSR1));
	YES(handled == SIGUSR1 && handled_by == getpid());
	mask(SIG_SETMASK, &all, NULL);
	CALL(kill(getpid(), SIGUSR1));
	SHOW(handled - SIGUSR1);
	mask(SIG_SETMASK, &none, NULL);
	YES(handled == 2 * SIGUSR1 && handled_by == getpid());
	shm->go = 1;
	pthread_join(t, NULL);
}

/* A pair of calls around each piece of work, as libraries do it, with a timer going off all the time. */
static void mask_storm(void)
{
	struct itimerval it = { { 0, 500 }, { 0, 500 } };
	uint64_t all = ~0ULL, old;
	long inside = 0, odd = 0;

	signal(SIGALRM, on_signal);
	handled = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	while (handled < 100 * SIGALRM) {
		mask(SIG_SETMASK, &all, &old);
		sig_atomic_t before = handled;

		for (int i = 0; i < 20; i++)
			odd += hot(SYS_getpid, 0, 0, 0, 0) != HOT0(SYS_gettid);
		inside += handled != before;
		mask(SIG_SETMASK, &old, NULL);
	}
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	SHOW(inside);
	SHOW(odd);
	HEX(mask_now());
}

/* --- futexes --- */

static long fut(volatile int *word, int op, int val)
{
	return hot(SYS_futex, (long)word, op | FUTEX_PRIVATE_FLAG, val, 0);
}

#define ROUNDS 3000

static volatile int ping, pong;

static void *futex_thread(void *arg)
{
	for (int i = 1; i <= ROUNDS; i++) {
		while (ping != i)
			fut(&ping, FUTEX_WAIT, i - 1);
		pong = i;
		fut(&pong, FUTEX_WAKE, 1);
	}
	return arg;
}

static void *futex_waiter(void *arg)
{
	long r;

	shm->ready = 1;
	do
		r = fut(&shm->word, FUTEX_WAIT, 0);
	while (r == -EINTR);
	shm->done = r == 0;
	return arg;
}

/* Whether the waiter waits for `word`: one that is moved to where it is shows that. */
static int moved_back(void)
{
	return syscall(SYS_futex, &shm->word, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 0, 1L, &shm->word, 0) != 0;
}

static void futexes(void)
{
	static int word, other;
	pthread_t t;

	for (int i = 0; i < HOT; i++)
		fut(&word, FUTEX_WAKE, 1);
	SHOW(fut(&word, FUTEX_WAKE, 1));
	SHOW(fut(&word, FUTEX_WAIT, 1));
	SHOW(hot(SYS_futex, (long)&word + 1, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0));
	SHOW(hot(SYS_futex, (long)BAD_PTR, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, 0));
	SHOW(hot(SYS_futex, (long)KERNEL_PTR, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, 0));
	SHOW(hot(SYS_futex, (long)WILD_PTR, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, 0));
	SHOW(hot(SYS_futex, (long)&word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, (long)BAD_PTR));
	/* No wake-up is lost. */
	pthread_create(&t, NULL, futex_thread, NULL);
	for (int i = 1; i <= ROUNDS; i++) {
		ping = i;
		fut(&ping, FUTEX_WAKE, 1);
		while (pong != i)
			fut(&pong, FUTEX_WAIT, i - 1);
	}
	pthread_join(t, NULL);
	/*
	 * One that is moved is found where it is.  The host may have it start its call again, and it is back where it was: then it is
	 * moved once more.
	 */
	memset((void *)shm, 0, sizeof(*shm));
	pthread_create(&t, NULL, futex_waiter, NULL);
	until(&shm->ready, 1);
	do
		while (syscall(SYS_futex, &shm->word, FUTEX_REQUEUE | FUTEX_PRIVATE_FLAG, 0, 1L, &other, 0) != 1)
			sched_yield();
	while (moved_back());
	SHOW(fut(&shm->word, FUTEX_WAKE, 1));
	SHOW(fut(&other, FUTEX_WAKE, 1));
	SHOW(fut(&other, FUTEX_WAKE, 1));
	pthread_join(t, NULL);
	SHOW(shm->done);
}

/* --- the processor --- */

static volatile int turn;

static void *yield_thread(void *arg)
{
	long me = (long)arg;

	for (int i = 0; i < 500; i++) {
		while (turn != me)
			HOT0(SYS_sched_yield);
		turn = !me;
	}
	return NULL;
}

static void processor(void)
{
	unsigned cpu = 9999, node = 9999;
	pthread_t t;

	for (int i = 0; i < HOT; i++)
		hot(SYS_getcpu, (long)&cpu, (long)&node, 0, 0);
	YES(cpu < 1024 && node < 64);
	SHOW(hot(SYS_getcpu, 0, 0, 0, 0));
	SHOW(hot(SYS_getcpu, (long)&cpu, (long)BAD_PTR, 0, 0));
	SHOW(hot(SYS_getcpu, (long)KERNEL_PTR, 0, 0, 0));
	SHOW(hot(SYS_getcpu, 0, (long)WILD_PTR, 0, 0));
	SHOW(HOT0(SYS_sched_yield));
	pthread_create(&t, NULL, yield_thread, (void *)1L);
	yield_thread((void *)0L);
	pthread_join(t, NULL);
}

/* A signal at any point of an answer. */
static void interrupted(void)
{
	struct itimerval it = { { 0, 300 }, { 0, 300 } };
	long me = HOT0(SYS_getppid), odd = 0;
	unsigned cpu;
	int word = 0;

	signal(SIGALRM, on_signal);
	handled = 0;
	setitimer(ITIMER_REAL, &it, NULL);
	while (handled < 300 * SIGALRM)
		for (int i = 0; i < 50; i++)
			odd += HOT0(SYS_getppid) != me || fut(&word, FUTEX_WAKE, 1) || fut(&word, FUTEX_WAIT, 1) != -EAGAIN ||
			       HOT0(SYS_sched_yield) || hot(SYS_getcpu, (long)&cpu, 0, 0, 0) || mask_now();
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	SHOW(odd);
}

int main(void)
{
	shm = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	warm();
	reparented();
	grouped();
	session();
	mask_values();
	say("a handler");
	mask_pending(SIGUSR1, on_signal);
	say("fatal");
	mask_pending(SIGUSR2, SIG_DFL);
	say("ignored");
	mask_pending(SIGCHLD, SIG_DFL);
	mask_threads();
	mask_storm();
	futexes();
	processor();
	interrupted();
	return 0;
}
