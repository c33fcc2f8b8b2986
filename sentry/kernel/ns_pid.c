/* SPDX-License-Identifier: Apache-2.0 */
/* pid_namespaces(7): making them; numbers are in pid.c, the end of an init in exit.c. */
#include <stdlib.h>

#include "sentry/kernel/nsproxy.h"

#define PID_NS_LEVEL_MAX 32

static void pid_ns_free(struct ns_common *nsc)
{
	struct pid_namespace *ns = container_of(nsc, struct pid_namespace, ns);
	struct pid_namespace *parent = ns->parent;

	free(ns);
	ns_put(&parent->ns);
}

bool pid_ns_is_below(const struct pid_namespace *ns, const struct pid_namespace *ancestor)
{
	while (ns->level > ancestor->level)
		ns = ns->parent;
	return ns == ancestor;
}

struct pid_namespace *pid_ns_new(struct pid_namespace *parent, struct user_namespace *owner)
{
	struct pid_namespace *ns;

	if (pid_ns_of(current->tg->pid) != parent || !user_ns_is_below(owner, parent->ns.user_ns))
		return ERR_PTR(-LINUX_EINVAL);
	if (parent->level >= PID_NS_LEVEL_MAX)
		return ERR_PTR(-LINUX_ENOSPC);
	ns = calloc(1, sizeof(*ns));
	if (!ns)
		return ERR_PTR(-LINUX_ENOMEM);
	ns_init(&ns->ns, NS_PID, owner, pid_ns_free);
	ns_get(&parent->ns);
	ns->parent = parent;
	ns->level = parent->level + 1;
	return ns;
}

void pid_ns_reboot(struct pid_namespace *ns, bool restart)
{
	MUTEX_GUARD(&pids_lock);
	struct tgroup *init = ns->child_reaper;

	if (!init)
		return;
	mutex_lock(&init->siglock);
	tgroup_exit_start_locked(init, restart ? LINUX_SIGHUP : LINUX_SIGINT);
	mutex_unlock(&init->siglock);
}
