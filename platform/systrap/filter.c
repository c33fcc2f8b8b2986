/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filters.  A stub starts with the first one, which lets only the stub's own instructions make calls, each its own
 * few.  A guest thread adds the second, which takes away the mapper's, and looks at arguments.  All else is a SIGSYS: the
 * guest's calls, those of other ABIs, those of the vsyscall page where the host has one.
 *
 * The tests stand in the order of their frequency: a filter runs at each of a guest thread's calls.
 */
#define _GNU_SOURCE 1
#include <linux/audit.h>
#include <linux/futex.h>
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

#define SITE(f, off, ...)                                                                                              \
	filter_add_site((f), (off), (const uint16_t[]){ __VA_ARGS__ },                                                 \
			sizeof((const uint16_t[]){ __VA_ARGS__ }) / sizeof(uint16_t))

static struct filter filter_stub(struct sock_filter *insn)
{
	struct filter f = { .b = { insn, 0, FILTER_MAX } };

	filter_begin(&f);
	SITE(&f, SYSTRAP_WAKE_RET_OFF, SYS_futex);
	SITE(&f, SYSTRAP_WAIT_RET_OFF, SYS_futex);
	SITE(&f, SYSTRAP_WAIT_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_SIGRETURN_RET_OFF, SYS_rt_sigreturn);
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

static struct filter filter_guest(struct sock_filter *insn)
{
	struct filter f = { .b = { insn, 0, FILTER_MAX } };

	filter_begin(&f);
	filter_add_call(&f, SYSTRAP_WAKE_RET_OFF, SYS_futex, 1, FUTEX_WAKE, FUTEX_WAKE);
	filter_add_wait(&f);
	SITE(&f, SYSTRAP_WAIT_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_SIGRETURN_RET_OFF, SYS_rt_sigreturn);
	filter_add_call(&f, SYSTRAP_BASES_RET_OFF, SYS_arch_prctl, 0, ARCH_SET_FS, ARCH_SET_GS);
	SITE(&f, SYSTRAP_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_EXIT_RET_OFF, SYS_exit);
	bpf_return(&f.b, SECCOMP_RET_TRAP);
	return f;
}

unsigned systrap_filter_build_stub(struct sock_filter *insn)
{
	return filter_stub(insn).b.nr;
}

unsigned systrap_filter_build_guest(struct sock_filter *insn)
{
	return filter_guest(insn).b.nr;
}

void systrap_filter_count(struct host_filter_count *ret_stub, struct host_filter_count *ret_guest)
{
	struct sock_filter scratch[FILTER_MAX];

	*ret_stub = filter_stub(scratch).count;
	*ret_guest = filter_guest(scratch).count;
}
