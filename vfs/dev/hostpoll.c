/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/dev/hostpoll.h"

#include "platform/host/host.h"
#include "platform/host/host_thread.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/log.h"

#define MAX_HOSTPOLLS 256
#define THREAD_STACK (64UL << 10)
#define ALWAYS (LINUX_EPOLLERR | LINUX_EPOLLHUP | LINUX_EPOLLNVAL)

static struct mutex lock = MUTEX_INIT;	      /* a leaf */
static struct hostpoll *polls[MAX_HOSTPOLLS]; /* lock; NULL: free */
static unsigned nr_polls;		      /* lock; entries in use are below */
static struct hostpoll *firing;		      /* lock; what the thread wakes now, without the lock */
static int kick_fd = -1; /* set under lock, before the thread starts */
static bool started;	 /* lock */

int hostpoll_init(struct hostpoll *h, int fd)
{
	unsigned i;

	h->fd = fd;
	waitq_init(&h->wait);
	atomic_init(&h->armed, 0);
	atomic_init(&h->ready, 0);
	MUTEX_GUARD(&lock);
	for (i = 0; i < nr_polls && polls[i]; i++)
		;
	if (i == MAX_HOSTPOLLS)
		return -LINUX_EMFILE;
	polls[i] = h;
	nr_polls = MAX(nr_polls, i + 1);
	return 0;
}

void hostpoll_fini(struct hostpoll *h)
{
	bool armed = atomic_exchange(&h->armed, 0);

	mutex_lock(&lock);
	for (unsigned i = 0; i < nr_polls; i++)
		if (polls[i] == h)
			polls[i] = NULL;
	while (nr_polls && !polls[nr_polls - 1])
		nr_polls--;
	/* The host keeps an object open while somebody polls it. */
	if (armed && kick_fd >= 0)
		host_eventfd_signal(kick_fd);
	while (firing == h) {
		mutex_unlock(&lock);
		host_sched_yield();
		mutex_lock(&lock);
	}
	mutex_unlock(&lock);
	waitq_fini(&h->wait);
}

unsigned hostpoll_now(struct hostpoll *h, unsigned events)
{
	struct pollfd p = { .fd = h->fd, .events = (short)events };

	return host_poll(&p, 1, 0) > 0 ? (unsigned)(unsigned short)p.revents : 0;
}

static void hostpoll_fire(struct hostpoll *h, unsigned revents)
{
	atomic_fetch_or(&h->ready, revents);
	/* An error or hang-up ends every wait. */
	atomic_fetch_and(&h->armed, revents & ALWAYS ? 0 : ~revents);
	waitq_wake(&h->wait, revents);
}

/* What is armed now, into @p and @of; the kick descriptor is the last. */
static unsigned hostpoll_collect(struct pollfd *p, struct hostpoll **of)
{
	unsigned n = 0;
	MUTEX_GUARD(&lock);

	for (unsigned i = 0; i < nr_polls; i++) {
		unsigned armed = polls[i] ? atomic_load(&polls[i]->armed) : 0;

		/* What nobody waits for is left out: else its hang-up would make the loop spin. */
		if (!armed)
			continue;
		p[n] = (struct pollfd){ .fd = polls[i]->fd, .events = (short)armed };
		of[n++] = polls[i];
	}
	p[n] = (struct pollfd){ .fd = kick_fd, .events = LINUX_EPOLLIN };
	return n;
}

/* Marks @h, so that it stays until it was woken; false when it has gone meanwhile. */
static bool hostpoll_hold(struct hostpoll *h)
{
	MUTEX_GUARD(&lock);

	for (unsigned i = 0; i < nr_polls; i++)
		if (polls[i] == h)
			firing = h;
	return firing;
}

static void hostpoll_unhold(void)
{
	MUTEX_GUARD(&lock);
	firing = NULL;
}

static void *hostpoll_main(void *arg __unused)
{
	static struct hostpoll *of[MAX_HOSTPOLLS];
	static struct pollfd p[MAX_HOSTPOLLS + 1];

	for (;;) {
		unsigned nr = hostpoll_collect(p, of);

		if (host_poll(p, nr + 1, -1) <= 0)
			continue;
		if (p[nr].revents)
			host_eventfd_drain(kick_fd);
		for (unsigned i = 0; i < nr; i++) {
			if (!p[i].revents || !hostpoll_hold(of[i]))
				continue;
			hostpoll_fire(of[i], (unsigned)(unsigned short)p[i].revents);
			hostpoll_unhold();
		}
	}
	return NULL;
}

static int hostpoll_start_locked(void)
{
	int err;

	if (kick_fd < 0)
		kick_fd = host_eventfd(0, LINUX_O_NONBLOCK);
	if (kick_fd < 0)
		return kick_fd;
	err = host_thread_start_detached(hostpoll_main, NULL, THREAD_STACK);
	started = !err;
	return err;
}

/* 0, or -errno when there is no thread to wait. */
static int hostpoll_try_arm(struct hostpoll *h, unsigned events)
{
	int err = 0;

	if ((atomic_fetch_or(&h->armed, events) & events) == events)
		return 0;
	mutex_lock(&lock);
	if (!started)
		err = hostpoll_start_locked();
	mutex_unlock(&lock);
	if (err)
		log_once(LOG_LEVEL_ERROR, "cannot start a thread for the standard streams");
	else
		host_eventfd_signal(kick_fd);
	return err;
}

void hostpoll_arm(struct hostpoll *h, unsigned events)
{
	(void)hostpoll_try_arm(h, events);
}

int hostpoll_wait(struct hostpoll *h, unsigned events, deadline_t deadline)
{
	unsigned wanted = events | ALWAYS;

	atomic_fetch_and(&h->ready, ~wanted);
	if (hostpoll_try_arm(h, events))
		return -LINUX_EAGAIN;
	return waitq_wait(&h->wait, atomic_load(&h->ready) & wanted, SLEEP_INTERRUPTIBLE, deadline);
}
