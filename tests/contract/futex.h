/* SPDX-License-Identifier: Apache-2.0 */
/* futex(2) for contract programs. */
#ifndef TESTS_CONTRACT_FUTEX_H
#define TESTS_CONTRACT_FUTEX_H

#include "tests/contract/contract.h"
#include <linux/futex.h>

UNUSED_OK static long futex(void *addr, int op, unsigned val, const void *timeout, void *addr2, unsigned val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

/* The timeout argument of the operations that take a second number instead. */
UNUSED_OK static const void *number(long n)
{
	return (const void *)n;
}

UNUSED_OK static struct timespec in_ms(clockid_t clock, long ms)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	ts.tv_sec += ms / 1000;
	ts.tv_nsec += ms % 1000 * 1000000;
	if (ts.tv_nsec >= 1000000000)
		ts.tv_sec++, ts.tv_nsec -= 1000000000;
	return ts;
}

#endif
