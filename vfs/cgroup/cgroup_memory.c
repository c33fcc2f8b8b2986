/* SPDX-License-Identifier: Apache-2.0 */
/* The memory controller's files.  Counting and limits are those of sentry/mm/memcg.h. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/mm/memcg.h"
#include "sentry/mm/mm.h"
#include "vfs/cgroup/cgroup.h"

static struct memcg numbers(struct cgroup *cg)
{
	struct memcg now;

	memcg_get(cg->memcg, &now);
	return now;
}

/* Sums over the processes in @cg and below it: pages of anonymous memory, those given ahead and not touched, faults. */
struct members {
	uint64_t anon, ahead, faults;
};

static struct members members(struct cgroup *cg)
{
	struct members sum = { 0 };
	struct tgroup *tg;
	int tgid = 1;

	for (; (tg = tgroup_next_get(tgid)); tgroup_put(tg)) {
		struct task *leader = tgroup_leader_get(tg);
		struct mm *mm = leader ? task_mm_get(leader) : NULL;
		struct rusage_acct acct;

		tgid = tg->pid->nr + 1;
		task_put(leader);
		if (mm && cgroup_is_below(READ_ONCE(tg->cgroup), cg)) {
			mm_settle(mm);
			mutex_lock(&mm->pt_lock);
			sum.anon += (uint64_t)MAX(mm->rss[MM_ANONPAGES], 0);
			sum.ahead += mm->nr_ahead;
			mutex_unlock(&mm->pt_lock);
			tgroup_rusage(tg, &acct, NULL);
			sum.faults += acct.min_flt;
		}
		if (mm)
			mm_put(mm);
	}
	return sum;
}

/* What was given ahead of need and not touched goes back at the first want of it: it is in use by nobody. */
static uint64_t current_pages(struct cgroup *cg, const struct members *m)
{
	uint64_t usage = numbers(cg).usage;

	return usage > m->ahead ? usage - m->ahead : 0;
}

int show_memory_current(struct cgroup *cg, struct strbuf *sb)
{
	struct members m = members(cg);

	strbuf_addf(sb, "%" PRIu64 "\n", current_pages(cg, &m) * PAGE_SIZE);
	return 0;
}

int show_memory_peak(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "%" PRIu64 "\n", numbers(cg).peak * PAGE_SIZE);
	return 0;
}

int show_memory_stat(struct cgroup *cg, struct strbuf *sb)
{
	struct members m = members(cg);
	uint64_t pages = current_pages(cg, &m), anon = MIN(m.anon, pages);

	strbuf_addf(sb, "anon %" PRIu64 "\nfile %" PRIu64 "\npgfault %" PRIu64 "\n", anon * PAGE_SIZE, (pages - anon) * PAGE_SIZE,
		    m.faults);
	return 0;
}

int show_memory_events(struct cgroup *cg, struct strbuf *sb)
{
	struct memcg_events e = numbers(cg).events;

	strbuf_addf(sb,
		    "low 0\nhigh %" PRIu64 "\nmax %" PRIu64 "\noom %" PRIu64 "\noom_kill %" PRIu64 "\noom_group_kill %" PRIu64 "\n",
		    e.high, e.max, e.oom, e.oom_kill, READ_ONCE(cg->oom_group_kills));
	return 0;
}

static int show_pages(struct strbuf *sb, uint64_t pages)
{
	if (pages == MEMCG_NONE)
		strbuf_adds(sb, "max\n");
	else
		strbuf_addf(sb, "%" PRIu64 "\n", pages * PAGE_SIZE);
	return 0;
}

int show_memory_max(struct cgroup *cg, struct strbuf *sb)
{
	return show_pages(sb, numbers(cg).max);
}

int show_memory_high(struct cgroup *cg, struct strbuf *sb)
{
	return show_pages(sb, numbers(cg).high);
}

/* As page_counter_memparse() in Linux: "max", or a number with K, M, G, T. */
static int parse_pages(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGT";
	uint64_t n;
	char *end;

	if (!strcmp(text, "max")) {
		*ret = MEMCG_NONE;
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -LINUX_EINVAL;
	n = strtoull(text, &end, 0);
	if (*end) {
		const char *unit = strchr(units, *end & ~0x20);

		if (!unit || end[1])
			return -LINUX_EINVAL;
		for (ptrdiff_t i = 0; i <= unit - units; i++)
			if (__builtin_mul_overflow(n, 1024, &n))
				n = UINT64_MAX;
	}
	*ret = MIN(n / PAGE_SIZE, (uint64_t)INT64_MAX / PAGE_SIZE);
	return 0;
}

int store_memory_max(struct cgroup *cg, char *text)
{
	uint64_t pages;
	int err = parse_pages(text, &pages);

	if (err)
		return err;
	memcg_set_limits(cg->memcg, pages, numbers(cg).high);
	memcg_shrink(cg->memcg);
	return 0;
}

int store_memory_high(struct cgroup *cg, char *text)
{
	uint64_t pages;
	int err = parse_pages(text, &pages);

	if (err)
		return err;
	memcg_set_limits(cg->memcg, numbers(cg).max, pages);
	memcg_shrink(cg->memcg);
	return 0;
}

int show_memory_oom_group(struct cgroup *cg, struct strbuf *sb)
{
	strbuf_addf(sb, "%d\n", READ_ONCE(cg->oom_group));
	return 0;
}

int store_memory_oom_group(struct cgroup *cg, char *text)
{
	if ((*text != '0' && *text != '1') || text[1])
		return -LINUX_EINVAL;
	WRITE_ONCE(cg->oom_group, *text == '1');
	return 0;
}

bool cgroup_oom_killed(struct memcg *mc)
{
	struct cgroup *cg, *up;
	bool all;

	memcg_count_oom(mc, true);
	/* The caller is a member, so it is there. */
	cg = mc->owner;
	if (!cg)
		return false;
	cgroup_get(cg);
	all = READ_ONCE(cg->oom_group);
	mutex_lock(&cgroup_lock);
	for (up = cg; up; up = up->parent) {
		up->memory_seq++;
		up->oom_group_kills += all;
	}
	mutex_unlock(&cgroup_lock);
	for (up = cg; up && up->parent; up = up->parent)
		cgroup_notify(up, CGF_MEMORY_EVENTS);
	if (all)
		cgroup_kill(cg);
	cgroup_put(cg);
	return all;
}
