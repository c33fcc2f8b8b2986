/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals sent to the sentry are meant for the guest.  They are blocked in all threads; one thread waits for them, and another
 * passes them on:
 *
 *     from the terminal (^C, ^\, ^Z, a new size)   to the terminal's foreground group in the guest
 *     from kill(1)                                 to the first program
 *
 * A ^Z that the guest has no use for, because its first program is in the foreground and has no shell above it, stops the
 * sentry as it would have stopped the program: the shell outside takes over.
 *
 * The end of a run is bounded, whatever a thread of the sentry is stuck in.  So the thread that waits takes no lock and calls
 * nothing that could block: it ends the process itself when a time is over that signals_end_within() has set, and counts what
 * asks for the end:
 *
 *     the first SIGTERM or SIGINT          is the guest's to answer
 *     a second SIGTERM; a second SIGINT    kills the guest.  A SIGINT counts when it comes soon after the first, for programs may
 *                                          be told to pause by it; one of the terminal, when nobody takes the signals any more
 *     a third                              is the end, now
 */
#include <pthread.h>

#include "platform/host/host.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/time.h"
#include "sentry/base/futex_host.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "sentry/kernel/kernel.h"
#include "vfs/devpts/hosttty.h"

#define PASSED_ON                                                                                                      \
	(LINUX_SIGMASK(LINUX_SIGHUP) | LINUX_SIGMASK(LINUX_SIGINT) | LINUX_SIGMASK(LINUX_SIGQUIT) |                    \
	 LINUX_SIGMASK(LINUX_SIGTERM) | LINUX_SIGMASK(LINUX_SIGUSR1) | LINUX_SIGMASK(LINUX_SIGUSR2) |                  \
	 LINUX_SIGMASK(LINUX_SIGWINCH) | LINUX_SIGMASK(LINUX_SIGTSTP) | LINUX_SIGMASK(LINUX_SIGCONT))

#define INIT_PGRP 1
#define AGAIN_NS 2000000000LL /* two SIGINT are one wish within this time */
#define STUCK_NS 1000000000LL /* a signal that is not passed on so long is a sign that nothing works any more */

bool (*signals_taken)(int sig, int code);

void signals_init(void)
{
	host_sigprocmask(LINUX_SIG_BLOCK, PASSED_ON, NULL);
	host_sigaction(LINUX_SIGPIPE, HOST_SIG_IGN, 0);
	/* Restoring the terminal's modes must work from the background too. */
	host_sigaction(LINUX_SIGTTOU, HOST_SIG_IGN, 0);
}

/* --- the end --- */

static struct {
	_Atomic int64_t deadline; /* INT64_MAX: none */
	atomic_int status;
	atomic_bool runs;
} end = { .deadline = INT64_MAX };

void signals_end_within(int64_t ns, int status)
{
	atomic_store(&end.status, status);
	atomic_store(&end.deadline, host_clock_ns(LINUX_CLOCK_MONOTONIC) + ns);
	/* The thread that waits looks at the time again; the signal itself has no meaning to it. */
	if (atomic_load(&end.runs))
		host_kill(host_getpid(), LINUX_SIGWINCH);
}

void signals_end_extend(int64_t ns)
{
	if (atomic_load(&end.deadline) != INT64_MAX)
		signals_end_within(ns, atomic_load(&end.status));
}

/* No lock, no allocation, and no write that could block. */
static void end_now(void) __noreturn;
static void end_now(void)
{
	static const char said[] = "sentry: it does not end by itself: killed\n";
	struct pollfd err = { .fd = 2, .events = LINUX_EPOLLOUT };

	if (host_poll(&err, 1, 0) == 1 && err.revents == LINUX_EPOLLOUT)
		host_write(2, said, sizeof(said) - 1);
	terminal_restore_now();
	host_exit_group(atomic_load(&end.status));
}

/* --- passing on --- */

static void suspend_sentry(void)
{
	host_kill(host_getpid(), LINUX_SIGSTOP);
	/* The terminal may have another size now; redrawing is what programs do on both occasions. */
	hosttty_resized();
}

static void pass_on(int sig, int code)
{
	int pgrp = hosttty_foreground();

	if (sig == LINUX_SIGWINCH) {
		hosttty_resized();
		return;
	}
	if (code != LINUX_SI_KERNEL || pgrp <= 0) {
		if (sig != LINUX_SIGCONT || code != LINUX_SI_KERNEL)
			kernel_kill_init(sig);
		return;
	}
	if (sig == LINUX_SIGTSTP && pgrp == INIT_PGRP)
		suspend_sentry();
	else if (sig == LINUX_SIGHUP)
		hosttty_hangup();
	else
		kernel_signal_pgrp(pgrp, sig);
}

/* From the thread that waits to the one that passes on.  Signal 0: everything is to be killed. */
#define NR_WAITING 64
static struct {
	struct {
		int sig, code;
	} ring[NR_WAITING];
	atomic_uint put, taken;
	_Atomic int64_t busy_since; /* 0: it isn't */
} queue;

static void queue_put(int sig, int code)
{
	unsigned put = atomic_load(&queue.put);

	if (put - atomic_load(&queue.taken) == NR_WAITING)
		return;
	queue.ring[put % NR_WAITING].sig = sig;
	queue.ring[put % NR_WAITING].code = code;
	atomic_store(&queue.put, put + 1);
	host_futex_wake(&queue.put, 1);
}

static void queue_take(unsigned n)
{
	int sig = queue.ring[n % NR_WAITING].sig, code = queue.ring[n % NR_WAITING].code;

	atomic_store(&queue.taken, n + 1);
	atomic_store(&queue.busy_since, host_clock_ns(LINUX_CLOCK_MONOTONIC));
	if (!sig)
		kernel_kill_all();
	else if (!(signals_taken && signals_taken(sig, code)))
		pass_on(sig, code);
	atomic_store(&queue.busy_since, 0);
}

static void *pass_main(void *arg __unused)
{
	for (unsigned n = 0;; n++) {
		while (atomic_load(&queue.put) == n)
			host_futex_wait(&queue.put, n, INT64_MAX);
		queue_take(n);
	}
	return NULL;
}

/* --- waiting --- */

static bool nobody_takes(int64_t now)
{
	int64_t since = atomic_load(&queue.busy_since);

	return since && now - since > STUCK_NS;
}

/* Whether this is one more wish that all of it ends. */
static bool asks_for_end(int sig, int code, int64_t now)
{
	static int64_t last_int = -AGAIN_NS;
	static unsigned nr_terms;
	bool again;

	if (code == LINUX_SI_KERNEL)
		return (sig == LINUX_SIGINT || sig == LINUX_SIGQUIT) && nobody_takes(now);
	if (sig == LINUX_SIGTERM)
		return nr_terms++ > 0;
	if (sig != LINUX_SIGINT)
		return false;
	again = now - last_int < AGAIN_NS;
	last_int = now;
	return again;
}

static void signal_came(int sig, int code)
{
	static unsigned nr_wishes;
	int64_t now = host_clock_ns(LINUX_CLOCK_MONOTONIC);

	if (!asks_for_end(sig, code, now)) {
		queue_put(sig, code);
	} else if (!nr_wishes++) {
		signals_end_within(SIGNALS_END_GRACE_NS, STATUS_SIGNAL + LINUX_SIGKILL);
		queue_put(0, 0);
	} else {
		atomic_store(&end.status, STATUS_SIGNAL + LINUX_SIGKILL);
		end_now();
	}
}

static void *signals_main(void *arg __unused)
{
	for (;;) {
		int64_t deadline = atomic_load(&end.deadline), left = -1;
		int code, sig;

		if (deadline != INT64_MAX)
			left = MAX(deadline - host_clock_ns(LINUX_CLOCK_MONOTONIC), 0);
		sig = host_sigtimedwait(PASSED_ON, left, &code);
		if (sig > 0)
			signal_came(sig, code);
		if (atomic_load(&end.deadline) <= host_clock_ns(LINUX_CLOCK_MONOTONIC))
			end_now();
	}
	return NULL;
}

static int thread_start(void *(*fn)(void *))
{
	pthread_t thread;
	int err = pthread_create(&thread, NULL, fn, NULL);

	if (err)
		return cli_error("cannot start a thread for signals: %s", host_why(err));
	pthread_detach(thread);
	return 0;
}

int signals_start(void)
{
	int err = thread_start(pass_main);

	if (!err)
		err = thread_start(signals_main);
	atomic_store(&end.runs, !err);
	return err;
}
