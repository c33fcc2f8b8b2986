/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nsfs: the files that stand for namespaces (ioctl_ns(2)).  Its super block and mount live as long as the sentry; an inode
 * is found again by its namespace while anybody holds it, so that comparing st_ino and st_dev compares namespaces.
 */
#include "vfs/ns.h"

#include <stdio.h>
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/sched.h"
#include "vfs/internal.h"
#include "vfs/mount.h"
#include "vfs/user_ns.h"

#define NSFS_MAGIC 0x6e736673

#define NS_GET_USERNS 0xb701
#define NS_GET_PARENT 0xb702
#define NS_GET_NSTYPE 0xb703
#define NS_GET_OWNER_UID 0xb704

struct ns_common *(*ns_pid_parent)(struct ns_common *ns);
const struct net_ns_ops *net_ns_ops;
const struct cgroup_ns_ops *cgroup_ns_ops;
_Thread_local struct ns_common *current_net;

static const struct {
	const char *name;
	uint64_t flag;
} ns_types[] = {
	[NS_CGROUP] = { "cgroup", LINUX_CLONE_NEWCGROUP }, [NS_IPC] = { "ipc", LINUX_CLONE_NEWIPC },
	[NS_MNT] = { "mnt", LINUX_CLONE_NEWNS },	   [NS_NET] = { "net", LINUX_CLONE_NEWNET },
	[NS_PID] = { "pid", LINUX_CLONE_NEWPID },	   [NS_TIME] = { "time", LINUX_CLONE_NEWTIME },
	[NS_USER] = { "user", LINUX_CLONE_NEWUSER },	   [NS_UTS] = { "uts", LINUX_CLONE_NEWUTS },
};
static_assert(ARRAY_SIZE(ns_types) == NR_NS_TYPES, "");

const char *ns_name(enum ns_type type)
{
	return ns_types[type].name;
}

uint64_t ns_clone_flag(enum ns_type type)
{
	return ns_types[type].flag;
}

void ns_init(struct ns_common *ns, enum ns_type type, struct user_namespace *owner, void (*free_ns)(struct ns_common *ns))
{
	static atomic_uint next = NS_INUM_DYNAMIC + 64;

	ref_init(&ns->ref);
	ns->type = type;
	ns->inum = atomic_fetch_add(&next, 1);
	ns->user_ns = owner ? user_ns_get(owner) : NULL;
	ns->free = free_ns;
}

void ns_put(struct ns_common *ns)
{
	struct user_namespace *owner;

	if (!ns || !ref_put(&ns->ref))
		return;
	owner = ns->user_ns;
	ns->free(ns);
	if (owner)
		user_ns_put(owner);
}

/* --- files --- */

static const struct fs_type nsfs_type = { .name = "nsfs", .nodev = true };

static struct mutex nsfs_lock = MUTEX_INIT;
static struct mount *nsfs_mount;	    /* nsfs_lock to set */
static LIST_HEAD(nsfs_inodes);		    /* nsfs_lock; by s_link */

static void nsfs_free_inode(struct inode *inode)
{
	struct ns_common *ns = inode->i_private;

	mutex_lock(&nsfs_lock);
	list_del(&inode->s_link);
	mutex_unlock(&nsfs_lock);
	inode_fini(inode);
	free(inode);
	ns_put(ns);
}

static int nsfs_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	*ret = (struct linux_statfs){ .f_type = (int64_t)sb->magic, .f_bsize = PAGE_SIZE, .f_namelen = NAME_MAX_LEN,
				      .f_frsize = PAGE_SIZE };
	return 0;
}

static const struct super_ops nsfs_super_ops = { .free_inode = nsfs_free_inode, .statfs = nsfs_statfs };

static int nsfs_init_locked(void)
{
	struct super_block *sb;
	struct mount *m;

	if (nsfs_mount)
		return 0;
	sb = sb_new(&nsfs_type, &nsfs_super_ops);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	sb->magic = NSFS_MAGIC;
	sb->blksize = PAGE_SIZE;
	m = calloc(1, sizeof(*m));
	if (!m) {
		sb_put(sb);
		return -LINUX_ENOMEM;
	}
	ref_init(&m->ref);
	m->sb = sb;
	list_init(&m->ns_link);
	list_init(&m->children);
	list_init(&m->child_link);
	list_init(&m->peer_link);
	list_init(&m->slave_link);
	nsfs_mount = m;
	return 0;
}

struct ns_common *nsfs_inode_ns(const struct inode *inode)
{
	return inode->sb->type == &nsfs_type ? inode->i_private : NULL;
}

struct ns_common *nsfs_file_ns(struct file *f)
{
	return nsfs_inode_ns(f->inode);
}

static int ns_get_owner(struct ns_common *ns, bool parent)
{
	struct ns_common *up;

	if (parent && ns->type == NS_PID) {
		up = ns_pid_parent ? ns_pid_parent(ns) : NULL;
		if (!up || IS_ERR(up))
			return up ? (int)PTR_ERR(up) : -LINUX_EINVAL;
		return nsfs_open_fd(up);
	}
	if (parent && ns->type != NS_USER)
		return -LINUX_EINVAL;
	/* Nothing above the caller's own user namespace is shown. */
	if (!ns->user_ns || !user_ns_is_below(ns->user_ns, current_cred->user_ns))
		return -LINUX_EPERM;
	return nsfs_open_fd(&ns->user_ns->ns);
}

static int64_t nsfs_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct ns_common *ns = nsfs_file_ns(f);
	uint32_t uid;

	switch (cmd) {
	case NS_GET_USERNS:
		return ns_get_owner(ns, false);
	case NS_GET_PARENT:
		return ns_get_owner(ns, true);
	case NS_GET_NSTYPE:
		return (int64_t)ns_clone_flag(ns->type);
	case NS_GET_OWNER_UID:
		if (ns->type != NS_USER)
			return -LINUX_EINVAL;
		uid = from_kuid_munged(current_cred->user_ns, container_of(ns, struct user_namespace, ns)->owner);
		return put_user(uid, arg, uint32_t) ? -LINUX_EFAULT : 0;
	default:
		return -LINUX_ENOTTY;
	}
}

static const struct file_ops nsfs_file_ops = { .ioctl = nsfs_ioctl };

static struct inode *nsfs_inode(struct ns_common *ns)
{
	struct inode *inode;

	MUTEX_GUARD(&nsfs_lock);
	int err = nsfs_init_locked();

	if (err)
		return ERR_PTR(err);
	list_for_each_entry(inode, &nsfs_inodes, s_link)
		if (inode->i_private == ns && ref_get_unless_zero(&inode->ref))
			return inode;
	inode = inode_new(nsfs_mount->sb, ns->inum, LINUX_S_IFREG | 0444, NULL, &nsfs_file_ops);
	if (IS_ERR(inode))
		return inode;
	inode->i_private = ns_get(ns);
	list_add_tail(&inode->s_link, &nsfs_inodes);
	return inode;
}

int nsfs_path(struct ns_common *ns, struct path *ret)
{
	struct inode *inode = nsfs_inode(ns);
	struct dentry *dentry;
	char name[32];

	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	snprintf(name, sizeof(name), "%s:[%u]", ns_name(ns->type), ns->inum);
	dentry = dentry_new_anon(nsfs_mount->sb, name, inode);
	if (IS_ERR(dentry))
		return (int)PTR_ERR(dentry);
	*ret = (struct path){ nsfs_mount, dentry };
	ref_get(&nsfs_mount->ref);
	return 0;
}

int nsfs_open_fd(struct ns_common *ns)
{
	struct path path;
	struct file *f;
	int err = nsfs_path(ns, &path);

	if (err)
		return err;
	f = file_open_path(&path, LINUX_O_RDONLY, current_cred);
	return fd_install_or_put(f, true);
}
