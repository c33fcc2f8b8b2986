/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks.  `struct mutex` and `struct rwlock` wrap pthreads' with an owner that `_locked` functions assert.  Lock order
 * is written at the head of each subsystem's main header.
 */
#ifndef SENTRY_BASE_LOCK_H
#define SENTRY_BASE_LOCK_H

#include <pthread.h>

#include "sentry/base/bug.h"

struct mutex {
	pthread_mutex_t m;
	pthread_t owner; /* valid while held */
	bool held;
};

#define MUTEX_INIT { .m = PTHREAD_MUTEX_INITIALIZER }

static inline void mutex_init(struct mutex *l)
{
	pthread_mutex_init(&l->m, NULL);
	l->held = false;
}

static inline void mutex_fini(struct mutex *l)
{
	pthread_mutex_destroy(&l->m);
}

static inline void mutex_lock(struct mutex *l)
{
	pthread_mutex_lock(&l->m);
	l->owner = pthread_self();
	l->held = true;
}

static inline bool mutex_trylock(struct mutex *l)
{
	if (pthread_mutex_trylock(&l->m))
		return false;
	l->owner = pthread_self();
	l->held = true;
	return true;
}

static inline void mutex_unlock(struct mutex *l)
{
	l->held = false;
	pthread_mutex_unlock(&l->m);
}

static inline void mutex_assert_held(const struct mutex *l)
{
	BUG_ON(!l->held || !pthread_equal(l->owner, pthread_self()));
}

static inline void mutex_unlock_cleanup(struct mutex **l)
{
	if (*l)
		mutex_unlock(*l);
}

/* Holds @l to the end of the scope. */
#define MUTEX_GUARD(l)                                                                                                 \
	struct mutex *__cleanup(mutex_unlock_cleanup) __unused MUTEX_GUARD_NAME(__LINE__) = (mutex_lock(l), (l))
#define MUTEX_GUARD_NAME(line) MUTEX_GUARD_NAME_(line)
#define MUTEX_GUARD_NAME_(line) guard_##line

/* Writers are preferred; a reader must not take the lock a second time. */
struct rwlock {
	pthread_rwlock_t l;
};

void rwlock_init(struct rwlock *l);

static inline void rwlock_fini(struct rwlock *l)
{
	pthread_rwlock_destroy(&l->l);
}

static inline void rwlock_read(struct rwlock *l)
{
	pthread_rwlock_rdlock(&l->l);
}

static inline void rwlock_write(struct rwlock *l)
{
	pthread_rwlock_wrlock(&l->l);
}

static inline bool rwlock_try_write(struct rwlock *l)
{
	return pthread_rwlock_trywrlock(&l->l) == 0;
}

static inline void rwlock_unlock(struct rwlock *l)
{
	pthread_rwlock_unlock(&l->l);
}

#endif
