/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The namespaces of a task, as namespaces(7).  A struct nsproxy is immutable but for its count: a change makes another.  The
 * mount namespace is in fs_struct, the user namespace in the credentials, the PID namespace a process itself is in with its number.
 *
 *     nsproxy.c   copying, unshare(2), setns(2), what /proc/PID/ns leads to
 *     ns_uts.c    names of the machine
 *     ns_pid.c    PID namespaces
 *     ns_ipc.c    IPC namespaces: the objects belong to whoever hangs them there
 */
#ifndef SENTRY_KERNEL_NSPROXY_H
#define SENTRY_KERNEL_NSPROXY_H

#include "sentry/abi/sched.h"
#include "sentry/kernel/task.h"
#include "vfs/ns.h"
#include "vfs/user_ns.h"

#define CLONE_NAMESPACES                                                                                               \
	(LINUX_CLONE_NEWNS | LINUX_CLONE_NEWCGROUP | LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC | LINUX_CLONE_NEWUSER |   \
	 LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET | LINUX_CLONE_NEWTIME)

struct uts_namespace {
	struct ns_common ns;
	struct linux_utsname name; /* uts_lock */
};

/*
 * System V IPC and POSIX message queues live in one of these.  `data` belongs to them: made when first needed, freed by
 * ipc_ns_data_free when the namespace goes.
 */
struct ipc_namespace {
	struct ns_common ns;
	struct mutex lock;
	void *data; /* lock to set, once */
	void *mqueue; /* the same, of vfs/mqueue, with ipc_ns_mqueue_free */
};
extern void (*ipc_ns_data_free)(struct ipc_namespace *ns), (*ipc_ns_mqueue_free)(struct ipc_namespace *ns); /* NULL: nothing to free */

struct nsproxy {
	struct ref ref;
	struct uts_namespace *uts;
	struct ipc_namespace *ipc;
	struct pid_namespace *pid_for_children;
	struct ns_common *net;
	struct ns_common *cgroup;
};

extern struct uts_namespace init_uts_ns;
extern struct ipc_namespace init_ipc_ns;
extern struct ns_common init_time_ns;

/* The set of the initial namespaces, a reference; NULL: no memory. */
struct nsproxy *nsproxy_init(void);
static inline struct nsproxy *nsproxy_get(struct nsproxy *ns)
{
	ref_get(&ns->ref);
	return ns;
}
void nsproxy_put(struct nsproxy *ns); /* NULL is nothing */

/*
 * For clone: gives @child, whose credentials and fs are set already, namespaces of its own as @flags say.  0, -LINUX_EPERM,
 * -LINUX_EINVAL, -LINUX_ENOMEM, -LINUX_ENOSPC.
 */
int nsproxy_copy(struct task *child, uint64_t flags);
/* unshare(2) of namespaces. */
int nsproxy_unshare(uint64_t flags);
/* setns(2) into one namespace, @nstype its flag or 0. */
int nsproxy_enter(struct ns_common *ns);
/* setns(2) with a pidfd: all namespaces of @t that @flags name, or none. */
int nsproxy_enter_task(struct task *t, uint64_t flags);
/* For /proc/PID/ns: a reference, or NULL. */
enum ns_link { NS_LINK_SELF, NS_LINK_CHILDREN };
struct ns_common *task_ns_get(struct task *t, enum ns_type type, enum ns_link which);

struct uts_namespace *uts_ns_copy(struct uts_namespace *old, struct user_namespace *owner);
struct ipc_namespace *ipc_ns_new(struct user_namespace *owner);
/* Below the caller's own; -LINUX_EINVAL unless @parent is it, -LINUX_ENOSPC by depth. */
struct pid_namespace *pid_ns_new(struct pid_namespace *parent, struct user_namespace *owner);
/* reboot(2) in a namespace that isn't the initial one: its init ends as if by SIGHUP or SIGINT. */
void pid_ns_reboot(struct pid_namespace *ns, bool restart);
bool pid_ns_is_below(const struct pid_namespace *ns, const struct pid_namespace *ancestor);

/* The calling task's, or the initial one. */
static inline struct uts_namespace *current_uts(void)
{
	return current && current->nsproxy ? current->nsproxy->uts : &init_uts_ns;
}
static inline struct ipc_namespace *current_ipc(void)
{
	return current && current->nsproxy ? current->nsproxy->ipc : &init_ipc_ns;
}

#endif
