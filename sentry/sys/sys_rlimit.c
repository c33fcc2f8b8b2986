/* SPDX-License-Identifier: Apache-2.0 */
/* Resource limits and usage. */
#include "sentry/kernel/task.h"
#include "sentry/kernel/timers.h"
#include "sentry/kernel/wait.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/cred.h"

#define NR_OPEN_MAX 1048576

/* What depends on a limit elsewhere. */
static void rlimit_changed(struct task *t, unsigned resource)
{
	const struct cred *cred;
	struct mm *mm;

	switch (resource) {
	case LINUX_RLIMIT_AS:
	case LINUX_RLIMIT_DATA:
	case LINUX_RLIMIT_STACK:
	case LINUX_RLIMIT_MEMLOCK:
		mm = task_mm_get(t);
		if (!mm)
			break;
		cred = task_cred_get(t);
		mm_sync_limits(mm, t->tg, cred);
		cred_put(cred);
		mm_put(mm);
		break;
	case LINUX_RLIMIT_CPU:
		mutex_lock(&t->tg->siglock);
		cpu_timers_start_locked(t->tg);
		mutex_unlock(&t->tg->siglock);
		break;
	default:
		break;
	}
}

static int do_prlimit(struct task *t, unsigned resource, const struct linux_rlimit *new, struct linux_rlimit *ret_old)
{
	struct tgroup *tg = t->tg;
	struct linux_rlimit *lim;
	int err = 0;

	if (resource >= LINUX_RLIM_NLIMITS || (new && new->rlim_cur > new->rlim_max))
		return -LINUX_EINVAL;
	if (new && resource == LINUX_RLIMIT_NOFILE && new->rlim_max > NR_OPEN_MAX)
		return -LINUX_EPERM;
	lim = &tg->rlim[resource];
	mutex_lock(&tg->rlim_lock);
	if (new && new->rlim_max > lim->rlim_max && !capable(CAP_SYS_RESOURCE))
		err = -LINUX_EPERM;
	if (!err && ret_old)
		*ret_old = *lim;
	if (!err && new) {
		*lim = *new;
		/* 0 seconds would be no time to handle SIGXCPU. */
		if (resource == LINUX_RLIMIT_CPU && !new->rlim_cur)
			lim->rlim_cur = 1;
	}
	mutex_unlock(&tg->rlim_lock);
	if (!err && new)
		rlimit_changed(t, resource);
	return err;
}

SYSCALL_DEFINE2(getrlimit, unsigned, resource, uaddr_t, ulim)
{
	struct linux_rlimit lim;
	int err = do_prlimit(current, resource, NULL, &lim);

	return err ? err : copy_to_user(ulim, &lim, sizeof(lim));
}

SYSCALL_DEFINE2(setrlimit, unsigned, resource, uaddr_t, ulim)
{
	struct linux_rlimit lim;

	if (get_user(&lim, ulim))
		return -LINUX_EFAULT;
	return do_prlimit(current, resource, &lim, NULL);
}

static bool may_prlimit(struct task *t)
{
	const struct cred *c = current->cred, *target;
	bool same;

	if (t->tg == current->tg)
		return true;
	target = task_cred_get(t);
	same = c->uid == target->euid && c->uid == target->suid && c->uid == target->uid && c->gid == target->egid &&
	       c->gid == target->sgid && c->gid == target->gid;
	cred_put(target);
	return same || capable(CAP_SYS_RESOURCE);
}

SYSCALL_DEFINE4(prlimit64, int32_t, pid, unsigned, resource, uaddr_t, unew, uaddr_t, uold)
{
	struct linux_rlimit new, old;
	struct task *t;
	int err;

	if (unew && get_user(&new, unew))
		return -LINUX_EFAULT;
	t = pid ? task_find_get(pid) : task_get(current);
	if (!t)
		return -LINUX_ESRCH;
	err = may_prlimit(t) ? do_prlimit(t, resource, unew ? &new : NULL, &old) : -LINUX_EPERM;
	task_put(t);
	if (!err && uold)
		err = copy_to_user(uold, &old, sizeof(old));
	return err;
}

SYSCALL_DEFINE2(getrusage, int, who, uaddr_t, uusage)
{
	struct rusage_acct acct;
	struct linux_rusage ru;

	switch (who) {
	case LINUX_RUSAGE_SELF:
		tgroup_rusage(current->tg, &acct, NULL);
		break;
	case LINUX_RUSAGE_CHILDREN:
		tgroup_rusage(current->tg, NULL, &acct);
		break;
	case LINUX_RUSAGE_THREAD:
		task_rusage(current, &acct);
		break;
	default:
		return -LINUX_EINVAL;
	}
	rusage_fill(&ru, &acct);
	return copy_to_user(uusage, &ru, sizeof(ru));
}
