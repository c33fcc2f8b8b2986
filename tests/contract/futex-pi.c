/* SPDX-License-Identifier: Apache-2.0 */
/* FUTEX_LOCK_PI, UNLOCK_PI, TRYLOCK_PI: the word, deadlock, wrong owners, timeouts, hand-over, dead owners. */
#include "tests/contract/futex.h"

static uint32_t word;
static struct gate locked, go;
static char got[100];

static const char *state(uint32_t w)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%s%s",
		 (w & FUTEX_TID_MASK) == 0 ? "free" : (pid_t)(w & FUTEX_TID_MASK) == get_tid() ? "mine" : "other's",
		 w & FUTEX_WAITERS ? " waiters" : "", w & FUTEX_OWNER_DIED ? " died" : "");
	return text;
}

static void *owner(void *arg)
{
	CALL(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	gate_open(&locked);
	gate_wait(&go);
	CALL(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	return arg;
}

static void *waits(void *arg)
{
	*(volatile pid_t *)arg = get_tid();
	long r = futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	snprintf(got, sizeof(got), "%ld, %s", r, state(word));
	futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0);
	return NULL;
}

int main(void)
{
	struct timespec ts;
	volatile pid_t tid = 0;
	pthread_t t;

	gate_init(&locked);
	gate_init(&go);
	SECTION("uncontended");
	CALL(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	STR(state(word));
	CALL(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	STR(state(word));
	CALL(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0));
	SECTION("another thread's");
	pthread_create(&t, NULL, owner, NULL);
	gate_wait(&locked);
	STR(state(word));
	CALL(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_TRYLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	ts = in_ms(CLOCK_REALTIME, 30);
	CALL(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, &ts, NULL, 0));
	ts.tv_nsec = -1;
	CALL(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, &ts, NULL, 0));
	gate_open(&go);
	pthread_join(t, NULL);
	SECTION("handed over");
	CALL(futex(&word, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	pthread_create(&t, NULL, waits, (void *)&tid);
	while (!tid)
		sleep_ms(1);
	wait_asleep(tid);
	STR(state(word));
	CALL(futex(&word, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	pthread_join(t, NULL);
	STR(got);
	STR(state(word));
	SECTION("an owner that does not exist");
	word = 0x3ffffff0;
	CALL(futex(&word, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CALL(futex(&word, FUTEX_TRYLOCK_PI, 0, NULL, NULL, 0));
	SECTION("refusals");
	word = 0;
	CALL(futex((char *)&word + 1, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CALL(futex(NULL, FUTEX_LOCK_PI, 0, NULL, NULL, 0));
	CALL(futex((void *)0x1000, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	CALL(futex((void *)0x1000, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0));
	return 0;
}
