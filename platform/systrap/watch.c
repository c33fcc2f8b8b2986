/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that sees to it that nobody waits for ever for a stub.
 *
 * It sleeps in epoll on the stubs' pidfds.  When one dies, it says so to all who wait: the sentry threads on their futex words, and
 * who waits for the mapper on its descriptor.  A futex wake may come just before the sleep that it is for, so it is repeated until
 * the stub is let go.
 *
 * A context that was told to stop has STOP_TIMEOUT_NS to do it.  A guest can make its thread unable to (by writing to
 * the page that passes the turn, say); then its stub is killed.  A loaded machine is no reason, so the time is generous.
 */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <sys/epoll.h>

#include "platform/host/host.h"
#include "platform/host/host_thread.h"
#include "platform/systrap/systrap.h"
#include "sentry/abi/errno.h"
#include "sentry/base/log.h"

#define CLOCK_MONOTONIC 1
#define REPEAT_MS 100
#define STOP_TIMEOUT_NS 5000000000LL

static struct mutex watch_lock = MUTEX_INIT;

/* Guarded by watch_lock, but for what init sets. */
static struct {
	int epoll_fd, event_fd;
	pthread_t thread;
	bool runs;
	atomic_bool stop;
	atomic_bool repeats; /* the thread wakes up by itself */
	struct list_head stubs, ctxs;
} watch = { .epoll_fd = -1, .event_fd = -1, .stubs = LIST_HEAD_INIT(watch.stubs), .ctxs = LIST_HEAD_INIT(watch.ctxs) };

/* --- stubs --- */

static void stub_wake_waiters_locked(struct systrap_stub *stub)
{
	for (unsigned slot = 1; slot < stub->nr_units * SYSTRAP_UNIT_BLOCKS; slot++) {
		struct systrap_page *page = (void *)((char *)systrap_stub_block(stub, slot) + SYSTRAP_PAGE_OFF);

		/* A page that was never used is not to be brought in: the file is sparse. */
		if (slot >= atomic_load(&stub->nr_slots))
			break;
		host_shared_futex_wake(&page->stops);
	}
	host_eventfd_signal(stub->ack_fd);
}

/* Events carry the number of a process, as the stub itself may be gone. */
static void stub_died(pid_t pid)
{
	struct systrap_stub *stub;

	MUTEX_GUARD(&watch_lock);
	list_for_each_entry(stub, &watch.stubs, watch) {
		if (stub->pid != pid)
			continue;
		atomic_store(&stub->dead, true);
		stub_wake_waiters_locked(stub);
		return;
	}
}

int systrap_watch_stub_add(struct systrap_stub *stub)
{
	int err;

	MUTEX_GUARD(&watch_lock);
	list_add_tail(&stub->watch, &watch.stubs);
	err = host_epoll_ctl(watch.epoll_fd, EPOLL_CTL_ADD, stub->pidfd, EPOLLIN | EPOLLONESHOT, (uint64_t)stub->pid);
	if (err)
		list_del(&stub->watch);
	return err;
}

void systrap_watch_stub_del(struct systrap_stub *stub)
{
	MUTEX_GUARD(&watch_lock);
	if (list_empty(&stub->watch))
		return;
	host_epoll_ctl(watch.epoll_fd, EPOLL_CTL_DEL, stub->pidfd, 0, 0);
	list_del(&stub->watch);
}

unsigned *systrap_watch_stub_units(struct systrap_stub *stub, unsigned *units)
{
	unsigned *old;

	MUTEX_GUARD(&watch_lock);
	old = stub->units;
	stub->units = units;
	stub->nr_units++;
	return old;
}

/* Whether there is one that is dead and not let go. */
static bool stubs_repeat(void)
{
	struct systrap_stub *stub;
	bool any = false;

	MUTEX_GUARD(&watch_lock);
	list_for_each_entry(stub, &watch.stubs, watch) {
		if (!atomic_load(&stub->dead))
			continue;
		any = true;
		stub_wake_waiters_locked(stub);
	}
	return any;
}

/* --- contexts --- */

void systrap_watch_ctx_add(struct systrap_ctx *ctx)
{
	if (atomic_exchange(&ctx->watched, true))
		return;
	mutex_lock(&watch_lock);
	ctx->watch_runs = atomic_load(&ctx->nr_runs);
	ctx->watch_since = host_clock_ns(CLOCK_MONOTONIC);
	list_add_tail(&ctx->watch, &watch.ctxs);
	mutex_unlock(&watch_lock);
	if (!atomic_exchange(&watch.repeats, true))
		host_eventfd_signal(watch.event_fd);
}

static void ctx_unwatch_locked(struct systrap_ctx *ctx)
{
	list_del(&ctx->watch);
	atomic_store(&ctx->watched, false);
}

void systrap_watch_ctx_del(struct systrap_ctx *ctx)
{
	MUTEX_GUARD(&watch_lock);
	if (!list_empty(&ctx->watch))
		ctx_unwatch_locked(ctx);
}

static void ctx_check_locked(struct systrap_ctx *ctx, int64_t now)
{
	unsigned runs = atomic_load(&ctx->nr_runs);

	/* It stops being watched before it is looked at, so that an interrupt that comes in between adds it again. */
	ctx_unwatch_locked(ctx);
	if (!atomic_load(&ctx->trapping) && (!atomic_load(&ctx->in_guest) || !atomic_load(&ctx->interrupted)))
		return;
	if (runs == ctx->watch_runs && now - ctx->watch_since > STOP_TIMEOUT_NS) {
		log_error("stub %d: a guest thread does not stop, its process is killed", ctx->stub->pid);
		systrap_stub_fail(ctx->stub);
		return;
	}
	if (runs != ctx->watch_runs) {
		ctx->watch_runs = runs;
		ctx->watch_since = now;
	}
	/* At the front, where the caller has been. */
	if (!atomic_exchange(&ctx->watched, true))
		list_add(&ctx->watch, &watch.ctxs);
}

static bool ctxs_repeat(void)
{
	struct systrap_ctx *ctx, *tmp;
	int64_t now = host_clock_ns(CLOCK_MONOTONIC);

	MUTEX_GUARD(&watch_lock);
	list_for_each_entry_safe(ctx, tmp, &watch.ctxs, watch)
		ctx_check_locked(ctx, now);
	return !list_empty(&watch.ctxs);
}

/* --- the thread --- */

static void *watch_main(void *unused __unused)
{
	bool repeat = false;
	uint64_t pid;

	/* Began before anything was pinned, so on whatever core is free. */
	while (!atomic_load(&watch.stop)) {
		int n = host_epoll_wait(watch.epoll_fd, repeat ? REPEAT_MS : -1, &pid);

		if (n > 0 && pid)
			stub_died((pid_t)pid);
		else if (n > 0)
			host_eventfd_drain(watch.event_fd);
		/* What was just added needs time: contexts that are told to stop again and again wake us once for all of it. */
		if (n > 0 && !pid) {
			repeat = true;
			continue;
		}
		/* Who adds something from here on finds the flag down, or is seen now. */
		atomic_store(&watch.repeats, false);
		repeat = stubs_repeat();
		repeat |= ctxs_repeat();
		if (repeat)
			atomic_store(&watch.repeats, true);
	}
	return NULL;
}

int systrap_watch_init(void)
{
	int err;

	watch.epoll_fd = err = host_epoll_create();
	if (err < 0)
		return err;
	watch.event_fd = err = host_eventfd(0, 0);
	if (err >= 0)
		err = host_epoll_ctl(watch.epoll_fd, EPOLL_CTL_ADD, watch.event_fd, EPOLLIN, 0);
	if (!err) {
		atomic_store(&watch.stop, false);
		err = host_thread_start(watch_main, NULL, &watch.thread);
		watch.runs = !err;
	}
	if (err)
		systrap_watch_fini();
	return err;
}

void systrap_watch_fini(void)
{
	if (watch.runs) {
		atomic_store(&watch.stop, true);
		host_eventfd_signal(watch.event_fd);
		pthread_join(watch.thread, NULL);
		watch.runs = false;
	}
	if (watch.event_fd >= 0)
		host_close(watch.event_fd);
	if (watch.epoll_fd >= 0)
		host_close(watch.epoll_fd);
	watch.event_fd = watch.epoll_fd = -1;
}
