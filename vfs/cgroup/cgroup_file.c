/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a cgroup show, and take. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/cgroup/cgroup.h"

/* --- limits --- */

static int show_limit(struct strbuf *sb, int64_t v)
{
	if (v == CGROUP_UNLIMITED)
		strbuf_adds(sb, "max\n");
	else
		strbuf_addf(sb, "%" PRId64 "\n", v);
	return 0;
}

static int parse_limit(char *text, int64_t *limit)
{
	char *end;
	long long v;

	if (!strcmp(text, "max")) {
		WRITE_ONCE(*limit, CGROUP_UNLIMITED);
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -LINUX_EINVAL;
	v = strtoll(text, &end, 0);
	if (*end || v > INT32_MAX)
		return *end ? -LINUX_EINVAL : -LINUX_ERANGE;
	WRITE_ONCE(*limit, v);
	return 0;
}

static int show_max_depth(struct cgroup *cg, struct strbuf *sb)
{
	return show_limit(sb, cg->max_depth);
}

static int store_max_depth(struct cgroup *cg, char *text)
{
	return parse_limit(text, &cg->max_depth);
}

static int show_max_descendants(struct cgroup *cg, struct strbuf *sb)
{
	return show_limit(sb, cg->max_descendants);
}

static int store_max_descendants(struct cgroup *cg, char *text)
{
	return parse_limit(text, &cg->max_descendants);
}

static int show_pids_max(struct cgroup *cg, struct strbuf *sb)
{
	return show_limit(sb, cg->pids_max);
}

static int store_pids_max(struct cgroup *cg, char *text)
{
	return parse_limit(text, &cg->pids_max);
}

static int show_pids_current(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "%" PRId64 "\n", READ_ONCE(cg->pids));
	return 0;
}

static int show_pids_peak(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "%" PRId64 "\n", READ_ONCE(cg->pids_peak));
	return 0;
}

static int show_pids_events(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "max %" PRId64 "\n", READ_ONCE(cg->pids_failed));
	return 0;
}

/* --- the tree --- */

static int show_bits(unsigned bits, struct strbuf *sb)
{
	const char *sep = "";

	for (unsigned i = 0; i < NR_CGROUP_CONTROLLERS; i++) {
		if (!(bits & (1U << i)))
			continue;
		strbuf_addf(sb, "%s%s", sep, cgroup_controllers[i]);
		sep = " ";
	}
	strbuf_addc(sb, '\n');
	return 0;
}

static int show_controllers(struct cgroup *cg, struct strbuf *sb)
{
	return show_bits(cg->parent ? READ_ONCE(cg->parent->subtree_control) : CGROUP_ALL, sb);
}

static int show_subtree_control(struct cgroup *cg, struct strbuf *sb)
{
	return show_bits(READ_ONCE(cg->subtree_control), sb);
}

static int show_events(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "populated %d\nfrozen %d\n", READ_ONCE(cg->nr_live) != 0, READ_ONCE(cg->frozen));
	return 0;
}

static int show_freeze(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "%d\n", READ_ONCE(cg->freeze));
	return 0;
}

static int store_freeze(struct cgroup *cg, char *text)
{
	if ((*text != '0' && *text != '1') || text[1])
		return *text >= '0' && *text <= '9' ? -LINUX_ERANGE : -LINUX_EINVAL;
	return cgroup_set_freeze(cg, *text == '1');
}

/* --- cpu --- */

static int show_cpu_max(struct cgroup *cg, struct strbuf *sb)
{
	MUTEX_GUARD(&pids_lock);
	if (cg->cpu.quota == CGROUP_UNLIMITED)
		strbuf_adds(sb, "max");
	else
		strbuf_addf(sb, "%" PRId64, cg->cpu.quota / 1000);
	strbuf_addf(sb, " %" PRId64 "\n", cg->cpu.period / 1000);
	return 0;
}

/* "QUOTA|max [PERIOD]", microseconds. */
static int store_cpu_max(struct cgroup *cg, char *text)
{
	char *end = text + strcspn(text, " \t"), *rest;
	int64_t quota = CGROUP_UNLIMITED, period;
	bool more = *end;

	mutex_lock(&pids_lock);
	period = cg->cpu.period;
	mutex_unlock(&pids_lock);
	*end = '\0';
	if (strcmp(text, "max")) {
		quota = strtoll(text, &rest, 10);
		if (*rest || rest == text || *text == '-')
			return -LINUX_EINVAL;
		if (quota < 1000 || quota > INT64_MAX / 1000)
			return -LINUX_EINVAL;
		quota *= 1000;
	}
	if (more) {
		end += 1 + strspn(end + 1, " \t");
		period = strtoll(end, &rest, 10);
		if (*rest || rest == end || period < 1000 || period > 1000000)
			return -LINUX_EINVAL;
		period *= 1000;
	}
	return cgroup_set_cpu_max(cg, quota, period);
}

static int show_cpu_weight(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "%u\n", READ_ONCE(cg->cpu.weight));
	return 0;
}

static int store_cpu_weight(struct cgroup *cg, char *text)
{
	char *end;
	unsigned long weight = strtoul(text, &end, 10);

	if (end == text || *end || *text == '-')
		return -LINUX_EINVAL;
	return weight < 1 || weight > 10000 ? -LINUX_ERANGE : cgroup_set_cpu_weight(cg, (unsigned)weight);
}

/* What a nice value weighs among others: sched_prio_to_weight in Linux, of which 1024 is 100 here. */
static unsigned nice_weight(int nice)
{
	static const unsigned weights[] = {
		88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
		3906,  3121,  2501,  1991,  1586,  1277,  1024,	 820,	655,   526,   423,  335,  272,	215,
		172,   137,   110,   87,    70,	   56,	  45,	 36,	29,    23,    18,   15 };

	return (weights[nice + 20] * CGROUP_WEIGHT_DEFAULT + 512) / 1024;
}

static int show_cpu_weight_nice(struct cgroup *cg, struct strbuf *sb)
{
	int weight = (int)READ_ONCE(cg->cpu.weight), best = 0;

	for (int nice = -20; nice < 20; nice++)
		if (abs((int)nice_weight(nice) - weight) < abs((int)nice_weight(best) - weight))
			best = nice;
	strbuf_addf(sb, "%d\n", best);
	return 0;
}

static int store_cpu_weight_nice(struct cgroup *cg, char *text)
{
	char *end;
	long nice = strtol(text, &end, 10);

	if (end == text || *end)
		return -LINUX_EINVAL;
	return nice < -20 || nice > 19 ? -LINUX_ERANGE : cgroup_set_cpu_weight(cg, nice_weight((int)nice));
}

/* Of the image, the one disk there is. */
static int show_io_stat(struct cgroup *cg, struct strbuf *sb)
{
	uint64_t dev = atomic_load(&io_device);
	struct rusage_acct u;

	mutex_lock(&pids_lock);
	cgroup_usage_locked(cg, &u);
	mutex_unlock(&pids_lock);
	if (dev && u.rios + u.wios)
		strbuf_addf(sb, "%u:%u rbytes=%" PRIu64 " wbytes=%" PRIu64 " rios=%" PRIu64 " wios=%" PRIu64 " dbytes=0 dios=0\n",
			    (unsigned)LINUX_MAJOR(dev), (unsigned)LINUX_MINOR(dev), u.rbytes, u.wbytes, u.rios, u.wios);
	return 0;
}

static int show_type(struct cgroup *cg __unused, struct strbuf *sb)
{
	strbuf_adds(sb, "domain\n");
	return 0;
}

static int store_type(struct cgroup *cg __unused, char *text)
{
	return strcmp(text, "threaded") ? -LINUX_EINVAL : -LINUX_EOPNOTSUPP;
}

static int store_kill(struct cgroup *cg, char *text)
{
	if (strcmp(text, "1"))
		return *text == '0' ? -LINUX_ERANGE : -LINUX_EINVAL;
	cgroup_kill(cg);
	return 0;
}

static int show_stat(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "nr_descendants %u\nnr_dying_descendants 0\n", READ_ONCE(cg->nr_descendants));
	return 0;
}

static int show_cpu_stat(struct cgroup *cg, struct strbuf *sb)
{
	struct rusage_acct u;

	MUTEX_GUARD(&pids_lock);
	cgroup_usage_locked(cg, &u);
	strbuf_addf(sb, "usage_usec %" PRIu64 "\nuser_usec %" PRIu64 "\nsystem_usec %" PRIu64 "\n", (u.utime + u.stime) / 1000,
		    u.utime / 1000, u.stime / 1000);
	if (cg->parent && READ_ONCE(cg->parent->subtree_control) & CGROUP_CPU)
		strbuf_addf(sb, "nr_periods %" PRIu64 "\nnr_throttled %" PRIu64 "\nthrottled_usec %" PRIu64 "\n",
			    cg->cpu.nr_periods, cg->cpu.nr_throttled, cg->cpu.throttled_ns / 1000);
	return 0;
}

/* --- members --- */

static int show_members(struct cgroup *cg, struct strbuf *sb, bool threads)
{
	struct tgroup *tg;
	struct task *t;

	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(tg, &all_tgroups, all_link) {
		if (READ_ONCE(tg->cgroup) != cg || tg->cgroup_left)
			continue;
		if (!threads) {
			strbuf_addf(sb, "%d\n", pid_nr(tg->pid));
			continue;
		}
		list_for_each_entry(t, &tg->threads, thread_link)
			strbuf_addf(sb, "%d\n", task_tid(t));
	}
	return 0;
}

static int show_procs(struct cgroup *cg, struct strbuf *sb)
{
	return show_members(cg, sb, false);
}

static int show_threads(struct cgroup *cg, struct strbuf *sb)
{
	return show_members(cg, sb, true);
}

static int store_procs(struct cgroup *cg, char *text, const struct cgroup_writer *by)
{
	char *end;
	long nr = strtol(text, &end, 10);

	if (end == text || *end || nr < 0 || nr > INT32_MAX)
		return -LINUX_EINVAL;
	return cgroup_attach(cg, (int)nr, by);
}

/* A thread alone may only move between threaded cgroups. */
static int store_threads(struct cgroup *cg __unused, char *text __unused)
{
	return -LINUX_EOPNOTSUPP;
}

#define RW 0644
#define RO 0444
#define WO 0200

const struct cgroup_file_type cgroup_files[NR_CGROUP_FILES] = {
	[CGF_CONTROLLERS] = { "cgroup.controllers", RO, false, 0, show_controllers, NULL },
	[CGF_EVENTS] = { "cgroup.events", RO, true, 0, show_events, NULL },
	[CGF_FREEZE] = { "cgroup.freeze", RW, true, 0, show_freeze, store_freeze },
	[CGF_KILL] = { "cgroup.kill", WO, true, 0, NULL, store_kill },
	[CGF_MAX_DEPTH] = { "cgroup.max.depth", RW, false, 0, show_max_depth, store_max_depth },
	[CGF_MAX_DESCENDANTS] = { "cgroup.max.descendants", RW, false, 0, show_max_descendants, store_max_descendants },
	[CGF_PROCS] = { "cgroup.procs", RW, false, 0, show_procs, .store_as = store_procs, .delegatable = true },
	[CGF_STAT] = { "cgroup.stat", RO, false, 0, show_stat, NULL },
	[CGF_SUBTREE_CONTROL] = { "cgroup.subtree_control", RW, false, 0, show_subtree_control, cgroup_set_subtree_control,
				  .delegatable = true },
	[CGF_THREADS] = { "cgroup.threads", RW, false, 0, show_threads, store_threads, .delegatable = true },
	[CGF_TYPE] = { "cgroup.type", RW, true, 0, show_type, store_type },
	[CGF_CPU_MAX] = { "cpu.max", RW, true, CGROUP_CPU, show_cpu_max, store_cpu_max },
	[CGF_CPU_STAT] = { "cpu.stat", RO, false, 0, show_cpu_stat, NULL },
	[CGF_CPU_WEIGHT] = { "cpu.weight", RW, true, CGROUP_CPU, show_cpu_weight, store_cpu_weight },
	[CGF_CPU_WEIGHT_NICE] = { "cpu.weight.nice", RW, true, CGROUP_CPU, show_cpu_weight_nice, store_cpu_weight_nice },
	[CGF_IO_STAT] = { "io.stat", RO, false, CGROUP_IO, show_io_stat, NULL },
	[CGF_MEMORY_CURRENT] = { "memory.current", RO, true, CGROUP_MEMORY, show_memory_current, NULL },
	[CGF_MEMORY_EVENTS] = { "memory.events", RO, true, CGROUP_MEMORY, show_memory_events, NULL },
	[CGF_MEMORY_HIGH] = { "memory.high", RW, true, CGROUP_MEMORY, show_memory_high, store_memory_high },
	[CGF_MEMORY_MAX] = { "memory.max", RW, true, CGROUP_MEMORY, show_memory_max, store_memory_max },
	[CGF_MEMORY_OOM_GROUP] = { "memory.oom.group", RW, true, CGROUP_MEMORY, show_memory_oom_group, store_memory_oom_group,
				   .delegatable = true },
	[CGF_MEMORY_PEAK] = { "memory.peak", RO, true, CGROUP_MEMORY, show_memory_peak, NULL },
	[CGF_MEMORY_STAT] = { "memory.stat", RO, true, CGROUP_MEMORY, show_memory_stat, NULL },
	[CGF_PIDS_CURRENT] = { "pids.current", RO, true, CGROUP_PIDS, show_pids_current, NULL },
	[CGF_PIDS_EVENTS] = { "pids.events", RO, true, CGROUP_PIDS, show_pids_events, NULL },
	[CGF_PIDS_MAX] = { "pids.max", RW, true, CGROUP_PIDS, show_pids_max, store_pids_max },
	[CGF_PIDS_PEAK] = { "pids.peak", RO, true, CGROUP_PIDS, show_pids_peak, NULL },
};
