/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's futex, for sleeping and waking.  The base library is below platform/host, so this is the one place outside
 * it that asks the host kernel to sleep.  Host syscalls: futex.
 */
#ifndef SENTRY_BASE_FUTEX_HOST_H
#define SENTRY_BASE_FUTEX_HOST_H

#include "sentry/base/types.h"

/*
 * Sleeps while *@word is @val, at most until @deadline (CLOCK_MONOTONIC in nanoseconds, INT64_MAX: for ever).  0 when
 * woken (perhaps spuriously), -LINUX_EAGAIN when the value differs, -LINUX_ETIMEDOUT, or -LINUX_EINTR.
 */
int host_futex_wait(atomic_uint *word, unsigned val, int64_t deadline);
/* Wakes at most @nr threads of this process that sleep on @word.  Returns how many. */
int host_futex_wake(atomic_uint *word, int nr);

#endif
