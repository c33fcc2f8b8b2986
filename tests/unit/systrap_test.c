/* SPDX-License-Identifier: Apache-2.0 */
/* Guests that attack the stub they run in: its code, and the pages that pass the turn.  Only on the systrap platform. */
#define _GNU_SOURCE 1
#include "tests/unit/platform_fixture.h"

#include <sys/syscall.h>

#include "platform/systrap/layout.h"
#include "sentry/abi/signal.h"

static void systrap_init(void)
{
	setenv("SENTRY_PLATFORM", "systrap", 1);
	fixture_init();
}

TestSuite(systrap, .init = systrap_init, .fini = fixture_fini, .timeout = 400);

GUEST_CODE(do_syscall, "1:\n" GUEST_SYSCALL "jmp 1b");
GUEST_CODE(do_store, "movq %rsi, (%rdi)\n" GUEST_SYSCALL);
GUEST_CODE(do_count, "1: incq (%rdi)\njmp 1b");

/* The page of the first guest thread of a stub. */
#define GUEST_PAGE (SYSTRAP_BLOCKS + SYSTRAP_BLOCK_SIZE + SYSTRAP_PAGE_OFF)

/* Another guest works, so the sentry is all right. */
static void assert_unharmed(void)
{
	struct guest g = guest_new();

	guest_goto(&g, CODE_LOAD(g.as, 3, do_syscall));
	assert_syscall(&g);
	guest_free(&g);
}

Test(systrap, calls_from_the_mappers_instructions)
{
	static const unsigned sites[] = { SYSTRAP_LOOP_RET_OFF, SYSTRAP_SLEEP_RET_OFF, SYSTRAP_DIE_RET_OFF,
					  SYSTRAP_CONFINE_RET_OFF, SYSTRAP_WAKE_RET_OFF, SYSTRAP_WAIT_RET_OFF,
					  SYSTRAP_SIGRETURN_RET_OFF, SYSTRAP_EXIT_RET_OFF, SYSTRAP_BASES_RET_OFF,
					  SYSTRAP_WAIT_YIELD_RET_OFF };
	static const unsigned calls[] = { SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_clone, SYS_write, SYS_exit_group,
					  SYS_seccomp, SYS_open, SYS_kill, SYS_execve, 0x40000000 | SYS_futex };
	struct guest g = guest_new();

	for (unsigned i = 0; i < ARRAY_SIZE(sites); i++) {
		for (unsigned n = 0; n < ARRAY_SIZE(calls); n++) {
			guest_goto(&g, SYSTRAP_TEXT + sites[i] - 2);
			g.ctx->regs.rax = calls[n];
			g.ctx->regs.rdi = DATA;
			g.ctx->regs.rsi = PAGE_SIZE;
			g.ctx->regs.rdx = 7;
			g.ctx->regs.r10 = 0x11;
			assert_syscall(&g);
			cr_assert_eq(g.ctx->regs.orig_rax, calls[n]);
			cr_assert_eq(g.ctx->regs.rip, SYSTRAP_TEXT + (uint64_t)sites[i]);
		}
	}
	/* The arguments count, too: FUTEX_REQUEUE; ARCH_CET_ENABLE. */
	guest_goto(&g, SYSTRAP_TEXT + SYSTRAP_WAKE_RET_OFF - 2);
	g.ctx->regs.rax = SYS_futex;
	g.ctx->regs.rsi = 3;
	assert_syscall(&g);
	guest_goto(&g, SYSTRAP_TEXT + SYSTRAP_BASES_RET_OFF - 2);
	g.ctx->regs.rax = SYS_arch_prctl;
	g.ctx->regs.rdi = 0x5001;
	assert_syscall(&g);
	guest_free(&g);
}

Test(systrap, the_mappers_loop_takes_no_orders_from_a_guest)
{
	struct guest g = guest_new();
	struct systrap_order *order = (struct systrap_order *)(frame(8) + SYSTRAP_ORDERS_RING % PAGE_SIZE);

	/* Orders of its own at an address of its own, entered where the mapper loads the arguments. */
	platform->map(g.as, DATA, 4 * PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	*order = (struct systrap_order){ .nr = SYS_munmap, .arg = { DATA, PAGE_SIZE } };
	guest_goto(&g, SYSTRAP_TEXT + SYSTRAP_LOOP_RET_OFF - 2);
	g.ctx->regs.rax = SYS_munmap;
	g.ctx->regs.rbx = DATA;
	g.ctx->regs.r12 = DATA;
	assert_syscall(&g);

	/* Nor can it write there. */
	guest_goto(&g, CODE_LOAD(g.as, 0, do_store));
	g.ctx->regs.rdi = SYSTRAP_ORDERS;
	assert_fault(&g, SYSTRAP_ORDERS, ACCESS_WRITE, true);
	g.ctx->regs.rdi = SYSTRAP_TEXT;
	g.ctx->regs_dirty = true;
	assert_fault(&g, SYSTRAP_TEXT, ACCESS_WRITE, true);
	guest_free(&g);
}

/*
 * A call by the instruction that a guest thread has for its own mappings.  What is behind it goes on with a page of the test's, which
 * leads nowhere.
 */
static enum platform_stop_kind own_call(struct guest *g, uint64_t nr, uint64_t a, uint64_t b, uint64_t c)
{
	struct guest_regs *r = &g->ctx->regs;

	platform->map(g->as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	memset(frame(8), 0, PAGE_SIZE);
	*(uint32_t *)(frame(8) + SYSTRAP_PAGE_CALLS) = SYS_munmap;
	guest_goto(g, SYSTRAP_TEXT + SYSTRAP_CALLS_RET_OFF - 2);
	r->rax = nr, r->rdi = a, r->rsi = b, r->rdx = c;
	r->rbx = DATA, r->r12 = DATA + SYSTRAP_PAGE_CALLS, r->rbp = 1;
	return guest_run(g);
}

Test(systrap, calls_of_a_guest)
{
	static const uint64_t end = GUEST_TASK_SIZE, page = PAGE_SIZE;
	static const uint64_t none[][4] = {
		{ SYS_munmap, SYSTRAP_TEXT, 4096 },
		{ SYS_munmap, SYSTRAP_TEXT - 4096, 8192 },
		{ SYS_munmap, SYSTRAP_TEXT - 4096, 4097 },
		{ SYS_munmap, 0, 1UL << 47 },
		{ SYS_munmap, 4096, SYSTRAP_TEXT },
		{ SYS_munmap, 0x7ffefffff000, 0xe0002000 },
		{ SYS_munmap, 0xfffff000, 0x7ffee0002000 },
		{ SYS_munmap, SYSTRAP_BLOCKS, 4096 },
		{ SYS_munmap, -4096UL, 8192 },
		{ SYS_munmap, 8192, -4096UL },
		{ SYS_munmap, 1UL << 63, 1UL << 63 },
		{ SYS_mprotect, SYSTRAP_ORDERS, 4096, 3 },
		{ SYS_mprotect, SYSTRAP_VVAR, 4096, 3 },
		{ SYS_mprotect, SYSTRAP_TEXT - 4096, 8192, 3 },
		{ SYS_mprotect, DATA + 4096, 4096, 8 },
		{ SYS_mprotect, DATA + 4096, 4096, 0x01000003 },
		{ SYS_mprotect, DATA + 4096, 4096, 1UL << 32 | 3 },
		{ SYS_mmap, DATA, 4096, 3 },
		{ SYS_mremap, DATA, 4096, 8192 },
		{ SYS_madvise, DATA, 4096, 4 },
		{ SYS_pkey_mprotect, DATA, 4096, 3 },
	};
	struct guest g = guest_new();

	for (unsigned i = 0; i < ARRAY_SIZE(none); i++) {
		cr_assert_eq(own_call(&g, none[i][0], none[i][1], none[i][2], none[i][3]), STOP_SYSCALL, "%u", i);
		cr_assert_eq(g.ctx->regs.orig_rax, none[i][0]);
	}
	cr_assert_neq(own_call(&g, SYS_munmap, end - page, page, -1UL), STOP_SYSCALL);
	cr_assert_neq(own_call(&g, SYS_munmap, 0x7ffefffff000, 0xe0001000, 0), STOP_SYSCALL);
	cr_assert_neq(own_call(&g, SYS_mprotect, DATA + page, page, 7), STOP_SYSCALL);
	guest_free(&g);
	assert_unharmed();
}

/* What may not be written is not to be had for writing, whatever its protection is. */
Test(systrap, protections_of_a_guest)
{
	struct guest g = guest_new();
	uaddr_t code = CODE_LOAD(g.as, 0, do_store), at = DATA + PAGE_SIZE;

	for (unsigned i = 0; i < 2; i++) {
		unsigned prot = i ? R | X : R;

		memset(frame(9), 0, PAGE_SIZE);
		platform->map(g.as, at, PAGE_SIZE, prot, PLATFORM_MEMORY, 9 * PAGE_SIZE);
		own_call(&g, SYS_mprotect, at, PAGE_SIZE, 7);
		guest_goto(&g, code);
		g.ctx->regs.rdi = at;
		g.ctx->regs.rsi = 77;
		cr_assert_eq(guest_run(&g), STOP_FAULT);
		cr_assert_eq(*(uint64_t *)frame(9), 0);

		platform->map(g.as, at, PAGE_SIZE, prot | PLATFORM_OWNED, PLATFORM_MEMORY, 9 * PAGE_SIZE);
		own_call(&g, SYS_mprotect, at, PAGE_SIZE, 3);
		guest_goto(&g, code);
		g.ctx->regs.rdi = at;
		g.ctx->regs.rsi = 77;
		assert_syscall(&g);
		cr_assert_eq(*(uint64_t *)frame(9), 77);
	}
	guest_free(&g);
}

struct stuck {
	struct guest g;
	pthread_t thread;
	atomic_bool stop, done;
};

static void *stuck_main(void *arg)
{
	struct stuck *s = arg;

	while (guest_run(&s->g) == STOP_INTERRUPTED && !atomic_load(&s->stop))
		;
	atomic_store(&s->done, true);
	return NULL;
}

static void stuck_start(struct stuck *s)
{
	cr_assert_eq(pthread_create(&s->thread, NULL, stuck_main, s), 0);
}

/* An interrupt may come before the guest is where it hangs. */
static void stuck_end(struct stuck *s)
{
	while (!atomic_load(&s->done)) {
		platform->interrupt(s->g.ctx);
		host_nanosleep(50000000);
	}
	pthread_join(s->thread, NULL);
}

/* Whatever a guest writes to its page, its run ends or can be ended. */
Test(systrap, a_spoilt_page)
{
	static const uint64_t values[] = { 0, 1, 0xffffffffffffffff, 0x8000000080000000, GUEST_PAGE, 0x7fffffff7fffffff };
	enum { WORDS = 8, NR = WORDS * ARRAY_SIZE(values) };
	static struct stuck s[NR];

	for (unsigned i = 0; i < NR; i++) {
		s[i].g = guest_new();
		guest_goto(&s[i].g, CODE_LOAD(s[i].g.as, 0, do_store));
		s[i].g.ctx->regs.rdi = GUEST_PAGE + i % WORDS * 8;
		s[i].g.ctx->regs.rsi = values[i / WORDS];
		stuck_start(&s[i]);
	}
	host_nanosleep(100000000);
	for (unsigned i = 0; i < NR; i++)
		platform->interrupt(s[i].g.ctx);
	for (unsigned i = 0; i < NR; i++) {
		atomic_store(&s[i].stop, true);
		stuck_end(&s[i]);
		guest_free(&s[i].g);
	}
	assert_unharmed();
}

/* A frame where none can be: what the handler finds is its own, so the guest goes through the part behind it. */
Test(systrap, a_frame_outside)
{
	static const uint64_t frames[] = { 0, DATA, GUEST_PAGE, GUEST_PAGE - 8, SYSTRAP_BLOCKS, ~7ULL, 1UL << 63 };

	for (unsigned i = 0; i < ARRAY_SIZE(frames); i++) {
		struct guest g = guest_new();

		/* The page as the sentry will read it; the jump is to where the turn is passed. */
		guest_goto(&g, CODE_LOAD(g.as, 0, do_store));
		g.ctx->regs.rdi = GUEST_PAGE + SYSTRAP_PAGE_FRAME;
		g.ctx->regs.rsi = frames[i];
		assert_syscall(&g);
		guest_goto(&g, SYSTRAP_TEXT + SYSTRAP_STOP_OFF);
		g.ctx->regs.rbx = GUEST_PAGE;
		guest_run(&g);
		guest_free(&g);
	}
	assert_unharmed();
}

/* The guest runs into something that never stops, is interrupted, and must be reported dead within the time watch.c allows. */
static void assert_ends(struct stuck *s)
{
	stuck_start(s);
	host_nanosleep(50000000);
	stuck_end(s);
	cr_assert_eq(s->g.stop.kind, STOP_DEAD);
	guest_free(&s->g);
	assert_unharmed();
}

Test(systrap, a_thread_that_ends_itself)
{
	struct stuck s = { .g = guest_new() };

	guest_goto(&s.g, SYSTRAP_TEXT + SYSTRAP_EXIT_RET_OFF - 2);
	s.g.ctx->regs.rax = SYS_exit;
	assert_ends(&s);
}

/* In frame 8, at DATA: a signal frame of the guest's own, to be returned from with its address + 8 in rsp; goes on in do_count. */
#define FAKE_FRAME (DATA + 512 - 8)
#define FAKE_COUNTER ((volatile uint64_t *)(frame(8) + 2048))

static void fake_frame(struct guest *g, uint64_t sigmask)
{
	struct linux_rt_sigframe *fake = (void *)(frame(8) + FAKE_FRAME - DATA);

	platform->map(g->as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	memset(frame(8), 0, PAGE_SIZE);
	fake->uc.uc_sigmask = sigmask;
	fake->uc.uc_mcontext.ip = CODE_LOAD(g->as, 0, do_count);
	fake->uc.uc_mcontext.di = DATA + 2048;
	fake->uc.uc_mcontext.sp = DATA + PAGE_SIZE;
	fake->uc.uc_mcontext.cs = 0x33;
	fake->uc.uc_mcontext.ss = 0x2b;
}

/* It lets no interrupt through. */
Test(systrap, a_thread_that_does_not_answer)
{
	struct stuck s = { .g = guest_new() };

	fake_frame(&s.g, ~0ULL);
	guest_goto(&s.g, SYSTRAP_TEXT + SYSTRAP_SIGRETURN_RET_OFF - 2);
	s.g.ctx->regs.rax = SYS_rt_sigreturn;
	s.g.ctx->regs.rsp = FAKE_FRAME + 8;
	assert_ends(&s);
}

/*
 * It says that it has stopped, by all the rules, and goes on through the stub's own code with a page and a frame of its making.
 * What is unmapped is gone for it all the same.
 */
GUEST_CODE(do_lie, GUEST_SYSCALL "movl $1, (%rdi)\nlock incl 4(%rdi)\naddq $4, %rdi\nmovl $1, %esi\nmovl $1000, %edx\n"
		   "movl $202, %eax\njmp *%r15");

Test(systrap, a_stop_that_was_none)
{
	struct guest g = guest_new();
	uint64_t seen;

	fake_frame(&g, 0);
	*(uint64_t *)(frame(8) + SYSTRAP_PAGE_FRAME) = FAKE_FRAME;
	guest_goto(&g, CODE_LOAD(g.as, 1, do_lie));
	g.ctx->regs.rdi = GUEST_PAGE;
	g.ctx->regs.rbx = DATA;
	g.ctx->regs.r15 = SYSTRAP_TEXT + SYSTRAP_WAKE_RET_OFF - 2;
	assert_syscall(&g); /* which one that was, the lie says again */
	assert_syscall(&g);
	for (int i = 0; i < 1000 && !*FAKE_COUNTER; i++)
		host_nanosleep(1000000);
	cr_assert_neq(*FAKE_COUNTER, 0);
	platform->unmap(g.as, DATA, PAGE_SIZE);
	aspace_sync(g.as);
	seen = *FAKE_COUNTER;
	host_nanosleep(20000000);
	cr_assert_eq(*FAKE_COUNTER, seen);
	guest_free(&g);
	assert_unharmed();
}

/* The same, and the guest is gone: its thread counts on, until the stub is emptied. */
Test(systrap, an_end_that_was_none)
{
	struct guest g = guest_new();
	uint64_t seen;

	fake_frame(&g, 0);
	*(uint64_t *)(frame(8) + SYSTRAP_PAGE_FRAME) = FAKE_FRAME;
	guest_goto(&g, CODE_LOAD(g.as, 1, do_lie));
	g.ctx->regs.rdi = GUEST_PAGE;
	g.ctx->regs.rbx = DATA;
	g.ctx->regs.r15 = SYSTRAP_TEXT + SYSTRAP_WAKE_RET_OFF - 2;
	assert_syscall(&g); /* which one that was, the lie says again */
	assert_syscall(&g);
	guest_free(&g);
	seen = *FAKE_COUNTER;
	for (int i = 0; i < 20; i++) {
		assert_unharmed();
		cr_assert_eq(*FAKE_COUNTER, seen);
	}
}

/*
 * A thread that waits as it should goes with its stub to the next guest; which finds nothing of the last one's in it: registers,
 * signal stack, and what is in its page are as in a new one.
 */
GUEST_CODE(do_spoil, GUEST_SYSCALL "movq $-1, (%rdi)\nmovq $-1, 24(%rdi)\nmovq $-1, 40(%rdi)\nmovq $-1, 52(%rdi)\n" GUEST_SYSCALL);

Test(systrap, a_thread_that_is_kept)
{
	for (int i = 0; i < 20; i++) {
		struct guest g = guest_new();
		struct guest_regs regs;

		guest_goto(&g, CODE_LOAD(g.as, 1, do_spoil));
		regs = g.ctx->regs;
		g.ctx->regs.rdi = GUEST_PAGE + 64;
		assert_syscall(&g);
		cr_assert_eq(g.ctx->regs.rbx, regs.rbx);
		cr_assert_eq(g.ctx->regs.fs_base, 0);
		g.ctx->regs.rbx = g.ctx->regs.fs_base = 0x1234567;
		g.ctx->regs_dirty = true;
		assert_syscall(&g);
		guest_free(&g);
	}
	/* They have used few stubs for all that. */
	cr_assert_leq(count_children(NULL), 4);
	assert_unharmed();
}

/* A wait for the turn with a timeout is none: who has it could be gone on when it is taken for asleep. */
Test(systrap, a_wait_with_a_timeout)
{
	static const uint64_t timeouts[] = { DATA, 1UL << 32, 1 };
	struct guest g = guest_new();

	for (unsigned i = 0; i < ARRAY_SIZE(timeouts); i++) {
		guest_goto(&g, SYSTRAP_TEXT + SYSTRAP_WAIT_RET_OFF - 2);
		g.ctx->regs.rax = SYS_futex;
		g.ctx->regs.rdi = GUEST_PAGE;
		g.ctx->regs.rsi = 0;
		g.ctx->regs.r10 = timeouts[i];
		assert_syscall(&g);
		cr_assert_eq(g.ctx->regs.orig_rax, SYS_futex);
	}
	guest_free(&g);
}
