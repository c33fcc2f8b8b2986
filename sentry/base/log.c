/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOG_PREFIX "sentry: "

enum log_level log_level = LOG_LEVEL_WARN;

static atomic_int log_fd = STDERR_FILENO;

void log_set_fd(int fd)
{
	int old = atomic_exchange(&log_fd, fd < 0 ? STDERR_FILENO : fd);

	if (old != STDERR_FILENO)
		close(old);
}

/* One write per line, so that lines of several threads and processes do not mix.  Keeps errno. */
void log_line(enum log_level level, const char *fmt, ...)
{
	static const char *const prefix[] = {
		[LOG_LEVEL_ERROR] = LOG_PREFIX,
		[LOG_LEVEL_WARN] = LOG_PREFIX "warning: ",
		[LOG_LEVEL_INFO] = LOG_PREFIX,
		[LOG_LEVEL_DEBUG] = LOG_PREFIX "debug: ",
	};
	int saved_errno = errno;
	char line[1024];
	size_t len;
	va_list ap;
	ssize_t n;
	int body;

	len = strlen(prefix[level]);
	memcpy(line, prefix[level], len);
	va_start(ap, fmt);
	body = vsnprintf(line + len, sizeof(line) - len, fmt, ap);
	va_end(ap);
	if (body > 0)
		len = MIN(len + (size_t)body, sizeof(line) - 1);
	/* What the guest or the user put into a message must not forge a second line or drive the terminal. */
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = line[i] == '\t' ? ' ' : '?';
	line[len++] = '\n';
	n = write(atomic_load(&log_fd), line, len);
	(void)n;
	errno = saved_errno;
}
