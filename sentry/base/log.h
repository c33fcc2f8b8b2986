/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentry's own messages: one line each on the log file descriptor (stderr until log_open), "sentry: " in front.
 */
#ifndef SENTRY_BASE_LOG_H
#define SENTRY_BASE_LOG_H

#include "sentry/base/types.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

extern enum log_level log_level; /* default LOG_LEVEL_WARN; -q ERROR, -v INFO, -vv DEBUG */

/* Sends the log to @fd (taken; -1 returns to stderr). */
void log_set_fd(int fd);
void log_line(enum log_level level, const char *fmt, ...) __printf(2, 3);

#define log_at(level, ...)                                                                                             \
	do {                                                                                                           \
		if ((level) <= log_level)                                                                              \
			log_line((level), __VA_ARGS__);                                                                \
	} while (0)
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* Logs at INFO the first time it is reached from this place. */
#define log_once(level, ...)                                                                                           \
	do {                                                                                                           \
		static atomic_flag done_ = ATOMIC_FLAG_INIT;                                                           \
                                                                                                                       \
		if (!atomic_flag_test_and_set(&done_))                                                                 \
			log_at(level, __VA_ARGS__);                                                                    \
	} while (0)

#endif
