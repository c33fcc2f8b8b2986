/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The debug registers of a traced task: hardware breakpoints and watchpoints, which the sentry has no hardware for.  While DR7
 * enables any, the task is stepped through its program one instruction at a time, and each is asked what it is about to touch.
 * That is slow, but what the tracer sees is the same: the trap behind the instruction that touched a watched place,
 * and in front of one that is a breakpoint.
 *
 * Registers change while the task is stopped for its tracer; else they are its own thread's.
 */
#ifndef SENTRY_KERNEL_DEBUGREG_H
#define SENTRY_KERNEL_DEBUGREG_H

#include "platform/platform.h"

#define NR_DEBUGREGS 8

struct task;
struct debugregs {
	uint64_t addr[4], dr6, dr7;
	uaddr_t passed;	  /* the breakpoint there was told, and is to be stepped over; 0: none */
	unsigned touched; /* bits of the watchpoints that the instruction under way touches */
	bool stepping;
};

/* PTRACE_PEEKUSER and PTRACE_POKEUSER of u_debugreg[@n]; @t is stopped.  0, -LINUX_EINVAL, -LINUX_EIO, -LINUX_ENOMEM. */
uint64_t debugreg_get(const struct task *t, unsigned n);
int debugreg_set(struct task *t, unsigned n, uint64_t val);
/* exec, and the end of the task: all are cleared. */
void debugregs_free(struct task *t);

static inline bool debugregs_active(const struct debugregs *d)
{
	return d && d->dr7 & 0xff;
}
/* Around platform->run of current.  False: a breakpoint is reached, and *stop is its trap. */
bool debugregs_begin(struct task *t, struct platform_stop *stop);
/* Makes of a step the trap it is due, or none. */
void debugregs_end(struct task *t, struct platform_stop *stop);

#endif
