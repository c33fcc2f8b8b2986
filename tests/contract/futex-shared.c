/* SPDX-License-Identifier: Apache-2.0 */
/* Futexes shared between processes: anonymous shared memory, a file at different addresses, and after unmapping. */
#include "tests/contract/futex.h"

static void ping_pong(const char *what, uint32_t *mine, uint32_t *theirs)
{
	pid_t pid = MUST(fork());

	if (pid == 0) {
		for (uint32_t i = 0; i < 200; i += 2) {
			while (__atomic_load_n(theirs, __ATOMIC_SEQ_CST) == i)
				futex(theirs, FUTEX_WAIT, i, NULL, NULL, 0);
			__atomic_store_n(theirs, i + 2, __ATOMIC_SEQ_CST);
			futex(theirs, FUTEX_WAKE, 1, NULL, NULL, 0);
		}
		_exit(0);
	}
	for (uint32_t i = 0; i < 200; i += 2) {
		__atomic_store_n(mine, i + 1, __ATOMIC_SEQ_CST);
		futex(mine, FUTEX_WAKE, 1, NULL, NULL, 0);
		while (__atomic_load_n(mine, __ATOMIC_SEQ_CST) == i + 1)
			futex(mine, FUTEX_WAIT, i + 1, NULL, NULL, 0);
	}
	reap(what, pid);
	say("%s: %u", what, *mine);
	*mine = 0;
}

int main(void)
{
	uint32_t *anon = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), *f1, *f2, *priv;
	int fd;
	pid_t pid;

	scratch();
	fd = page_file("f", PAGE);
	f1 = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	f2 = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	f1[10] = 0;
	ping_pong("anonymous", anon, anon);
	ping_pong("the same mapping of a file", f1 + 10, f1 + 10);
	ping_pong("two mappings of a file", f1 + 10, f2 + 10);
	SECTION("a private operation does not reach the other process");
	pid = MUST(fork());
	if (pid == 0) {
		struct timespec ts = { 0, 100000000 };

		_exit(futex(anon, FUTEX_WAIT, 0, &ts, NULL, 0) == -1 && errno == ETIMEDOUT ? 5 : 6);
	}
	wait_asleep(pid);
	CALL(futex(anon, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0));
	reap("child", pid);
	SECTION("private memory is not shared by a fork");
	priv = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pid = MUST(fork());
	if (pid == 0) {
		struct timespec ts = { 0, 100000000 };

		_exit(futex(priv, FUTEX_WAIT, 0, &ts, NULL, 0) == -1 && errno == ETIMEDOUT ? 5 : 6);
	}
	wait_asleep(pid);
	CALL(futex(priv, FUTEX_WAKE, 1, NULL, NULL, 0));
	reap("child", pid);
	SECTION("killed while waiting: the waiter is gone");
	pid = MUST(fork());
	if (pid == 0) {
		futex(anon, FUTEX_WAIT, 0, NULL, NULL, 0);
		_exit(0);
	}
	wait_asleep(pid);
	kill(pid, SIGKILL);
	reap("child", pid);
	CALL(futex(anon, FUTEX_WAKE, 1, NULL, NULL, 0));
	SECTION("process-shared mutex, and its owner dies");
	pthread_mutexattr_t ma;
	pthread_mutex_t *m = (pthread_mutex_t *)(anon + 64);
	pthread_mutexattr_init(&ma);
	pthread_mutexattr_setpshared(&ma, PTHREAD_PROCESS_SHARED);
	pthread_mutexattr_setrobust(&ma, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(m, &ma);
	IN_CHILD("locks and is killed") {
		pthread_mutex_lock(m);
		kill(getpid(), SIGKILL);
	}
	SHOW(pthread_mutex_lock(m) == EOWNERDEAD);
	SHOW(pthread_mutex_consistent(m));
	SHOW(pthread_mutex_unlock(m));
	return 0;
}
