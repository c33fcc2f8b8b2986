/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stub process: its address space and what the sentry and stub_text.S agree on.  Included by assembly, too.
 *
 * A stub is a host process whose memory below GUEST_TASK_SIZE is a guest address space.  Above it lie
 *
 *     STUB_TEXT   one page, r-x    stub_text.S, the only code a stub has of its own
 *     STUB_PAGE   two pages, r--   struct stub_page, shared with the sentry, which alone can write it
 *     STUB_VVAR   r--              the host's vDSO data pages until map_vvar moves them into the guest's range
 *
 * and nothing else: no stack, no heap, no vDSO.  A guest can read these pages and jump into the text.  It gains nothing: a
 * syscall instruction executed by guest code stops for the sentry wherever it lies, and no page is writable.
 *
 * Threads.  The leader is never traced except while it makes another thread in place of a context that can't, and never
 * exits, so that death of a thread that runs a guest is always reported to its tracer at once (a dead leader is reported
 * only after all other threads are gone).  A thread that runs no guest is *parked*: untraced, asleep in recvfrom on the
 * lifeline, a socket whose other end only the sentry has.  When the sentry is gone, however it died, the call returns 0 and
 * the thread ends its process; the traced ones die by PTRACE_O_EXITKILL.
 *
 * The loop.  Both at start-up and when the sentry wants calls made in the stub (mmap and the like), a thread walks
 * stub_page.op from STUB_LOOP and makes each call; then it traps (or, at start-up, reports and parks).  Its state is in
 * registers that the sentry sets, and the list is in memory the guest can't write.
 */
#ifndef SENTRY_PLATFORM_PTRACE_STUB_H
#define SENTRY_PLATFORM_PTRACE_STUB_H

#define STUB_TEXT 0x7fffe0000000
#define STUB_TEXT_SIZE 0x1000
#define STUB_PAGE 0x7fffe0010000
#define STUB_PAGE_SIZE 0x2000
#define STUB_VVAR 0x7fffe0020000
#define STUB_VVAR_MAX 0x10000

/* Offsets in the text page; stub_text.S pins them with .org.  *_RET is the address behind a syscall, as seccomp sees it. */
#define STUB_ENTRY_OFF 0x100
#define STUB_MMAP_RET_OFF 0x17e
#define STUB_LOOP_OFF 0x200
#define STUB_LOOP_RET_OFF 0x240
#define STUB_TRAP_RET_OFF 0x281
#define STUB_WAKE_RET_OFF 0x2d8
#define STUB_PARK_OFF 0x300
#define STUB_PARK_RET_OFF 0x320
#define STUB_EXIT_RET_OFF 0x340
#define STUB_END_OFF 0x380

/* The descriptors of a stub. */
#define STUB_FD_MEMORY 0
#define STUB_FD_PAGE 1
#define STUB_FD_LIFELINE 2
#define STUB_FD_BACKING 3 /* backing id n at STUB_FD_BACKING + n - 1 */

/* struct stub_page */
#define STUB_PAGE_STATUS 0
#define STUB_PAGE_NR_OPS 4
#define STUB_PAGE_OPS 1024

/* struct stub_op */
#define STUB_OP_SIZE 64
#define STUB_OP_FLAGS 56
#define STUB_OP_RESULT 60

#define STUB_OP_VDSO 1	     /* add the vDSO's address to the first argument; start-up only */
#define STUB_OP_MAY_FAIL 2   /* go on after an error */

#define STUB_STATUS_READY 1

/* CLONE_VM, _FS, _FILES, _SIGHAND, _THREAD, _SYSVSEM: another thread, which the loop sends to park. */
#define STUB_CLONE_FLAGS 0x50f00

#ifndef __ASSEMBLER__

#include "sentry/base/types.h"

struct stub_op {
	uint64_t nr;
	uint64_t arg[6];
	uint32_t flags;
	int32_t result; /* written at start-up only: later the page is read-only for the stub */
};
static_assert(sizeof(struct stub_op) == STUB_OP_SIZE && offsetof(struct stub_op, flags) == STUB_OP_FLAGS &&
		      offsetof(struct stub_op, result) == STUB_OP_RESULT,
	      "struct stub_op");

#define STUB_NR_OPS ((STUB_PAGE_SIZE - STUB_PAGE_OPS) / STUB_OP_SIZE)

struct stub_page {
	atomic_uint status; /* 0, STUB_STATUS_READY, or the negative errno of the op that failed at start-up */
	uint32_t nr_ops;    /* start-up only */
	int32_t tid;	    /* the first parked thread */
	uint8_t data[STUB_PAGE_OPS - 12]; /* what start-up's calls point to */
	struct stub_op op[STUB_NR_OPS];
};
static_assert(sizeof(struct stub_page) == STUB_PAGE_SIZE && offsetof(struct stub_page, nr_ops) == STUB_PAGE_NR_OPS &&
		      offsetof(struct stub_page, op) == STUB_PAGE_OPS,
	      "struct stub_page");

/* The text, from stub_text.S. */
extern const uint8_t stub_text[STUB_END_OFF];

#endif
#endif
