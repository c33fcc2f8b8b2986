/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX message queues, mq_overview(7): names, limits, order, waiting, notification, poll, the file. */
#include "tests/contract/contract.h"

#include <mqueue.h>
#include <poll.h>
#include <sys/epoll.h>

static char name[64];

static void attributes(mqd_t q)
{
	struct mq_attr a;

	CALL(mq_getattr(q, &a));
	say("flags %ld, at most %ld of %ld, now %ld", a.mq_flags & O_NONBLOCK, a.mq_maxmsg, a.mq_msgsize, a.mq_curmsgs);
}

static struct timespec in_ms(long ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += ms * 1000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

static void receive(mqd_t q)
{
	char buf[8192];
	unsigned prio = 99;
	ssize_t n = mq_receive(q, buf, sizeof(buf), &prio);

	if (n < 0)
		say("receive: %s", strerrorname_np(errno));
	else
		say("receive: %zd bytes \"%.*s\", priority %u", n, (int)n, buf, prio);
}

static void names(void)
{
	struct mq_attr a = { .mq_maxmsg = 3, .mq_msgsize = 20 }, bad = { .mq_maxmsg = 0, .mq_msgsize = 20 };
	char long_name[300];
	struct stat st;
	mqd_t q;

	say("-- names");
	CALL(mq_open(name, O_RDWR));
	q = OK(mq_open(name, O_RDWR | O_CREAT, 0640, &a));
	attributes(q);
	YES(fcntl(q, F_GETFD) & FD_CLOEXEC);
	CALL(fstat(q, &st));
	say("mode %o, size %ld, links %ld", st.st_mode, (long)st.st_size, (long)st.st_nlink);
	CALL(mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &a));
	CALL(mq_open(name, 3));
	mq_close(OK(mq_open(name, O_RDONLY | O_CREAT, 0600, &bad)));
	CALL(mq_open("no-slash", O_RDWR));
	CALL(syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, NULL));
	CALL(syscall(SYS_mq_open, ".", O_RDWR | O_CREAT, 0600, NULL));
	CALL(syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, NULL));
	CALL(syscall(SYS_mq_open, BAD_PTR, O_RDWR | O_CREAT, 0600, NULL));
	memset(long_name, 'x', sizeof(long_name));
	long_name[0] = '/';
	long_name[257] = '\0';
	CALL(mq_open(long_name, O_RDWR | O_CREAT, 0600, NULL));
	CALL(mq_unlink(name));
	CALL(mq_unlink(name));
	CALL(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
	bad = (struct mq_attr){ .mq_maxmsg = 1, .mq_msgsize = -1 };
	CALL(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
	bad = (struct mq_attr){ .mq_maxmsg = 100000, .mq_msgsize = 1 };
	CALL(mq_open(name, O_RDWR | O_CREAT, 0600, &bad));
	CALL(fstat(q, &st));
	SHOW(st.st_nlink);
	CALL(mq_send(q, "still", 5, 0));
	receive(q);
	CALL(mq_close(q));
	CALL(mq_send(q, "x", 1, 0));
	q = OK(mq_open(name, O_RDWR | O_CREAT, 0600, NULL));
	attributes(q);
	mq_close(q);
	mq_unlink(name);
}

static void messages(void)
{
	struct mq_attr a = { .mq_maxmsg = 4, .mq_msgsize = 20 }, old;
	struct timespec past = { 0, 0 }, wrong = { 0, 1000000000 }, soon;
	char buf[64], text[200] = "";
	struct pollfd p;
	mqd_t q, r, w;
	int n;

	say("-- messages");
	q = mq_open(name, O_RDWR | O_CREAT | O_NONBLOCK, 0600, &a);
	r = mq_open(name, O_RDONLY);
	w = mq_open(name, O_WRONLY);
	receive(q);
	p = (struct pollfd){ q, POLLIN | POLLOUT, 0 };
	CALL(poll(&p, 1, 0));
	HEX(p.revents);
	CALL(mq_send(q, "low", 3, 1));
	CALL(mq_send(q, "high", 4, 30000));
	CALL(mq_send(q, "low again", 9, 1));
	CALL(mq_send(q, "", 0, 7));
	attributes(q);
	CALL(mq_send(q, "full", 4, 0));
	CALL(poll(&p, 1, 0));
	HEX(p.revents);
	soon = in_ms(30);
	CALL(mq_timedsend(w, "full", 4, 0, &soon));
	CALL(mq_timedsend(w, "full", 4, 0, &past));
	CALL(mq_timedsend(w, "full", 4, 0, &wrong));
	CALL(mq_send(q, "prio", 4, 32768));
	CALL(mq_send(q, "much too long for this queue", 28, 0));
	CALL(mq_send(r, "x", 1, 0));
	CALL(mq_receive(w, buf, sizeof(buf), NULL));
	CALL(mq_receive(q, buf, 19, NULL));
	CALL(mq_receive(STDOUT_FILENO, buf, 20, NULL));
	CALL(syscall(SYS_mq_timedsend, q, BAD_PTR, 5, 0, NULL));
	n = (int)pread(r, text, sizeof(text), 0);
	say("read: %s", n > 0 ? text : "nothing");
	for (int i = 0; i < 4; i++)
		receive(q);
	soon = in_ms(30);
	CALL(mq_timedreceive(r, buf, sizeof(buf), NULL, &soon));
	CALL(mq_timedreceive(r, buf, sizeof(buf), NULL, &wrong));
	/* What can't be taken is lost. */
	CALL(mq_send(q, "lost", 4, 0));
	CALL(syscall(SYS_mq_timedreceive, q, BAD_PTR, 20, NULL, NULL));
	attributes(q);
	a.mq_flags = 0;
	CALL(mq_setattr(q, &a, &old));
	SHOW(old.mq_flags & O_NONBLOCK);
	attributes(q);
	a.mq_flags = O_APPEND;
	CALL(mq_setattr(q, &a, NULL));
	CALL(mq_getattr(STDOUT_FILENO, &a));
	CALL(write(q, "x", 1));
	mq_close(q);
	mq_close(r);
	mq_close(w);
	mq_unlink(name);
}

static void waiting(void)
{
	struct mq_attr a = { .mq_maxmsg = 1, .mq_msgsize = 20 };
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };
	int status, ep = epoll_create1(0);
	mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	char buf[20];

	say("-- waiting");
	epoll_ctl(ep, EPOLL_CTL_ADD, q, &ev);
	CALL(epoll_wait(ep, &ev, 1, 0));
	if (fork() == 0) {
		for (int i = 0; i < 500; i++)
			if (mq_send(q, (char *)&i, sizeof(i), 0))
				_exit(1);
		_exit(0);
	}
	CALL(epoll_wait(ep, &ev, 1, 10000));
	for (int i = 0, got; i < 500; i++) {
		if (mq_receive(q, buf, sizeof(buf), NULL) != sizeof(got) || (memcpy(&got, buf, sizeof(got)), got != i)) {
			say("%d: out of order", i);
			break;
		}
	}
	wait(&status);
	SHOW(status);
	mq_close(q);
	mq_unlink(name);
	close(ep);
}

static volatile sig_atomic_t signals, code, value, from, from_uid;
static pid_t child;

static void handler(int sig UNUSED_OK, siginfo_t *info, void *ctx UNUSED_OK)
{
	signals++;
	code = info->si_code;
	value = info->si_value.sival_int;
	from = info->si_pid;
	from_uid = (int)info->si_uid;
}

static volatile int called;

static void on_thread(union sigval v)
{
	__atomic_store_n(&called, v.sival_int, __ATOMIC_SEQ_CST);
}

static void send_from_child(mqd_t q, const char *text)
{
	int status;

	child = fork();
	if (child == 0)
		_exit(mq_send(q, text, strlen(text), 0) != 0);
	waitpid(child, &status, 0);
	SHOW(status);
}

static void notification(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_RESTART };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1, .sigev_value.sival_int = 42 };
	struct mq_attr a = { .mq_maxmsg = 5, .mq_msgsize = 20 };
	mqd_t q = mq_open(name, O_RDWR | O_CREAT, 0600, &a);
	char text[200] = "";
	int status;

	say("-- notification");
	sigaction(SIGUSR1, &sa, NULL);
	CALL(mq_notify(q, &ev));
	CALL(mq_notify(q, &ev));
	if (fork() == 0) {
		CALL(mq_notify(q, &ev));
		CALL(mq_notify(q, NULL));
		_exit(0);
	}
	wait(&status);
	CALL((pread(q, text, sizeof(text), 0), strncmp(text, "QSIZE:0          NOTIFY:0     SIGNO:10    NOTIFY_PID:", 52)));
	send_from_child(q, "first");
	say("signals %d, code %d, value %d, from whom it says: %d", signals, code, value,
	    from == child && from_uid == (int)getuid());
	send_from_child(q, "second");
	SHOW(signals);
	/* Once only, and not for a queue that has something. */
	CALL(mq_notify(q, &ev));
	send_from_child(q, "third");
	SHOW(signals);
	for (int i = 0; i < 3; i++)
		receive(q);
	send_from_child(q, "fourth");
	SHOW(signals);
	receive(q);
	/* A close of the queue by the process ends it. */
	ev.sigev_notify = SIGEV_NONE;
	CALL(mq_notify(q, &ev));
	close(dup(q));
	ev.sigev_notify = SIGEV_SIGNAL;
	CALL(mq_notify(q, &ev));
	CALL(mq_notify(q, NULL));
	send_from_child(q, "nobody");
	SHOW(signals);
	receive(q);
	ev.sigev_signo = 65;
	CALL(mq_notify(q, &ev));
	ev.sigev_notify = 77;
	CALL(mq_notify(q, &ev));
	CALL(mq_notify(STDOUT_FILENO, NULL));
	ev = (struct sigevent){ .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread, .sigev_value.sival_int = 17 };
	CALL(mq_notify(q, &ev));
	send_from_child(q, "thread");
	for (int i = 0; i < 10000 && !__atomic_load_n(&called, __ATOMIC_SEQ_CST); i++)
		usleep(1000);
	SHOW(called);
	mq_close(q);
	mq_unlink(name);
}

static void limits(void)
{
	struct mq_attr a = { .mq_maxmsg = 10, .mq_msgsize = 8192 };
	struct rlimit rl = { 100000, 100000 };
	char other[80];
	mqd_t q, r;

	say("-- limits");
	setrlimit(RLIMIT_MSGQUEUE, &rl);
	snprintf(other, sizeof(other), "%s-2", name);
	q = OK(mq_open(name, O_RDWR | O_CREAT, 0600, &a));
	r = CALL(mq_open(other, O_RDWR | O_CREAT, 0600, &a));
	CALL(mq_unlink(name));
	r = CALL(mq_open(other, O_RDWR | O_CREAT, 0600, &a));
	CALL(mq_close(q));
	r = OK(mq_open(other, O_RDWR | O_CREAT, 0600, &a));
	mq_close(r);
	mq_unlink(other);
}

int main(void)
{
	umask(022);
	snprintf(name, sizeof(name), "/contract-%d", getpid());
	names();
	messages();
	waiting();
	notification();
	limits();
	return 0;
}
