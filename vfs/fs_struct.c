/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fork copies and CLONE_FS shares: root, working directory, umask.
 */
#include <stdlib.h>

#include "vfs/mount.h"

_Thread_local struct fs_struct *current_fs;

static struct mutex all_lock = MUTEX_INIT; /* outside fs->lock */
static LIST_HEAD(all_fs);		   /* all_lock */
static struct fs_struct *init_fs;	   /* the first one; a reference, kept */

static struct fs_struct *fs_struct_make(const struct path *root, const struct path *pwd, struct mnt_namespace *ns)
{
	struct fs_struct *fs = calloc(1, sizeof(*fs));

	if (!fs)
		return NULL;
	ref_init(&fs->ref);
	mutex_init(&fs->lock);
	fs->root = *root;
	fs->pwd = *pwd;
	path_get(&fs->root);
	path_get(&fs->pwd);
	fs->umask = 022;
	fs->mnt_ns = ns;
	ns_get(&ns->ns);
	MUTEX_GUARD(&all_lock);
	list_add_tail(&fs->link, &all_fs);
	if (!init_fs)
		init_fs = fs_struct_get(fs);
	return fs;
}

struct fs_struct *fs_struct_new(const struct path *root, const struct path *pwd)
{
	return fs_struct_make(root, pwd, root->mnt->ns);
}

struct fs_struct *fs_struct_copy(struct fs_struct *fs)
{
	struct fs_struct *copy;
	struct path root, pwd;

	mutex_lock(&fs->lock);
	root = fs->root;
	pwd = fs->pwd;
	path_get(&root);
	path_get(&pwd);
	mutex_unlock(&fs->lock);
	copy = fs_struct_make(&root, &pwd, fs->mnt_ns);
	if (copy)
		copy->umask = READ_ONCE(fs->umask);
	path_put(&root);
	path_put(&pwd);
	return copy;
}

struct fs_struct *fs_struct_get(struct fs_struct *fs)
{
	ref_get(&fs->ref);
	return fs;
}

void fs_struct_put(struct fs_struct *fs)
{
	if (!ref_put(&fs->ref))
		return;
	mutex_lock(&all_lock);
	list_del(&fs->link);
	mutex_unlock(&all_lock);
	path_put(&fs->root);
	path_put(&fs->pwd);
	ns_put(&fs->mnt_ns->ns);
	mutex_fini(&fs->lock);
	free(fs);
}

static struct fs_struct *fs_self(void)
{
	return current_fs ? current_fs : init_fs;
}

void fs_get_root(struct path *ret)
{
	struct fs_struct *fs = fs_self();

	MUTEX_GUARD(&fs->lock);
	*ret = fs->root;
	path_get(ret);
}

void fs_get_pwd(struct path *ret)
{
	struct fs_struct *fs = fs_self();

	MUTEX_GUARD(&fs->lock);
	*ret = fs->pwd;
	path_get(ret);
}

void fs_set_root(struct fs_struct *fs, const struct path *path)
{
	struct path old;

	mutex_lock(&fs->lock);
	old = fs->root;
	fs->root = *path;
	mutex_unlock(&fs->lock);
	path_put(&old);
}

void fs_set_pwd(struct fs_struct *fs, const struct path *path)
{
	struct path old;

	mutex_lock(&fs->lock);
	old = fs->pwd;
	fs->pwd = *path;
	mutex_unlock(&fs->lock);
	path_put(&old);
}

/* Number of references of @from that moved to @to. */
static unsigned path_replace(struct path *p, const struct path *from, const struct path *to)
{
	if (!path_equal(p, from))
		return 0;
	*p = *to;
	path_get(p);
	return 1;
}

void fs_structs_replace_root(const struct path *from, const struct path *to)
{
	struct fs_struct *fs;
	unsigned nr = 0;

	mutex_lock(&all_lock);
	list_for_each_entry(fs, &all_fs, link) {
		mutex_lock(&fs->lock);
		nr += path_replace(&fs->root, from, to);
		nr += path_replace(&fs->pwd, from, to);
		mutex_unlock(&fs->lock);
	}
	mutex_unlock(&all_lock);
	while (nr--)
		path_put(from);
}
