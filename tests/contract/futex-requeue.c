/* SPDX-License-Identifier: Apache-2.0 */
/* FUTEX_REQUEUE, FUTEX_CMP_REQUEUE and FUTEX_WAKE_OP. */
#include "tests/contract/futex.h"

static uint32_t a, b;
static int woken;

static void *waiter(void *arg)
{
	*(volatile pid_t *)arg = get_tid();
	if (futex(&a, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) == 0)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *b_waiter(void *arg)
{
	*(volatile pid_t *)arg = get_tid();
	if (futex(&b, FUTEX_WAIT_PRIVATE, b, NULL, NULL, 0) == 0)
		__atomic_add_fetch(&woken, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void start(pthread_t *t, int n, void *(*fn)(void *))
{
	static volatile pid_t tids[16];

	for (int i = 0; i < n; i++) {
		tids[i] = 0;
		pthread_create(&t[i], NULL, fn, (void *)&tids[i]);
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
	woken = 0;
}

static void wake_op(const char *what, unsigned op, uint32_t start_value)
{
	b = start_value;
	long r = futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, number(1), &b, op);
	say("%s: %s, value %d", what, r < 0 ? errno_name(errno) : "done", (int)b);
}

int main(void)
{
	pthread_t t[8];

	SECTION("nobody waits");
	CALL(futex(&a, FUTEX_REQUEUE, 1, number(1), &b, 0));
	CALL(futex(&a, FUTEX_CMP_REQUEUE, 1, number(1), &b, 0));
	CALL(futex(&a, FUTEX_CMP_REQUEUE, 1, number(1), &b, 5));
	SECTION("wake one, move the rest");
	start(t, 5, waiter);
	CALL(futex(&a, FUTEX_CMP_REQUEUE_PRIVATE, 1, number(2), &b, 0));
	CALL(futex(&b, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	CALL(futex(&a, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	join(t, 5);
	start(t, 3, waiter);
	CALL(futex(&a, FUTEX_REQUEUE_PRIVATE, 0, number(INT_MAX), &b, 0));
	CALL(futex(&a, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	CALL(futex(&b, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0));
	CALL(futex(&b, FUTEX_REQUEUE_PRIVATE, 1, number(0), &a, 0));
	join(t, 3);
	SECTION("onto itself");
	start(t, 2, waiter);
	CALL(futex(&a, FUTEX_REQUEUE_PRIVATE, 1, number(1), &a, 0));
	CALL(futex(&a, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0));
	join(t, 2);
	SECTION("refusals");
	CALL(futex(&a, FUTEX_REQUEUE, -1, number(1), &b, 0));
	CALL(futex(&a, FUTEX_REQUEUE, 1, number(-1), &b, 0));
	CALL(futex(&a, FUTEX_REQUEUE, 1, number(1), (char *)&b + 1, 0));
	CALL(futex((char *)&a + 1, FUTEX_REQUEUE, 1, number(1), &b, 0));
	CALL(futex(&a, FUTEX_CMP_REQUEUE, 1, number(1), NULL, 0));
	CALL(futex((void *)0x1000, FUTEX_CMP_REQUEUE_PRIVATE, 1, number(1), &b, 0));
	SECTION("WAKE_OP: what it does to the second word");
	wake_op("set", FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0), 0);
	wake_op("add", FUTEX_OP(FUTEX_OP_ADD, 7, FUTEX_OP_CMP_EQ, 0), 5);
	wake_op("or", FUTEX_OP(FUTEX_OP_OR, 0xf0, FUTEX_OP_CMP_EQ, 0), 5);
	wake_op("andn", FUTEX_OP(FUTEX_OP_ANDN, 4, FUTEX_OP_CMP_EQ, 0), 5);
	wake_op("xor", FUTEX_OP(FUTEX_OP_XOR, 0xff, FUTEX_OP_CMP_EQ, 0), 5);
	wake_op("shifted", FUTEX_OP((FUTEX_OP_OR | 8), 10, FUTEX_OP_CMP_EQ, 0), 1);
	wake_op("negative", FUTEX_OP(FUTEX_OP_ADD, 0xfff, FUTEX_OP_CMP_EQ, 0), 5);
	wake_op("unknown operation", FUTEX_OP(7, 0, FUTEX_OP_CMP_EQ, 0), 5);
	wake_op("unknown comparison", FUTEX_OP(FUTEX_OP_ADD, 1, 9, 0), 5);
	CALL(futex(&a, FUTEX_WAKE_OP, 1, number(1), NULL, 0));
	SECTION("WAKE_OP: whom it wakes");
	static const struct {
		const char *name;
		int cmp;
	} cmps[] = { { "eq", FUTEX_OP_CMP_EQ }, { "ne", FUTEX_OP_CMP_NE }, { "lt", FUTEX_OP_CMP_LT },
		     { "le", FUTEX_OP_CMP_LE }, { "gt", FUTEX_OP_CMP_GT }, { "ge", FUTEX_OP_CMP_GE } };
	for (size_t i = 0; i < ARRAY_SIZE(cmps); i++) {
		b = 10;
		start(t, 1, waiter);
		start(t + 1, 1, b_waiter);
		say("%s: %ld", cmps[i].name,
		    futex(&a, FUTEX_WAKE_OP_PRIVATE, 1, number(1), &b, FUTEX_OP(FUTEX_OP_ADD, 1, cmps[i].cmp, 10)));
		futex(&b, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
		join(t, 2);
	}
	return 0;
}
