/* SPDX-License-Identifier: Apache-2.0 */
/* System V semaphores: sets, operations that are done all or none, sleepers, undo, permissions. */
#include "tests/contract/contract.h"

#include <sys/ipc.h>
#include <sys/sem.h>

union semun {
	int val;
	struct semid_ds *buf;
	unsigned short *array;
	struct seminfo *info;
};

static int set;

static int op(int n, struct sembuf *ops)
{
	return semop(set, ops, n);
}

static int one(int num, int by, int flags)
{
	struct sembuf b = { num, by, flags };

	return op(1, &b);
}

static int val(int num)
{
	return semctl(set, num, GETVAL);
}

/* Until @n sleep for more of semaphore @num (or, with @zero, for zero). */
static void await_sleepers(int num, int n, int zero)
{
	while (semctl(set, num, zero ? GETZCNT : GETNCNT) != n)
		usleep(1000);
}

static void on_signal(int sig)
{
	say("signal %d", sig);
}

static void sleepers(void)
{
	SECTION("sleepers");
	pid_t pid = MUST(fork());
	if (!pid) {
		struct sembuf both[] = { { 0, -2, 0 }, { 1, -1, 0 } };

		CALL(op(2, both));
		_exit(0);
	}
	await_sleepers(0, 1, 0);
	CALL(one(0, 1, 0));
	SHOW(val(0));
	CALL(one(0, 1, 0));
	/* Now the second operation is what it waits for. */
	await_sleepers(1, 1, 0);
	SHOW(semctl(set, 0, GETNCNT));
	SHOW(val(0));
	one(1, 1, 0);
	reap("child", pid);
	SHOW(val(0));
	SHOW(val(1));
	CALL(one(0, 1, 0));
	pid = MUST(fork());
	if (!pid) {
		CALL(one(0, 0, 0));
		_exit(0);
	}
	await_sleepers(0, 1, 1);
	one(0, -1, 0);
	reap("zero", pid);
	SECTION("a signal, a timeout, the end");
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval it = { .it_value.tv_usec = 20000 };
	setitimer(ITIMER_REAL, &it, NULL);
	CALL(one(0, -1, 0));
	struct sembuf b = { 0, -1, 0 };
	CALL(semtimedop(set, &b, 1, &(struct timespec){ 0, 10000000 }));
	CALL(semtimedop(set, &b, 1, &(struct timespec){ 0, 0 }));
	CALL(semtimedop(set, &b, 1, &(struct timespec){ 0, 1000000000 }));
	CALL(semtimedop(set, &b, 1, &(struct timespec){ -1, 0 }));
}

static void undo(void)
{
	SECTION("undo");
	CALL(semctl(set, 0, SETVAL, 5));
	IN_CHILD("takes") {
		CALL(one(0, -3, SEM_UNDO));
		SHOW(val(0));
	}
	SHOW(val(0));
	IN_CHILD("takes and gives") {
		CALL(one(0, -3, SEM_UNDO));
		CALL(one(0, 1, SEM_UNDO));
		CALL(one(0, 4, 0));
	}
	SHOW(val(0));
	IN_CHILD("forgotten by SETVAL") {
		CALL(one(0, -3, SEM_UNDO));
		CALL(semctl(set, 0, SETVAL, 1));
	}
	SHOW(val(0));
	IN_CHILD("killed") {
		CALL(one(0, 4, SEM_UNDO));
		raise(SIGKILL);
	}
	SHOW(val(0));
	IN_CHILD("not inherited") {
		CALL(one(0, 2, SEM_UNDO));
		pid_t pid = fork();
		if (!pid)
			_exit(0);
		waitpid(pid, NULL, 0);
		SHOW(val(0));
	}
	SHOW(val(0));
}

static void controls(void)
{
	unsigned short all[3] = { 7, 8, 9 };
	struct semid_ds ds;
	struct seminfo info;

	SECTION("controls");
	CALL(semctl(set, 0, SETALL, all));
	memset(all, 0, sizeof(all));
	CALL(semctl(set, 0, GETALL, all));
	say("%d %d %d", all[0], all[1], all[2]);
	CALL(semctl(set, 0, IPC_STAT, &ds));
	SHOW(ds.sem_nsems);
	HEX(ds.sem_perm.mode);
	YES(ds.sem_perm.uid == geteuid());
	YES(ds.sem_otime > 0);
	YES(semctl(set, 0, GETPID) == getpid());
	ds.sem_perm.mode = 0640;
	CALL(semctl(set, 0, IPC_SET, &ds));
	CALL(semctl(set, 0, IPC_STAT, &ds));
	HEX(ds.sem_perm.mode);
	OK(semctl(0, 0, IPC_INFO, &info));
	SHOW(info.semvmx);
	SHOW(info.semopm);
	SECTION("errors");
	CALL(semctl(set, 3, GETVAL));
	CALL(semctl(set, -1, GETVAL));
	CALL(semctl(set, 0, SETVAL, -1));
	CALL(semctl(set, 0, SETVAL, 32768));
	CALL(semctl(-1, 0, GETVAL));
	CALL(semctl(set, 0, 12345));
	CALL(semctl(set, 0, IPC_STAT, BAD_PTR));
	CALL(one(3, 1, 0));
	CALL(one(0, 32767, 0));
	CALL(one(0, -100, IPC_NOWAIT));
	CALL(one(0, 0, IPC_NOWAIT));
	CALL(semop(set, NULL, 0));
	CALL(semop(set, BAD_PTR, 1));
	CALL(semop(set, BAD_PTR, 501));
	CALL(semop(-1, BAD_PTR, 1));
	struct sembuf half[] = { { 0, -1, 0 }, { 1, -100, IPC_NOWAIT } };
	CALL(op(2, half));
	SHOW(val(0));
	CALL(semget(IPC_PRIVATE, 0, 0600));
	CALL(semget(IPC_PRIVATE, -1, 0600));
	CALL(semget(IPC_PRIVATE, 40000, 0600));
}

static void removal(void)
{
	SECTION("removal wakes");
	CALL(semctl(set, 2, SETVAL, 0));
	pid_t pid = MUST(fork());
	if (!pid) {
		CALL(one(2, -1, 0));
		_exit(0);
	}
	await_sleepers(2, 1, 0);
	semctl(set, 0, IPC_RMID);
	reap("sleeper", pid);
	CALL(semctl(set, 0, IPC_RMID));
	CALL(one(0, 1, 0));
}

int main(void)
{
	key_t key = 0x5e000000 | (getpid() & 0xffffff);

	SECTION("keys");
	CALL(semget(key, 3, 0600));
	set = OK(semget(key, 3, IPC_CREAT | 0600));
	CALL(semget(key, 3, IPC_CREAT | IPC_EXCL | 0600));
	YES(semget(key, 3, IPC_CREAT | 0600) == set);
	YES(semget(key, 0, 0) == set);
	CALL(semget(key, 4, 0));
	SHOW(val(0));
	sleepers();
	undo();
	controls();
	removal();
	return 0;
}
