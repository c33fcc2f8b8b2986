/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/lock.h"

void rwlock_init(struct rwlock *l)
{
	pthread_rwlockattr_t attr;

	/* glibc prefers readers unless told so; a stream of page faults would starve mmap for ever. */
	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(&l->l, &attr);
	pthread_rwlockattr_destroy(&attr);
}
