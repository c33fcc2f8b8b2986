/* SPDX-License-Identifier: Apache-2.0 */
/* mount_namespaces(7): a tree of mounts of one's own. */
#include <stdlib.h>

#include "vfs/mount.h"
#include "vfs/user_ns.h"

static atomic_ullong next_seq = 1;

static void mnt_ns_free(struct ns_common *nsc)
{
	struct mnt_namespace *ns = container_of(nsc, struct mnt_namespace, ns);

	if (ns->root) {
		NAMESPACE_GUARD();
		mount_umount_tree_locked(ns->root);
	}
	free(ns);
}

static struct mnt_namespace *mnt_ns_alloc(struct user_namespace *owner)
{
	struct mnt_namespace *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return NULL;
	ns_init(&ns->ns, NS_MNT, owner, mnt_ns_free);
	ns->seq = atomic_fetch_add(&next_seq, 1);
	list_init(&ns->mounts);
	return ns;
}

struct mnt_namespace *mnt_namespace_new(struct super_block *root_sb, unsigned flags, struct path *ret_root)
{
	struct mnt_namespace *ns = mnt_ns_alloc(&init_user_ns);
	struct mount *m;

	if (!ns) {
		sb_put(root_sb);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	m = mount_new(root_sb, root_sb->root, mount_flags_normalize(flags));
	if (IS_ERR(m)) {
		ns_put(&ns->ns);
		return ERR_PTR(PTR_ERR(m));
	}
	ns->ns.inum = NS_INUM_MNT;
	ns->root = m;
	m->ns = ns;
	list_add_tail(&m->ns_link, &ns->mounts);
	ns->nr_mounts = 1;
	*ret_root = (struct path){ m, m->root };
	path_get(ret_root);
	return ns;
}

/* The copy of the mount that @p is in, if it was copied; a reference. */
static void path_to_copy(struct path *p, const struct mnt_namespace *old)
{
	struct mount *m = p->mnt;

	if (m->ns != old || !m->copy)
		return;
	ref_get(&m->copy->ref);
	p->mnt = m->copy;
	mount_put(m); /* the tree has another */
}

int fs_unshare_mnt_ns(struct fs_struct *fs, struct user_namespace *owner)
{
	struct mnt_namespace *old = fs->mnt_ns, *ns = mnt_ns_alloc(owner);
	unsigned how = COPY_REC | COPY_UNBINDABLE;
	struct mount *root, *m;

	if (!ns)
		return -LINUX_ENOMEM;
	/* A namespace with fewer rights receives, and does not send. */
	if (old->ns.user_ns != owner)
		how |= COPY_SLAVE | COPY_LOCK;
	mutex_lock(&namespace_lock);
	list_for_each_entry(m, &old->mounts, ns_link)
		m->copy = NULL;
	root = mount_copy_locked(old->root, old->root->root, how);
	if (!IS_ERR(root)) {
		ns->root = root;
		for (m = root; m; m = mount_next(m, root)) {
			m->ns = ns;
			list_add_tail(&m->ns_link, &ns->mounts);
			ns->nr_mounts++;
		}
		path_to_copy(&fs->root, old);
		path_to_copy(&fs->pwd, old);
	}
	namespace_unlock(&(struct mutex *){ &namespace_lock });
	if (IS_ERR(root)) {
		ns_put(&ns->ns);
		return (int)PTR_ERR(root);
	}
	fs->mnt_ns = ns;
	ns_put(&old->ns);
	return 0;
}

void fs_enter_mnt_ns(struct fs_struct *fs, struct mnt_namespace *ns)
{
	struct mnt_namespace *old = fs->mnt_ns;
	struct path root = { ns->root, ns->root->root }, pwd;

	ns_get(&ns->ns);
	path_get(&root);
	path_follow_mounts(&root);
	pwd = root;
	path_get(&pwd);
	fs_set_root(fs, &root);
	fs_set_pwd(fs, &pwd);
	mutex_lock(&fs->lock);
	fs->mnt_ns = ns;
	mutex_unlock(&fs->lock);
	ns_put(&old->ns);
}

bool fs_is_chrooted(struct fs_struct *fs)
{
	struct path root;
	bool chrooted;

	mutex_lock(&fs->lock);
	root = fs->root;
	path_get(&root);
	mutex_unlock(&fs->lock);
	/* The topmost mount of the namespace's root is the root, too. */
	while (root.dentry == root.mnt->root && root.mnt->parent && root.mnt->mountpoint.dentry == root.mnt->parent->root) {
		struct path up = root.mnt->mountpoint;

		path_get(&up);
		path_put(&root);
		root = up;
	}
	chrooted = root.mnt != fs->mnt_ns->root || root.dentry != root.mnt->root;
	path_put(&root);
	return chrooted;
}
