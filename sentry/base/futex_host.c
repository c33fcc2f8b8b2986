/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/futex_host.h"

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int host_futex_wait(atomic_uint *word, unsigned val, int64_t deadline)
{
	struct timespec ts, *timeout = NULL;

	if (deadline != INT64_MAX) {
		int64_t ns = MAX(deadline, 0);

		ts.tv_sec = ns / 1000000000;
		ts.tv_nsec = ns % 1000000000;
		timeout = &ts;
	}
	/* The bitset form, because its timeout is absolute. */
	if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, val, timeout, NULL,
		    FUTEX_BITSET_MATCH_ANY) == 0)
		return 0;
	return -errno;
}

int host_futex_wake(atomic_uint *word, int nr)
{
	long woken = syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, nr, NULL, NULL, 0);

	return woken < 0 ? -errno : (int)woken;
}
