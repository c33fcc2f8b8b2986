/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp_unotify(2): a listener that decides what a thread's calls come to. */
#include "tests/contract/contract.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>

#ifndef SECCOMP_IOCTL_NOTIF_ADDFD
#define SECCOMP_IOCTL_NOTIF_ADDFD 0x40182103
#endif
#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND 2
#endif

struct addfd {
	uint64_t id;
	uint32_t flags, srcfd, newfd, newfd_flags;
};

/* The calls that are asked about: getpgid(2), with its argument as data, and uname(2). */
static long install(unsigned flags)
{
	struct sock_filter prog[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpgid, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
	};
	struct sock_fprog fprog = { ARRAY_SIZE(prog), prog };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &fprog);
}

static int listener;
static pid_t asker_tid;
static struct gate installed, go, done;

/* What is asked for: oneself, where the call is to be made. */
static int question(int i)
{
	return i == 2 ? 0 : i;
}

static void interrupted(int sig)
{
	(void)sig;
}

/* What becomes of each call, as the thread sees it. */
static void *asker(void *arg)
{
	(void)arg;
	asker_tid = get_tid();
	listener = MUST(install(SECCOMP_FILTER_FLAG_NEW_LISTENER));
	gate_open(&installed);
	for (int i = 0; i < 8; i++) {
		long r;

		gate_wait(&go);
		errno = 0;
		r = syscall(SYS_getpgid, question(i));
		say("asked %d: %s", i, r < 0 ? errno_name(errno) : r == 77 ? "77" : r >= 0 ? "a number" : "?");
		if (i == 5 || i == 6)
			say("its descriptor: %s", r >= 0 && fcntl(r, F_GETFD) == FD_CLOEXEC ? "there, cloexec" : "not there");
		gate_open(&done);
	}
	return NULL;
}

static short events(void)
{
	struct pollfd p = { listener, POLLIN | POLLOUT, 0 };

	MUST(poll(&p, 1, 0));
	return p.revents;
}

/* Lets the thread make its next call, and receives it. */
static uint64_t next(int i)
{
	struct seccomp_notif n = { 0 };

	gate_open(&go);
	MUST(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n));
	say("received: argument %s, number %s, thread %s, flags %u", (int)n.data.args[0] == question(i) ? "right" : "wrong",
	    n.data.nr == SYS_getpgid ? "right" : "wrong", (pid_t)n.pid == asker_tid ? "right" : "wrong", n.flags);
	return n.id;
}

static int answer(uint64_t id, int64_t val, int error, unsigned flags)
{
	struct seccomp_notif_resp r = { id, val, error, flags };

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r);
}

/* Both sides print: one after the other. */
#define CALL_AND_DONE(e)                                                      \
	({                                                                    \
		int r_ = e;                                                   \
		int err_ = errno;                                             \
		gate_wait(&done);                                             \
		say("%s -> %s", #e, r_ ? errno_name(err_) : "0");             \
	})

static int addfd(uint64_t id, unsigned flags, int src, int newfd, unsigned newfd_flags)
{
	struct addfd a = { id, flags, src, newfd, newfd_flags };

	return ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a);
}

static void arguments(void)
{
	struct seccomp_notif_sizes s = { 0 };
	uint32_t action = SECCOMP_RET_USER_NOTIF;

	SECTION("arguments");
	CALL(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &s));
	SHOW(s.seccomp_notif);
	SHOW(s.seccomp_notif_resp);
	SHOW(s.seccomp_data);
	CALL(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 1, &s));
	CALL(syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, BAD_PTR));
	CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	CALL(install(SECCOMP_FILTER_FLAG_NEW_LISTENER | SECCOMP_FILTER_FLAG_TSYNC));
	CALL(install(1 << 5));
}

int main(void)
{
	struct sigaction sa = { .sa_handler = interrupted };
	struct seccomp_notif dirty = { .pid = 1 };
	pthread_t th;
	uint64_t id;
	int r;

	MUST(sigaction(SIGUSR1, &sa, NULL));
	gate_init(&installed);
	gate_init(&go);
	gate_init(&done);
	arguments();
	IN_CHILD("without a listener") {
		MUST(install(0));
		CALL(syscall(SYS_getpgid, 0));
	}
	MUST(pthread_create(&th, NULL, asker, NULL));
	gate_wait(&installed);
	SECTION("answers");
	SHOW(fcntl(listener, F_GETFD));
	HEX(events());
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &dirty));
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, BAD_PTR));
	CALL(ioctl(listener, FIONREAD, &r));
	id = next(0);
	HEX(events());
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
	CALL(answer(id, 1, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	CALL(answer(id, 0, 0, 8));
	CALL(answer(id + 1, 0, 0, 0));
	CALL_AND_DONE(answer(id, 77, 0, 0));
	id = next(1);
	CALL_AND_DONE(answer(id, 0, -EXDEV, 0));
	id = next(2);
	CALL_AND_DONE(answer(id, 0, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE));
	id = next(3);
	/* A signal ends the wait; nobody wants to hear of the call any more. */
	wait_asleep(asker_tid);
	MUST(syscall(SYS_tgkill, getpid(), asker_tid, SIGUSR1));
	gate_wait(&done);
	CALL(ioctl(listener, SECCOMP_IOCTL_NOTIF_ID_VALID, &id));
	CALL(answer(id, 1, 0, 0));
	SECTION("descriptors");
	id = next(4);
	CALL(addfd(id, 8, 0, 0, 0));
	CALL(addfd(id, 0, 0, 5, 0));
	CALL(addfd(id, 0, 999, 0, 0));
	CALL(addfd(id, 0, 0, 0, O_APPEND));
	CALL(addfd(id + 9, 0, 0, 0, 0));
	r = addfd(id, 0, 0, 0, O_CLOEXEC);
	say("added: %s", r > 2 && fcntl(r, F_GETFD) == FD_CLOEXEC ? "yes" : errno_name(errno));
	close(r);
	CALL(addfd(id, SECCOMP_ADDFD_FLAG_SETFD, 0, 200, 0));
	CALL(fcntl(200, F_GETFD));
	CALL_AND_DONE(answer(id, 77, 0, 0));
	id = next(5);
	r = addfd(id, SECCOMP_ADDFD_FLAG_SEND, 0, 0, O_CLOEXEC);
	gate_wait(&done);
	say("added and answered: %s", r > 2 ? "yes" : errno_name(errno));
	id = next(6);
	r = addfd(id, 0, 0, 0, O_CLOEXEC);
	CALL_AND_DONE(answer(id, r, 0, 0));
	SECTION("filters on filters");
	IN_CHILD("a second listener") {
		OK(install(SECCOMP_FILTER_FLAG_NEW_LISTENER));
		CALL(install(SECCOMP_FILTER_FLAG_NEW_LISTENER));
	}
	SECTION("the end");
	id = next(7);
	close(listener);
	pthread_join(th, NULL);
	return 0;
}
