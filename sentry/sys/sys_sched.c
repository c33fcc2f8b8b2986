/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Scheduling.  The host schedules; policies, priorities and affinities are checked, kept and answered as sched(7) has it.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/kernel/fork.h"
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/cred.h"
#include "vfs/user_ns.h"

#define RT_PRIO_MAX 99

static bool policy_is_rt(int policy)
{
	return policy == LINUX_SCHED_FIFO || policy == LINUX_SCHED_RR;
}

static bool policy_is_known(int policy)
{
	return policy_is_rt(policy) || policy == LINUX_SCHED_NORMAL || policy == LINUX_SCHED_BATCH ||
	       policy == LINUX_SCHED_IDLE;
}

/* The task, for reading; current for 0.  -LINUX_EINVAL, -LINUX_ESRCH. */
static struct task *sched_task_get(int pid)
{
	struct task *t;

	if (pid < 0)
		return ERR_PTR(-LINUX_EINVAL);
	t = pid ? task_find_get(pid) : task_get(current);
	return t ? t : ERR_PTR(-LINUX_ESRCH);
}

/* Whether current may change @t: the same user, or CAP_SYS_NICE. */
static bool sched_may_change(struct task *t)
{
	const struct cred *c = current->cred, *target = task_cred_get(t);
	bool may = c->euid == target->euid || c->euid == target->uid || cred_ns_capable(c, target->user_ns, CAP_SYS_NICE);

	cred_put(target);
	return may;
}

/* How nice a task may become without CAP_SYS_NICE: RLIMIT_NICE, 20 - value. */
static bool sched_may_nice(struct task *t, int nice)
{
	uint64_t limit = tgroup_rlimit(t->tg, LINUX_RLIMIT_NICE).rlim_cur;

	return nice >= t->nice || (uint64_t)(20 - nice) <= limit || capable(CAP_SYS_NICE);
}

/* --- policies --- */

struct sched_setting {
	int policy, priority, nice;
	bool reset_on_fork, keep_policy;
};

static int sched_check(struct task *t, const struct sched_setting *s)
{
	uint64_t rtprio = tgroup_rlimit(t->tg, LINUX_RLIMIT_RTPRIO).rlim_cur;

	if (!policy_is_known(s->policy) || s->priority < 0 || s->priority > RT_PRIO_MAX ||
	    policy_is_rt(s->policy) != (s->priority != 0))
		return -LINUX_EINVAL;
	if (!sched_may_change(t))
		return -LINUX_EPERM;
	if (capable(CAP_SYS_NICE))
		return 0;
	if (policy_is_rt(s->policy)) {
		if (s->policy != t->sched_policy && !rtprio)
			return -LINUX_EPERM;
		if (s->priority > t->sched_priority && (uint64_t)s->priority > rtprio)
			return -LINUX_EPERM;
	} else if (!sched_may_nice(t, s->nice)) {
		return -LINUX_EPERM;
	}
	/* Out of the idle class is up. */
	if (t->sched_policy == LINUX_SCHED_IDLE && s->policy != LINUX_SCHED_IDLE && !sched_may_nice(t, t->nice - 1))
		return -LINUX_EPERM;
	if (t->reset_on_fork && !s->reset_on_fork)
		return -LINUX_EPERM;
	return 0;
}

static int sched_apply(int pid, struct sched_setting *s, bool set_nice)
{
	struct task *t = sched_task_get(pid);
	int err;

	if (IS_ERR(t))
		return (int)PTR_ERR(t);
	if (s->keep_policy) {
		s->policy = t->sched_policy;
		s->reset_on_fork = t->reset_on_fork;
	}
	if (!set_nice)
		s->nice = t->nice;
	err = sched_check(t, s);
	if (!err) {
		MUTEX_GUARD(&pids_lock);
		t->sched_policy = s->policy;
		t->sched_priority = s->priority;
		t->reset_on_fork = s->reset_on_fork;
		if (set_nice && !policy_is_rt(s->policy))
			t->nice = s->nice;
	}
	task_put(t);
	return err;
}

SYSCALL_DEFINE3(sched_setscheduler, int32_t, pid, int, policy, uaddr_t, uparam)
{
	struct sched_setting s = { 0 };
	int32_t priority;

	if (policy < 0 || !uparam || pid < 0)
		return -LINUX_EINVAL;
	if (get_user(&priority, uparam))
		return -LINUX_EFAULT;
	s.policy = policy & ~LINUX_SCHED_RESET_ON_FORK;
	s.reset_on_fork = policy & LINUX_SCHED_RESET_ON_FORK;
	s.priority = priority;
	return sched_apply(pid, &s, false);
}

SYSCALL_DEFINE2(sched_setparam, int32_t, pid, uaddr_t, uparam)
{
	struct sched_setting s = { .keep_policy = true };
	int32_t priority;

	if (!uparam || pid < 0)
		return -LINUX_EINVAL;
	if (get_user(&priority, uparam))
		return -LINUX_EFAULT;
	s.priority = priority;
	return sched_apply(pid, &s, false);
}

SYSCALL_DEFINE1(sched_getscheduler, int32_t, pid)
{
	struct task *t = sched_task_get(pid);
	int64_t ret;

	if (IS_ERR(t))
		return PTR_ERR(t);
	ret = t->sched_policy | (t->reset_on_fork ? LINUX_SCHED_RESET_ON_FORK : 0);
	task_put(t);
	return ret;
}

SYSCALL_DEFINE2(sched_getparam, int32_t, pid, uaddr_t, uparam)
{
	struct task *t;
	int priority;

	if (!uparam)
		return -LINUX_EINVAL;
	t = sched_task_get(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	priority = t->sched_priority;
	task_put(t);
	return put_user(priority, uparam, int32_t);
}

SYSCALL_DEFINE3(sched_setattr, int32_t, pid, uaddr_t, uattr, unsigned, flags)
{
	struct linux_sched_attr attr = { 0 };
	struct sched_setting s;
	uint32_t size;
	int err;

	if (!uattr || pid < 0 || flags)
		return -LINUX_EINVAL;
	if (get_user(&size, uattr))
		return -LINUX_EFAULT;
	if (!size)
		size = LINUX_SCHED_ATTR_SIZE_VER0;
	if (size < LINUX_SCHED_ATTR_SIZE_VER0 || size > PAGE_SIZE)
		err = -LINUX_E2BIG;
	else
		err = copy_struct_from_user(&attr, sizeof(attr), uattr, size);
	if (err == -LINUX_E2BIG && put_user(sizeof(attr), uattr, uint32_t))
		return -LINUX_EFAULT;
	if (err)
		return err;
	if ((int32_t)attr.sched_policy < 0 || (attr.sched_flags & ~(uint64_t)LINUX_SCHED_FLAG_ALL))
		return -LINUX_EINVAL;
	/* No bandwidth is set aside for deadlines: as when all of it is taken. */
	if (attr.sched_policy == LINUX_SCHED_DEADLINE)
		return capable(CAP_SYS_NICE) ? -LINUX_EBUSY : -LINUX_EPERM;
	s = (struct sched_setting){
		.policy = (int)attr.sched_policy,
		.priority = (int)attr.sched_priority,
		.nice = CLAMP(attr.sched_nice, -20, 19),
		.reset_on_fork = attr.sched_flags & LINUX_SCHED_FLAG_RESET_ON_FORK,
		.keep_policy = attr.sched_flags & 8, /* SCHED_FLAG_KEEP_POLICY */
	};
	return sched_apply(pid, &s, true);
}

SYSCALL_DEFINE4(sched_getattr, int32_t, pid, uaddr_t, uattr, unsigned, usize, unsigned, flags)
{
	struct linux_sched_attr attr;
	struct task *t;

	if (!uattr || usize > PAGE_SIZE || usize < LINUX_SCHED_ATTR_SIZE_VER0 || flags)
		return -LINUX_EINVAL;
	t = sched_task_get(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	attr = (struct linux_sched_attr){
		.size = MIN(usize, (unsigned)sizeof(attr)),
		.sched_policy = (uint32_t)t->sched_policy,
		.sched_flags = t->reset_on_fork ? LINUX_SCHED_FLAG_RESET_ON_FORK : 0,
		.sched_nice = policy_is_rt(t->sched_policy) ? 0 : t->nice,
		.sched_priority = (uint32_t)t->sched_priority,
		.sched_util_max = 1024,
	};
	task_put(t);
	return copy_to_user(uattr, &attr, attr.size);
}

SYSCALL_DEFINE1(sched_get_priority_max, int, policy)
{
	if (policy_is_rt(policy))
		return RT_PRIO_MAX;
	return policy_is_known(policy) || policy == LINUX_SCHED_DEADLINE ? 0 : -LINUX_EINVAL;
}

SYSCALL_DEFINE1(sched_get_priority_min, int, policy)
{
	if (policy_is_rt(policy))
		return 1;
	return policy_is_known(policy) || policy == LINUX_SCHED_DEADLINE ? 0 : -LINUX_EINVAL;
}

SYSCALL_DEFINE2(sched_rr_get_interval, int32_t, pid, uaddr_t, uts)
{
	struct task *t = sched_task_get(pid);
	int64_t ns = 4000000;

	if (IS_ERR(t))
		return PTR_ERR(t);
	if (t->sched_policy == LINUX_SCHED_RR)
		ns = 100000000;
	else if (t->sched_policy == LINUX_SCHED_FIFO)
		ns = 0;
	task_put(t);
	return put_user_timespec(ns, uts);
}

SYSCALL_DEFINE0(sched_yield)
{
	host_sched_yield();
	return 0;
}

/* --- processors --- */

/*
 * The host's processors that the sentry may use; bytes that matter, or -errno.  The main thread's: the platform binds those that
 * run tasks as it sees fit.
 */
static int host_mask(uint8_t mask[CPU_MASK_SIZE])
{
	memset(mask, 0, CPU_MASK_SIZE);
	return host_sched_getaffinity(host_getpid(), CPU_MASK_SIZE, mask);
}

/* One more than the highest processor in the mask. */
static unsigned host_nr_possible(const uint8_t *mask, unsigned size)
{
	unsigned nr = size * 8;

	while (nr && !(mask[(nr - 1) / 8] & (1 << (nr - 1) % 8)))
		nr--;
	return nr;
}

SYSCALL_DEFINE3(sched_getaffinity, int32_t, pid, unsigned, len, uaddr_t, umask)
{
	uint8_t mask[CPU_MASK_SIZE];
	int size = host_mask(mask);
	struct task *t;

	if (size < 0)
		return size;
	/* As many bytes as there are processors will do; the rest of the kernel's mask is empty. */
	if (len % 8 || len * 8ULL < host_nr_possible(mask, (unsigned)size))
		return -LINUX_EINVAL;
	size = MIN(size, (int)MIN(len, CPU_MASK_SIZE));
	t = pid < 0 ? ERR_PTR(-LINUX_ESRCH) : sched_task_get(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	mutex_lock(&t->lock);
	if (t->cpus_allowed)
		memcpy(mask, t->cpus_allowed, CPU_MASK_SIZE);
	mutex_unlock(&t->lock);
	task_put(t);
	if (copy_to_user(umask, mask, (size_t)size))
		return -LINUX_EFAULT;
	return size;
}

/* The task tells the platform itself: at once when it runs, else before it runs again. */
static void affinity_changed(struct task *t)
{
	atomic_store(&t->cpus_changed, true);
	MUTEX_GUARD(&t->tg->siglock);
	if (atomic_load(&t->in_guest) && t->ctx)
		platform->interrupt(t->ctx);
}

SYSCALL_DEFINE3(sched_setaffinity, int32_t, pid, unsigned, len, uaddr_t, umask)
{
	uint8_t host[CPU_MASK_SIZE], mask[CPU_MASK_SIZE] = { 0 }, any = 0;
	void *storage;
	struct task *t;

	if (copy_from_user(mask, umask, MIN(len, (unsigned)CPU_MASK_SIZE)))
		return -LINUX_EFAULT;
	if (host_mask(host) < 0)
		return -LINUX_EINVAL;
	t = pid < 0 ? ERR_PTR(-LINUX_ESRCH) : sched_task_get(pid);
	if (IS_ERR(t))
		return PTR_ERR(t);
	if (!sched_may_change(t)) {
		task_put(t);
		return -LINUX_EPERM;
	}
	for (unsigned i = 0; i < CPU_MASK_SIZE; i++)
		any |= mask[i] &= host[i];
	storage = any ? malloc(CPU_MASK_SIZE) : NULL;
	if (storage) {
		mutex_lock(&t->lock);
		if (!t->cpus_allowed) {
			t->cpus_allowed = storage;
			storage = NULL;
		}
		memcpy(t->cpus_allowed, mask, CPU_MASK_SIZE);
		mutex_unlock(&t->lock);
		free(storage);
		affinity_changed(t);
		task_put(t);
		return 0;
	}
	task_put(t);
	return any ? -LINUX_ENOMEM : -LINUX_EINVAL;
}

SYSCALL_DEFINE3(getcpu, uaddr_t, ucpu, uaddr_t, unode, uaddr_t, cache __unused)
{
	uint32_t cpu = (uint32_t)MAX(host_sched_getcpu(), 0);

	if (ucpu && put_user(cpu, ucpu, uint32_t))
		return -LINUX_EFAULT;
	return unode ? put_user(0, unode, uint32_t) : 0;
}

/* --- who: one process, a group, a user --- */

typedef int (*prio_fn)(struct task *t, int arg, int ret);

/* Calls @fn for each thread meant; its result so far goes in and out, from -LINUX_ESRCH.  @which: 0 process, 1 group, 2 user. */
static int prio_for_each(int which, int who, prio_fn fn, int arg)
{
	uint32_t uid = which == LINUX_PRIO_USER && !who ? current->cred->uid : (uint32_t)who;
	int ret = -LINUX_ESRCH;
	struct tgroup *tg;
	struct task *t;

	MUTEX_GUARD(&pids_lock);
	if (which == LINUX_PRIO_PROCESS) {
		t = who ? task_find_locked(who) : current;
		return t ? fn(t, arg, ret) : ret;
	}
	list_for_each_entry(tg, &all_tgroups, all_link) {
		if (which == LINUX_PRIO_PGRP && (who ? pid_nr(tg->pgrp) != who : tg->pgrp != current->tg->pgrp))
			continue;
		list_for_each_entry(t, &tg->threads, thread_link) {
			const struct cred *c = task_cred_get(t);

			if (which == LINUX_PRIO_PGRP || c->uid == uid)
				ret = fn(t, arg, ret);
			cred_put(c);
		}
	}
	return ret;
}

static int prio_set_one(struct task *t, int nice, int ret)
{
	if (!sched_may_change(t))
		return -LINUX_EPERM;
	if (!sched_may_nice(t, nice))
		return -LINUX_EACCES;
	t->nice = nice;
	return ret == -LINUX_ESRCH ? 0 : ret;
}

static int prio_get_one(struct task *t, int arg __unused, int ret)
{
	return MAX(ret, 20 - t->nice);
}

SYSCALL_DEFINE3(setpriority, int, which, int, who, int, nice)
{
	if (which < LINUX_PRIO_PROCESS || which > LINUX_PRIO_USER)
		return -LINUX_EINVAL;
	return prio_for_each(which, who, prio_set_one, CLAMP(nice, -20, 19));
}

SYSCALL_DEFINE2(getpriority, int, which, int, who)
{
	if (which < LINUX_PRIO_PROCESS || which > LINUX_PRIO_USER)
		return -LINUX_EINVAL;
	return prio_for_each(which, who, prio_get_one, 0);
}

#define IOPRIO_CLASS(prio) ((unsigned)(prio) >> LINUX_IOPRIO_CLASS_SHIFT & 7)
#define IOPRIO_LEVEL(prio) ((prio) & 7)
enum { IOPRIO_NONE, IOPRIO_RT, IOPRIO_BE, IOPRIO_IDLE };

static int ioprio_set_one(struct task *t, int prio, int ret)
{
	if (!sched_may_change(t))
		return -LINUX_EPERM;
	t->ioprio = prio;
	return ret == -LINUX_ESRCH ? 0 : ret;
}

/* The best: the lowest class number that is not "none". */
static int ioprio_get_one(struct task *t, int arg __unused, int ret)
{
	int prio = t->ioprio;

	if (ret < 0 || !IOPRIO_CLASS(ret))
		return prio;
	return IOPRIO_CLASS(prio) && prio < ret ? prio : ret;
}

SYSCALL_DEFINE3(ioprio_set, int, which, int, who, int, prio)
{
	switch (IOPRIO_CLASS(prio)) {
	case IOPRIO_RT:
		if (!capable(CAP_SYS_ADMIN) && !capable(CAP_SYS_NICE))
			return -LINUX_EPERM;
		break;
	case IOPRIO_BE:
	case IOPRIO_IDLE:
		break;
	case IOPRIO_NONE:
		if (IOPRIO_LEVEL(prio))
			return -LINUX_EINVAL;
		break;
	default:
		return -LINUX_EINVAL;
	}
	if (which < LINUX_IOPRIO_WHO_PROCESS || which > LINUX_IOPRIO_WHO_USER)
		return -LINUX_EINVAL;
	return prio_for_each(which - 1, who, ioprio_set_one, prio);
}

SYSCALL_DEFINE2(ioprio_get, int, which, int, who)
{
	if (which < LINUX_IOPRIO_WHO_PROCESS || which > LINUX_IOPRIO_WHO_USER)
		return -LINUX_EINVAL;
	return prio_for_each(which - 1, who, ioprio_get_one, 0);
}
