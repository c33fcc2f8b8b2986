/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recording: full rings are appended to the file as they are.  Threads come one at a time (base/trace.c), so events of
 * one thread stay in order, and `sentry trace` sorts the rest.
 */
#include <string.h>

#include "platform/host/host.h"
#include "sentry/base/log.h"
#include "sentry/base/trace.h"
#include "sentry/base/waitq.h"
#include "sentry/trace/trace.h"

static int trace_fd = -1;

static void ktrace_write(const struct trace_event *ev, size_t nr)
{
	int err = host_write_full(trace_fd, ev, nr * sizeof(*ev));

	if (err)
		log_once(LOG_LEVEL_ERROR, "cannot write the trace file: %s", strerror(-err));
}

int ktrace_start(int fd)
{
	struct trace_file_header h = {
		.version = TRACE_VERSION,
		.event_size = sizeof(struct trace_event),
		.realtime_ns = realtime_ns(),
		.monotonic_ns = monotonic_ns(),
	};
	int err;

	memcpy(h.magic, TRACE_MAGIC, sizeof(h.magic));
	err = host_write_full(fd, &h, sizeof(h));
	if (err)
		return err;
	trace_fd = fd;
	trace_start_ring(ktrace_write);
	bug_at_exit(ktrace_stop);
	return 0;
}

void ktrace_stop(void)
{
	if (trace_fd >= 0)
		trace_flush_all();
}
