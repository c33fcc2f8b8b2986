/* SPDX-License-Identifier: Apache-2.0 */
/* Several guest threads and address spaces: interruption, mappings changed by others, life and death of the stubs. */
#define _GNU_SOURCE 1
#include "tests/unit/platform_fixture.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

TestSuite(platform_thread, .init = fixture_init, .fini = fixture_fini, .timeout = 400);

GUEST_CODE(do_syscall, "1:\n" GUEST_SYSCALL "jmp 1b");
GUEST_CODE(do_spin, "1: incq (%rdi)\njmp 1b");
GUEST_CODE(do_copy, "1: movq (%rdi), %rax\nmovq %rax, (%rsi)\nincq 8(%rsi)\njmp 1b");

/* A guest thread on a thread of the sentry, which runs it until told to stop. */
struct runner {
	struct guest g;
	pthread_t thread;
	uaddr_t rip, rdi, rsi;
	atomic_bool stop, let_go;
	atomic_int tid;
	atomic_uint interrupts, syscalls, faults, others;
	atomic_uint asked, acked; /* numbers of the last interrupt sent and answered */
};

/* Mappings are a cache, so those of spin_aspace may have to be made again. */
static bool runner_mend(struct runner *r)
{
	uaddr_t page = PAGE_DOWN(r->g.stop.addr);

	if (r->g.stop.present)
		return false;
	if (page >= CODE && page < CODE + 4 * PAGE_SIZE)
		platform->map(r->g.as, page, PAGE_SIZE, R | X, PLATFORM_MEMORY, page - CODE);
	else if (page == DATA)
		platform->map(r->g.as, page, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	else
		return false;
	return true;
}

static void *runner_main(void *arg)
{
	struct runner *r = arg;

	atomic_store(&r->tid, host_gettid());
	if (!r->g.ctx)
		r->g.ctx = platform->ctx_new(r->g.as);
	guest_goto(&r->g, r->rip);
	r->g.ctx->regs.rdi = r->rdi;
	r->g.ctx->regs.rsi = r->rsi;
	while (!atomic_load(&r->stop)) {
		switch (guest_run(&r->g)) {
		case STOP_SYSCALL:
			atomic_fetch_add(&r->syscalls, 1);
			break;
		case STOP_INTERRUPTED:
			atomic_fetch_add(&r->interrupts, 1);
			atomic_store(&r->acked, atomic_load(&r->asked));
			break;
		case STOP_FAULT:
			if (!runner_mend(r))
				atomic_fetch_add(&r->faults, 1);
			break;
		default:
			atomic_fetch_add(&r->others, 1);
			if (r->g.stop.kind == STOP_DEAD)
				atomic_store(&r->stop, true);
		}
	}
	while (!atomic_load(&r->let_go)) /* somebody may still be about to interrupt */
		sched_yield();
	platform->ctx_free(r->g.ctx);
	return NULL;
}

/* Starts a thread in @as; its context is made here, or by itself when @lazy. */
static void runner_start(struct runner *r, struct platform_aspace *as, uaddr_t rip, uaddr_t rdi, bool lazy)
{
	r->g.as = as;
	r->g.ctx = lazy ? NULL : platform->ctx_new(as);
	r->rip = rip;
	r->rdi = rdi;
	cr_assert_eq(pthread_create(&r->thread, NULL, runner_main, r), 0);
}

static void runner_stop(struct runner *r)
{
	atomic_store(&r->stop, true);
	platform->interrupt(r->g.ctx);
	atomic_store(&r->let_go, true);
	pthread_join(r->thread, NULL);
}

static void sleep_ms(int ms)
{
	host_nanosleep(ms * 1000000L);
}

/* Waits until @cond; false after longer than any load explains. */
#define eventually(cond)                                                                                               \
	({                                                                                                             \
		int tries_ = 100000;                                                                                   \
                                                                                                                       \
		while (!(cond) && --tries_)                                                                            \
			sleep_ms(1);                                                                                   \
		tries_ > 0;                                                                                            \
	})

static volatile uint64_t *word(unsigned n)
{
	return (volatile uint64_t *)frame(n);
}

/* An aspace with do_spin at CODE, and DATA as frame 8. */
static struct platform_aspace *spin_aspace(void)
{
	struct platform_aspace *as = platform->aspace_new();

	CODE_LOAD(as, 0, do_spin);
	CODE_LOAD(as, 1, do_copy);
	CODE_LOAD(as, 2, do_syscall);
	platform->map(as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	return as;
}

/* --- interruption --- */

/* Spins, as a sleep would space the interrupts out. */
static bool interrupt_and_wait(struct runner *r, unsigned n)
{
	atomic_store(&r->asked, n);
	platform->interrupt(r->g.ctx);
	for (unsigned spins = 0; atomic_load(&r->acked) != n; spins++) {
		if (spins == 50000000)
			return false;
		if (spins % 64 == 63)
			sched_yield();
	}
	return true;
}

Test(platform_thread, an_interrupt_is_never_lost)
{
	struct platform_aspace *as = spin_aspace();
	struct runner r = { 0 };

	runner_start(&r, as, CODE, DATA, false);
	for (unsigned i = 1; i <= 10000; i++)
		cr_assert(interrupt_and_wait(&r, i), "interrupt %u was lost", i);
	cr_assert_geq(atomic_load(&r.interrupts), 10000);
	cr_assert_eq(atomic_load(&r.others), 0);
	runner_stop(&r);
	platform->aspace_free(as);
}

/* The same against a guest that stops by itself all the time: each interrupt shows in this run or the next. */
Test(platform_thread, an_interrupt_races_with_a_syscall)
{
	struct platform_aspace *as = spin_aspace();
	struct runner r = { 0 };

	runner_start(&r, as, CODE + 2 * PAGE_SIZE, 0, false);
	for (unsigned i = 1; i <= 10000; i++)
		cr_assert(interrupt_and_wait(&r, i), "interrupt %u was lost", i);
	cr_assert_gt(atomic_load(&r.syscalls), 0);
	cr_assert_eq(atomic_load(&r.others) + atomic_load(&r.faults), 0);
	runner_stop(&r);
	platform->aspace_free(as);
}

Test(platform_thread, an_interrupt_before_the_first_run)
{
	struct guest g = guest_new();

	guest_goto(&g, CODE_LOAD(g.as, 0, do_syscall));
	platform->interrupt(g.ctx);
	cr_assert_eq(guest_run(&g), STOP_INTERRUPTED);
	assert_syscall(&g);
	guest_free(&g);
}

/* --- mappings changed by others --- */

/* A page is taken from a running guest: from the return of unmap on, its frame is the sentry's. */
static void check_foreign_unmap(struct platform_aspace *as, struct runner *r)
{
	for (uint64_t i = 1; i <= 200; i++) {
		uint64_t seen = word(10)[1];

		*word(9) = i;
		cr_assert_eq(platform->map(as, DATA + PAGE_SIZE, PAGE_SIZE, R, PLATFORM_MEMORY, 9 * PAGE_SIZE), 0);
		cr_assert(eventually(word(10)[1] > seen + 10), "the guest goes on");
		cr_assert_eq(word(10)[0], i);
		cr_assert_eq(platform->unmap(as, DATA + PAGE_SIZE, PAGE_SIZE), 0);
		aspace_sync(as);
		*word(9) = ~0ULL;
		/* The value read last may still be on its way to the result page, but none of a later read. */
		if (i % 50 == 0)
			sleep_ms(2);
		cr_assert_neq(word(10)[0], ~0ULL);
	}
	cr_assert_eq(atomic_load(&r->others), 0);
	cr_assert_gt(atomic_load(&r->faults), 0);
}

Test(platform_thread, foreign_calls_on_a_running_guest)
{
	struct platform_aspace *as = spin_aspace();
	struct runner r = { .rsi = DATA + 2 * PAGE_SIZE };

	platform->map(as, DATA + 2 * PAGE_SIZE, PAGE_SIZE, R | W, PLATFORM_MEMORY, 10 * PAGE_SIZE);
	runner_start(&r, as, CODE + PAGE_SIZE, DATA + PAGE_SIZE, false);
	check_foreign_unmap(as, &r);
	runner_stop(&r);
	platform->aspace_free(as);
}

/* By a thread that has a context of the same aspace, which is not in the guest. */
Test(platform_thread, an_owners_calls_while_another_runs)
{
	struct platform_aspace *as = spin_aspace();
	struct runner r = { .rsi = DATA + 2 * PAGE_SIZE };
	struct guest g = { .as = as, .ctx = platform->ctx_new(as) };

	platform->map(as, DATA + 2 * PAGE_SIZE, PAGE_SIZE, R | W, PLATFORM_MEMORY, 10 * PAGE_SIZE);
	guest_goto(&g, CODE + 2 * PAGE_SIZE);
	assert_syscall(&g);
	runner_start(&r, as, CODE + PAGE_SIZE, DATA + PAGE_SIZE, false);
	check_foreign_unmap(as, &r);
	assert_syscall(&g);
	runner_stop(&r);
	guest_free(&g);
}

static atomic_bool mapper_stop;

static void *mapper_main(void *arg)
{
	struct platform_aspace *as = arg;
	unsigned n = 0;

	while (!atomic_load(&mapper_stop)) {
		uaddr_t addr = DATA + (64 + n++ % 100) * PAGE_SIZE;

		platform->map(as, addr, PAGE_SIZE, R | W, PLATFORM_MEMORY, 200 * PAGE_SIZE);
		platform->protect(as, addr, PAGE_SIZE, R);
		platform->unmap(as, addr, PAGE_SIZE);
	}
	return NULL;
}

Test(platform_thread, a_storm_of_calls_and_contexts)
{
	struct platform_aspace *as = spin_aspace();
	struct runner spin[2] = { 0 };
	pthread_t mapper[2];

	for (int i = 0; i < 2; i++)
		runner_start(&spin[i], as, CODE, DATA + 8 * i, true);
	for (int i = 0; i < 2; i++)
		pthread_create(&mapper[i], NULL, mapper_main, as);
	for (int i = 0; i < 60; i++) {
		struct runner r = { 0 };

		runner_start(&r, as, CODE + 2 * PAGE_SIZE, 0, i % 2);
		cr_assert(eventually(atomic_load(&r.syscalls) > 3));
		runner_stop(&r);
		cr_assert_eq(atomic_load(&r.others) + atomic_load(&r.faults), 0);
	}
	atomic_store(&mapper_stop, true);
	for (int i = 0; i < 2; i++)
		pthread_join(mapper[i], NULL);
	for (int i = 0; i < 2; i++) {
		runner_stop(&spin[i]);
		cr_assert_eq(atomic_load(&spin[i].others) + atomic_load(&spin[i].faults), 0);
	}
	platform->aspace_free(as);
}

/* --- threads --- */

GUEST_CODE(do_vector, "1: vmovq %rdi, %xmm0\nvpbroadcastq %xmm0, %ymm7\nmovl $1000, %ecx\n2: decl %ecx\njnz 2b\n"
		      "movl $24, %eax\nsyscall\nvextracti128 $1, %ymm7, %xmm1\nvmovq %xmm1, %rax\n"
		      "cmpq %rax, %rdi\njne 3f\nincq (%rsi)\njmp 1b\n3: ud2\n");

Test(platform_thread, vector_state_is_each_threads_own)
{
	struct platform_aspace *as = spin_aspace();
	struct runner r[4] = { 0 };

	if (!__builtin_cpu_supports("avx2"))
		cr_skip("the processor has no AVX2");
	CODE_LOAD(as, 3, do_vector);
	for (int i = 0; i < 4; i++) {
		r[i].rsi = DATA + 8 * i;
		runner_start(&r[i], as, CODE + 3 * PAGE_SIZE, 0x1111111111111111UL * (i + 1), i % 2);
	}
	for (int i = 0; i < 4; i++) {
		cr_assert(eventually(atomic_load(&r[i].syscalls) > 500));
		runner_stop(&r[i]);
		cr_assert_eq(atomic_load(&r[i].others) + atomic_load(&r[i].faults), 0);
	}
	platform->aspace_free(as);
}

static void *hold_main(void *arg)
{
	struct runner *r = arg;

	guest_goto(&r->g, r->rip);
	guest_run(&r->g);
	atomic_store(&r->acked, 1);
	while (!atomic_load(&r->stop))
		sleep_ms(1);
	platform->ctx_free(r->g.ctx);
	return NULL;
}

/* A context whose thread nobody prepared while the only other one is stopped in the sentry for long. */
Test(platform_thread, the_others_go_on_when_the_first_is_gone)
{
	struct platform_aspace *as = spin_aspace();
	struct runner first = { .g = { .as = as, .ctx = platform->ctx_new(as) }, .rip = CODE + 2 * PAGE_SIZE };
	struct guest g = { .as = as, .ctx = platform->ctx_new(as) };

	pthread_create(&first.thread, NULL, hold_main, &first);
	cr_assert(eventually(atomic_load(&first.acked)));
	guest_goto(&g, CODE + 2 * PAGE_SIZE); /* its thread is made past the first one, which sleeps */
	assert_syscall(&g);
	atomic_store(&first.stop, true);
	pthread_join(first.thread, NULL); /* the tracer of the first is gone with it */
	for (int i = 0; i < 100; i++)
		assert_syscall(&g);
	guest_free(&g);
}

Test(platform_thread, many_threads)
{
	enum { NR = 100 };
	struct platform_aspace *as = spin_aspace();
	static struct runner r[NR];

	for (int i = 0; i < NR; i++)
		runner_start(&r[i], as, CODE + 2 * PAGE_SIZE, 0, false);
	for (int i = 0; i < NR; i++)
		cr_assert(eventually(atomic_load(&r[i].syscalls) > 0));
	for (int i = 0; i < NR; i++)
		runner_stop(&r[i]);
	platform->aspace_free(as);
}

/* The only core that a thread may use; -1 when there are several. */
static int pinned_to(pid_t tid)
{
	uint64_t mask[16] = { 0 };
	int cpu = -1;

	if (tid == 0 || host_sched_getaffinity(tid, sizeof(mask), mask) < 0)
		return -1;
	for (int i = 0; i < 16 * 64; i++) {
		if (!(mask[i / 64] & BIT(i % 64)))
			continue;
		if (cpu >= 0)
			return -1;
		cpu = i;
	}
	return cpu;
}

/* Guest threads that compute find their way to a core each, and stay; where they began does not matter. */
Test(platform_thread, busy_threads_spread)
{
	struct platform_aspace *as = spin_aspace();
	uint64_t mask[16] = { 0 };
	struct runner r[2] = { 0 };
	int cpu = host_sched_getcpu();

	if (host_nr_cpus() < 2)
		cr_skip("one processor");
	mask[cpu / 64] = BIT(cpu % 64);
	cr_assert_geq(host_sched_setaffinity(0, sizeof(mask), mask), 0);
	for (int i = 0; i < 2; i++)
		runner_start(&r[i], as, CODE, DATA + 8 * i, false);
	for (int i = 0; i < 2; i++)
		cr_assert(eventually(pinned_to(atomic_load(&r[i].tid)) >= 0));
	cr_assert(eventually(pinned_to(atomic_load(&r[0].tid)) != pinned_to(atomic_load(&r[1].tid))));
	for (int i = 0; i < 2; i++)
		runner_stop(&r[i]);
	platform->aspace_free(as);
}

/* --- life and death --- */

Test(platform_thread, nothing_is_left)
{
	enum { NR = 200, LIVE = 40 };
	static struct guest g[LIVE];
	unsigned fds = count_fds();

	for (int i = 0; i < NR + LIVE; i++) {
		struct guest *slot = &g[i % LIVE];

		if (i >= LIVE)
			guest_free(slot);
		if (i >= NR)
			continue;
		*slot = guest_new();
		guest_goto(slot, CODE_LOAD(slot->as, 0, do_syscall));
		assert_syscall(slot);
	}
	/* A stub that is kept may keep descriptors here. */
	cr_assert_leq(count_fds(), fds + (on_systrap() ? 48 : 16));
	platform->fini();
	cr_assert_eq(count_children(NULL), 0, "a stub or a zombie is left");
	cr_assert_leq(count_fds(), fds);
}

Test(platform_thread, recycled_memory_is_clean)
{
	for (int i = 0; i < 20; i++) {
		struct guest g = guest_new();

		guest_goto(&g, CODE_LOAD(g.as, 0, do_spin));
		g.ctx->regs.rdi = DATA;
		assert_fault_absent(&g, DATA, ACCESS_WRITE);
		platform->map(g.as, DATA, 16 * PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
		platform->interrupt(g.ctx);
		cr_assert_eq(guest_run(&g), STOP_INTERRUPTED);
		guest_free(&g);
	}
}

Test(platform_thread, strangers_signals_do_not_reach_the_guest)
{
	struct platform_aspace *as = spin_aspace();
	struct runner r = { 0 };
	uint64_t before;
	pid_t pid = 0;

	runner_start(&r, as, CODE, DATA, false);
	cr_assert(eventually(*word(8)));
	cr_assert_geq(count_children(&pid), 1);
	for (int sig = 1; sig < 64; sig++) {
		/* Those of hardware are as deadly as SIGKILL when someone sends them. */
		if (sig == SIGKILL || sig == SIGILL || sig == SIGTRAP || sig == SIGBUS || sig == SIGFPE ||
		    sig == SIGSEGV || sig == SIGSYS || (sig > 31 && sig < 34))
			continue;
		/* Nor does anyone notice that such a stub was stopped. */
		if (sig == SIGSTOP && on_systrap())
			continue;
		kill(pid, sig);
		before = *word(8);
		cr_assert(eventually(*word(8) > before + 1000), "signal %d", sig);
	}
	cr_assert_eq(atomic_load(&r.others) + atomic_load(&r.faults) + atomic_load(&r.syscalls), 0);
	runner_stop(&r);
	platform->aspace_free(as);
}

static void kill_children(void)
{
	pid_t pids[32];
	unsigned nr = MIN(list_children(pids, 32), 32);
	siginfo_t info;

	cr_assert_geq(nr, 1);
	for (unsigned i = 0; i < nr; i++)
		kill(pids[i], SIGKILL);
	/* Until they are dead they may well be taken for alive. */
	for (unsigned i = 0; i < nr && on_systrap(); i++)
		while (waitid(P_PID, (id_t)pids[i], &info, WEXITED | WNOWAIT | __WALL) < 0 && errno == EINTR)
			;
}

Test(platform_thread, a_killed_stub_is_reported)
{
	struct platform_aspace *as = spin_aspace();
	struct runner r[3] = { 0 };
	struct guest g = { .as = as, .ctx = platform->ctx_new(as) };

	/* One stopped in the sentry, three in the guest. */
	guest_goto(&g, CODE + 2 * PAGE_SIZE);
	assert_syscall(&g);
	for (int i = 0; i < 3; i++)
		runner_start(&r[i], as, CODE, DATA + 8 * i, i == 0);
	for (int i = 0; i < 3; i++)
		cr_assert(eventually(word(8)[i]));
	kill_children();
	for (int i = 0; i < 3; i++) {
		atomic_store(&r[i].let_go, true);
		pthread_join(r[i].thread, NULL);
		cr_assert_eq(r[i].g.stop.kind, STOP_DEAD);
	}
	platform->unmap(as, DATA, PAGE_SIZE);
	cr_assert_eq(guest_run(&g), STOP_DEAD);
	cr_assert_eq(guest_run(&g), STOP_DEAD);
	platform->ctx_free(g.ctx);
	if (!on_systrap()) /* whose idle ones were killed, too */
		cr_assert_eq(count_children(NULL), 0);

	/* The aspace can be used again. */
	g.ctx = platform->ctx_new(as);
	guest_goto(&g, CODE_LOAD(as, 2, do_syscall));
	assert_syscall(&g);
	guest_free(&g);

	/* An idle stub's death is nobody's business. */
	kill_children();
	g = guest_new();
	guest_goto(&g, CODE_LOAD(g.as, 2, do_syscall));
	assert_syscall(&g);
	guest_free(&g);
}

static bool is_stub(pid_t pid)
{
	char path[64], name[32] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = fopen(path, "re");
	if (f && !fgets(name, sizeof(name), f))
		name[0] = '\0';
	if (f)
		fclose(f);
	return !strncmp(name, "memfd:", 6);
}

/* A sentry of its own in a child, with stubs in every state; its number of stubs comes through @fd. */
static void victim_main(int fd)
{
	static struct runner r[3];
	struct platform_aspace *as;
	pid_t stubs[16];
	struct guest g;
	unsigned nr;

	fixture_init();
	as = spin_aspace();
	for (int i = 0; i < 3; i++)
		runner_start(&r[i], as, CODE, DATA + 8 * i, false);
	g = guest_new();
	guest_goto(&g, CODE_LOAD(g.as, 2, do_syscall));
	guest_run(&g); /* a stopped one */
	g.ctx = platform->ctx_new(g.as); /* a prepared thread */
	g = guest_new();
	guest_goto(&g, CODE_LOAD(g.as, 2, do_syscall));
	guest_run(&g);
	guest_free(&g); /* an idle one */
	while (!word(8)[0] || !word(8)[1] || !word(8)[2])
		sleep_ms(1);
	/* The idle one stays stopped: nobody is there to see it. */
	/* One that is being made in stock may not be a stub yet, and proc(5) may leave out some while others come and go. */
	do {
		sleep_ms(1);
		nr = MIN(list_children(stubs, 16), 16);
		for (unsigned i = 0; i < nr; i++)
			nr = is_stub(stubs[i]) ? nr : 0;
	} while (nr < 3);
	for (unsigned i = 0; i < nr; i++)
		kill(stubs[i], SIGSTOP);
	if (write(fd, &nr, sizeof(nr)) != sizeof(nr))
		_exit(1);
	for (;;)
		pause();
}

Test(platform_thread, stubs_die_with_the_sentry)
{
	unsigned nr = 0;
	int fds[2];
	pid_t pid;

	platform->fini();
	/* Orphans come to us, so that none can hide. */
	cr_assert_eq(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (!pid) {
		victim_main(fds[1]);
		_exit(1);
	}
	cr_assert_eq(read(fds[0], &nr, sizeof(nr)), sizeof(nr));
	cr_assert_geq(nr, 3);
	kill(pid, SIGKILL);
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	/* Those, the spawner, and what it has in stock. */
	cr_assert(eventually(waitpid(-1, NULL, WNOHANG) < 0), "of %u stubs, or the spawner, something lives", nr);
}
