/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Trace points.
 *
 * A trace point is an inline function that costs one predictable branch while tracing is off.  When it is on, two things
 * may happen, by the bits of trace_flags:
 *
 *     TRACE_RING   a fixed-size event goes into the calling sentry thread's ring (ktrace).  A full ring is handed to the
 *                  sink, if there is one (--trace FILE), and starts over; without a sink it keeps the newest events,
 *                  for the report of a dying guest.
 *     TRACE_HOOKS  the consumer's function is called at once (--strace).
 *
 * Rings are the thread's own and need no lock; trace_ring_last is for the thread itself.  Any lock may be held at a
 * trace point but for those that a hook needs: the hooks of syscalls, signals and tasks read guest memory, so there no
 * more may be held than copy_from_user allows; the others have no hook.
 */
#ifndef SENTRY_BASE_TRACE_H
#define SENTRY_BASE_TRACE_H

#include "sentry/base/types.h"

enum trace_bits { TRACE_RING = 1, TRACE_HOOKS = 2 };

/* Set before the first task runs, and constant then. */
extern unsigned trace_flags;

enum trace_type {
	TRACE_NONE,
	TRACE_SYSCALL_ENTER, /* nr; six arguments */
	TRACE_SYSCALL_EXIT,  /* nr; result */
	TRACE_FAULT,	     /* aux access | present << 4; addr, ip, result or -signo, si_code, what in 16 bytes */
	TRACE_GUEST_ENTER,   /* the thread goes over to the guest */
	TRACE_GUEST_STOP,    /* aux: enum platform_stop_kind; ip */
	TRACE_SLEEP,	     /* aux: enum sleep_mode; caller, deadline */
	TRACE_WAKE,	     /* result of the sleep */
	TRACE_WAITQ_WAKE,    /* waitq, key, nr: somebody is woken */
	TRACE_SIGNAL_SEND,   /* aux signo; target tid, si_code */
	TRACE_SIGNAL,	     /* delivered: aux signo; si_code, address, handler (0 default, 1 ignored) */
	TRACE_TASK_NEW,	     /* child tid, clone flags */
	TRACE_TASK_EXEC,     /* name in 40 bytes */
	TRACE_TASK_EXIT,     /* wait status, of a thread that is not the last one: aux 1 */
	NR_TRACE_TYPES
};

struct trace_event {
	int64_t ns; /* monotonic */
	int32_t tid;
	uint16_t type; /* enum trace_type */
	uint16_t aux;
	uint64_t a[6];
};
static_assert(sizeof(struct trace_event) == 64, "one cache line");

/* The first block of a trace file; events in no particular order follow. */
struct trace_file_header {
	char magic[8]; /* TRACE_MAGIC */
	uint32_t version, event_size;
	int64_t realtime_ns, monotonic_ns; /* when the recording began */
	uint64_t reserved[4];
};
static_assert(sizeof(struct trace_file_header) == 64, "");
#define TRACE_MAGIC "SENTRYTR"
#define TRACE_VERSION 1

struct trace_hooks {
	void (*syscall_enter)(uint64_t nr, const uint64_t *args);
	void (*syscall_exit)(uint64_t nr, const uint64_t *args, int64_t ret);
	void (*signal)(const void *siginfo); /* struct linux_siginfo, 128 bytes */
	void (*task_new)(int32_t tid);
	void (*task_exit)(int32_t tid, int wait_status);
};

/* Both are borrowed for ever; before the first task runs. */
void trace_set_hooks(const struct trace_hooks *hooks);
/*
 * @sink takes a full ring; called by any thread, one at a time.  NULL: keep the newest events only.
 */
void trace_start_ring(void (*sink)(const struct trace_event *ev, size_t nr));
/* Hands the events of all threads to the sink; at the end, or when the sentry dies. */
void trace_flush_all(void);

/* The calling sentry thread runs guest thread @tid; 0: a service thread.  trace_thread_fini hands over what it has. */
void trace_thread_init(int32_t tid);
void trace_thread_fini(void);

/* The newest events of the calling thread, oldest first; returns how many.  0 without TRACE_RING. */
size_t trace_ring_last(struct trace_event *ret, size_t max);

/* --- slow halves; call the inline functions below --- */

void trace_event_slow(enum trace_type type, unsigned aux, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3);
void trace_syscall_enter_slow(uint64_t nr, const uint64_t *args);
void trace_syscall_exit_slow(uint64_t nr, const uint64_t *args, int64_t ret);
void trace_fault_slow(uaddr_t addr, uaddr_t ip, unsigned access, bool present, int result, int si_code, const char *what);
void trace_signal_slow(const void *siginfo, int signo, int si_code, uint64_t addr, uint64_t handler);
void trace_task_new_slow(int32_t tid, uint64_t clone_flags);
void trace_task_exec_slow(const char *name);
void trace_task_exit_slow(int32_t tid, int wait_status, bool last);

/* --- the trace points --- */

static inline bool trace_on(void)
{
	return unlikely(trace_flags);
}

/* @args: six registers.  Called by syscall_dispatch. */
static inline void trace_syscall_enter(uint64_t nr, const uint64_t *args)
{
	if (trace_on())
		trace_syscall_enter_slow(nr, args);
}

static inline void trace_syscall_exit(uint64_t nr, const uint64_t *args, int64_t ret)
{
	if (trace_on())
		trace_syscall_exit_slow(nr, args, ret);
}

/*
 * A page fault of the guest was handled.  @access: enum platform_access; @result: 0, or minus the signal's number;
 * @what: "anon", "cow", "file", ... (static).
 */
static inline void trace_fault(uaddr_t addr, uaddr_t ip, unsigned access, bool present, int result, int si_code,
			       const char *what)
{
	if (trace_on())
		trace_fault_slow(addr, ip, access, present, result, si_code, what);
}

static inline void trace_guest_enter(void)
{
	if (trace_on())
		trace_event_slow(TRACE_GUEST_ENTER, 0, 0, 0, 0, 0);
}

static inline void trace_guest_stop(unsigned kind, uaddr_t ip)
{
	if (trace_on())
		trace_event_slow(TRACE_GUEST_STOP, kind, ip, 0, 0, 0);
}

static inline void trace_sleep(unsigned mode, int64_t deadline)
{
	if (trace_on())
		trace_event_slow(TRACE_SLEEP, mode, (uintptr_t)__builtin_return_address(0), (uint64_t)deadline, 0, 0);
}

static inline void trace_wake(int result)
{
	if (trace_on())
		trace_event_slow(TRACE_WAKE, 0, (uint64_t)(int64_t)result, 0, 0, 0);
}

static inline void trace_waitq_wake(const void *waitq, unsigned key, int nr)
{
	if (trace_on())
		trace_event_slow(TRACE_WAITQ_WAKE, 0, (uintptr_t)waitq, key, (uint64_t)(int64_t)nr, 0);
}

static inline void trace_signal_send(int signo, int32_t target_tid, int si_code)
{
	if (trace_on())
		trace_event_slow(TRACE_SIGNAL_SEND, (unsigned)signo, (uint64_t)target_tid, (uint64_t)(int64_t)si_code, 0, 0);
}

/*
 * The calling task takes a signal (before the handler's frame is built, the stop, or death).  @siginfo: the guest ABI's
 * 128 bytes; @handler: its address, 0 for the default action.
 */
static inline void trace_signal(const void *siginfo, int signo, int si_code, uint64_t addr, uint64_t handler)
{
	if (trace_on())
		trace_signal_slow(siginfo, signo, si_code, addr, handler);
}

/* The calling task made a child task (any clone). */
static inline void trace_task_new(int32_t tid, uint64_t clone_flags)
{
	if (trace_on())
		trace_task_new_slow(tid, clone_flags);
}

static inline void trace_task_exec(const char *name)
{
	if (trace_on())
		trace_task_exec_slow(name);
}

/* The calling task @tid ends; @wait_status as wait4(2) would show it; @last: of the last thread of its group. */
static inline void trace_task_exit(int32_t tid, int wait_status, bool last)
{
	if (trace_on())
		trace_task_exit_slow(tid, wait_status, last);
}

#endif
