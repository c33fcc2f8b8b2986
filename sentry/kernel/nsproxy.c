/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sets of namespaces: copied by clone(2), changed by unshare(2) and setns(2).  After kernel/nsproxy.c of Linux.
 */
#include "sentry/kernel/nsproxy.h"

#include <stdlib.h>

#include "vfs/mount.h"

#define CLONE_NS_PROXY                                                                                                 \
	(LINUX_CLONE_NEWUTS | LINUX_CLONE_NEWIPC | LINUX_CLONE_NEWPID | LINUX_CLONE_NEWNET | LINUX_CLONE_NEWCGROUP)

struct ns_common init_time_ns = NS_INIT(NS_TIME, NS_INUM_TIME, &init_user_ns);

/* Where nobody makes others: for /proc/PID/ns. */
static struct ns_common only_net_ns = NS_INIT(NS_NET, NS_INUM_NET, &init_user_ns);
static struct ns_common only_cgroup_ns = NS_INIT(NS_CGROUP, NS_INUM_CGROUP, &init_user_ns);

static struct nsproxy *nsproxy_dup(const struct nsproxy *old)
{
	struct nsproxy *ns = malloc(sizeof(*ns));

	if (!ns)
		return NULL;
	*ns = (struct nsproxy){ .uts = old->uts, .ipc = old->ipc, .pid_for_children = old->pid_for_children,
				.net = old->net, .cgroup = old->cgroup };
	ref_init(&ns->ref);
	ns_get(&ns->uts->ns);
	ns_get(&ns->ipc->ns);
	ns_get(&ns->pid_for_children->ns);
	ns_get(ns->net);
	ns_get(ns->cgroup);
	return ns;
}

struct nsproxy *nsproxy_init(void)
{
	struct nsproxy init = {
		.uts = &init_uts_ns, .ipc = &init_ipc_ns, .pid_for_children = &init_pid_ns,
		.net = net_ns_ops ? net_ns_ops->init : &only_net_ns,
		.cgroup = cgroup_ns_ops ? cgroup_ns_ops->init : &only_cgroup_ns,
	};

	return nsproxy_dup(&init);
}

void nsproxy_put(struct nsproxy *ns)
{
	if (!ns || !ref_put(&ns->ref))
		return;
	ns_put(&ns->uts->ns);
	ns_put(&ns->ipc->ns);
	ns_put(&ns->pid_for_children->ns);
	ns_put(ns->net);
	ns_put(ns->cgroup);
	free(ns);
}

/* Puts @new (an embedded ns_common, or ERR_PTR) in the place of an old one. */
#define NS_REPLACE(slot, new_)                                                                                         \
	({                                                                                                             \
		__typeof__(slot) fresh_ = (new_);                                                                      \
		int err_ = IS_ERR(fresh_) ? (int)PTR_ERR(fresh_) : 0;                                                  \
                                                                                                                       \
		if (!err_) {                                                                                           \
			ns_put(&(slot)->ns);                                                                           \
			(slot) = fresh_;                                                                               \
		}                                                                                                      \
		err_;                                                                                                  \
	})

static int replace_common(struct ns_common **slot, struct ns_common *new)
{
	if (IS_ERR(new))
		return (int)PTR_ERR(new);
	ns_put(*slot);
	*slot = new;
	return 0;
}

/* A copy of @old with new namespaces as @flags say, owned by @owner. */
static struct nsproxy *nsproxy_new(const struct nsproxy *old, uint64_t flags, struct user_namespace *owner)
{
	struct nsproxy *ns = nsproxy_dup(old);
	int err = 0;

	if (!ns)
		return ERR_PTR(-LINUX_ENOMEM);
	if (flags & LINUX_CLONE_NEWUTS)
		err = NS_REPLACE(ns->uts, uts_ns_copy(old->uts, owner));
	if (!err && flags & LINUX_CLONE_NEWIPC)
		err = NS_REPLACE(ns->ipc, ipc_ns_new(owner));
	if (!err && flags & LINUX_CLONE_NEWPID)
		err = NS_REPLACE(ns->pid_for_children, pid_ns_new(old->pid_for_children, owner));
	if (!err && flags & LINUX_CLONE_NEWCGROUP)
		err = replace_common(&ns->cgroup, cgroup_ns_ops ? cgroup_ns_ops->create(owner) : ERR_PTR(-LINUX_EINVAL));
	if (!err && flags & LINUX_CLONE_NEWNET)
		err = replace_common(&ns->net, net_ns_ops ? net_ns_ops->create(owner) : ERR_PTR(-LINUX_EINVAL));
	if (!err)
		return ns;
	nsproxy_put(ns);
	return ERR_PTR(err);
}

/* A private copy of current's credentials, in a new user namespace. */
static struct cred *cred_new_user_ns(void)
{
	struct user_namespace *ns;
	struct cred *cred;

	if (fs_is_chrooted(current->fs))
		return ERR_PTR(-LINUX_EPERM);
	ns = user_ns_new(current->cred);
	if (IS_ERR(ns))
		return (struct cred *)ns;
	cred = cred_copy(current->cred);
	if (!cred) {
		user_ns_put(ns);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	cred_enter_user_ns(cred, ns);
	return cred;
}

static int ns_flags_check(const struct cred *cred, uint64_t flags)
{
	if (flags & LINUX_CLONE_NEWTIME)
		return -LINUX_EINVAL; /* as a kernel without them */
	if (flags & (CLONE_NS_PROXY | LINUX_CLONE_NEWNS) && !cred_ns_capable(cred, cred->user_ns, CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	return 0;
}

int nsproxy_copy(struct task *child, uint64_t flags)
{
	struct nsproxy *ns;
	struct cred *cred;
	int err;

	if (flags & LINUX_CLONE_NEWUSER) {
		cred = cred_new_user_ns();
		if (IS_ERR(cred))
			return (int)PTR_ERR(cred);
		cred_put(child->cred);
		child->cred = cred;
	}
	err = ns_flags_check(child->cred, flags);
	if (!err && flags & LINUX_CLONE_NEWNS)
		err = fs_unshare_mnt_ns(child->fs, child->cred->user_ns);
	if (err)
		return err;
	ns = flags & CLONE_NS_PROXY ? nsproxy_new(current->nsproxy, flags, child->cred->user_ns)
				    : nsproxy_get(current->nsproxy);
	if (IS_ERR(ns))
		return (int)PTR_ERR(ns);
	child->nsproxy = ns;
	return 0;
}

/* All is made before anything is changed. */
int nsproxy_unshare(uint64_t flags)
{
	const struct cred *cred = current->cred;
	struct fs_struct *fs = NULL;
	struct nsproxy *ns = NULL;
	struct cred *new = NULL;
	int err;

	if (flags & LINUX_CLONE_NEWUSER) {
		if (tgroup_nr_threads(current->tg) > 1)
			return -LINUX_EINVAL;
		new = cred_new_user_ns();
		if (IS_ERR(new))
			return (int)PTR_ERR(new);
		cred = new;
	}
	err = ns_flags_check(cred, flags);
	if (!err && flags & (LINUX_CLONE_NEWNS | LINUX_CLONE_NEWUSER)) {
		fs = fs_struct_copy(current->fs);
		err = fs ? 0 : -LINUX_ENOMEM;
		if (!err && flags & LINUX_CLONE_NEWNS)
			err = fs_unshare_mnt_ns(fs, cred->user_ns);
	}
	if (!err && flags & CLONE_NS_PROXY) {
		ns = nsproxy_new(current->nsproxy, flags, cred->user_ns);
		err = IS_ERR(ns) ? (int)PTR_ERR(ns) : 0;
	}
	if (err) {
		if (fs)
			fs_struct_put(fs);
		if (new)
			cred_put(new);
		return err;
	}
	if (fs)
		task_set_fs(current, fs);
	if (ns)
		task_set_nsproxy(current, ns);
	if (new)
		task_set_cred(current, new);
	return 0;
}

/* --- setns --- */

/* What a setns(2) of one or several namespaces comes to, until it is committed. */
struct nsset {
	struct nsproxy *ns;	/* a private copy */
	struct cred *cred;	/* changed copy, or NULL */
	struct fs_struct *fs;	/* changed copy, or NULL */
};

static const struct cred *nsset_cred(const struct nsset *set)
{
	return set->cred ? set->cred : current->cred;
}

static int nsset_admin(const struct nsset *set, const struct ns_common *ns)
{
	const struct cred *cred = nsset_cred(set);

	return cred_ns_capable(cred, ns->user_ns, CAP_SYS_ADMIN) && cred_ns_capable(cred, cred->user_ns, CAP_SYS_ADMIN)
		       ? 0
		       : -LINUX_EPERM;
}

static int nsset_user(struct nsset *set, struct ns_common *nsc)
{
	struct user_namespace *ns = container_of(nsc, struct user_namespace, ns);

	if (ns == current->cred->user_ns || tgroup_nr_threads(current->tg) > 1 || ref_read(&current->fs->ref) > 1)
		return -LINUX_EINVAL;
	if (!ns_capable(ns, CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	set->cred = cred_copy(current->cred);
	if (!set->cred)
		return -LINUX_ENOMEM;
	cred_enter_user_ns(set->cred, user_ns_get(ns));
	return 0;
}

static int nsset_mnt(struct nsset *set, struct ns_common *ns)
{
	const struct cred *cred = nsset_cred(set);
	int err = nsset_admin(set, ns);

	if (err || !cred_ns_capable(cred, cred->user_ns, CAP_SYS_CHROOT))
		return -LINUX_EPERM;
	if (ref_read(&current->fs->ref) > 1)
		return -LINUX_EINVAL;
	set->fs = fs_struct_copy(current->fs);
	if (!set->fs)
		return -LINUX_ENOMEM;
	fs_enter_mnt_ns(set->fs, container_of(ns, struct mnt_namespace, ns));
	return 0;
}

static int nsset_pid(struct nsset *set, struct ns_common *nsc)
{
	struct pid_namespace *ns = container_of(nsc, struct pid_namespace, ns);
	int err = nsset_admin(set, nsc);

	if (err)
		return err;
	if (!pid_ns_is_below(ns, pid_ns_of(current->tg->pid)))
		return -LINUX_EINVAL;
	ns_get(nsc);
	return NS_REPLACE(set->ns->pid_for_children, ns);
}

static int nsset_add(struct nsset *set, struct ns_common *ns)
{
	int err;

	switch (ns->type) {
	case NS_USER:
		return nsset_user(set, ns);
	case NS_MNT:
		return nsset_mnt(set, ns);
	case NS_PID:
		return nsset_pid(set, ns);
	default:
		break;
	}
	err = nsset_admin(set, ns);
	if (err)
		return err;
	ns_get(ns);
	switch (ns->type) {
	case NS_UTS:
		return NS_REPLACE(set->ns->uts, container_of(ns, struct uts_namespace, ns));
	case NS_IPC:
		return NS_REPLACE(set->ns->ipc, container_of(ns, struct ipc_namespace, ns));
	case NS_NET:
		return replace_common(&set->ns->net, ns);
	case NS_CGROUP:
		return replace_common(&set->ns->cgroup, ns);
	default:
		ns_put(ns);
		return -LINUX_EINVAL;
	}
}

static int nsset_commit(struct nsset *set, int err)
{
	if (err) {
		nsproxy_put(set->ns);
		if (set->cred)
			cred_put(set->cred);
		if (set->fs)
			fs_struct_put(set->fs);
		return err;
	}
	if (set->fs)
		task_set_fs(current, set->fs);
	if (set->cred)
		task_set_cred(current, set->cred);
	task_set_nsproxy(current, set->ns);
	return 0;
}

int nsproxy_enter(struct ns_common *ns)
{
	struct nsset set = { .ns = nsproxy_dup(current->nsproxy) };

	if (!set.ns)
		return -LINUX_ENOMEM;
	return nsset_commit(&set, nsset_add(&set, ns));
}

int nsproxy_enter_task(struct task *t, uint64_t flags)
{
	/* The user namespace first: its capabilities are what counts for the others. */
	static const enum ns_type order[] = { NS_USER, NS_MNT, NS_UTS, NS_IPC, NS_PID, NS_CGROUP, NS_NET };
	struct nsset set = { .ns = nsproxy_dup(current->nsproxy) };
	int err = 0;

	if (!set.ns)
		return -LINUX_ENOMEM;
	if (!task_may_access(t, false))
		err = -LINUX_EPERM;
	for (size_t i = 0; i < ARRAY_SIZE(order) && !err; i++) {
		struct ns_common *ns;

		if (!(flags & ns_clone_flag(order[i])))
			continue;
		ns = task_ns_get(t, order[i], NS_LINK_SELF);
		err = ns ? nsset_add(&set, ns) : -LINUX_ESRCH;
		ns_put(ns);
	}
	return nsset_commit(&set, err);
}

/* --- /proc/PID/ns --- */

struct ns_common *task_ns_get(struct task *t, enum ns_type type, enum ns_link which)
{
	MUTEX_GUARD(&t->lock);
	struct nsproxy *p = t->nsproxy;
	struct ns_common *ns = NULL;

	if (!p || !t->fs)
		return NULL;
	switch (type) {
	case NS_UTS:
		ns = &p->uts->ns;
		break;
	case NS_IPC:
		ns = &p->ipc->ns;
		break;
	case NS_PID:
		if (which == NS_LINK_SELF)
			ns = &pid_ns_of(t->tg->pid)->ns;
		/* Without an init nothing can be made in it yet. */
		else if (p->pid_for_children->child_reaper)
			ns = &p->pid_for_children->ns;
		break;
	case NS_NET:
		ns = p->net;
		break;
	case NS_CGROUP:
		ns = p->cgroup;
		break;
	case NS_MNT:
		ns = &t->fs->mnt_ns->ns;
		break;
	case NS_USER:
		ns = &t->cred->user_ns->ns;
		break;
	case NS_TIME:
		ns = &init_time_ns;
		break;
	default:
		break;
	}
	return ns ? ns_get(ns) : NULL;
}
