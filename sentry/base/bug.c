/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/bug.h"

#include <execinfo.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#define BUG_EXIT_STATUS 125
#define BUG_MAX_FRAMES 64

static void (*exit_fns[8])(void);
static atomic_uint nr_exit_fns;

/* Set by the first thread that reports; the others wait for it to end the process. */
static atomic_flag reporting = ATOMIC_FLAG_INIT;
static _Thread_local bool reporting_here;

void bug_at_exit(void (*fn)(void))
{
	unsigned slot = atomic_fetch_add(&nr_exit_fns, 1);

	BUG_ON(slot >= ARRAY_SIZE(exit_fns));
	exit_fns[slot] = fn;
}

void bug_prepare(void)
{
	void *frame;

	(void)backtrace(&frame, 1);
}

static void report_write(const char *buf, size_t len)
{
	ssize_t n = write(STDERR_FILENO, buf, len);

	(void)n;
}

void bug_report(const char *file, int line, const char *expr)
{
	void *frames[BUG_MAX_FRAMES];
	char msg[512];
	int len;

	/* An exit function that fails itself must not start again from the top. */
	if (reporting_here)
		_exit(BUG_EXIT_STATUS);
	while (atomic_flag_test_and_set(&reporting))
		pause();
	reporting_here = true;

	len = snprintf(msg, sizeof(msg), "sentry: BUG at %s:%d: %s\n", file, line, expr);
	report_write(msg, MIN((size_t)len, sizeof(msg) - 1));
	backtrace_symbols_fd(frames, backtrace(frames, BUG_MAX_FRAMES), STDERR_FILENO);
	for (unsigned i = 0; i < ARRAY_SIZE(exit_fns); i++)
		if (exit_fns[i])
			exit_fns[i]();
	_exit(BUG_EXIT_STATUS);
}
