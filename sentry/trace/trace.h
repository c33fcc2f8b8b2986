/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two consumers of sentry/base/trace.h: strace text as it happens, and a file of events for later.
 *
 * Start them before the first task runs.
 */
#ifndef SENTRY_TRACE_TRACE_H
#define SENTRY_TRACE_TRACE_H

#include <stdio.h>

#include "sentry/base/types.h"

/* Prints every syscall, signal and exit on @fd (taken). */
void strace_start(int fd);
/* The line of the first exec, which no task calls. */
void strace_note_exec(const char *path, char *const *argv, char *const *envp);

/* Records events into @fd (taken), an empty file.  0 or -errno. */
int ktrace_start(int fd);
/* Writes what the rings still hold; the end of the run, and when the sentry dies. */
void ktrace_stop(void);

/* Prints the events of a file, sorted by time.  0, or -errno: -LINUX_EINVAL for a file that is no trace. */
int ktrace_print(int fd, FILE *out);

#endif
