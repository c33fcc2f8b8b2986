/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll(2), select(2) and their p forms.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/time.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"
#include "sentry/sys/syscall.h"
#include "vfs/poll.h"

#define NSEC_PER_SEC 1000000000LL

/* A relative time-out of the guest: 0 and *ret, or -EFAULT, -EINVAL.  @uts 0: none. */
static int timeout_from_user(uaddr_t uts, deadline_t *ret)
{
	struct linux_timespec ts;

	*ret = NO_DEADLINE;
	if (!uts)
		return 0;
	if (get_user(&ts, uts))
		return -LINUX_EFAULT;
	if (ts.tv_sec < 0 || (uint64_t)ts.tv_nsec >= NSEC_PER_SEC)
		return -LINUX_EINVAL;
	if (ts.tv_sec < INT64_MAX / NSEC_PER_SEC - 1)
		*ret = ts.tv_sec || ts.tv_nsec ? deadline_after(ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec) : 0;
	return 0;
}

static int64_t deadline_left(deadline_t deadline)
{
	int64_t left = deadline ? deadline - monotonic_ns() : 0;

	return MAX(left, 0);
}

/*
 * Writes the time left to the guest, as the raw calls do.  A failure to write is not an error, but then an interrupted call
 * cannot be restarted with the right time-out: poll_select_finish() in Linux.
 */
static int64_t timeout_to_user(int64_t ret, deadline_t deadline, uaddr_t uts, bool timeval)
{
	int64_t left = deadline_left(deadline);
	struct linux_timespec ts = { left / NSEC_PER_SEC, left % NSEC_PER_SEC };

	if (ret == -LINUX_ERESTARTSYS)
		ret = -LINUX_ERESTARTNOHAND;
	if (!uts || deadline == NO_DEADLINE)
		return ret;
	if (timeval)
		ts.tv_nsec /= 1000;
	if (copy_to_user(uts, &ts, sizeof(ts)) && ret == -LINUX_ERESTARTNOHAND)
		return -LINUX_EINTR;
	return ret;
}

/* --- poll --- */

static void poll_reqs_fini(struct poll_req *reqs, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		if (reqs[i].file)
			fput(reqs[i].file);
	free(reqs);
}

static int64_t do_poll(uaddr_t ufds, unsigned nfds, deadline_t deadline)
{
	struct linux_pollfd *fds;
	struct poll_req *reqs;
	int64_t ret = -LINUX_ENOMEM;

	if (nfds > kernel_rlimit(LINUX_RLIMIT_NOFILE))
		return -LINUX_EINVAL;
	fds = calloc(nfds + 1, sizeof(*fds));
	reqs = calloc(nfds + 1, sizeof(*reqs));
	if (!fds || !reqs)
		goto out;
	ret = -LINUX_EFAULT;
	if (copy_from_user(fds, ufds, nfds * sizeof(*fds)))
		goto out;
	for (unsigned i = 0; i < nfds; i++) {
		reqs[i].events = (uint16_t)fds[i].events;
		if (fds[i].fd < 0)
			continue;
		reqs[i].file = fget(fds[i].fd);
		if (!reqs[i].file)
			reqs[i].revents = LINUX_EPOLLNVAL;
	}
	ret = poll_wait_many(reqs, nfds, deadline);
	for (unsigned i = 0; ret >= 0 && i < nfds; i++) {
		int16_t revents = reqs[i].revents;

		if (copy_to_user(ufds + i * sizeof(*fds) + offsetof(struct linux_pollfd, revents), &revents, sizeof(revents)))
			ret = -LINUX_EFAULT;
	}
out:
	free(fds);
	if (reqs)
		poll_reqs_fini(reqs, nfds);
	return ret;
}

/* An interrupted poll goes on with its absolute deadline. */
static int64_t poll_restart(struct restart_block *rb)
{
	int64_t ret = do_poll(rb->poll.fds, rb->poll.nfds, rb->poll.deadline);

	return ret == -LINUX_ERESTARTSYS ? -LINUX_ERESTART_RESTARTBLOCK : ret;
}

SYSCALL_DEFINE3(poll, uaddr_t, ufds, unsigned, nfds, int, timeout)
{
	deadline_t deadline = timeout < 0 ? NO_DEADLINE : timeout ? deadline_after(timeout * 1000000LL) : 0;
	int64_t ret = do_poll(ufds, nfds, deadline);

	if (ret != -LINUX_ERESTARTSYS)
		return ret;
	current->restart.fn = poll_restart;
	current->restart.poll.fds = ufds;
	current->restart.poll.nfds = nfds;
	current->restart.poll.deadline = deadline;
	return -LINUX_ERESTART_RESTARTBLOCK;
}

SYSCALL_DEFINE5(ppoll, uaddr_t, ufds, unsigned, nfds, uaddr_t, uts, uaddr_t, usigmask, size_t, sigsetsize)
{
	deadline_t deadline;
	int64_t ret = timeout_from_user(uts, &deadline);

	if (!ret)
		ret = sigmask_set_user(usigmask, sigsetsize);
	if (ret)
		return ret;
	ret = do_poll(ufds, nfds, deadline);
	sigmask_restore_unless(ret == -LINUX_ERESTARTSYS);
	return timeout_to_user(ret, deadline, uts, false);
}

/* --- select --- */

#define SELECT_IN (LINUX_EPOLLRDNORM | LINUX_EPOLLRDBAND | LINUX_EPOLLIN | LINUX_EPOLLHUP | LINUX_EPOLLERR)
#define SELECT_OUT (LINUX_EPOLLWRBAND | LINUX_EPOLLWRNORM | LINUX_EPOLLOUT | LINUX_EPOLLERR)
#define SELECT_EX LINUX_EPOLLPRI

/* The three sets of a select: what is asked in [0..2], the answer in [3..5]. */
struct select_sets {
	unsigned n;
	size_t bytes;
	uint64_t *bits[6];
	uint64_t *storage;
};

static int select_sets_init(struct select_sets *s, unsigned n, const uaddr_t user[3])
{
	s->n = n;
	s->bytes = DIV_ROUND_UP(n, 64) * 8;
	s->storage = calloc(6, s->bytes + 8);
	if (!s->storage)
		return -LINUX_ENOMEM;
	for (int i = 0; i < 6; i++)
		s->bits[i] = s->storage + i * (s->bytes / 8);
	for (int i = 0; i < 3; i++)
		if (user[i] && copy_from_user(s->bits[i], user[i], s->bytes))
			return -LINUX_EFAULT;
	return 0;
}

static bool select_bit(const struct select_sets *s, int set, unsigned fd)
{
	return s->bits[set][fd / 64] & BIT(fd % 64);
}

static unsigned select_events(const struct select_sets *s, unsigned fd)
{
	return (select_bit(s, 0, fd) ? SELECT_IN : 0) | (select_bit(s, 1, fd) ? SELECT_OUT : 0) |
	       (select_bit(s, 2, fd) ? SELECT_EX : 0);
}

/* Requests for every descriptor that is in a set; -EBADF when one is not open. */
static int select_reqs(const struct select_sets *s, struct poll_req *reqs, unsigned *fds)
{
	unsigned nr = 0;

	for (unsigned fd = 0; fd < s->n; fd++) {
		if (!((s->bits[0][fd / 64] | s->bits[1][fd / 64] | s->bits[2][fd / 64]) >> (fd % 64)))  {
			fd |= 63;
			continue;
		}
		if (!select_events(s, fd))
			continue;
		reqs[nr].file = fget(fd);
		if (!reqs[nr].file)
			return -LINUX_EBADF;
		/* ERR and HUP count as readable or writable only where that was asked. */
		reqs[nr].events = select_events(s, fd);
		fds[nr++] = fd;
	}
	return nr;
}

static int64_t select_answer(struct select_sets *s, const struct poll_req *reqs, const unsigned *fds, unsigned nr)
{
	static const unsigned masks[3] = { SELECT_IN, SELECT_OUT, SELECT_EX };
	int64_t found = 0;

	for (unsigned i = 0; i < nr; i++)
		for (int set = 0; set < 3; set++)
			if (select_bit(s, set, fds[i]) && (reqs[i].revents & masks[set])) {
				s->bits[3 + set][fds[i] / 64] |= BIT(fds[i] % 64);
				found++;
			}
	return found;
}

static int64_t select_run(struct select_sets *s, deadline_t deadline)
{
	struct poll_req *reqs = calloc(s->n + 1, sizeof(*reqs));
	unsigned *fds = calloc(s->n + 1, sizeof(*fds));
	int64_t ret = -LINUX_ENOMEM;
	int nr;

	if (reqs && fds) {
		ret = nr = select_reqs(s, reqs, fds);
		/* A HUP or ERR that nobody asked for ends the wait without an answer: wait again until there is one. */
		while (ret >= 0) {
			ret = poll_wait_many(reqs, nr, deadline);
			if (ret <= 0)
				break;
			ret = select_answer(s, reqs, fds, nr);
			if (ret || !deadline || deadline_left(deadline) == 0)
				break;
			for (int i = 0; i < nr; i++)
				if (reqs[i].revents) { /* shows only what is of no interest now and for good */
					fput(reqs[i].file);
					reqs[i].file = NULL;
					reqs[i].revents = 0;
				}
		}
	}
	if (reqs)
		poll_reqs_fini(reqs, s->n);
	free(fds);
	return ret;
}

static int64_t do_select(int n, const uaddr_t user[3], deadline_t deadline)
{
	struct select_sets s = { 0 };
	int64_t ret;

	if (n < 0)
		return -LINUX_EINVAL;
	n = (int)MIN((unsigned)n, files_capacity());
	ret = select_sets_init(&s, n, user);
	if (!ret)
		ret = select_run(&s, deadline);
	for (int i = 0; ret >= 0 && i < 3; i++)
		if (user[i] && copy_to_user(user[i], s.bits[3 + i], s.bytes))
			ret = -LINUX_EFAULT;
	free(s.storage);
	return ret;
}

SYSCALL_DEFINE5(select, int, n, uaddr_t, in, uaddr_t, out, uaddr_t, ex, uaddr_t, utv)
{
	const uaddr_t user[3] = { in, out, ex };
	struct linux_timeval tv;
	deadline_t deadline = NO_DEADLINE;

	if (utv) {
		if (get_user(&tv, utv))
			return -LINUX_EFAULT;
		if (tv.tv_sec < 0 || tv.tv_usec < 0)
			return -LINUX_EINVAL;
		if (tv.tv_sec < INT64_MAX / NSEC_PER_SEC - 1 - tv.tv_usec / 1000000)
			deadline = tv.tv_sec || tv.tv_usec ?
					   deadline_after(tv.tv_sec * NSEC_PER_SEC + tv.tv_usec * 1000) : 0;
	}
	return timeout_to_user(do_select(n, user, deadline), deadline, utv, true);
}

SYSCALL_DEFINE6(pselect6, int, n, uaddr_t, in, uaddr_t, out, uaddr_t, ex, uaddr_t, uts, uaddr_t, usig)
{
	const uaddr_t user[3] = { in, out, ex };
	uint64_t sig[2] = { 0, 0 }; /* mask, size */
	deadline_t deadline;
	int64_t ret;

	if (usig && copy_from_user(sig, usig, sizeof(sig)))
		return -LINUX_EFAULT;
	ret = timeout_from_user(uts, &deadline);
	if (!ret)
		ret = sigmask_set_user(sig[0], sig[1]);
	if (ret)
		return ret;
	ret = do_select(n, user, deadline);
	sigmask_restore_unless(ret == -LINUX_ERESTARTSYS);
	return timeout_to_user(ret, deadline, uts, false);
}
