/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The rings.  A ring belongs to one thread; `next` counts the events ever put there, so that next % RING_EVENTS is the
 * next slot and the newest RING_EVENTS are there.  `flushed` counts those that the sink got: with a sink, the owner empties
 * its ring before it overwrites.
 *
 * trace_flush_all reads other threads' rings while they may still write: it is called when the guest is over, or when the
 * sentry is about to die and a torn event is the lesser evil.
 */
#include "sentry/base/trace.h"

#include <stdlib.h>
#include <string.h>

#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/base/waitq.h"

#define RING_EVENTS 4096U

struct trace_ring {
	struct list_head link; /* rings_lock */
	int32_t tid;
	uint64_t next, flushed;
	struct trace_event ev[RING_EVENTS];
};

unsigned trace_flags;

static const struct trace_hooks *hooks;
static void (*sink)(const struct trace_event *ev, size_t nr);
static struct mutex rings_lock = MUTEX_INIT; /* a leaf; held while the sink runs */
static struct list_head rings = LIST_HEAD_INIT(rings);
static _Thread_local struct trace_ring *own_ring;
static _Thread_local int32_t own_tid;

void trace_set_hooks(const struct trace_hooks *h)
{
	hooks = h;
	trace_flags = h ? trace_flags | TRACE_HOOKS : trace_flags & ~(unsigned)TRACE_HOOKS;
}

void trace_start_ring(void (*new_sink)(const struct trace_event *ev, size_t nr))
{
	sink = new_sink;
	trace_flags |= TRACE_RING;
}

static void ring_flush_locked(struct trace_ring *r)
{
	while (sink && r->flushed < r->next) {
		size_t from = r->flushed % RING_EVENTS;
		size_t nr = MIN(r->next - r->flushed, RING_EVENTS - from);

		sink(&r->ev[from], nr);
		r->flushed += nr;
	}
}

static struct trace_ring *ring_new(void)
{
	struct trace_ring *r = malloc(sizeof(*r));

	if (!r)
		return NULL;
	r->tid = own_tid;
	r->next = r->flushed = 0;
	mutex_lock(&rings_lock);
	list_add_tail(&r->link, &rings);
	mutex_unlock(&rings_lock);
	own_ring = r;
	return r;
}

/* The slot for one more event, or NULL: without memory the event is lost, and nothing else. */
static struct trace_event *ring_slot(void)
{
	struct trace_ring *r = own_ring ? own_ring : ring_new();
	struct trace_event *ev;

	if (!r)
		return NULL;
	if (sink && r->next - r->flushed >= RING_EVENTS) {
		mutex_lock(&rings_lock);
		ring_flush_locked(r);
		mutex_unlock(&rings_lock);
	}
	ev = &r->ev[r->next++ % RING_EVENTS];
	ev->ns = monotonic_ns();
	ev->tid = own_tid;
	return ev;
}

void trace_flush_all(void)
{
	struct trace_ring *r;

	mutex_lock(&rings_lock);
	list_for_each_entry(r, &rings, link)
		ring_flush_locked(r);
	mutex_unlock(&rings_lock);
}

void trace_thread_init(int32_t tid)
{
	own_tid = tid;
	if (own_ring)
		own_ring->tid = tid;
}

void trace_thread_fini(void)
{
	struct trace_ring *r = own_ring;

	if (!r)
		return;
	own_ring = NULL;
	mutex_lock(&rings_lock);
	ring_flush_locked(r);
	list_del(&r->link);
	mutex_unlock(&rings_lock);
	free(r);
}

size_t trace_ring_last(struct trace_event *ret, size_t max)
{
	const struct trace_ring *r = own_ring;
	size_t nr;

	if (!r)
		return 0;
	nr = MIN(MIN(r->next, RING_EVENTS), max);
	for (size_t i = 0; i < nr; i++)
		ret[i] = r->ev[(r->next - nr + i) % RING_EVENTS];
	return nr;
}

void trace_event_slow(enum trace_type type, unsigned aux, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
	struct trace_event *ev;

	if (!(trace_flags & TRACE_RING))
		return;
	ev = ring_slot();
	if (!ev)
		return;
	ev->type = (uint16_t)type;
	ev->aux = (uint16_t)aux;
	ev->a[0] = a0;
	ev->a[1] = a1;
	ev->a[2] = a2;
	ev->a[3] = a3;
	ev->a[4] = ev->a[5] = 0;
}

void trace_syscall_enter_slow(uint64_t nr, const uint64_t *args)
{
	struct trace_event *ev = trace_flags & TRACE_RING ? ring_slot() : NULL;

	if (ev) {
		ev->type = TRACE_SYSCALL_ENTER;
		ev->aux = nr < UINT16_MAX ? (uint16_t)nr : UINT16_MAX;
		memcpy(ev->a, args, sizeof(ev->a));
	}
	if (trace_flags & TRACE_HOOKS)
		hooks->syscall_enter(nr, args);
}

void trace_syscall_exit_slow(uint64_t nr, const uint64_t *args, int64_t ret)
{
	trace_event_slow(TRACE_SYSCALL_EXIT, nr < UINT16_MAX ? (unsigned)nr : UINT16_MAX, (uint64_t)ret, 0, 0, 0);
	if (trace_flags & TRACE_HOOKS)
		hooks->syscall_exit(nr, args, ret);
}

void trace_fault_slow(uaddr_t addr, uaddr_t ip, unsigned access, bool present, int result, int si_code,
		      const char *what)
{
	struct trace_event *ev = trace_flags & TRACE_RING ? ring_slot() : NULL;

	if (!ev)
		return;
	ev->type = TRACE_FAULT;
	ev->aux = (uint16_t)(access | (unsigned)present << 4);
	ev->a[0] = addr;
	ev->a[1] = ip;
	ev->a[2] = (uint64_t)(int64_t)result;
	ev->a[3] = (uint64_t)(int64_t)si_code;
	memset(&ev->a[4], 0, 16);
	if (what)
		memcpy(&ev->a[4], what, MIN(strlen(what), 16U));
}

void trace_signal_slow(const void *siginfo, int signo, int si_code, uint64_t addr, uint64_t handler)
{
	trace_event_slow(TRACE_SIGNAL, (unsigned)signo, (uint64_t)(int64_t)si_code, addr, handler, 0);
	if (trace_flags & TRACE_HOOKS)
		hooks->signal(siginfo);
}

void trace_task_new_slow(int32_t tid, uint64_t clone_flags)
{
	trace_event_slow(TRACE_TASK_NEW, 0, (uint64_t)tid, clone_flags, 0, 0);
	if (trace_flags & TRACE_HOOKS)
		hooks->task_new(tid);
}

void trace_task_exec_slow(const char *name)
{
	struct trace_event *ev = trace_flags & TRACE_RING ? ring_slot() : NULL;

	if (!ev)
		return;
	ev->type = TRACE_TASK_EXEC;
	ev->aux = 0;
	memset(ev->a, 0, sizeof(ev->a));
	memcpy(ev->a, name, MIN(strlen(name), sizeof(ev->a) - 1));
}

void trace_task_exit_slow(int32_t tid, int wait_status, bool last)
{
	trace_event_slow(TRACE_TASK_EXIT, !last, (uint64_t)(int64_t)wait_status, (uint64_t)tid, 0, 0);
	if (trace_flags & TRACE_HOOKS)
		hooks->task_exit(tid, wait_status);
}
