/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/pairing.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "platform/host/host_thread.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/futex_host.h"
#include "sentry/base/lock.h"

#define MAX_CPUS PAIRING_MAX_CPUS
#define CLOCK_MONOTONIC 1
#define PERIOD_NS 5000000	 /* between two looks when several pairs are busy */
#define PERIOD_CALM_NS 50000000 /* when there is nothing to balance */
#define IDLE_PERIODS 4		 /* without a run, after which the balancer sleeps for good */

/* Shares in percent of a period. */
#define SHARE_BUSY 30	  /* a pair below is not worth a move */
#define SHARE_DIFFERENCE 80 /* between two cores, at which a pair is moved */

struct cpu_set {
	uint64_t bits[MAX_CPUS / 64];
};

static struct mutex pairing_lock = MUTEX_INIT;
static LIST_HEAD(pairs); /* pairing_lock */

/* Set by init. */
static struct cpu_set allowed;
static bool enabled;

static unsigned nr_allowed;
static int loadavg_fd = -1;

static atomic_uint nr_pairs;		    /* pairing_lock to write */
static atomic_uint nr_active = UINT32_MAX; /* of them had work in the last period; UINT32_MAX: not known */
static atomic_uint nr_dense;		   /* had work and were dense, where they may share; they are not among nr_active */
atomic_uint pairing_nr_split;
atomic_uint pairing_arrivals;

/* The core that the calling thread was pinned to by its last pair; -1: not known. */
static _Thread_local int own_cpu = -1;

static pthread_t balancer;
static atomic_uint balancer_word; /* 1: wake up */
static atomic_bool balancer_stop;
atomic_bool pairing_asleep;

static void cpu_set_one(struct cpu_set *set, int cpu)
{
	memset(set, 0, sizeof(*set));
	set->bits[cpu / 64] = BIT(cpu % 64);
}

static bool cpu_allowed(int cpu)
{
	return cpu >= 0 && cpu < MAX_CPUS && allowed.bits[cpu / 64] & BIT(cpu % 64);
}

static bool pair_may_use(const struct cpu_pair *pair, int cpu)
{
	return cpu_allowed(cpu) && (!pair->restricted || (pair->cpus[cpu / 64] & BIT(cpu % 64)));
}

/* @cpu if it may be used, else the first that may; -1 for none. */
static int pair_choose(const struct cpu_pair *pair, int cpu)
{
	if (cpu >= 0 && cpu < MAX_CPUS && pair_may_use(pair, cpu))
		return cpu;
	for (cpu = 0; cpu < MAX_CPUS; cpu++)
		if (pair_may_use(pair, cpu))
			return cpu;
	return -1;
}

static void thread_pin(pid_t tid, int cpu)
{
	struct cpu_set set;

	cpu_set_one(&set, cpu);
	host_sched_setaffinity(tid, sizeof(set), &set);
}

/* Two cores have nothing to spare but what dense pairs leave each other. */
static bool pairs_share(void)
{
	return nr_allowed == 2;
}

/* pairing_lock held. */
static void pair_set_split(struct cpu_pair *pair, bool split)
{
	if (pair->split == split)
		return;
	pair->split = split;
	atomic_fetch_add(&pairing_nr_split, split ? 1U : -1U);
}

static void pair_pin(struct cpu_pair *pair, int cpu)
{
	pair->cpu = cpu;
	thread_pin(pair->runner, cpu);
	thread_pin(pair->owner, cpu);
}

/* --- the balancer --- */

/* The share of each core, in percent of the period that just ended. */
struct balance {
	unsigned load[MAX_CPUS];
	unsigned nr_busy; /* pairs */
	unsigned nr_active, nr_dense;
	bool any;	  /* did anything run? */
};

/* One at a time: the balancer's own. */
static struct balance balance;

static void pair_account_locked(struct cpu_pair *pair, uint64_t now, uint64_t period)
{
	uint64_t entered = atomic_load_explicit(&pair->entered, memory_order_relaxed);
	uint64_t total = atomic_load_explicit(&pair->guest_time, memory_order_relaxed);

	/* A run under way counts so far; the two reads may straddle its end, which the clamp below makes harmless. */
	if (entered && now > entered)
		total += now - entered;
	pair->share = total > pair->seen ? MIN((total - pair->seen) * 100 / period, 100UL) : 0;
	pair->seen = MAX(pair->seen, total);
	if (!pair->share)
		return;
	balance.any = true;
	if (pairs_share() && atomic_load_explicit(&pair->dense, memory_order_relaxed))
		balance.nr_dense++;
	else
		balance.nr_active++;
	if (pair->share >= SHARE_BUSY)
		balance.nr_busy++;
	if (pair->cpu >= 0)
		balance.load[pair->cpu] += (unsigned)pair->share;
}

static void find_extremes(int *ret_most, int *ret_least)
{
	int most = -1, least = -1;

	for (int cpu = 0; cpu < MAX_CPUS; cpu++) {
		if (!cpu_allowed(cpu))
			continue;
		if (most < 0 || balance.load[cpu] > balance.load[most])
			most = cpu;
		if (least < 0 || balance.load[cpu] < balance.load[least])
			least = cpu;
	}
	*ret_most = most;
	*ret_least = least;
}

/* Moves one pair at most: the next period shows what it did. */
static void balance_locked(void)
{
	struct cpu_pair *pair, *best = NULL;
	int from, to;

	find_extremes(&from, &to);
	if (from < 0 || balance.load[from] <= 100 || balance.load[from] < balance.load[to] + SHARE_DIFFERENCE)
		return;
	/* The one that wants least of those that matter leaves the core; it has least to lose by the move. */
	list_for_each_entry(pair, &pairs, link)
		if (pair->cpu == from && pair->share >= SHARE_BUSY && pair_may_use(pair, to) && !pair->split &&
		    (!best || pair->share < best->share))
			best = pair;
	if (best)
		pair_pin(best, to);
}

static void balancer_sleep(int64_t ns)
{
	int64_t deadline = ns ? host_clock_ns(CLOCK_MONOTONIC) + ns : INT64_MAX;

	host_futex_wait(&balancer_word, 0, deadline);
	atomic_store(&balancer_word, 0);
}

/* Looks at the period since @last; returns its end. */
static uint64_t balancer_look(uint64_t last)
{
	struct cpu_pair *pair;
	uint64_t now;

	memset(&balance, 0, sizeof(balance));
	MUTEX_GUARD(&pairing_lock);
	now = pairing_clock();
	list_for_each_entry(pair, &pairs, link)
		pair_account_locked(pair, now, MAX(now - last, 1UL));
	atomic_store(&nr_dense, balance.nr_dense);
	atomic_store(&nr_active, balance.nr_active);
	balance_locked();
	return now;
}

static void *balancer_main(void *unused __unused)
{
	unsigned idle_periods = 0;
	uint64_t last;

	pairing_release_thread();
	last = pairing_clock();
	while (!atomic_load(&balancer_stop)) {
		balancer_sleep(balance.nr_busy > 1 ? PERIOD_NS : PERIOD_CALM_NS);
		last = balancer_look(last);
		idle_periods = balance.any ? 0 : idle_periods + 1;
		/* The wake-up that came with the end may have been for the first sleep. */
		if (idle_periods < IDLE_PERIODS || atomic_load(&balancer_stop))
			continue;
		/* An entry that does not see the flag yet is seen at the next one: all of them look. */
		atomic_store(&nr_active, UINT32_MAX);
		atomic_store(&pairing_asleep, true);
		/* The wake of pairing_fini may have ended the sleep above. */
		if (!atomic_load(&balancer_stop))
			balancer_sleep(0);
		atomic_store(&pairing_asleep, false);
		idle_periods = 0;
		last = pairing_clock();
	}
	return NULL;
}

void pairing_wake(void)
{
	atomic_store(&pairing_asleep, false);
	atomic_store(&balancer_word, 1);
	host_futex_wake(&balancer_word, 1);
}

/* --- pairs --- */

void cpu_pair_start(struct cpu_pair *pair, pid_t runner, int runner_cpu)
{
	int cpu;

	list_init(&pair->link);
	pair->cpu = -1;
	pair->split = false;
	atomic_store(&pair->dense, false);
	if (!enabled)
		return;
	atomic_fetch_add(&pairing_arrivals, 1);
	MUTEX_GUARD(&pairing_lock);
	cpu = pair_choose(pair, host_sched_getcpu());
	if (cpu < 0)
		return;
	pair->owner = host_gettid();
	pair->runner = runner;
	pair->seen = atomic_load(&pair->guest_time);
	pair->cpu = cpu;
	list_add_tail(&pair->link, &pairs);
	atomic_fetch_add(&nr_pairs, 1);
	if (cpu != runner_cpu)
		thread_pin(runner, cpu);
	if (cpu != own_cpu)
		thread_pin(pair->owner, cpu);
}

void cpu_pair_set_cpus(struct cpu_pair *pair, const void *mask, size_t size)
{
	int cpu;

	MUTEX_GUARD(&pairing_lock);
	memset(pair->cpus, 0, sizeof(pair->cpus));
	memcpy(pair->cpus, mask, MIN(size, sizeof(pair->cpus)));
	pair->restricted = true;
	/* None at all would leave the pair nowhere to go. */
	if (pair_choose(pair, -1) < 0)
		pair->restricted = false;
	if (pair->cpu < 0)
		return;
	cpu = pair_choose(pair, pair->cpu);
	if (cpu >= 0 && (cpu != pair->cpu || pair->split))
		pair_pin(pair, cpu);
	pair_set_split(pair, false);
}

int cpu_pair_stop(struct cpu_pair *pair)
{
	int cpu;

	if (!enabled)
		return -1;
	MUTEX_GUARD(&pairing_lock);
	list_del(&pair->link);
	cpu = pair->cpu;
	if (cpu >= 0)
		atomic_fetch_sub(&nr_pairs, 1);
	own_cpu = pair->split ? -1 : cpu;
	pair_set_split(pair, false);
	pair->cpu = -1;
	return cpu;
}

/* --- split pairs --- */

/* "0.00 0.01 0.05 1/123 4567": the fourth is how many can run now, of all that there are.  Negative: not known. */
static int host_nr_running(void)
{
	char buf[128], *p = buf;
	ssize_t n = loadavg_fd < 0 ? -1 : host_pread(loadavg_fd, buf, sizeof(buf) - 1, 0);

	if (n <= 0)
		return -1;
	buf[n] = 0;
	for (int i = 0; i < 3; i++) {
		p = strchr(p, ' ');
		if (!p)
			return -1;
		p++;
	}
	return (int)strtol(p, NULL, 10);
}

bool pairing_has_room(bool both)
{
	unsigned active = MIN(atomic_load(&nr_active), atomic_load(&nr_pairs)), ours = both ? 2 : 1;
	unsigned dense = atomic_load(&nr_dense); /* this one among them, perhaps; none where pairs don't share */
	int running;

	/* Each active pair has a core, and one more is for this one's other half, but for dense ones among themselves. */
	if (!enabled || (active && active + dense >= nr_allowed))
		return false;
	ours += dense ? 2 * (dense - 1) : 0;
	running = host_nr_running();
	return running >= 0 && (unsigned)running + 2 <= nr_allowed + ours;
}

/* The guest's core of @pair when it is split: where pairs share, the same for all that may use it. */
static int pair_guest_cpu(const struct cpu_pair *pair)
{
	int cpu;

	if (!pairs_share())
		return pair->cpu;
	for (cpu = 0; !cpu_allowed(cpu); cpu++)
		;
	return pair_may_use(pair, cpu) ? cpu : pair->cpu;
}

bool cpu_pair_split(struct cpu_pair *pair)
{
	struct cpu_set set = allowed;
	int cpu;

	if (!enabled)
		return false;
	MUTEX_GUARD(&pairing_lock);
	if (pair->cpu < 0)
		return false;
	cpu = pair_guest_cpu(pair);
	set.bits[cpu / 64] &= ~BIT(cpu % 64);
	if (host_sched_setaffinity(0, sizeof(set), &set) < 0)
		return false;
	pair->home = pair->cpu;
	if (cpu != pair->cpu)
		thread_pin(pair->runner, cpu);
	pair->cpu = cpu;
	pair_set_split(pair, true);
	return true;
}

void cpu_pair_join(struct cpu_pair *pair)
{
	MUTEX_GUARD(&pairing_lock);
	if (pair->cpu < 0 || !pair->split)
		return;
	pair_set_split(pair, false);
	if (pair->home != pair->cpu)
		thread_pin(pair->runner, pair->home);
	pair->cpu = pair->home;
	thread_pin(pair->owner, pair->cpu);
}

void pairing_release_thread(void)
{
	if (enabled)
		host_sched_setaffinity(0, sizeof(allowed), &allowed);
	own_cpu = -1;
}

void pairing_bring(pid_t tid, int *inout_cpu)
{
	struct cpu_set set;
	int cpu;

	if (!enabled)
		return;
	cpu = host_sched_getcpu();
	if (cpu == *inout_cpu || cpu < 0 || cpu >= MAX_CPUS)
		return;
	cpu_set_one(&set, cpu);
	if (host_sched_setaffinity(tid, sizeof(set), &set) >= 0)
		*inout_cpu = cpu;
}

int pairing_init(void)
{
	int size = host_sched_getaffinity(0, sizeof(allowed), &allowed);
	int err;

	nr_allowed = 0;
	for (int i = 0; i < size / 8; i++)
		nr_allowed += (unsigned)__builtin_popcountll(allowed.bits[i]);
	if (nr_allowed < 2)
		return 0;
	loadavg_fd = host_openat(HOST_AT_FDCWD, "/proc/loadavg", LINUX_O_RDONLY, 0);
	atomic_store(&balancer_stop, false);
	enabled = true;
	err = host_thread_start(balancer_main, NULL, &balancer);
	if (err)
		enabled = false;
	return err;
}

void pairing_fini(void)
{
	if (!enabled)
		return;
	atomic_store(&balancer_stop, true);
	pairing_wake();
	pthread_join(balancer, NULL);
	enabled = false;
	if (loadavg_fd >= 0)
		host_close(loadavg_fd);
	loadavg_fd = -1;
}
