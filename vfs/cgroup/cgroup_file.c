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

static int show_controllers(struct cgroup *cg, struct strbuf *sb)
{
	bool pids = !cg->parent || READ_ONCE(cg->parent->subtree_control) & CGROUP_PIDS;

	strbuf_adds(sb, pids ? "pids\n" : "\n");
	return 0;
}

static int show_subtree_control(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_adds(sb, READ_ONCE(cg->subtree_control) & CGROUP_PIDS ? "pids\n" : "\n");
	return 0;
}

static int show_events(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "populated %d\nfrozen 0\n", READ_ONCE(cg->nr_live) != 0);
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
	uint64_t utime = READ_ONCE(cg->user_usage), stime = READ_ONCE(cg->system_usage), u, s;
	struct tgroup *tg;

	MUTEX_GUARD(&pids_lock);
	list_for_each_entry(tg, &all_tgroups, all_link) {
		struct cgroup *at = READ_ONCE(tg->cgroup);

		while (at && at != cg)
			at = at->parent;
		if (!at || tg->cgroup_left)
			continue;
		tgroup_cputime(tg, &u, &s);
		utime += u;
		stime += s;
	}
	strbuf_addf(sb, "usage_usec %" PRIu64 "\nuser_usec %" PRIu64 "\nsystem_usec %" PRIu64 "\n", (utime + stime) / 1000,
		    utime / 1000, stime / 1000);
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

static int store_procs(struct cgroup *cg, char *text)
{
	char *end;
	long nr = strtol(text, &end, 10);

	if (end == text || *end || nr < 0 || nr > INT32_MAX)
		return -LINUX_EINVAL;
	return cgroup_attach(cg, (int)nr);
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
	[CGF_CONTROLLERS] = { "cgroup.controllers", RO, false, false, show_controllers, NULL },
	[CGF_EVENTS] = { "cgroup.events", RO, true, false, show_events, NULL },
	[CGF_KILL] = { "cgroup.kill", WO, true, false, NULL, store_kill },
	[CGF_MAX_DEPTH] = { "cgroup.max.depth", RW, false, false, show_max_depth, store_max_depth },
	[CGF_MAX_DESCENDANTS] = { "cgroup.max.descendants", RW, false, false, show_max_descendants, store_max_descendants },
	[CGF_PROCS] = { "cgroup.procs", RW, false, false, show_procs, store_procs },
	[CGF_STAT] = { "cgroup.stat", RO, false, false, show_stat, NULL },
	[CGF_SUBTREE_CONTROL] = { "cgroup.subtree_control", RW, false, false, show_subtree_control, cgroup_set_subtree_control },
	[CGF_THREADS] = { "cgroup.threads", RW, false, false, show_threads, store_threads },
	[CGF_TYPE] = { "cgroup.type", RW, true, false, show_type, store_type },
	[CGF_CPU_STAT] = { "cpu.stat", RO, false, false, show_cpu_stat, NULL },
	[CGF_PIDS_CURRENT] = { "pids.current", RO, true, true, show_pids_current, NULL },
	[CGF_PIDS_EVENTS] = { "pids.events", RO, true, true, show_pids_events, NULL },
	[CGF_PIDS_MAX] = { "pids.max", RW, true, true, show_pids_max, store_pids_max },
	[CGF_PIDS_PEAK] = { "pids.peak", RO, true, true, show_pids_peak, NULL },
};
