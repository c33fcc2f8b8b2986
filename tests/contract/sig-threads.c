/* SPDX-License-Identifier: Apache-2.0 */
/* Signals and threads: who gets one sent to the process, one sent to a thread, one that is waited for, and SIGKILL. */
#include "tests/contract/contract.h"

#define N 3

static volatile pid_t got;
static struct gate ready, go;
static volatile pid_t tids[N];

static void on_signal(int sig)
{
	(void)sig;
	got = get_tid();
}

static void *masked(void *arg)
{
	long me = (long)arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	/* only the last one lets SIGUSR1 in */
	pthread_sigmask(me == N - 1 ? SIG_UNBLOCK : SIG_BLOCK, &set, NULL);
	tids[me] = get_tid();
	gate_open(&ready);
	gate_wait(&go);
	return NULL;
}

static void *waiter(void *arg)
{
	sigset_t set;
	int sig = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	*(volatile pid_t *)arg = get_tid();
	sigwait(&set, &sig);
	return (void *)(long)sig;
}

static void await(void)
{
	for (int i = 0; i < 1000 && !got; i++)
		sleep_ms(2);
}

int main(void)
{
	pthread_t t[N], w;
	volatile pid_t wtid = 0;
	sigset_t set, pend;
	void *r;

	gate_init(&ready);
	gate_init(&go);
	signal(SIGUSR1, on_signal);
	signal(SIGUSR2, on_signal);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	for (long i = 0; i < N; i++)
		pthread_create(&t[i], NULL, masked, (void *)i);
	for (int i = 0; i < N; i++)
		gate_wait(&ready);
	SECTION("to the process: the one that does not block it");
	kill(getpid(), SIGUSR1);
	await();
	YES(got == tids[N - 1]);
	SECTION("to a thread that blocks it: stays pending there");
	got = 0;
	MUST(syscall(SYS_tgkill, getpid(), get_tid(), SIGUSR1));
	sleep_ms(20);
	SHOW(got);
	sigpending(&pend);
	SHOW(sigismember(&pend, SIGUSR1));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	YES(got == get_tid());
	SECTION("a waiter takes it, although all others block it");
	pthread_create(&w, NULL, waiter, (void *)&wtid);
	while (!wtid)
		sleep_ms(1);
	wait_asleep(wtid);
	got = 0;
	kill(getpid(), SIGUSR2);
	pthread_join(w, &r);
	SHOW((long)r);
	SHOW(got);
	SECTION("a new thread inherits the mask, not what is pending");
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	syscall(SYS_tgkill, getpid(), get_tid(), SIGUSR1);
	for (int i = 0; i < N; i++)
		gate_open(&go);
	for (int i = 0; i < N; i++)
		pthread_join(t[i], NULL);
	got = 0;
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	YES(got == get_tid());
	SECTION("handlers are common");
	signal(SIGUSR1, SIG_IGN);
	got = 0;
	kill(getpid(), SIGUSR1);
	SHOW(got);
	SECTION("one thread's fault kills all");
	IN_CHILD("child") {
		pthread_create(&w, NULL, waiter, (void *)&wtid);
		sleep_ms(5);
		*(volatile int *)8 = 1;
	}
	return 0;
}
