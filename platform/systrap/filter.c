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
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

#include "platform/systrap/systrap.h"

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002

struct filter {
	struct sock_filter *insn;
	unsigned nr;
};

static void filter_add(struct filter *f, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	BUG_ON(f->nr == FILTER_MAX);
	f->insn[f->nr++] = (struct sock_filter){ code, jt, jf, k };
}

static void filter_load(struct filter *f, size_t off)
{
	filter_add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)off);
}

static void filter_return(struct filter *f, uint32_t action)
{
	filter_add(f, BPF_RET | BPF_K, 0, 0, action);
}

/* Passes calls by the 64-bit ABI from the stub's text; leaves the low half of the address in the accumulator. */
static void filter_begin(struct filter *f)
{
	filter_load(f, offsetof(struct seccomp_data, arch));
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	filter_return(f, SECCOMP_RET_TRAP);
	filter_load(f, offsetof(struct seccomp_data, instruction_pointer) + 4);
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, (uint32_t)(SYSTRAP_TEXT >> 32));
	filter_return(f, SECCOMP_RET_TRAP);
	filter_load(f, offsetof(struct seccomp_data, instruction_pointer));
}

/* A block for the syscall instruction that ends at @off in the text: allows the calls listed, traps others. */
static void filter_add_site(struct filter *f, unsigned off, const uint16_t *nr, unsigned n)
{
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(n + 3), (uint32_t)SYSTRAP_TEXT + off);
	filter_load(f, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < n; i++)
		filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(n - i), 0, nr[i]);
	filter_return(f, SECCOMP_RET_TRAP);
	filter_return(f, SECCOMP_RET_ALLOW);
}

/* The same for one call, if its argument @arg, a 32-bit one, is @a or @b. */
static void filter_add_call(struct filter *f, unsigned off, uint16_t nr, unsigned arg, uint32_t a, uint32_t b)
{
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 7, (uint32_t)SYSTRAP_TEXT + off);
	filter_load(f, offsetof(struct seccomp_data, nr));
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, nr);
	filter_load(f, offsetof(struct seccomp_data, args) + arg * 8);
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 2, 0, a);
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, b);
	filter_return(f, SECCOMP_RET_TRAP);
	filter_return(f, SECCOMP_RET_ALLOW);
}

/* Waiting for the turn: FUTEX_WAIT without a timeout, so that only who is entitled to ends it (thread.c). */
static void filter_add_wait(struct filter *f)
{
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 10, (uint32_t)SYSTRAP_TEXT + SYSTRAP_WAIT_RET_OFF);
	filter_load(f, offsetof(struct seccomp_data, nr));
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 7, SYS_futex);
	filter_load(f, offsetof(struct seccomp_data, args) + 1 * 8);
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 5, FUTEX_WAIT);
	filter_load(f, offsetof(struct seccomp_data, args) + 3 * 8);
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 3, 0);
	filter_load(f, offsetof(struct seccomp_data, args) + 3 * 8 + 4);
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0);
	filter_return(f, SECCOMP_RET_ALLOW);
	filter_return(f, SECCOMP_RET_TRAP);
}

#define SITE(f, off, ...)                                                                                              \
	filter_add_site((f), (off), (const uint16_t[]){ __VA_ARGS__ },                                                 \
			sizeof((const uint16_t[]){ __VA_ARGS__ }) / sizeof(uint16_t))

unsigned systrap_filter_build_stub(struct sock_filter *insn)
{
	struct filter f = { insn, 0 };

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
	filter_return(&f, SECCOMP_RET_TRAP);
	return f.nr;
}

unsigned systrap_filter_build_guest(struct sock_filter *insn)
{
	struct filter f = { insn, 0 };

	filter_begin(&f);
	filter_add_call(&f, SYSTRAP_WAKE_RET_OFF, SYS_futex, 1, FUTEX_WAKE, FUTEX_WAKE);
	filter_add_wait(&f);
	SITE(&f, SYSTRAP_WAIT_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_SIGRETURN_RET_OFF, SYS_rt_sigreturn);
	filter_add_call(&f, SYSTRAP_BASES_RET_OFF, SYS_arch_prctl, 0, ARCH_SET_FS, ARCH_SET_GS);
	SITE(&f, SYSTRAP_YIELD_RET_OFF, SYS_sched_yield);
	SITE(&f, SYSTRAP_EXIT_RET_OFF, SYS_exit);
	filter_return(&f, SECCOMP_RET_TRAP);
	return f.nr;
}
