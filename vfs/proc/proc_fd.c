/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/pid/fd and fdinfo.
 */
#include <stdio.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/locks.h"
#include "vfs/proc/proc.h"

static const struct proc_entry proc_fd_link, proc_fdinfo_file;

/* The file behind @fd of the inode's process, or NULL. */
static struct file *proc_fget(struct proc_inode *pi, int64_t fd)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	struct files_struct *files = t ? task_files_get(t) : NULL;
	struct file *f;

	if (!files)
		return NULL;
	f = files_fget(files, (int)fd);
	files_put(files);
	return f;
}

static int proc_fd_check(struct proc_inode *pi)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);

	if (!t)
		return -LINUX_ENOENT;
	return task_may_access(t, false) ? 0 : -LINUX_EACCES;
}

static struct inode *proc_fd_lookup_as(struct proc_inode *dir, const struct proc_entry *e, const char *name)
{
	int64_t fd = proc_parse_number(name);
	struct file *f = fd >= 0 ? proc_fget(dir, fd) : NULL;
	struct inode *inode;

	if (!f)
		return ERR_PTR(-LINUX_ENOENT);
	inode = proc_inode_new(dir, e, name);
	if (!IS_ERR(inode)) {
		PROC_I(inode)->nr = fd;
		if (LINUX_S_ISLNK(e->mode)) /* the owner's bits tell how the file is open */
			inode->mode = LINUX_S_IFLNK | ((f->fmode & FMODE_READ) ? 0500 : 0) | ((f->fmode & FMODE_WRITE) ? 0300 : 0);
	}
	fput(f);
	return inode;
}

static struct inode *proc_fd_lookup(struct proc_inode *dir, const char *name)
{
	int err = proc_fd_check(dir);

	return err ? ERR_PTR(err) : proc_fd_lookup_as(dir, &proc_fd_link, name);
}

static struct inode *proc_fdinfo_lookup(struct proc_inode *dir, const char *name)
{
	return proc_fd_lookup_as(dir, &proc_fdinfo_file, name);
}

static uint32_t proc_fd_next_as(struct proc_inode *dir, uint64_t *nr, char name[32], uint32_t type)
{
	struct task *t _cleanup_task_ = proc_task_get(dir);
	struct files_struct *files = t ? task_files_get(t) : NULL;
	int fd;

	if (!files)
		return 0;
	fd = *nr <= INT32_MAX ? files_next_fd(files, (int)*nr) : -1;
	files_put(files);
	if (fd < 0)
		return 0;
	*nr = fd;
	snprintf(name, 32, "%d", fd);
	return type;
}

static uint32_t proc_fd_next(struct proc_inode *dir, uint64_t *nr, char name[32])
{
	return proc_fd_next_as(dir, nr, name, LINUX_S_IFLNK);
}

static uint32_t proc_fdinfo_next(struct proc_inode *dir, uint64_t *nr, char name[32])
{
	return proc_fd_next_as(dir, nr, name, LINUX_S_IFREG);
}

static int proc_fd_readlink(struct proc_inode *pi, struct strbuf *sb)
{
	struct file *f _cleanup_fput_ = proc_fget(pi, pi->nr);
	struct path root;
	int err;

	if (!f)
		return -LINUX_ENOENT;
	mutex_lock(&current_fs->lock);
	root = current_fs->root;
	path_get(&root);
	mutex_unlock(&current_fs->lock);
	err = path_format(&f->path, &root, sb);
	path_put(&root);
	return err;
}

static int proc_fd_get_link(struct proc_inode *pi, struct path *ret)
{
	struct file *f _cleanup_fput_ = NULL;
	int err = proc_fd_check(pi);

	if (err)
		return err;
	f = proc_fget(pi, pi->nr);
	if (!f)
		return -LINUX_ENOENT;
	path_get(&f->path);
	*ret = f->path;
	return 0;
}

static int proc_fdinfo_show(struct proc_inode *pi, struct strbuf *sb)
{
	struct file *f _cleanup_fput_ = proc_fget(pi, pi->nr);
	unsigned flags;

	if (!f)
		return -LINUX_ENOENT;
	flags = atomic_load(&f->flags);
	if (current->tg == pi->tg && fd_get_cloexec((int)pi->nr) > 0)
		flags |= LINUX_O_CLOEXEC;
	strbuf_addf(sb, "pos:\t%lli\nflags:\t0%o\nmnt_id:\t%i\nino:\t%llu\n", (long long)f->pos, flags, f->path.mnt->id,
		    (unsigned long long)f->inode->ino);
	locks_show_file(f, pi->tg->pid->nr, sb);
	if (f->ops->show_fdinfo)
		f->ops->show_fdinfo(f, sb);
	return 0;
}

static const struct proc_entry proc_fd_link = {
	.name = "N", .mode = LINUX_S_IFLNK | 0700, .readlink = proc_fd_readlink, .get_link = proc_fd_get_link };
static const struct proc_entry proc_fdinfo_file = {
	.name = "N", .mode = LINUX_S_IFREG | 0400, .show = proc_fdinfo_show, .flags = PROC_MAY_ACCESS };

const struct proc_dir_ops proc_fd_dir = { .lookup = proc_fd_lookup, .next = proc_fd_next, .check = proc_fd_check };
const struct proc_dir_ops proc_fdinfo_dir = {
	.lookup = proc_fdinfo_lookup, .next = proc_fdinfo_next, .check = proc_fd_check };
