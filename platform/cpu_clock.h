/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The CPU time of an address space: what the host has counted for the stubs that it had, each while it had it.
 *
 * Nothing is counted here as guest code runs: the host does that anyway, and is asked when somebody wants to know.  A stub's
 * share is the difference between its process's CPU clock at the start and at the end.
 *
 * start and stop are serialised by the caller; read is for any thread, and takes no lock.
 */
#ifndef SENTRY_PLATFORM_CPU_CLOCK_H
#define SENTRY_PLATFORM_CPU_CLOCK_H

#include "sentry/base/types.h"

struct cpu_clock {
	atomic_uint changes; /* odd while pid and base don't belong together */
	atomic_int pid;	     /* the process that counts; 0: none */
	atomic_llong base;   /* ns to be added to its clock */
	atomic_llong floor;  /* what was reached before it */
};

/* @pid counts from now on. */
void cpu_clock_start(struct cpu_clock *c, pid_t pid);
/* It counts no longer.  Before it is reaped. */
void cpu_clock_stop(struct cpu_clock *c);
/* ns. */
uint64_t cpu_clock_read(struct cpu_clock *c);

#endif
