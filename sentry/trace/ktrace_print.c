/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A trace file as text, one line per event:
 *
 *        0.001234567  [12] syscall openat(0xffffff9c, 0x7f..., ...)
 *        0.001240012  [12]   -> 3                                  5.445 us
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/base/trace.h"
#include "sentry/base/waitq.h"
#include "sentry/sys/syscall.h"
#include "sentry/trace/trace.h"
#include "sentry/trace/xlat.h"

static const char *const access_names[] = { "read", "write", "exec" };
static const char *const stop_names[] = { "syscall", "fault", "signal", "interrupted", "dead" };
static const char *const sleep_names[] = { "interruptible", "killable", "uninterruptible" };

static const char *name_of(const char *const *names, size_t nr, unsigned i)
{
	return i < nr ? names[i] : "?";
}

static const char *syscall_name(unsigned nr)
{
	return nr < NR_SYSCALLS && syscall_table[nr].name ? syscall_table[nr].name : "?";
}

static const char *errno_of(int64_t ret, char *buf, size_t size)
{
	snprintf(buf, size, "%" PRId64, ret);
	if (ret < 0 && ret >= -MAX_ERRNO) {
		const char *name = strerrorname_np((int)-ret);

		snprintf(buf, size, "-1 %s", name ? name : "(restart)");
	}
	return buf;
}

static void print_return(const struct trace_event *ev, FILE *out)
{
	const char *kind = ev->aux < NR_SYSCALLS ? syscall_table[ev->aux].ret : NULL;
	int64_t ret = (int64_t)ev->a[0];
	char buf[32];

	if (kind && strcmp(kind, "hex") == 0 && (ret >= 0 || ret < -MAX_ERRNO))
		snprintf(buf, sizeof(buf), "%#" PRIx64, ev->a[0]);
	else
		errno_of(ret, buf, sizeof(buf));
	fprintf(out, "return  %s = %s", syscall_name(ev->aux), buf);
}

static void print_enter(const struct trace_event *ev, FILE *out)
{
	unsigned nr_args = ev->aux < NR_SYSCALLS && syscall_table[ev->aux].name ? syscall_table[ev->aux].nr_args : 6;

	fprintf(out, "syscall %s(", syscall_name(ev->aux));
	for (unsigned i = 0; i < nr_args; i++)
		fprintf(out, "%s%#" PRIx64, i ? ", " : "", ev->a[i]);
	fprintf(out, ")");
}

static void print_fault(const struct trace_event *ev, FILE *out)
{
	char what[17] = "";

	memcpy(what, &ev->a[4], 16);
	fprintf(out, "fault   %s%s at %#" PRIx64 " ip %#" PRIx64 ": %s", name_of(access_names, 3, ev->aux & 15),
		ev->aux & 16 ? " (protection)" : "", ev->a[0], ev->a[1], what);
	if ((int64_t)ev->a[2])
		fprintf(out, ", signal %" PRId64 " code %" PRId64, -(int64_t)ev->a[2], (int64_t)ev->a[3]);
}

static void print_signal(const struct trace_event *ev, FILE *out)
{
	const struct xlat_table *t = xlat_find("signal");
	const char *name = t ? xlat_name(t, ev->aux) : NULL;

	if (ev->type == TRACE_SIGNAL_SEND)
		fprintf(out, "signal  %s (%u) sent to %" PRIu64 ", code %" PRId64, name ? name : "?", ev->aux, ev->a[0],
			(int64_t)ev->a[1]);
	else
		fprintf(out, "signal  %s (%u) taken, code %" PRId64 ", address %#" PRIx64 ", handler %#" PRIx64,
			name ? name : "?", ev->aux, (int64_t)ev->a[0], ev->a[1], ev->a[2]);
}

static void print_task(const struct trace_event *ev, FILE *out)
{
	char name[sizeof(ev->a) + 1] = "";

	switch (ev->type) {
	case TRACE_TASK_NEW:
		fprintf(out, "task    new %" PRIu64 ", flags %#" PRIx64, ev->a[0], ev->a[1]);
		break;
	case TRACE_TASK_EXEC:
		memcpy(name, ev->a, sizeof(ev->a));
		for (char *p = name; *p; p++)
			*p = *p < ' ' || *p > '~' ? '?' : *p;
		fprintf(out, "task    exec %s", name);
		break;
	default:
		fprintf(out, "task    exit %" PRIu64 ", status %#" PRIx64 "%s", ev->a[1], ev->a[0],
			ev->aux ? "" : ", the last thread");
	}
}

static void print_sleep(const struct trace_event *ev, FILE *out)
{
	char buf[32];

	switch (ev->type) {
	case TRACE_SLEEP:
		fprintf(out, "sleep   %s", name_of(sleep_names, 3, ev->aux));
		if ((int64_t)ev->a[1] != NO_DEADLINE)
			fprintf(out, " for %.6f s", (double)((int64_t)ev->a[1] - ev->ns) / 1e9);
		break;
	case TRACE_WAKE:
		fprintf(out, "wake    %s", errno_of((int64_t)ev->a[0], buf, sizeof(buf)));
		break;
	default:
		fprintf(out, "waitq   %#" PRIx64 " wakes, events %#" PRIx64, ev->a[0], ev->a[1]);
	}
}

static void print_event(const struct trace_event *ev, int64_t since_ns, FILE *out)
{
	fprintf(out, "%14.6f [%d] ", (double)(ev->ns - since_ns) / 1e9, ev->tid);
	switch (ev->type) {
	case TRACE_SYSCALL_ENTER:
		print_enter(ev, out);
		break;
	case TRACE_SYSCALL_EXIT:
		print_return(ev, out);
		break;
	case TRACE_FAULT:
		print_fault(ev, out);
		break;
	case TRACE_GUEST_ENTER:
		fputs("guest   enter", out);
		break;
	case TRACE_GUEST_STOP:
		fprintf(out, "guest   stop: %s, ip %#" PRIx64, name_of(stop_names, 5, ev->aux), ev->a[0]);
		break;
	case TRACE_SLEEP:
	case TRACE_WAKE:
	case TRACE_WAITQ_WAKE:
		print_sleep(ev, out);
		break;
	case TRACE_SIGNAL_SEND:
	case TRACE_SIGNAL:
		print_signal(ev, out);
		break;
	case TRACE_TASK_NEW:
	case TRACE_TASK_EXEC:
	case TRACE_TASK_EXIT:
		print_task(ev, out);
		break;
	default:
		fprintf(out, "?       type %u", ev->type);
	}
	fputc('\n', out);
}

/* By time; the same time in the order of the file, which is right within a thread. */
static int event_compare(const void *a, const void *b)
{
	const struct trace_event *const *x = a, *const *y = b;

	if ((*x)->ns != (*y)->ns)
		return (*x)->ns < (*y)->ns ? -1 : 1;
	return *x < *y ? -1 : 1;
}

int ktrace_print(int fd, FILE *out)
{
	const struct trace_event **sorted;
	struct trace_file_header h;
	struct trace_event *ev;
	struct host_stat st;
	size_t nr;
	int err;

	err = host_fstat(fd, &st);
	if (err)
		return err;
	if (st.size < sizeof(h) || host_pread_full(fd, &h, sizeof(h), 0) ||
	    memcmp(h.magic, TRACE_MAGIC, sizeof(h.magic)) || h.version != TRACE_VERSION || h.event_size != sizeof(*ev))
		return -LINUX_EINVAL;
	nr = (st.size - sizeof(h)) / sizeof(*ev);
	ev = calloc(MAX(nr, 1U), sizeof(*ev));
	sorted = calloc(MAX(nr, 1U), sizeof(*sorted));
	err = ev && sorted ? host_pread_full(fd, ev, nr * sizeof(*ev), sizeof(h)) : -LINUX_ENOMEM;
	for (size_t i = 0; i < nr && !err; i++)
		sorted[i] = &ev[i];
	if (!err)
		qsort(sorted, nr, sizeof(*sorted), event_compare);
	for (size_t i = 0; i < nr && !err; i++)
		print_event(sorted[i], h.monotonic_ns, out);
	free(sorted);
	free(ev);
	return err;
}
