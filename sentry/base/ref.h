/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reference counts.  A count starts at 1 for the creator; whoever drops it to 0 frees the object.
 */
#ifndef SENTRY_BASE_REF_H
#define SENTRY_BASE_REF_H

#include "sentry/base/bug.h"
#include "sentry/base/types.h"

struct ref {
	atomic_int n;
};

static inline void ref_init(struct ref *r)
{
	atomic_init(&r->n, 1);
}

/* The caller already holds a reference. */
static inline void ref_get(struct ref *r)
{
	int old = atomic_fetch_add_explicit(&r->n, 1, memory_order_relaxed);

	BUG_ON(old <= 0);
}

/* For look-ups under the lock of a table that holds no reference: false when the object is already dying. */
static inline bool ref_get_unless_zero(struct ref *r)
{
	int old = atomic_load_explicit(&r->n, memory_order_relaxed);

	while (old > 0)
		if (atomic_compare_exchange_weak(&r->n, &old, old + 1))
			return true;
	return false;
}

/* True when this was the last reference: the caller frees the object. */
static inline bool ref_put(struct ref *r)
{
	int old = atomic_fetch_sub_explicit(&r->n, 1, memory_order_acq_rel);

	BUG_ON(old <= 0);
	return old == 1;
}

static inline int ref_read(const struct ref *r)
{
	return atomic_load_explicit(&((struct ref *)r)->n, memory_order_relaxed);
}

#endif
