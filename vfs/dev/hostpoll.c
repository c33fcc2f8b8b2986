/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/dev/hostpoll.h"

#include <pthread.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/log.h"

#define MAX_HOSTPOLLS 64
#define THREAD_STACK (64UL << 10)
#define ALWAYS (LINUX_EPOLLERR | LINUX_EPOLLHUP | LINUX_EPOLLNVAL)

static struct mutex lock = MUTEX_INIT;	      /* a leaf */
static struct hostpoll *polls[MAX_HOSTPOLLS]; /* lock to add; entries stay */
static atomic_uint nr_polls;
static int kick_fd = -1; /* set under lock, before the thread starts */
static bool started;	 /* lock */

int hostpoll_init(struct hostpoll *h, int fd)
{
	unsigned nr;

	h->fd = fd;
	waitq_init(&h->wait);
	atomic_init(&h->armed, 0);
	atomic_init(&h->ready, 0);
	mutex_lock(&lock);
	nr = atomic_load(&nr_polls);
	if (nr < MAX_HOSTPOLLS) {
		polls[nr] = h;
		atomic_store(&nr_polls, nr + 1);
	}
	mutex_unlock(&lock);
	return nr < MAX_HOSTPOLLS ? 0 : -LINUX_EMFILE;
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

static void *hostpoll_main(void *arg __unused)
{
	struct pollfd p[MAX_HOSTPOLLS + 1];

	for (;;) {
		unsigned nr = atomic_load(&nr_polls);

		p[nr] = (struct pollfd){ .fd = kick_fd, .events = LINUX_EPOLLIN };
		for (unsigned i = 0; i < nr; i++) {
			unsigned armed = atomic_load(&polls[i]->armed);

			/* A negative descriptor is passed over: else a hang-up nobody waits for would make this loop spin. */
			p[i] = (struct pollfd){ .fd = armed ? polls[i]->fd : -1, .events = (short)armed };
		}
		if (host_poll(p, nr + 1, -1) <= 0)
			continue;
		if (p[nr].revents)
			host_eventfd_drain(kick_fd);
		for (unsigned i = 0; i < nr; i++)
			if (p[i].fd >= 0 && p[i].revents)
				hostpoll_fire(polls[i], (unsigned)(unsigned short)p[i].revents);
	}
	return NULL;
}

static int hostpoll_start_locked(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	uint64_t mask;
	int err;

	if (kick_fd < 0)
		kick_fd = host_eventfd(0, LINUX_O_NONBLOCK);
	if (kick_fd < 0)
		return kick_fd;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, THREAD_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	mask = host_signals_block();
	err = pthread_create(&thread, &attr, hostpoll_main, NULL);
	host_signals_restore(mask);
	pthread_attr_destroy(&attr);
	started = !err;
	return -err;
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
