/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "platform/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "sentry/base/lock.h"

static struct mutex spawner_lock = MUTEX_INIT; /* one conversation at a time */
static int spawner_sock = -1;
static pid_t spawner;

union control {
	struct cmsghdr align;
	char buf[CMSG_SPACE(SPAWNER_MAX_FDS * sizeof(int))];
};

static int msg_send(int sock, const struct spawner_msg *m)
{
	struct iovec iov = { (void *)(uintptr_t)m->data, m->len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	union control control = { 0 };
	ssize_t n;

	if (m->nr_fds) {
		struct cmsghdr *cmsg = &control.align;

		msg.msg_control = control.buf;
		msg.msg_controllen = CMSG_SPACE(m->nr_fds * sizeof(int));
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(m->nr_fds * sizeof(int));
		memcpy(CMSG_DATA(cmsg), m->fd, m->nr_fds * sizeof(int));
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static int msg_recv(int sock, struct spawner_msg *m)
{
	struct iovec iov = { m->data, sizeof(m->data) };
	union control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf,
			      .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *cmsg;
	ssize_t n;

	m->nr_fds = 0;
	do
		n = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	m->len = (size_t)n;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (cmsg && cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
		m->nr_fds = (unsigned)MIN((cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int), (size_t)SPAWNER_MAX_FDS);
		memcpy(m->fd, CMSG_DATA(cmsg), m->nr_fds * sizeof(int));
	}
	return n ? 0 : -EPIPE;
}

static void close_fds(struct spawner_msg *m)
{
	for (unsigned i = 0; i < m->nr_fds; i++)
		host_close(m->fd[i]);
	m->nr_fds = 0;
}

void spawner_keep_fds(const int *fds, unsigned nr)
{
	unsigned from = 0;

	for (;;) {
		unsigned next = ~0U;

		for (unsigned i = 0; i < nr; i++)
			if ((unsigned)fds[i] >= from)
				next = MIN(next, (unsigned)fds[i]);
		if (next > from)
			host_close_range(from, next - 1);
		if (next == ~0U)
			return;
		from = next + 1;
	}
}

/*
 * First what its children go on doing for all their lives, the most frequent in front.  A stub's own filter looks at where a
 * call comes from; here it is about what the spawner could be made to do: no name can be opened, no socket made, nothing traced,
 * and what is executed is a descriptor (Landlock, where it is, lets nothing else be executed anyway).
 */
#define ANY(call) { SYS_##call, HOST_ALLOW, 0, 0 }
#define WITH(call, arg, value) { SYS_##call, HOST_ALLOW_EQUAL, arg, value }
const struct host_syscall_rule spawner_rules[] = {
	ANY(futex), ANY(rt_sigreturn), ANY(mmap), ANY(munmap), ANY(mprotect), ANY(write), ANY(arch_prctl), ANY(sched_yield),
	ANY(exit), ANY(seccomp), ANY(mremap), ANY(recvfrom), ANY(restart_syscall), ANY(exit_group),
	ANY(sendmsg), ANY(recvmsg), ANY(poll), ANY(close), ANY(close_range), ANY(rt_sigprocmask), ANY(rt_sigaction), ANY(getppid),
	ANY(getpid), ANY(gettid), ANY(dup3), ANY(setsid), ANY(prlimit64), ANY(personality), ANY(pidfd_open), ANY(memfd_create),
	ANY(ftruncate), ANY(madvise), ANY(brk), ANY(clock_gettime),
	{ SYS_clone, HOST_ALLOW_WITHOUT, 0, CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
						  CLONE_NEWNET },
	WITH(fcntl, 1, F_DUPFD_CLOEXEC), WITH(kill, 1, SIGKILL), WITH(execveat, 4, AT_EMPTY_PATH),
	WITH(prctl, 0, PR_SET_PDEATHSIG), WITH(prctl, 0, PR_SET_NO_NEW_PRIVS),
};
const unsigned nr_spawner_rules = ARRAY_SIZE(spawner_rules);

static bool request_waits(int sock)
{
	struct pollfd p = { .fd = sock, .events = POLLIN };

	return host_poll(&p, 1, 0) != 0;
}

static void spawner_main(const struct spawner_ops *ops, int sock, pid_t parent) __noreturn;
static void spawner_main(const struct spawner_ops *ops, int sock, pid_t parent)
{
	struct spawner_msg req, reply;

	host_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (host_getppid() != parent)
		host_exit_group(0);
	host_prctl(PR_SET_NAME, (unsigned long)(uintptr_t) "sentry-spawner", 0, 0, 0);
	host_setsid(); /* away from the terminal's signals */
	ops->start(sock);
	if (host_confine(spawner_rules, nr_spawner_rules, HOST_OTHERWISE_TRAP))
		host_exit_group(1);
	while (!msg_recv(sock, &req)) {
		memset(&reply, 0, sizeof(reply));
		ops->handle(&req, &reply);
		close_fds(&req);
		if (msg_send(sock, &reply))
			break;
		close_fds(&reply);
		if (ops->idle && !request_waits(sock))
			ops->idle();
	}
	host_exit_group(0);
}

int spawner_start(const struct spawner_ops *ops)
{
	pid_t parent = host_getpid(), pid;
	int fds[2], err;

	err = host_socketpair(SOCK_SEQPACKET, fds);
	if (err)
		return err;
	pid = fork();
	if (!pid) {
		host_close(fds[0]);
		spawner_main(ops, fds[1], parent);
	}
	err = pid < 0 ? -errno : 0;
	host_close(fds[1]);
	if (err) {
		host_close(fds[0]);
		return err;
	}
	spawner_sock = fds[0];
	spawner = pid;
	return 0;
}

int spawner_call(const struct spawner_msg *req, struct spawner_msg *reply)
{
	int err;

	MUTEX_GUARD(&spawner_lock);
	if (spawner_sock < 0)
		return -ENOTCONN;
	err = msg_send(spawner_sock, req);
	return err ? err : msg_recv(spawner_sock, reply);
}

void spawner_stop(void)
{
	int status;

	if (!spawner)
		return;
	host_close(spawner_sock);
	spawner_sock = -1;
	host_kill(spawner, SIGKILL);
	host_waitpid(spawner, &status, 0);
	spawner = 0;
}

pid_t spawner_pid(void)
{
	return spawner;
}
