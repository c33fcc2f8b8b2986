/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp(2) filters that guest programs put on themselves.  They are a guest's own restraint, run by the sentry on each of its
 * calls; what the sentry lets a guest do does not depend on them.
 *
 * A filter is immutable and refers to the one installed before it: all of them run, the strictest answer counts.
 */
#ifndef SENTRY_KERNEL_SECCOMP_H
#define SENTRY_KERNEL_SECCOMP_H

#include "sentry/abi/seccomp.h"

struct task;
struct seccomp_filter;

/* Strict mode for current: 0, or -LINUX_EINVAL when a filter is there. */
int seccomp_set_strict(void);
/* Adds a filter, read from the guest's struct sock_fprog.  The result of seccomp(2). */
int64_t seccomp_set_filter(unsigned flags, uaddr_t uprog);
/* Whether the action is known: 0 or -LINUX_EOPNOTSUPP. */
int seccomp_action_avail(uint32_t action);
/* A child has its parent's. */
void seccomp_copy(struct task *child);
void seccomp_put(struct seccomp_filter *f);

/* The mode of @t, and how many filters it has: /proc/pid/status. */
unsigned task_seccomp(struct task *t, unsigned *ret_nr);

enum seccomp_verdict {
	SECCOMP_MAKE,  /* the call is made */
	SECCOMP_SKIP,  /* regs.rax is its result */
};
/* current is about to make call @nr with @args. */
enum seccomp_verdict seccomp_check(uint64_t nr, const uint64_t *args);

#endif
