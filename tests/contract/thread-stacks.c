/* SPDX-License-Identifier: Apache-2.0 */
/* Thread stacks: guard pages fault, sizes hold, memory is reused clean; deep recursion in a thread. */
#include "tests/contract/contract.h"

static void *deep(void *arg)
{
	volatile char frame[4096];
	long n = (long)arg;

	memset((char *)frame, (int)n, sizeof(frame));
	if (n > 0)
		deep((void *)(n - 1));
	return (void *)(long)frame[100];
}

static void *into_guard(void *arg)
{
	pthread_attr_t attr;
	char *addr;
	size_t size, guard;

	pthread_getattr_np(pthread_self(), &attr);
	pthread_attr_getstack(&attr, (void **)&addr, &size);
	pthread_attr_getguardsize(&attr, &guard);
	pthread_attr_destroy(&attr);
	say("guard %zu", guard);
	say("first byte of the stack: %s", probe(addr, 'r'));
	say("below it: %s", probe(addr - 1, 'w'));
	return arg;
}

static void *no_limit(void *arg)
{
	return deep((void *)100000);
	(void)arg;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t t;
	void *r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 1 << 20);
	SHOW(pthread_create(&t, &attr, deep, (void *)200));
	pthread_join(t, &r);
	SHOW((long)r);
	pthread_attr_setguardsize(&attr, 8192);
	pthread_create(&t, &attr, into_guard, NULL);
	pthread_join(t, NULL);
	IN_CHILD("overflow of a thread's stack") {
		pthread_create(&t, &attr, no_limit, NULL);
		pthread_join(t, NULL);
	}
	SECTION("a stack of one's own");
	static char own[128 * 1024] __attribute__((aligned(4096)));
	pthread_attr_init(&attr);
	SHOW(pthread_attr_setstack(&attr, own, sizeof(own)));
	SHOW(pthread_create(&t, &attr, deep, (void *)10));
	pthread_join(t, &r);
	YES(!all_bytes(own + 64 * 1024, 0, 60 * 1024));
	return 0;
}
