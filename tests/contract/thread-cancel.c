/* SPDX-License-Identifier: Apache-2.0 */
/* Cancellation: of blocked calls, deferred, disabled, asynchronous; cleanup handlers run; pthread_kill. */
#include "tests/contract/contract.h"
#include <sys/select.h>

static int cleaned;
static int fds[2];
static volatile pid_t tid;

static void clean(void *arg)
{
	cleaned += (int)(long)arg;
}

static void *blocked_read(void *arg)
{
	char c;

	pthread_cleanup_push(clean, (void *)1);
	tid = get_tid();
	if (read(fds[0], &c, 1) < 0)
		say("read returned");
	pthread_cleanup_pop(0);
	return arg;
}

static void *blocked_sleep(void *arg)
{
	pthread_cleanup_push(clean, (void *)10);
	tid = get_tid();
	sleep(1000);
	pthread_cleanup_pop(0);
	return arg;
}

static void *blocked_cond(void *arg)
{
	static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
	static pthread_cond_t c = PTHREAD_COND_INITIALIZER;

	pthread_cleanup_push(clean, (void *)100);
	tid = get_tid();
	pthread_mutex_lock(&m);
	for (;;)
		pthread_cond_wait(&c, &m);
	pthread_cleanup_pop(0);
	return arg;
}

static void *spinning(void *arg)
{
	pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
	pthread_cleanup_push(clean, (void *)1000);
	tid = get_tid();
	for (;;)
		;
	pthread_cleanup_pop(0);
	return arg;
}

static void *disabled(void *arg)
{
	struct gate *g = arg;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	tid = get_tid();
	gate_wait(g);
	say("still here");
	pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, NULL);
	pthread_testcancel();
	say("not reached");
	return NULL;
}

static void on_signal(int sig)
{
	say("%s in the right thread: %d", signal_name(sig), get_tid() == tid);
}

static void *gets_signal(void *arg)
{
	char c;
	ssize_t n;

	tid = get_tid();
	n = read(fds[0], &c, 1);
	say("read: %s", n < 0 ? errno_name(errno) : "data");
	return arg;
}

static void cancel(const char *what, void *(*fn)(void *), void *arg)
{
	pthread_t t;
	void *r;

	tid = 0;
	pthread_create(&t, NULL, fn, arg);
	while (!tid)
		sleep_ms(1);
	if (fn != spinning)
		wait_asleep(tid);
	pthread_cancel(t);
	if (fn == disabled)
		gate_open(arg);
	pthread_join(t, &r);
	say("%s: %s, cleaned %d", what, r == PTHREAD_CANCELED ? "cancelled" : "returned", cleaned);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct gate g;
	pthread_t t;

	MUST(pipe(fds));
	gate_init(&g);
	cancel("read", blocked_read, NULL);
	cancel("sleep", blocked_sleep, NULL);
	cancel("cond", blocked_cond, NULL);
	cancel("spin", spinning, NULL);
	cancel("disabled", disabled, &g);
	SECTION("pthread_kill interrupts one thread");
	sigaction(SIGUSR1, &sa, NULL);
	tid = 0;
	pthread_create(&t, NULL, gets_signal, NULL);
	while (!tid)
		sleep_ms(1);
	wait_asleep(tid);
	int r = pthread_kill(t, SIGUSR1);
	pthread_join(t, NULL);
	SHOW(r);
	return 0;
}
