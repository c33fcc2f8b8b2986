/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a syscall number to its entry, and what is said when there is none.
 */
#include "sentry/sys/syscall.h"

#include <stdio.h>
#include <string.h>

#include "sentry/base/lock.h"
#include "sentry/base/log.h"
#include "sentry/base/trace.h"

/* One bit per syscall number: its absence was logged. */
static atomic_uint_fast64_t missing_logged[DIV_ROUND_UP(NR_SYSCALLS, 64)];

static void syscall_missing(uint64_t nr)
{
	const struct syscall_desc *d = &syscall_table[nr];
	uint_fast64_t bit = BIT(nr % 64);

	if (atomic_fetch_or_explicit(&missing_logged[nr / 64], bit, memory_order_relaxed) & bit)
		return;
	if (!d->name)
		log_info("syscall %u does not exist", (unsigned)nr);
	else if (d->note)
		log_info("%s(2) is not supported: %s", d->name, d->note);
	else
		log_info("%s(2) is not supported", d->name);
}

static int64_t syscall_call(uint64_t nr, const uint64_t *args)
{
	if (unlikely(nr >= NR_SYSCALLS))
		return -LINUX_ENOSYS;
	if (unlikely(!syscall_table[nr].fn)) {
		syscall_missing(nr);
		return -LINUX_ENOSYS;
	}
	return syscall_table[nr].fn(args);
}

int64_t syscall_dispatch(uint64_t nr, const uint64_t *args)
{
	int64_t ret;

	trace_syscall_enter(nr, args);
	ret = syscall_call(nr, args);
	trace_syscall_exit(nr, args, ret);
	return ret;
}

/*
 * What was said already, by hash: a guest that varies its flags can fill this, and is then no longer reported.
 */
#define MAX_SAID 256

void syscall_unsupported(const char *what, const char *hint)
{
	static struct mutex lock = MUTEX_INIT;
	static uint64_t said[MAX_SAID];
	static unsigned nr_said;
	uint64_t hash = 14695981039346656037UL; /* FNV-1a */
	bool is_new = true;

	for (const char *p = what; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 1099511628211UL;
	mutex_lock(&lock);
	for (unsigned i = 0; i < nr_said && is_new; i++)
		is_new = said[i] != hash;
	is_new = is_new && nr_said < MAX_SAID;
	if (is_new)
		said[nr_said++] = hash;
	mutex_unlock(&lock);
	if (is_new)
		log_info("%s is not supported%s%s", what, hint ? ": " : "", hint ? hint : "");
}
