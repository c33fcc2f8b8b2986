/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex(2).
 *
 * A waiter is an entry in a hash bucket under the key of its word (mm_futex_key).  The word is read with the bucket locked, so
 * that a waker, who changes the word first and then takes the bucket's lock, can't slip in between.
 *
 * Locks: bucket locks (two in order of address) outside waitq and sleeper; guest memory is never touched under one without
 * its page being known to be present (futex.c says how).
 */
#ifndef SENTRY_KERNEL_FUTEX_H
#define SENTRY_KERNEL_FUTEX_H

#include "sentry/abi/futex.h"
#include "sentry/base/types.h"
#include "sentry/base/waitq.h"

struct task;

/* Wakes at most @nr waiters on a shared or private word of current's: clear_child_tid.  Errors are ignored. */
void futex_wake_user(uaddr_t uaddr, int nr);
/* @t (current) leaves its address space: its robust list and PI futexes get FUTEX_OWNER_DIED. */
void futex_exit(struct task *t);

#endif
