/* SPDX-License-Identifier: Apache-2.0 */
/* System V message queues: order and types, what does not fit, sleepers, removal. */
#include "tests/contract/contract.h"

#include <sys/ipc.h>
#include <sys/msg.h>

#ifndef MSG_COPY
#define MSG_COPY 040000
#endif

static int queue;
static struct {
	long type;
	char text[9000];
} m;

static int send(long type, const char *text, int flags)
{
	m.type = type;
	strcpy(m.text, text);
	return msgsnd(queue, &m, strlen(text) + 1, flags);
}

static void receive(long type, size_t size, int flags)
{
	memset(&m, 0, sizeof(m));
	ssize_t n = msgrcv(queue, &m, size, type, flags);

	if (n < 0)
		say("receive(%ld, %zu): %s", type, size, strerror(errno));
	else
		say("receive(%ld, %zu): %zd bytes of type %ld: %s", type, size, n, m.type, m.text);
}

static void show_state(void)
{
	struct msqid_ds ds;

	if (msgctl(queue, IPC_STAT, &ds))
		say("state: %s", strerror(errno));
	else
		say("%lu messages, %lu bytes of %lu, mode %o, sent %s, received %s", ds.msg_qnum, ds.__msg_cbytes, ds.msg_qbytes,
		    ds.msg_perm.mode, ds.msg_lspid == getpid() ? "by me" : ds.msg_lspid ? "by another" : "never",
		    ds.msg_lrpid == getpid() ? "by me" : ds.msg_lrpid ? "by another" : "never");
}

static void order(void)
{
	SECTION("order and types");
	show_state();
	CALL(send(3, "three", 0));
	CALL(send(1, "one", 0));
	CALL(send(2, "two", 0));
	CALL(send(1, "one again", 0));
	show_state();
	receive(1, 100, MSG_COPY | IPC_NOWAIT);
	receive(9, 100, MSG_COPY | IPC_NOWAIT);
	receive(1, 100, MSG_COPY);
	receive(1, 100, 0);
	receive(-2, 100, 0);
	receive(3, 100, MSG_EXCEPT);
	receive(0, 3, 0);
	receive(0, 3, MSG_NOERROR);
	receive(0, 100, IPC_NOWAIT);
	receive(7, 100, IPC_NOWAIT);
	receive(LONG_MIN, 100, IPC_NOWAIT);
	show_state();
	CALL(send(1, "", 0));
	receive(0, 0, MSG_NOERROR);
}

static void on_signal(int sig)
{
	say("signal %d", sig);
}

static void sleepers(void)
{
	int sent = 0;

	SECTION("full");
	while (msgsnd(queue, memset(&m, 1, sizeof(m)), 4096, IPC_NOWAIT) == 0)
		sent++;
	say("%d of 4096 fit, then %s", sent, strerror(errno));
	pid_t pid = MUST(fork());
	if (!pid) {
		CALL(send(5, "late", 0));
		_exit(0);
	}
	usleep(20000);
	while (sent--)
		msgrcv(queue, &m, sizeof(m.text), 0x0101010101010101, 0);
	reap("sender", pid);
	receive(0, 100, 0);
	SECTION("empty");
	pid = MUST(fork());
	if (!pid) {
		receive(4, 100, 0);
		_exit(0);
	}
	usleep(20000);
	CALL(send(3, "not this", 0));
	send(4, "this", 0);
	reap("receiver", pid);
	receive(0, 100, 0);
	SECTION("a signal");
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &sa, NULL);
	struct itimerval it = { .it_value.tv_usec = 20000 };
	setitimer(ITIMER_REAL, &it, NULL);
	receive(0, 100, 0);
}

int main(void)
{
	key_t key = 0x5d000000 | (getpid() & 0xffffff);
	struct msqid_ds ds;

	SECTION("keys");
	CALL(msgget(key, 0600));
	queue = OK(msgget(key, IPC_CREAT | 0600));
	CALL(msgget(key, IPC_CREAT | IPC_EXCL | 0600));
	YES(msgget(key, 0) == queue);
	order();
	sleepers();
	SECTION("errors");
	m.type = 0;
	CALL(msgsnd(queue, &m, 1, 0));
	m.type = 1;
	CALL(msgsnd(queue, &m, 8193, 0));
	CALL(msgsnd(-1, &m, 1, 0));
	CALL(msgsnd(queue, BAD_PTR, 1, 0));
	CALL(msgrcv(queue, &m, -1, 0, 0));
	CALL(msgctl(queue, 12345, NULL));
	CALL(msgctl(queue, IPC_STAT, BAD_PTR));
	CALL(msgctl(queue, IPC_STAT, &ds));
	ds.msg_qbytes = 10;
	CALL(msgctl(queue, IPC_SET, &ds));
	CALL(send(1, "more than ten bytes", IPC_NOWAIT));
	CALL(send(1, "ten", IPC_NOWAIT));
	show_state();
	receive(0, 10, 0);
	SECTION("removal");
	pid_t pid = MUST(fork());
	if (!pid) {
		receive(0, 100, 0);
		_exit(0);
	}
	usleep(20000);
	msgctl(queue, IPC_RMID, NULL);
	reap("receiver", pid);
	CALL(msgctl(queue, IPC_RMID, NULL));
	return 0;
}
