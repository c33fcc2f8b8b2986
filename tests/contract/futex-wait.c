/* SPDX-License-Identifier: Apache-2.0 */
/* FUTEX_WAIT, FUTEX_WAKE and their BITSET forms: values, counts, timeouts, alignment, bad addresses. */
#include "tests/contract/futex.h"

static uint32_t word;
static int woken;

static void *waiter(void *arg)
{
	*(volatile pid_t *)arg = get_tid();
	if (futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == 0)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *bit_waiter(void *arg)
{
	*(volatile pid_t *)arg = get_tid();
	if (futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 2) == 0)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start(pthread_t *t, int n, void *(*fn)(void *))
{
	static volatile pid_t tids[16];

	woken = 0;
	for (int i = 0; i < n; i++) {
		tids[i] = 0;
		pthread_create(&t[i], NULL, fn, (void *)&tids[i]);
	}
	for (int i = 0; i < n; i++) {
		while (!tids[i])
			sleep_ms(1);
		wait_asleep(tids[i]);
	}
}

static void join(pthread_t *t, int n)
{
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	SHOW(woken);
}

int main(void)
{
	struct timespec ts = { 0, 20000000 };
	pthread_t t[8];
	long before;

	SECTION("no wait");
	CALL(futex(&word, FUTEX_WAIT, 1, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAIT_BITSET, 1, NULL, NULL, FUTEX_BITSET_MATCH_ANY));
	CALL(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAKE, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
	SECTION("timeouts");
	before = now_ms();
	CALL(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0));
	YES(now_ms() - before >= 20);
	ts = (struct timespec){ 0, 0 };
	CALL(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0));
	ts.tv_nsec = 1000000000;
	CALL(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0));
	ts = (struct timespec){ -1, 0 };
	CALL(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0));
	CALL(futex(&word, FUTEX_WAIT, 0, BAD_PTR, NULL, 0));
	CALL(futex(&word, FUTEX_WAIT, 1, BAD_PTR, NULL, 0));
	SECTION("absolute timeouts on both clocks");
	before = now_ms();
	ts = in_ms(CLOCK_MONOTONIC, 20);
	CALL(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY));
	YES(now_ms() - before >= 20);
	ts = in_ms(CLOCK_REALTIME, 20);
	CALL(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY));
	YES(now_ms() - before >= 39 && now_ms() - before < 3000);
	ts = in_ms(CLOCK_MONOTONIC, 0);
	CALL(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY));
	ts = (struct timespec){ 1, 0 };
	CALL(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY));
	SECTION("bad arguments");
	CALL(futex((char *)&word + 1, FUTEX_WAIT, 0, NULL, NULL, 0));
	CALL(futex((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0));
	CALL(futex(NULL, FUTEX_WAIT, 0, NULL, NULL, 0));
	CALL(futex(NULL, FUTEX_WAKE, 1, NULL, NULL, 0));
	CALL(futex(NULL, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	CALL(futex((void *)0x1000, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	CALL(futex(KERNEL_PTR, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0));
	CALL(futex(KERNEL_PTR, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAIT_BITSET, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0));
	CALL(futex(&word, 77, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_FD, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAKE | FUTEX_CLOCK_REALTIME, 0, NULL, NULL, 0));
	char *ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CALL(futex(ro, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0));
	CALL(futex(ro, FUTEX_WAKE, 1, NULL, NULL, 0));
	SECTION("counts");
	start(t, 4, waiter);
	CALL(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	join(t, 4);
	start(t, 2, waiter);
	CALL(futex(&word, FUTEX_WAKE_PRIVATE, -1, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	join(t, 2);
	SECTION("bits");
	start(t, 2, bit_waiter);
	CALL(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, INT_MAX, NULL, NULL, 1));
	CALL(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 2));
	CALL(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	join(t, 2);
	SECTION("private and shared are different keys on private memory");
	start(t, 1, waiter);
	CALL(futex(&word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	join(t, 1);
	return 0;
}
