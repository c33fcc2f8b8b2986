/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filters.  A stub starts with the first one, which lets only the stub's own instructions make calls, each its own
 * few.  A guest thread adds the second, which takes away the mapper's, and looks at arguments: of its own memory it may give up what
 * it likes, and get at nothing else.  All else is a SIGSYS: the
 * guest's calls, those of other ABIs, those of the vsyscall page where the host has one.
 *
 * The tests stand in the order of their frequency: a filter runs at each of a guest thread's calls.
 */
#define _GNU_SOURCE 1
#include <linux/audit.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "platform/bpf_build.h"
#include "platform/systrap/systrap.h"

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002

struct filter {
	struct bpf_build b;
	struct host_filter_count count;
};

/* Passes calls by the 64-bit ABI from the stub's text; leaves the low half of the address in the accumulator. */
static void filter_begin(struct filter *f)
{
	bpf_load(&f->b, offsetof(struct seccomp_data, arch));
	bpf_jump_equal(&f->b, AUDIT_ARCH_X86_64, 1, 0);
	bpf_return(&f->b, SECCOMP_RET_TRAP);
	bpf_load(&f->b, offsetof(struct seccomp_data, instruction_pointer) + 4);
	bpf_jump_equal(&f->b, (uint32_t)(SYSTRAP_TEXT >> 32), 1, 0);
	bpf_return(&f->b, SECCOMP_RET_TRAP);
	bpf_load(&f->b, offsetof(struct seccomp_data, instruction_pointer));
}

/* A block for the syscall instruction that ends at @off in the text: allows the calls listed, traps others. */
static void filter_add_site(struct filter *f, unsigned off, const uint16_t *nr, unsigned n)
{
	bpf_jump_equal(&f->b, (uint32_t)SYSTRAP_TEXT + off, 0, (uint8_t)(n + 3));
	bpf_load(&f->b, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < n; i++)
		bpf_jump_equal(&f->b, nr[i], (uint8_t)(n - i), 0);
	bpf_return(&f->b, SECCOMP_RET_TRAP);
	bpf_return(&f->b, SECCOMP_RET_ALLOW);
	f->count.calls += n;
}

/* The same for one call, if its argument @arg, a 32-bit one, is @a or @b. */
static void filter_add_call(struct filter *f, unsigned off, uint16_t nr, unsigned arg, uint32_t a, uint32_t b)
{
	bpf_jump_equal(&f->b, (uint32_t)SYSTRAP_TEXT + off, 0, 7);
	bpf_load(&f->b, offsetof(struct seccomp_data, nr));
	bpf_jump_equal(&f->b, nr, 0, 3);
	bpf_load(&f->b, offsetof(struct seccomp_data, args) + arg * 8);
	bpf_jump_equal(&f->b, a, 2, 0);
	bpf_jump_equal(&f->b, b, 1, 0);
	bpf_return(&f->b, SECCOMP_RET_TRAP);
	bpf_return(&f->b, SECCOMP_RET_ALLOW);
	f->count.calls++;
	f->count.restricted++;
}

/* Waiting for the turn: FUTEX_WAIT without a timeout, so that only who is entitled to ends it (thread.c). */
static void filter_add_wait(struct filter *f)
{
	bpf_jump_equal(&f->b, (uint32_t)SYSTRAP_TEXT + SYSTRAP_WAIT_RET_OFF, 0, 10);
	bpf_load(&f->b, offsetof(struct seccomp_data, nr));
	bpf_jump_equal(&f->b, SYS_futex, 0, 7);
	bpf_load(&f->b, offsetof(struct seccomp_data, args) + 1 * 8);
	bpf_jump_equal(&f->b, FUTEX_WAIT, 0, 5);
	bpf_load(&f->b, offsetof(struct seccomp_data, args) + 3 * 8);
	bpf_jump_equal(&f->b, 0, 0, 3);
	bpf_load(&f->b, offsetof(struct seccomp_data, args) + 3 * 8 + 4);
	bpf_jump_equal(&f->b, 0, 0, 1);
	bpf_return(&f->b, SECCOMP_RET_ALLOW);
	bpf_return(&f->b, SECCOMP_RET_TRAP);
	f->count.calls++;
	f->count.restricted++;
}

#define ARG_LOW(n) (offsetof(struct seccomp_data, args) + (n) * 8)
#define ARG_HIGH(n) (ARG_LOW(n) + 4)
#define GUEST_END_LOW ((uint32_t)GUEST_TASK_SIZE)
#define GUEST_END_HIGH ((uint32_t)(GUEST_TASK_SIZE >> 32))

static void filter_require_equal(struct filter *f, uint32_t k)
{
	bpf_jump_equal(&f->b, k, 1, 0);
	bpf_return(&f->b, SECCOMP_RET_TRAP);
}

static void filter_require_at_most(struct filter *f, uint32_t k)
{
	bpf_add(&f->b, BPF_JMP | BPF_JGT | BPF_K, 0, 1, k);
	bpf_return(&f->b, SECCOMP_RET_TRAP);
}

/*
 * munmap and mprotect of a range that ends at GUEST_TASK_SIZE at the latest, with ordinary protections.  The end is computed in
 * halves: M[0] the low one, M[1] the high one.
 */
static void filter_add_calls(struct filter *f)
{
	unsigned begin = f->b.nr;

	bpf_jump_equal(&f->b, (uint32_t)SYSTRAP_TEXT + SYSTRAP_CALLS_RET_OFF, 0, 0);
	bpf_load(&f->b, offsetof(struct seccomp_data, nr));
	bpf_jump_equal(&f->b, SYS_munmap, 8, 0);
	filter_require_equal(f, SYS_mprotect);
	bpf_load(&f->b, ARG_HIGH(2));
	filter_require_equal(f, 0);
	bpf_load(&f->b, ARG_LOW(2));
	filter_require_at_most(f, PROT_READ | PROT_WRITE | PROT_EXEC);

	bpf_load(&f->b, ARG_HIGH(0));
	filter_require_at_most(f, GUEST_END_HIGH);
	bpf_add(&f->b, BPF_MISC | BPF_TAX, 0, 0, 0);
	bpf_load(&f->b, ARG_HIGH(1));
	filter_require_at_most(f, GUEST_END_HIGH);
	bpf_add(&f->b, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	bpf_add(&f->b, BPF_ST, 0, 0, 1);
	bpf_load(&f->b, ARG_LOW(1));
	bpf_add(&f->b, BPF_MISC | BPF_TAX, 0, 0, 0);
	bpf_load(&f->b, ARG_LOW(0));
	bpf_add(&f->b, BPF_ALU | BPF_ADD | BPF_X, 0, 0, 0);
	bpf_add(&f->b, BPF_ST, 0, 0, 0);
	bpf_add(&f->b, BPF_JMP | BPF_JGE | BPF_X, 3, 0, 0); /* else it went over */
	bpf_add(&f->b, BPF_LD | BPF_MEM, 0, 0, 1);
	bpf_add(&f->b, BPF_ALU | BPF_ADD | BPF_K, 0, 0, 1);
	bpf_add(&f->b, BPF_ST, 0, 0, 1);

	bpf_add(&f->b, BPF_LD | BPF_MEM, 0, 0, 1);
	bpf_add(&f->b, BPF_JMP | BPF_JGE | BPF_K, 1, 0, GUEST_END_HIGH);
	bpf_return(&f->b, SECCOMP_RET_ALLOW);
	filter_require_equal(f, GUEST_END_HIGH);
	bpf_add(&f->b, BPF_LD | BPF_MEM, 0, 0, 0);
	filter_require_at_most(f, GUEST_END_LOW);
	bpf_return(&f->b, SECCOMP_RET_ALLOW);
	f->b.insn[begin].jf = (uint8_t)(f->b.nr - begin - 1);
	f->count.calls += 2;
	f->count.restricted += 2;
}

#define SITE(f, off, ...)                                                                                              \
	filter_add_site((f), (off), (const uint16_t[]){ __VA_ARGS__ },                                                 \
			sizeof((const uint16_t[]){ __VA_ARGS__ }) / sizeof(uint16_t))

static struct filter filter_stub(struct sock_filter *insn, bool calls)
{
	struct filter f = { .b = { insn, 0, FILTER_MAX } };

	filter_begin(&f);
	SITE(&f, SYSTRAP_WAKE_RET_OFF, SYS_futex);
	SITE(&f, SYSTRAP_WAIT_RET_OFF, SYS_futex);
	SITE(&f, SYSTRAP_WAIT_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_SIGRETURN_RET_OFF, SYS_rt_sigreturn);
	if (calls)
		SITE(&f, SYSTRAP_CALLS_RET_OFF, SYS_munmap, SYS_mprotect);
	SITE(&f, SYSTRAP_LOOP_RET_OFF, SYS_futex, SYS_mmap, SYS_munmap, SYS_mprotect, SYS_mremap, SYS_write, SYS_clone);
	SITE(&f, SYSTRAP_SLEEP_RET_OFF, SYS_futex);
	SITE(&f, SYSTRAP_BASES_RET_OFF, SYS_arch_prctl);
	SITE(&f, SYSTRAP_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_EXIT_RET_OFF, SYS_exit);
	SITE(&f, SYSTRAP_CONFINE_RET_OFF, SYS_seccomp);
	SITE(&f, SYSTRAP_DIE_RET_OFF, SYS_exit_group);
	bpf_return(&f.b, SECCOMP_RET_TRAP);
	return f;
}

static struct filter filter_guest(struct sock_filter *insn, bool calls)
{
	struct filter f = { .b = { insn, 0, FILTER_MAX } };

	filter_begin(&f);
	filter_add_call(&f, SYSTRAP_WAKE_RET_OFF, SYS_futex, 1, FUTEX_WAKE, FUTEX_WAKE);
	filter_add_wait(&f);
	SITE(&f, SYSTRAP_WAIT_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_SIGRETURN_RET_OFF, SYS_rt_sigreturn);
	if (calls)
		filter_add_calls(&f);
	filter_add_call(&f, SYSTRAP_BASES_RET_OFF, SYS_arch_prctl, 0, ARCH_SET_FS, ARCH_SET_GS);
	SITE(&f, SYSTRAP_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_EXIT_RET_OFF, SYS_exit);
	bpf_return(&f.b, SECCOMP_RET_TRAP);
	return f;
}

unsigned systrap_filter_build_stub(struct sock_filter *insn, bool calls)
{
	return filter_stub(insn, calls).b.nr;
}

unsigned systrap_filter_build_guest(struct sock_filter *insn, bool calls)
{
	return filter_guest(insn, calls).b.nr;
}

void systrap_filter_count(struct host_filter_count *ret_stub, struct host_filter_count *ret_guest)
{
	struct sock_filter scratch[FILTER_MAX];

	*ret_stub = filter_stub(scratch, true).count;
	*ret_guest = filter_guest(scratch, true).count;
}
