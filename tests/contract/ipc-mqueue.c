/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX message queues: names, attributes, limits, order, sleepers, notification. */
#include "tests/contract/contract.h"

#include <mqueue.h>
#include <poll.h>
#include <sys/vfs.h>

#define NAME "/sentry-contract-mqueue"
#define OTHER "/sentry-contract-other"

static char buf[9000];

static mqd_t queue_open(const char *name, int flags, long max, long size)
{
	struct mq_attr attr = { .mq_maxmsg = max, .mq_msgsize = size };

	return mq_open(name, flags, 0600, max ? &attr : NULL);
}

static void show_attr(mqd_t q)
{
	struct mq_attr a;

	if (mq_getattr(q, &a))
		say("attr: %s", errno_name(errno));
	else
		say("attr: flags %#lx, %ld of %ld messages of %ld bytes", a.mq_flags, a.mq_curmsgs, a.mq_maxmsg, a.mq_msgsize);
}

static void receive(mqd_t q, size_t size)
{
	unsigned prio = 77;
	ssize_t n = mq_receive(q, buf, size, &prio);

	if (n < 0)
		say("receive: %s", errno_name(errno));
	else
		say("receive: %zd bytes of priority %u: %.*s", n, prio, (int)n, buf);
}

static void names(void)
{
	struct statfs fs;
	struct stat st;
	char longname[300] = "/";
	mqd_t q;

	SECTION("names");
	OK(mq_open("/sentry-contract-none", O_RDWR));
	OK(mq_unlink("/sentry-contract-none"));
	OK(syscall(SYS_mq_open, "", O_RDWR | O_CREAT, 0600, NULL));
	OK(syscall(SYS_mq_open, "a/b", O_RDWR | O_CREAT, 0600, NULL));
	OK(syscall(SYS_mq_open, ".", O_RDWR | O_CREAT, 0600, NULL));
	OK(syscall(SYS_mq_open, "..", O_RDWR, 0600, NULL));
	OK(syscall(SYS_mq_open, BAD_PTR, O_RDWR, 0600, NULL));
	OK(syscall(SYS_mq_open, &NAME[1], O_RDWR | O_CREAT, 0600, BAD_PTR));
	OK(syscall(SYS_mq_unlink, "a/b"));
	OK(syscall(SYS_mq_unlink, ""));
	memset(longname + 1, 'x', sizeof(longname) - 2);
	OK(mq_open(longname, O_RDWR | O_CREAT, 0600, NULL));
	OK(mq_unlink(longname));
	umask(027);
	q = queue_open(NAME, O_RDWR | O_CREAT | O_EXCL, 4, 100);
	umask(022);
	YES(q >= 0);
	SHOW(fcntl(q, F_GETFD));
	HEX(fcntl(q, F_GETFL));
	MUST(fstat(q, &st));
	say("mode %o, size %ld, links %lu", st.st_mode, (long)st.st_size, (unsigned long)st.st_nlink);
	MUST(fstatfs(q, &fs));
	HEX(fs.f_type);
	OK(queue_open(NAME, O_RDWR | O_CREAT | O_EXCL, 4, 100));
	OK(mq_open(NAME, O_RDWR | O_WRONLY));
	OK(mq_close(mq_open(NAME, O_RDWR | O_CREAT, 0600, NULL)));
	show_attr(q);
	CALL(mq_unlink(NAME));
	CALL(mq_unlink(NAME));
	show_attr(q);
	OK(mq_open(NAME, O_RDWR));
	CALL(mq_close(q));
	CALL(mq_close(q));
}

static void attributes(void)
{
	struct mq_attr a = { 0 };
	int fd = MUST(open("/dev/null", O_RDWR));
	mqd_t q;

	SECTION("attributes");
	OK(queue_open(NAME, O_RDWR | O_CREAT, -1, 100));
	OK(queue_open(NAME, O_RDWR | O_CREAT, 4, 0));
	OK(queue_open(NAME, O_RDWR | O_CREAT, 4, -1));
	OK(queue_open(NAME, O_RDWR | O_CREAT, 1L << 40, 100));
	OK(queue_open(NAME, O_RDWR | O_CREAT, 4, 1L << 40));
	q = queue_open(NAME, O_RDWR | O_CREAT | O_NONBLOCK, 0, 0);
	show_attr(q);
	CALL(mq_setattr(q, &a, NULL));
	show_attr(q);
	a.mq_flags = O_NONBLOCK;
	a.mq_maxmsg = 1;
	CALL(mq_setattr(q, &a, NULL));
	show_attr(q);
	a.mq_flags = O_APPEND;
	CALL(mq_setattr(q, &a, NULL));
	CALL(mq_getattr(fd, &a));
	CALL(mq_getattr(-1, &a));
	CALL(syscall(SYS_mq_getsetattr, q, BAD_PTR, NULL));
	CALL(syscall(SYS_mq_getsetattr, q, NULL, BAD_PTR));
	CALL(syscall(SYS_mq_getsetattr, q, NULL, NULL));
	CALL(read(q, buf, 10));
	CALL(pread(q, buf, 100, 10));
	CALL(write(q, "x", 1));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, q, 0));
	mq_close(q);
	mq_unlink(NAME);
	close(fd);
}

static void order(void)
{
	struct timespec past = { 1, 0 }, bad = { 1, 1000000000 };
	struct pollfd pfd;
	mqd_t q, r, w;

	SECTION("order");
	q = queue_open(NAME, O_RDWR | O_CREAT | O_NONBLOCK, 4, 100);
	r = mq_open(NAME, O_RDONLY | O_NONBLOCK);
	w = mq_open(NAME, O_WRONLY | O_NONBLOCK);
	pfd = (struct pollfd){ .fd = q, .events = POLLIN | POLLOUT };
	CALL(poll(&pfd, 1, 0));
	HEX(pfd.revents);
	receive(q, 100);
	receive(q, 99);
	receive(w, 100);
	CALL(mq_send(r, "x", 1, 0));
	CALL(mq_send(w, "low", 3, 1));
	CALL(mq_send(w, "high", 4, 9));
	CALL(mq_send(w, "high again", 10, 9));
	CALL(mq_send(w, "", 0, 32767));
	CALL(mq_send(w, "x", 1, 1));
	CALL(mq_send(w, "x", 1, 32768));
	CALL(mq_send(w, buf, 101, 1));
	CALL(poll(&pfd, 1, 0));
	HEX(pfd.revents);
	memset(buf, 0, sizeof(buf));
	CALL(pread(q, buf, 17, 0));
	STR(buf);
	for (int i = 0; i < 5; i++)
		receive(r, 100);
	CALL(mq_send(q, BAD_PTR, 10, 1));
	CALL(mq_send(q, "kept", 4, 1));
	CALL(syscall(SYS_mq_timedreceive, q, BAD_PTR, 100, NULL, NULL));
	CALL(syscall(SYS_mq_timedreceive, q, buf, 100, NULL, NULL));
	CALL(syscall(SYS_mq_timedreceive, -1, buf, 100, NULL, &bad));
	CALL(syscall(SYS_mq_timedreceive, q, buf, 100, NULL, BAD_PTR));
	CALL(syscall(SYS_mq_timedreceive, q, buf, 100, NULL, &past));
	mq_close(q);
	mq_close(r);
	mq_close(w);
	q = mq_open(NAME, O_RDWR);
	CALL(syscall(SYS_mq_timedreceive, q, buf, 100, NULL, &past));
	past.tv_sec = -1;
	CALL(syscall(SYS_mq_timedreceive, q, buf, 100, NULL, &past));
	past.tv_sec = 1;
	for (int i = 0; i < 5; i++)
		CALL(syscall(SYS_mq_timedsend, q, "y", 1, 0, &past));
	mq_close(q);
	mq_unlink(NAME);
}

static void nothing(int sig)
{
	(void)sig;
}

static char received[100];

/* Those who sleep say nothing, lest it come before what the other side says. */
static void *receiver(void *arg)
{
	return (void *)mq_receive(*(mqd_t *)arg, received, sizeof(received), NULL);
}

static void *sender(void *arg)
{
	return (void *)(long)mq_send(*(mqd_t *)arg, "late", 4, 0);
}

static void sleepers(void)
{
	struct sigaction sa = { .sa_handler = nothing };
	struct timespec soon;
	mqd_t q = queue_open(NAME, O_RDWR | O_CREAT, 1, 100);
	pthread_t th;
	void *ret;
	pid_t pid;

	SECTION("sleepers");
	MUST(sigaction(SIGUSR1, &sa, NULL));
	pthread_create(&th, NULL, receiver, &q);
	sleep_ms(50);
	CALL(mq_send(q, "for you", 7, 5));
	pthread_join(th, &ret);
	SHOW((long)ret);
	STR(received);
	show_attr(q);
	CALL(mq_send(q, "first", 5, 0));
	pthread_create(&th, NULL, sender, &q);
	sleep_ms(50);
	receive(q, 100);
	pthread_join(th, &ret);
	SHOW((long)ret);
	receive(q, 100);
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_nsec = (soon.tv_nsec + 30000000) % 1000000000;
	soon.tv_sec += soon.tv_nsec < 30000000;
	CALL(mq_timedreceive(q, buf, 100, NULL, &soon));
	pid = MUST(fork());
	if (!pid) {
		receive(q, 100);
		_exit(0);
	}
	wait_asleep(pid);
	MUST(kill(pid, SIGUSR1));
	reap("interrupted", pid);
	mq_close(q);
	mq_unlink(NAME);
}

static volatile int told;
static siginfo_t told_info;

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	told_info = *si;
	told++;
}

static void on_thread(union sigval v)
{
	say("thread is told %d", v.sival_int);
	told++;
}

static void notification(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_int = 42 };
	mqd_t q = queue_open(NAME, O_RDWR | O_CREAT, 4, 100), q2 = mq_open(NAME, O_RDWR);

	SECTION("notification");
	MUST(sigaction(SIGRTMIN, &sa, NULL));
	CALL(mq_notify(q, NULL));
	CALL(mq_notify(q, &ev));
	CALL(mq_notify(q2, &ev));
	memset(buf, 0, sizeof(buf));
	CALL(pread(q, buf, 44, 0));
	STR(buf);
	IN_CHILD("child sends") {
		CALL(mq_notify(q, NULL));
		CALL(mq_notify(q, &ev));
		MUST(mq_send(q, "x", 1, 0));
	}
	SHOW(told);
	SHOW(told_info.si_code);
	SHOW(told_info.si_value.sival_int);
	YES(told_info.si_uid == getuid());
	MUST(mq_send(q, "y", 1, 0));
	CALL(mq_notify(q, &ev));
	MUST(mq_send(q, "not into an empty queue", 10, 0));
	SHOW(told);
	for (int i = 0; i < 3; i++)
		receive(q, 100);
	CALL(mq_close(q2));
	q2 = mq_open(NAME, O_RDWR);
	CALL(mq_notify(q2, &ev));
	ev.sigev_notify = 99;
	CALL(mq_notify(q, &ev));
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = 65;
	CALL(mq_notify(q, &ev));
	CALL(mq_notify(-1, NULL));
	CALL(mq_notify(1, NULL));
	CALL(syscall(SYS_mq_notify, q, BAD_PTR));
	CALL(mq_notify(q, NULL));
	ev.sigev_notify = SIGEV_NONE;
	CALL(mq_notify(q, &ev));
	MUST(mq_send(q, "z", 1, 0));
	receive(q, 100);
	ev = (struct sigevent){ .sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_thread, .sigev_value.sival_int = 7 };
	told = 0;
	CALL(mq_notify(q, &ev));
	MUST(mq_send(q, "z", 1, 0));
	for (int i = 0; i < 1000 && !told; i++)
		sleep_ms(5);
	SHOW(told);
	mq_close(q);
	mq_close(q2);
	mq_unlink(NAME);
}

static void permissions(void)
{
	mqd_t q = queue_open(NAME, O_RDWR | O_CREAT, 2, 100);
	struct rlimit none = { 100, 100 };

	SECTION("permissions");
	MUST(fchmod(q, 0444));
	IN_CHILD("another user") {
		drop_privileges();
		OK(mq_open(NAME, O_RDONLY));
		if (geteuid() != 0)
			OK(mq_open(NAME, O_RDWR));
		OK(queue_open(OTHER, O_RDWR | O_CREAT, 11, 100));
		OK(queue_open(OTHER, O_RDWR | O_CREAT, 10, 8193));
		OK(queue_open(OTHER, O_RDWR | O_CREAT, 10, 8192));
		OK(mq_unlink(OTHER));
		MUST(setrlimit(RLIMIT_MSGQUEUE, &none));
		OK(queue_open(OTHER, O_RDWR | O_CREAT, 10, 8192));
	}
	mq_close(q);
	CALL(mq_unlink(NAME));
}

int main(void)
{
	mq_unlink(NAME);
	mq_unlink(OTHER);
	names();
	attributes();
	order();
	sleepers();
	notification();
	permissions();
	return 0;
}
