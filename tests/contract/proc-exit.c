/* SPDX-License-Identifier: Apache-2.0 */
/* Exit: codes, threads, atexit, what other threads and the parent see. */
#include "tests/contract/contract.h"

static void *sleeper(void *arg)
{
	for (;;)
		pause();
	return arg;
}

static void *spinner(void *arg)
{
	for (;;)
		;
	return arg;
}

static void *exits(void *arg)
{
	sleep_ms(20);
	syscall(SYS_exit_group, (long)arg);
	return NULL;
}

static void *exits_alone(void *arg)
{
	syscall(SYS_exit, (long)arg);
	return NULL;
}

static void *dies(void *arg)
{
	sleep_ms(20);
	kill(getpid(), SIGKILL);
	return arg;
}

static void *faults(void *arg)
{
	*(volatile int *)8 = 1;
	return arg;
}

/* Ends the process when the other end of the pipe is closed, or soon when there is none. */
static int gate = -1;

static void *late_exit(void *arg)
{
	char c;

	if (gate >= 0)
		(void)!read(gate, &c, 1);
	else
		sleep_ms(50);
	say("the leader is gone, the process is not");
	_exit((int)(long)arg);
}

static void start(void *(*fn)(void *), long arg)
{
	pthread_t t;

	MUST(pthread_create(&t, NULL, fn, (void *)arg) ? -1 : 0);
}

int main(void)
{
	static const int codes[] = { 0, 1, 127, 128, 255, 256, 257, -1, 1000 };

	SECTION("codes");
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		char label[32];

		snprintf(label, sizeof(label), "%d", codes[i]);
		IN_CHILD(label)
			_exit(codes[i]);
	}
	SECTION("exit_group takes all threads");
	IN_CHILD("from a thread") {
		start(sleeper, 0);
		start(spinner, 0);
		start(exits, 33);
		sleeper(NULL);
	}
	IN_CHILD("from the leader") {
		start(sleeper, 0);
		start(spinner, 0);
		sleep_ms(20);
		_exit(34);
	}
	IN_CHILD("SIGKILL from a thread") {
		start(sleeper, 0);
		start(dies, 0);
		sleeper(NULL);
	}
	IN_CHILD("a fault in a thread") {
		start(sleeper, 0);
		start(faults, 0);
		sleeper(NULL);
	}
	SECTION("exit of one thread");
	IN_CHILD("another thread leaves with 5") {
		start(exits_alone, 5);
		sleep_ms(20);
		_exit(35);
	}
	IN_CHILD("the leader leaves first") {
		start(late_exit, 36);
		syscall(SYS_exit, 1);
	}
	IN_CHILD("all leave: the code of the leader") {
		start(exits_alone, 5);
		sleep_ms(20);
		syscall(SYS_exit, 37);
	}
	SECTION("a process whose leader is gone is no zombie to wait for");
	int fds[2];
	MUST(pipe(fds));
	pid_t pid = MUST(fork());
	if (pid == 0) {
		close(fds[1]);
		gate = fds[0];
		start(late_exit, 38);
		syscall(SYS_exit, 1);
	}
	sleep_ms(20);
	CALL(waitpid(pid, NULL, WNOHANG));
	close(fds[1]);
	close(fds[0]);
	reap("then", pid);
	SECTION("core dumps are off, the flag follows the limit");
	struct rlimit rl = { 0, 0 };
	MUST(setrlimit(RLIMIT_CORE, &rl));
	pid = MUST(fork());
	if (pid == 0)
		abort();
	int st;
	waitpid(pid, &st, 0);
	show_status("abort", st);
	YES(WCOREDUMP(st));
	return 0;
}
