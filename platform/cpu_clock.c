/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/cpu_clock.h"

#include "platform/host/host.h"

static int64_t clock_of(pid_t pid)
{
	return pid ? MAX(host_process_cpu_ns(pid), 0) : 0;
}

static void cpu_clock_set(struct cpu_clock *c, pid_t pid, int64_t base, int64_t floor)
{
	atomic_fetch_add(&c->changes, 1);
	atomic_store(&c->pid, pid);
	atomic_store(&c->base, base);
	atomic_store(&c->floor, floor);
	atomic_fetch_add(&c->changes, 1);
}

void cpu_clock_start(struct cpu_clock *c, pid_t pid)
{
	int64_t now = atomic_load(&c->base);

	cpu_clock_set(c, pid, now - clock_of(pid), now);
}

void cpu_clock_stop(struct cpu_clock *c)
{
	int64_t now = (int64_t)cpu_clock_read(c);

	cpu_clock_set(c, 0, now, now);
}

uint64_t cpu_clock_read(struct cpu_clock *c)
{
	int64_t now;
	unsigned n;

	do {
		n = atomic_load(&c->changes);
		/* A process that is gone against expectation has used nothing, rather than a negative time. */
		now = MAX(atomic_load(&c->base) + clock_of(atomic_load(&c->pid)), atomic_load(&c->floor));
	} while (n % 2 || atomic_load(&c->changes) != n);
	return (uint64_t)now;
}
