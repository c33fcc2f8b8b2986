/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stub processes as the sentry has them.  A new one comes from the spawner (stub_make.c) and costs some 300 us; an idle one
 * costs nothing, so some are kept.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "platform/host/host.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub_exec.h"
#include "sentry/abi/errno.h"

#define STUBS_MAX_IDLE 16
#define STUB_TRIES 4 /* exec fails, rarely, when the randomised stack lands on the image */

static struct mutex stubs_lock = MUTEX_INIT;

/* Guarded by stubs_lock, but for what init sets. */
static struct {
	int lifeline; /* the end that dies with the sentry */
	atomic_bool have_vvar;
	unsigned nr_backings;
	struct list_head idle;
	unsigned nr_idle;
} stubs = { .lifeline = -1, .idle = LIST_HEAD_INIT(stubs.idle) };

static void stub_free(struct stub *stub)
{
	if (stub->page)
		host_munmap(stub->page, STUB_PAGE_SIZE);
	if (stub->pidfd >= 0)
		host_close(stub->pidfd);
	free(stub);
}

static void reap(pid_t pid)
{
	int status;

	host_waitpid(pid, &status, __WALL);
}

/* Asks the spawner; @fd: -1 for none.  0 or -errno; a stub that failed has been reaped. */
static int spawner_ask(uint32_t kind, int fd, struct stub_reply *ret, int ret_fds[2])
{
	struct spawner_msg req = { .len = sizeof(kind), .fd = { fd }, .nr_fds = fd >= 0 }, reply;
	int err;

	memcpy(req.data, &kind, sizeof(kind));
	err = spawner_call(&req, &reply);
	if (err)
		return err;
	if (reply.len != sizeof(*ret))
		return -LINUX_EPROTO;
	memcpy(ret, reply.data, sizeof(*ret));
	if (ret->pid && (ret->err || kind != STUB_REQUEST_NEW))
		reap(ret->pid);
	if (ret->err || kind != STUB_REQUEST_NEW)
		return ret->err;
	if (reply.nr_fds != 2)
		return -LINUX_EMFILE;
	ret_fds[0] = reply.fd[0];
	ret_fds[1] = reply.fd[1];
	return 0;
}

/* stubs_lock keeps nr_backings. */
static struct stub *stub_new_locked(void)
{
	struct stub *stub = calloc(1, sizeof(*stub));
	struct stub_reply made;
	int fds[2], err;
	void *page;

	if (!stub)
		return ERR_PTR(-LINUX_ENOMEM);
	list_init(&stub->link);
	stub->pidfd = -1;
	err = spawner_ask(STUB_REQUEST_NEW, -1, &made, fds);
	if (err) {
		stub_free(stub);
		return ERR_PTR(err);
	}
	stub->pid = made.pid;
	stub->pidfd = fds[1];
	err = host_mmap(NULL, STUB_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0, &page);
	host_close(fds[0]);
	if (err) {
		stub_destroy(stub);
		return ERR_PTR(err);
	}
	stub->page = page;
	stubs.have_vvar = made.have_vvar;
	stub->vvar = stubs.have_vvar ? STUB_VVAR : 0;
	stub->nr_backings = stubs.nr_backings;
	stub->parked[stub->nr_parked++] = made.tid;
	return stub;
}

struct stub *stub_get(void)
{
	struct stub *stub;

	MUTEX_GUARD(&stubs_lock);
	if (!list_empty(&stubs.idle)) {
		stub = list_first_entry(&stubs.idle, struct stub, link);
		list_del(&stub->link);
		stubs.nr_idle--;
		return stub;
	}
	for (int i = 0;; i++) {
		stub = stub_new_locked();
		if (!IS_ERR(stub) || PTR_ERR(stub) != -LINUX_EAGAIN || i == STUB_TRIES)
			return stub;
	}
}

void stub_put(struct stub *stub)
{
	bool keep;

	BUG_ON(stub->nr_attached);
	mutex_lock(&stubs_lock);
	keep = !stub->dead && stub->nr_parked && stubs.nr_idle < STUBS_MAX_IDLE &&
	       (stub->vvar || !stubs.have_vvar) && stub->nr_backings == stubs.nr_backings;
	if (keep) {
		/* The last one used is the first one reused: its pages are warm. */
		list_add(&stub->link, &stubs.idle);
		stubs.nr_idle++;
	}
	mutex_unlock(&stubs_lock);
	if (!keep)
		stub_destroy(stub);
}

/* By descriptor: kill(2) would let a sentry that was taken over reach the user's other processes. */
int stub_fail(struct stub *stub)
{
	stub->dead = true;
	host_pidfd_send_signal(stub->pidfd, SIGKILL);
	return -LINUX_ESRCH;
}

void stub_destroy(struct stub *stub)
{
	host_pidfd_send_signal(stub->pidfd, SIGKILL);
	reap(stub->pid);
	stub_free(stub);
}

/* --- the whole --- */

bool stubs_have_vvar(void)
{
	return stubs.have_vvar;
}

bool stubs_backing_exists(int id)
{
	return id > 0 && (unsigned)id <= READ_ONCE(stubs.nr_backings);
}

static void idle_destroy_locked(void)
{
	struct stub *stub, *tmp;

	list_for_each_entry_safe(stub, tmp, &stubs.idle, link) {
		list_del(&stub->link);
		stub_destroy(stub);
	}
	stubs.nr_idle = 0;
}

int stubs_backing_add(int fd)
{
	struct stub_reply reply;
	int err;

	MUTEX_GUARD(&stubs_lock);
	err = spawner_ask(STUB_REQUEST_BACKING, fd, &reply, NULL);
	if (err)
		return err;
	stubs.nr_backings++;
	idle_destroy_locked();
	return (int)stubs.nr_backings;
}

int stubs_init(int memory_fd, const char **ret_why)
{
	struct stub *stub;
	int fds[2], err;

	err = host_socketpair(5 /* SOCK_SEQPACKET */, fds);
	*ret_why = host_why(err);
	if (err)
		return err;
	stubs.lifeline = fds[0];
	err = stub_make_init(memory_fd, fds[1], ret_why);
	host_close(fds[1]);
	if (!err) {
		err = spawner_start(&stub_make_ops);
		*ret_why = host_why(err);
	}
	stub_make_fini();
	if (!err) {
		stub = stub_get();
		err = IS_ERR(stub) ? (int)PTR_ERR(stub) : 0;
		if (err)
			*ret_why = stub_exec_why(err);
	}
	if (err)
		stubs_fini();
	else
		stub_put(stub);
	return err;
}

void stubs_fini(void)
{
	struct stub_reply reply;

	mutex_lock(&stubs_lock);
	idle_destroy_locked();
	mutex_unlock(&stubs_lock);
	spawner_ask(STUB_REQUEST_NO_SPARE, -1, &reply, NULL);
	spawner_stop();
	stubs.nr_backings = 0;
	if (stubs.lifeline >= 0)
		host_close(stubs.lifeline);
	stubs.lifeline = -1;
}
