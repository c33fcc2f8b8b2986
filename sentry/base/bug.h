/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Assertions about our own invariants.  Never for what a guest does: a guest's mistake gets an errno or a signal.
 */
#ifndef SENTRY_BASE_BUG_H
#define SENTRY_BASE_BUG_H

#include "sentry/base/types.h"

/* Reports the failed invariant with a backtrace on stderr, restores the terminal, and exits the sentry with status 125. */
void bug_report(const char *file, int line, const char *expr) __noreturn;

#define BUG_ON(expr)                                                                                                   \
	do {                                                                                                           \
		if (unlikely(expr))                                                                                    \
			bug_report(__FILE__, __LINE__, #expr);                                                         \
	} while (0)
#define BUG() bug_report(__FILE__, __LINE__, "BUG")

/* Registers a function that bug_report calls before exiting (restores the terminal, flushes the trace).  At most 8. */
void bug_at_exit(void (*fn)(void));
/* Loads libgcc, which backtrace(3) does on first use and a confined sentry can do no longer. */
void bug_prepare(void);

#endif
