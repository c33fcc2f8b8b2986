/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sentry and the code of a stub process (stub_text.S) agree on.  Included by assembly, too.
 *
 * A stub is a host process whose memory below GUEST_TASK_SIZE is a guest address space.  Above it lie
 *
 *     SYSTRAP_TEXT    two pages, r-x    the only code a stub has of its own; the second page is for patched call sites
 *     SYSTRAP_ORDERS  four pages, r--   struct systrap_orders: what the mapper is to do; the sentry alone can write it
 *     SYSTRAP_VVAR    r--               the host's vDSO data pages until map_vvar moves them into the guest's range
 *     SYSTRAP_BLOCKS  rw-               a block for each guest thread: its signal stack, and above it a struct systrap_page
 *
 * and nothing else.  The guest can read all of it, write the blocks, and jump to any instruction of the text.
 *
 * Two kinds of threads:
 *
 * The mapper is the leader.  It never runs guest code, has no stack, keeps its state in registers, and blocks all signals.  It
 * takes orders from the ring in struct systrap_orders, which no guest can write: each is a host call (mmap, munmap, mprotect,
 * mremap, clone, a wake-up).  An order may be an acknowledgement: a write to a descriptor, which a guest thread can't forge
 * since its seccomp filter lets it use no descriptor at all.
 *
 * A guest thread has a second, stricter filter: every call is a SIGSYS but the few that the handler makes, each from its own
 * instruction only.  Everything that stops a guest is a signal; its handler runs on the block's signal stack, so that the
 * frame which the host's kernel writes, registers and extended state, is what the sentry reads and changes.  The handler passes the
 * turn to the sentry, waits for it to come back, makes the calls that came with it, and returns from the signal.
 *
 * The turn.  A guest thread that stops writes what for (kind, frame), sets systrap_page.turn to STOPPED, counts one up in
 * systrap_page.stops, which is what its sentry thread waits for, and waits until turn is something else:
 *
 *     RUN         go on.  Written by the sentry, or by the mapper when the orders before are carried out.
 *     EXIT        the guest thread is to end
 *     TRAP        the guest thread is to stop again by a SIGSYS in the stub's text.  For a thread that stopped without a
 *                 signal (SYSTRAP_KIND_PATCH): its extended state is in the frame afterwards, and the frame takes the place of
 *                 the other kind of stop.  A thread whose extended state is wanted often saves it itself (FLAG_XSAVE)
 *
 * The calls of a guest thread.  It may munmap and mprotect what it has below GUEST_TASK_SIZE, as it likes, because that gives it
 * nothing: what it may not write is mapped from descriptors that were opened for reading, which the host's kernel remembers; and what it
 * says it has unmapped the mapper unmaps again before the memory is somebody else's.  It can map nothing.
 *
 * A guest can write any of these fields at any time.  That may end or confuse that guest process, and no more: the sentry reads a field
 * once, takes no address from it that it does not check, and what other processes rely on goes by the mapper's acknowledgement.
 */
#ifndef SENTRY_PLATFORM_SYSTRAP_LAYOUT_H
#define SENTRY_PLATFORM_SYSTRAP_LAYOUT_H

#define SYSTRAP_TEXT 0x7fffe0000000
#define SYSTRAP_TEXT_SIZE 0x2000
#define SYSTRAP_ORDERS 0x7fffe0010000
#define SYSTRAP_ORDERS_SIZE 0x4000
#define SYSTRAP_VVAR 0x7fffe0020000
#define SYSTRAP_VVAR_MAX 0x10000
#define SYSTRAP_BLOCKS 0x7fffe1000000

/*
 * Blocks come in units, which is what is mapped at a time.  The first block of a stub's first unit is nobody's: the file has the
 * orders in its place (which the stub maps elsewhere, read-only), and behind them a page for what the mapper writes.
 */
#define SYSTRAP_BLOCK_SIZE 0x8000
#define SYSTRAP_UNIT_SIZE 0x80000
#define SYSTRAP_UNIT_BLOCKS 16
#define SYSTRAP_MAX_UNITS 900 /* of a stub: to the end of the user half */
#define SYSTRAP_MAPPER_PAGE 0x4000 /* offset in the first block */
#define SYSTRAP_MAPPER_FAILED 0	   /* a word: an order has failed since it was cleared.  A hint. */
#define SYSTRAP_FUTEX_PAGE 0x5000  /* offset in the first block: waiters on private futexes, see patch_area.h */
#define SYSTRAP_FUTEX_COUNTS 0x7fffe1005000
#define SYSTRAP_NR_FUTEX_COUNTS 1024

/* The signal stack is what lies below the page in a block. */
#define SYSTRAP_PAGE_OFF 0x7c00
#define SYSTRAP_STACK_SIZE SYSTRAP_PAGE_OFF

/* Offsets in the text; stub_text.S pins them with .org.  *_RET is the address behind a syscall, as seccomp sees it. */
#define SYSTRAP_ENTRY_OFF 0x100
#define SYSTRAP_LOOP_RET_OFF 0x280	 /* the mapper's calls */
#define SYSTRAP_SLEEP_RET_OFF 0x300	 /* the mapper's futex */
#define SYSTRAP_DIE_RET_OFF 0x340	 /* exit_group, when start-up fails */
#define SYSTRAP_CONFINE_RET_OFF 0x380	 /* seccomp, by a new guest thread */
#define SYSTRAP_HANDLER_OFF 0x3c0
#define SYSTRAP_STOP_OFF 0x440		 /* the hand-over: rbx is the page, all else is saved and may be overwritten */
#define SYSTRAP_WAKE_RET_OFF 0x480	 /* futex */
#define SYSTRAP_WAIT_RET_OFF 0x4e0	 /* futex */
#define SYSTRAP_SIGRETURN_RET_OFF 0x540	 /* rt_sigreturn */
#define SYSTRAP_EXIT_RET_OFF 0x580	 /* exit */
#define SYSTRAP_TRAP_RET_OFF 0x5c0	 /* a call that traps */
#define SYSTRAP_WAIT_YIELD_RET_OFF 0x5e0 /* sched_yield */
#define SYSTRAP_BASES_OFF 0x600
#define SYSTRAP_BASES_RET_OFF 0x680	 /* arch_prctl */
#define SYSTRAP_CALLS_RET_OFF 0x700	 /* munmap and mprotect below GUEST_TASK_SIZE */
#define SYSTRAP_RESTORER_OFF 0x780	 /* the handlers' return address; nothing returns there */
#define SYSTRAP_YIELD_OFF 0x7c0
#define SYSTRAP_YIELD_RET_OFF 0x800	 /* sched_yield */
#define SYSTRAP_PATCH_OFF 0x1000	 /* the second page: where a KIND_PATCH stop goes on with rbx the page */
#define SYSTRAP_END_OFF 0x2000

/* The descriptors of a stub. */
#define SYSTRAP_FD_MEMORY 0  /* guest memory */
#define SYSTRAP_FD_BLOCKS 1  /* orders and blocks of all stubs */
#define SYSTRAP_FD_ACK 2     /* an eventfd */
#define SYSTRAP_FD_MEMORY_RO 3 /* guest memory, opened for reading: no mapping of it can be made writable */
#define SYSTRAP_FD_BACKING 4 /* backing id n at SYSTRAP_FD_BACKING + n - 1; for reading, too */

/* struct systrap_orders */
#define SYSTRAP_ORDERS_HEAD 0
#define SYSTRAP_ORDERS_ACKS 64
#define SYSTRAP_ORDERS_GUEST_FILTER 128
#define SYSTRAP_ORDERS_RING 0x2000
#define SYSTRAP_NR_ORDERS 128

/* struct systrap_order */
#define SYSTRAP_ORDER_SIZE 64
#define SYSTRAP_ORDER_SHIFT 6
#define SYSTRAP_ORDER_ARGS 8
#define SYSTRAP_ORDER_FLAGS 56
#define SYSTRAP_ORDER_BLAME 60

#define SYSTRAP_ORDER_VDSO 1	/* add the vDSO's address to the first argument; start-up only */
#define SYSTRAP_ORDER_PROTECT 2 /* mprotect: on failure munmap is as good */
#define SYSTRAP_ORDER_CLONE 4	/* the child goes to SYSTRAP's guest side with its stack pointer as the page */
#define SYSTRAP_ORDER_ACK 8	/* the second argument becomes the value of what failed since the last one */
#define SYSTRAP_ORDER_RUN 16	/* arg[0] is a page: its turn becomes RUN, then the call wakes it */

#define SYSTRAP_BLAME_ORDER 1 /* an order failed */
#define SYSTRAP_BLAME_VVAR 2  /* the host lets its vDSO data not be moved */

/* struct systrap_page */
#define SYSTRAP_PAGE_TURN 0 /* stub_text.S relies on it */
#define SYSTRAP_PAGE_STOPS 4
#define SYSTRAP_PAGE_SENTRY_SLEEPS 8
#define SYSTRAP_PAGE_STUB_SLEEPS 12
#define SYSTRAP_PAGE_KIND 16
#define SYSTRAP_PAGE_FLAGS 20
#define SYSTRAP_PAGE_FRAME 24
#define SYSTRAP_PAGE_FS_BASE 32
#define SYSTRAP_PAGE_GS_BASE 40
#define SYSTRAP_PAGE_TID 48
#define SYSTRAP_PAGE_SPIN 52
#define SYSTRAP_PAGE_SELF 56
#define SYSTRAP_PAGE_REGS 64
#define SYSTRAP_PAGE_NR_CALLS 288
#define SYSTRAP_PAGE_CALLS_FAILED 292
#define SYSTRAP_PAGE_CALLS 296
#define SYSTRAP_PAGE_PATCH 512
#define SYSTRAP_PAGE_SIZE 1024

#define SYSTRAP_TURN_RUN 0
#define SYSTRAP_TURN_STOPPED 1
#define SYSTRAP_TURN_EXIT 2
#define SYSTRAP_TURN_TRAP 3

#define SYSTRAP_KIND_SIGNAL 0
#define SYSTRAP_KIND_PATCH 1

#define SYSTRAP_FLAG_FSGSBASE 1	 /* the processor's instructions for segment bases may be used */
#define SYSTRAP_FLAG_SET_BASES 2 /* fs_base and gs_base are to be loaded before the guest goes on */
#define SYSTRAP_FLAG_XSAVE 4	 /* the extended state is to be saved at a KIND_PATCH stop, at the bottom of the block */
#define SYSTRAP_FLAG_XRSTOR 8	 /* and to be loaded from there when the guest goes on after one */

#define SYSTRAP_INTERRUPT_SIGNAL 23 /* SIGURG */

/* CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD, _SYSVSEM, _PARENT_SETTID */
#define SYSTRAP_CLONE_FLAGS 0x150f00

/* struct systrap_call */
#define SYSTRAP_CALL_SIZE 32
#define SYSTRAP_MAX_CALLS 6

#ifndef __ASSEMBLER__

#include "platform/platform.h"
#include "sentry/base/types.h"

struct systrap_order {
	uint64_t nr; /* the host call */
	uint64_t arg[6];
	uint32_t flags;
	uint32_t blame; /* what its failure means: SYSTRAP_BLAME_* */
};
static_assert(sizeof(struct systrap_order) == SYSTRAP_ORDER_SIZE &&
		      offsetof(struct systrap_order, arg) == SYSTRAP_ORDER_ARGS &&
		      offsetof(struct systrap_order, flags) == SYSTRAP_ORDER_FLAGS &&
		      offsetof(struct systrap_order, blame) == SYSTRAP_ORDER_BLAME,
	      "struct systrap_order");

/* The sentry's to write, the stub's to read. */
struct systrap_orders {
	atomic_uint head; /* futex: orders given so far; order n is in ring[n % SYSTRAP_NR_ORDERS] */
	uint32_t pad[15];
	uint64_t acks[8]; /* what an acknowledgement writes, by blame */
	uint64_t guest_filter[2]; /* struct sock_fprog of a guest thread */
	uint8_t data[SYSTRAP_ORDERS_RING - 144]; /* what start-up's calls point to, and the guest filter's instructions */
	struct systrap_order ring[SYSTRAP_NR_ORDERS];
};
static_assert(sizeof(struct systrap_orders) == SYSTRAP_ORDERS_SIZE &&
		      offsetof(struct systrap_orders, acks) == SYSTRAP_ORDERS_ACKS &&
		      offsetof(struct systrap_orders, guest_filter) == SYSTRAP_ORDERS_GUEST_FILTER &&
		      offsetof(struct systrap_orders, ring) == SYSTRAP_ORDERS_RING,
	      "struct systrap_orders");

struct systrap_call {
	uint64_t nr; /* SYS_munmap or SYS_mprotect */
	uint64_t arg[3];
};
static_assert(sizeof(struct systrap_call) == SYSTRAP_CALL_SIZE, "struct systrap_call");

/* One guest thread's; both sides read and write it. */
struct systrap_page {
	atomic_uint turn;	   /* futex of the guest thread: SYSTRAP_TURN_* */
	atomic_uint stops;	   /* futex of the sentry thread: counts the stops */
	atomic_uint sentry_sleeps; /* the sentry thread is, or is about to be, asleep on stops */
	atomic_uint stub_sleeps;   /* the guest thread is, on turn */
	uint32_t kind;		   /* of the stop: SYSTRAP_KIND_* */
	uint32_t flags;		   /* the sentry: SYSTRAP_FLAG_* */
	uint64_t frame;		   /* stub address of the signal frame; the sentry may set another to go on from */
	uint64_t fs_base, gs_base; /* at the stop; the sentry may change them, with SET_BASES */
	int32_t tid;		   /* clone's; checked by the sentry before it is believed */
	int32_t spin;		   /* the sentry: how often the guest thread looks at turn before it sleeps; negative: yields,
				    * which it turns to as soon as it sees that */
	uint64_t self;		   /* the sentry: the page's address in the stub, for code that has it at %gs */
	struct guest_regs regs;	   /* of a KIND_PATCH stop, written by the code that stops */
	uint64_t pad;
	uint32_t nr_calls;	   /* the sentry: what the thread is to do before it goes on; 0 when it has */
	uint32_t calls_failed;	   /* it could not.  A hint. */
	struct systrap_call call[SYSTRAP_MAX_CALLS];
	uint8_t pad2[512 - 296 - SYSTRAP_MAX_CALLS * SYSTRAP_CALL_SIZE];
	uint8_t patch[512];	   /* for platform/systrap/patch* */
};
static_assert(sizeof(struct systrap_page) == SYSTRAP_PAGE_SIZE &&
		      offsetof(struct systrap_page, stops) == SYSTRAP_PAGE_STOPS &&
		      offsetof(struct systrap_page, sentry_sleeps) == SYSTRAP_PAGE_SENTRY_SLEEPS &&
		      offsetof(struct systrap_page, stub_sleeps) == SYSTRAP_PAGE_STUB_SLEEPS &&
		      offsetof(struct systrap_page, kind) == SYSTRAP_PAGE_KIND &&
		      offsetof(struct systrap_page, spin) == SYSTRAP_PAGE_SPIN &&
		      offsetof(struct systrap_page, flags) == SYSTRAP_PAGE_FLAGS &&
		      offsetof(struct systrap_page, frame) == SYSTRAP_PAGE_FRAME &&
		      offsetof(struct systrap_page, fs_base) == SYSTRAP_PAGE_FS_BASE &&
		      offsetof(struct systrap_page, gs_base) == SYSTRAP_PAGE_GS_BASE &&
		      offsetof(struct systrap_page, tid) == SYSTRAP_PAGE_TID &&
		      offsetof(struct systrap_page, self) == SYSTRAP_PAGE_SELF &&
		      offsetof(struct systrap_page, regs) == SYSTRAP_PAGE_REGS &&
		      offsetof(struct systrap_page, nr_calls) == SYSTRAP_PAGE_NR_CALLS &&
		      offsetof(struct systrap_page, calls_failed) == SYSTRAP_PAGE_CALLS_FAILED &&
		      offsetof(struct systrap_page, call) == SYSTRAP_PAGE_CALLS &&
		      offsetof(struct systrap_page, patch) == SYSTRAP_PAGE_PATCH,
	      "struct systrap_page");
static_assert(SYSTRAP_PAGE_OFF + SYSTRAP_PAGE_SIZE == SYSTRAP_BLOCK_SIZE, "the page ends the block");
static_assert(SYSTRAP_FUTEX_COUNTS == SYSTRAP_BLOCKS + SYSTRAP_FUTEX_PAGE, "");

/* The text, from stub_text.S. */
extern const uint8_t systrap_text[SYSTRAP_END_OFF];

#endif
#endif
