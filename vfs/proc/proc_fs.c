/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The proc file system: inodes, look-up, listing, and files whose text a function makes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/abi/poll.h"
#include "vfs/mount.h"
#include "vfs/proc/proc.h"
#include "vfs/text_file.h"
#include "vfs/user_ns.h"

#define PROC_SUPER_MAGIC 0x9fa0
#define PROC_DYNAMIC 0x10000 /* directory positions: 2... static entries, from here on dynamic ones by number */

static const struct inode_ops proc_dir_inode_ops, proc_file_inode_ops, proc_link_inode_ops, proc_magic_inode_ops;
static const struct file_ops proc_dir_file_ops, proc_text_file_ops, proc_mounts_file_ops;

/* --- inodes --- */

/* Stable numbers out of what the file is about, so that two stats of one file agree. */
static uint64_t proc_ino(const struct proc_inode *parent, const char *name, int tgid, int tid)
{
	uint64_t h = parent ? parent->inode.ino : 1469598103934665603ULL;

	h = (h ^ (uint64_t)tgid) * 1099511628211ULL;
	h = (h ^ (uint64_t)tid) * 1099511628211ULL;
	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 1099511628211ULL;
	h ^= h >> 32;
	return (h & 0x7fffffff) | 0x80000000;
}

struct task *proc_task_get(struct proc_inode *pi)
{
	if (!pi->tg)
		return NULL;
	if (!pi->thread)
		return tgroup_leader_get(pi->tg);
	return READ_ONCE(pi->thread->unlinked) ? NULL : task_get(pi->thread);
}

/* Files of a process belong to its user, or to root when it is not dumpable. */
static void proc_inode_refresh_owner(struct proc_inode *pi)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	const struct cred *cred;
	struct mm *mm;
	bool dumpable;

	if (!t)
		return;
	cred = task_cred_get(t);
	mm = task_mm_get(t);
	dumpable = !mm || READ_ONCE(mm->dumpable) || (pi->inode.mode & 07777) == 0555;
	if (mm)
		mm_put(mm);
	mutex_lock(&pi->inode.i_lock);
	pi->inode.uid = dumpable ? cred->euid : 0;
	pi->inode.gid = dumpable ? cred->egid : 0;
	mutex_unlock(&pi->inode.i_lock);
	cred_put(cred);
}

static struct inode *proc_inode_make(struct super_block *sb, const struct proc_entry *e, uint64_t ino, struct tgroup *tg,
				     struct task *thread)
{
	struct proc_inode *pi = calloc(1, sizeof(*pi));

	if (!pi)
		return ERR_PTR(-LINUX_ENOMEM);
	pi->entry = e;
	pi->tg = tg ? tgroup_get(tg) : NULL;
	pi->thread = thread ? task_get(thread) : NULL;
	pi->nr = -1;
	if (LINUX_S_ISDIR(e->mode))
		inode_init(&pi->inode, sb, ino, e->mode, &proc_dir_inode_ops, &proc_dir_file_ops);
	else if (LINUX_S_ISLNK(e->mode))
		inode_init(&pi->inode, sb, ino, e->mode, e->get_link ? &proc_magic_inode_ops : &proc_link_inode_ops, NULL);
	else
		inode_init(&pi->inode, sb, ino, e->mode, &proc_file_inode_ops,
			   e->fops ? e->fops : e->flags & PROC_MOUNTS ? &proc_mounts_file_ops : &proc_text_file_ops);
	atomic_store(&pi->inode.nlink, LINUX_S_ISDIR(e->mode) ? 2 : 1);
	proc_inode_refresh_owner(pi);
	return &pi->inode;
}

struct inode *proc_inode_new_task(struct proc_inode *parent, const struct proc_entry *e, const char *name, struct tgroup *tg,
				  struct task *thread)
{
	uint64_t ino = proc_ino(parent, name, tg ? tg->pid->nr : 0, thread ? task_tid(thread) : 0);

	return proc_inode_make(parent->inode.sb, e, ino, tg, thread);
}

struct inode *proc_inode_new(struct proc_inode *parent, const struct proc_entry *e, const char *name)
{
	return proc_inode_new_task(parent, e, name, parent->tg, parent->thread);
}

static void proc_free_inode(struct inode *inode)
{
	struct proc_inode *pi = PROC_I(inode);

	if (pi->tg)
		tgroup_put(pi->tg);
	if (pi->thread)
		task_put(pi->thread);
	inode_fini(inode);
	free(pi);
}

int64_t proc_parse_number(const char *name)
{
	int64_t n = 0;

	if (!*name || (name[0] == '0' && name[1]))
		return -1;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || n > INT32_MAX / 10)
			return -1;
		n = n * 10 + (*name - '0');
	}
	return n > INT32_MAX ? -1 : n;
}

static int proc_getattr(struct inode *inode, struct kstat *ret)
{
	proc_inode_refresh_owner(PROC_I(inode));
	return generic_getattr(inode, ret);
}

static int proc_setattr(struct inode *inode __unused, const struct iattr *attr)
{
	/* Opening with O_TRUNC is harmless, everything else is refused as proc does. */
	return attr->valid & (ATTR_MODE | ATTR_UID | ATTR_GID) ? -LINUX_EPERM : 0;
}

/* --- directories --- */

static const struct proc_entry *proc_find_static(const struct proc_entry *children, const char *name)
{
	for (const struct proc_entry *e = children; e && e->name; e++)
		if (!strcmp(e->name, name))
			return e;
	return NULL;
}

/* The processes that a proc shows are those of the PID namespace it was mounted in. */
static struct pid_namespace *proc_pid_ns(const struct super_block *sb)
{
	return container_of(sb->s_private, struct pid_namespace, ns);
}

static struct inode *proc_lookup(struct inode *dir, const char *name)
{
	PID_VIEW_GUARD(proc_pid_ns(dir->sb));
	struct proc_inode *pi = PROC_I(dir);
	const struct proc_entry *e = proc_find_static(pi->entry->children, name);

	if (pi->tg) { /* nothing is left below a process that is gone */
		struct task *t _cleanup_task_ = proc_task_get(pi);

		if (!t)
			return ERR_PTR(e ? -LINUX_ESRCH : -LINUX_ENOENT);
	}
	if (e)
		return proc_inode_new(pi, e, name);
	return pi->entry->dir ? pi->entry->dir->lookup(pi, name) : ERR_PTR(-LINUX_ENOENT);
}

static bool proc_revalidate(struct inode *dir, const char *name, struct inode *inode)
{
	PID_VIEW_GUARD(proc_pid_ns(dir->sb));
	struct proc_inode *pi = inode ? PROC_I(inode) : NULL;

	if (!pi) /* a name that was not there may be now, but for static tables */
		return !PROC_I(dir)->entry->dir;
	if (pi->tg) {
		struct task *t _cleanup_task_ = proc_task_get(pi);

		if (!t)
			return false;
		proc_inode_refresh_owner(pi);
	}
	if (PROC_I(dir)->entry->dir && pi->nr >= 0) {
		struct inode *now = PROC_I(dir)->entry->dir->lookup(PROC_I(dir), name);

		if (IS_ERR(now))
			return false;
		inode_put(now);
	}
	return true;
}

static int proc_iterate_static(struct proc_inode *pi, struct dir_context *ctx)
{
	const struct proc_entry *e = pi->entry->children;

	for (uint64_t pos = 2; e && e->name; pos++, e++) {
		if (pos < ctx->pos)
			continue;
		if (!ctx->emit(ctx, e->name, strlen(e->name),
			       proc_ino(pi, e->name, pi->tg ? pi->tg->pid->nr : 0, pi->thread ? task_tid(pi->thread) : 0),
			       LINUX_DT_OF_MODE(e->mode), pos + 1))
			return 1;
		ctx->pos = pos + 1;
	}
	return 0;
}

static int proc_iterate(struct file *f, struct dir_context *ctx)
{
	PID_VIEW_GUARD(proc_pid_ns(f->inode->sb));
	struct proc_inode *pi = PROC_I(f->inode);
	const struct proc_dir_ops *dir = pi->entry->dir;
	int err = dir && dir->check ? dir->check(pi) : 0;
	uint32_t type;
	uint64_t nr;
	char name[32];

	if (err)
		return err;
	if (!dir_emit_dots(f, ctx))
		return 0;
	if (ctx->pos < PROC_DYNAMIC && proc_iterate_static(pi, ctx))
		return 0;
	if (!dir)
		return 0;
	nr = ctx->pos < PROC_DYNAMIC ? 0 : ctx->pos - PROC_DYNAMIC;
	while ((type = dir->next(pi, &nr, name))) {
		if (!ctx->emit(ctx, name, strlen(name), proc_ino(pi, name, pi->tg ? pi->tg->pid->nr : 0, 0),
			       LINUX_DT_OF_MODE(type), PROC_DYNAMIC + nr + 1))
			return 0;
		ctx->pos = PROC_DYNAMIC + ++nr;
	}
	return 0;
}

static int proc_dir_open(struct inode *inode, struct file *f __unused)
{
	struct proc_inode *pi = PROC_I(inode);

	return pi->entry->dir && pi->entry->dir->check ? pi->entry->dir->check(pi) : 0;
}

/* Its own descriptors a process may always look at, whatever became of its ids: proc_fd_permission. */
static int proc_dir_permission(struct inode *inode, unsigned mask)
{
	struct proc_inode *pi = PROC_I(inode);
	int err = generic_permission(inode, mask);

	if (err && current && pi->tg == current->tg && !strcmp(pi->entry->name, "fd"))
		return 0;
	return err;
}

static const struct inode_ops proc_dir_inode_ops = {
	.lookup = proc_lookup, .permission = proc_dir_permission, .revalidate = proc_revalidate,
	.getattr = proc_getattr, .setattr = proc_setattr };
static const struct file_ops proc_dir_file_ops = { .iterate = proc_iterate, .open = proc_dir_open };

/* --- text files --- */

struct proc_text {
	struct text_file text;
	unsigned long mounts_seen; /* text.lock: mount_events, as poll told last */
};

static int proc_check_access(struct proc_inode *pi)
{
	struct task *t _cleanup_task_ = NULL;

	if (!pi->tg)
		return 0;
	t = proc_task_get(pi);
	if (!t)
		return -LINUX_ESRCH;
	if ((pi->entry->flags & PROC_MAY_ACCESS) && !task_may_access(t, false))
		return -LINUX_EACCES;
	return 0;
}

static int proc_text_open(struct inode *inode, struct file *f)
{
	struct proc_text *pt;
	int err = proc_check_access(PROC_I(inode));

	if (err)
		return err;
	if (!PROC_I(inode)->entry->show && (f->fmode & FMODE_READ) && !(f->fmode & FMODE_WRITE))
		return -LINUX_EIO;
	pt = calloc(1, sizeof(*pt));
	if (!pt)
		return -LINUX_ENOMEM;
	text_file_init(&pt->text);
	pt->mounts_seen = atomic_load(&mount_events);
	f->private_data = pt;
	return 0;
}

static int proc_text_make(struct file *f, struct strbuf *text)
{
	PID_VIEW_GUARD(proc_pid_ns(f->inode->sb));
	struct proc_inode *pi = PROC_I(f->inode);

	return pi->entry->show ? pi->entry->show(pi, text) : -LINUX_EINVAL;
}

static int64_t proc_text_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	struct proc_text *pt = f->private_data;

	return text_file_read(&pt->text, f, to, pos, proc_text_make);
}

static int64_t proc_text_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	struct proc_inode *pi = PROC_I(f->inode);
	size_t len = from->count;
	char *buf;
	int err;

	if (!pi->entry->store)
		return -LINUX_EIO;
	if (len > PAGE_SIZE)
		return -LINUX_EINVAL;
	buf = text_file_written(from);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	err = pi->entry->store(pi, buf, strcspn(buf, "\n"));
	free(buf);
	if (err)
		return err;
	*pos += len;
	return (int64_t)len;
}

static void proc_text_release(struct file *f)
{
	struct proc_text *pt = f->private_data;

	text_file_fini(&pt->text);
	free(pt);
}

/* As mounts_poll() in Linux: each change is told once. */
static unsigned proc_mounts_poll(struct file *f, struct poll_table *wait)
{
	struct proc_text *pt = f->private_data;
	unsigned mask = LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	unsigned long now;

	poll_wait(f, &mount_events_wait, wait);
	now = atomic_load(&mount_events);
	MUTEX_GUARD(&pt->text.lock);
	if (pt->mounts_seen != now)
		mask |= LINUX_EPOLLERR | LINUX_EPOLLPRI;
	pt->mounts_seen = now;
	return mask;
}

static const struct file_ops proc_mounts_file_ops = {
	.open = proc_text_open, .read = proc_text_read, .write = proc_text_write, .llseek = text_file_llseek,
	.poll = proc_mounts_poll, .release = proc_text_release };
static const struct file_ops proc_text_file_ops = {
	.open = proc_text_open, .read = proc_text_read, .write = proc_text_write, .llseek = text_file_llseek,
	.release = proc_text_release };
static const struct inode_ops proc_file_inode_ops = { .getattr = proc_getattr, .setattr = proc_setattr };

/* --- links --- */

static int proc_readlink(struct inode *inode, struct strbuf *ret)
{
	PID_VIEW_GUARD(proc_pid_ns(inode->sb));
	struct proc_inode *pi = PROC_I(inode);

	return pi->entry->readlink(pi, ret);
}

static int proc_get_link(struct inode *inode, struct path *ret)
{
	struct proc_inode *pi = PROC_I(inode);

	return pi->entry->get_link(pi, ret);
}

/* Two operation tables, because a get_link that is there means a magic link. */
static const struct inode_ops proc_magic_inode_ops = {
	.readlink = proc_readlink, .get_link = proc_get_link, .getattr = proc_getattr, .setattr = proc_setattr };
static const struct inode_ops proc_link_inode_ops = {
	.readlink = proc_readlink, .getattr = proc_getattr, .setattr = proc_setattr };

/* --- super block --- */

static int proc_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	*ret = (struct linux_statfs){ .f_type = (int64_t)sb->magic, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE,
				      .f_namelen = NAME_MAX_LEN };
	return 0;
}

static void proc_kill_sb(struct super_block *sb)
{
	ns_put(sb->s_private);
}

static const struct super_ops proc_super_ops = { .free_inode = proc_free_inode, .statfs = proc_statfs, .kill = proc_kill_sb };

struct super_block *proc_sb_new(const struct fs_type *type, unsigned flags, const char *source, uint64_t magic,
				const struct proc_entry *root_entry)
{
	struct super_block *sb = sb_new(type, &proc_super_ops);
	struct dentry *root_dentry;
	struct inode *root;

	if (IS_ERR(sb))
		return sb;
	sb->magic = magic;
	sb->blksize = PAGE_SIZE;
	sb->flags = flags;
	sb->no_dcache = true;
	sb->no_negative = true;
	sb->source = strdup(source ? source : type->name);
	root = proc_inode_make(sb, root_entry, 1, NULL, NULL);
	root_dentry = IS_ERR(root) ? (struct dentry *)root : dentry_new_root(sb, root);
	if (IS_ERR(root_dentry)) {
		sb_put(sb);
		return (struct super_block *)root_dentry;
	}
	sb->root = root_dentry;
	return sb;
}

static struct super_block *proc_mount(const struct fs_type *type, unsigned flags, const char *source,
				      const char *data __unused)
{
	struct pid_namespace *ns = current ? pid_ns_of(current->tg->pid) : &init_pid_ns;
	struct super_block *sb;

	if (!ns_capable(ns->ns.user_ns, CAP_SYS_ADMIN))
		return ERR_PTR(-LINUX_EPERM);
	sb = proc_sb_new(type, flags, source, PROC_SUPER_MAGIC, &proc_root_entry);
	if (!IS_ERR(sb))
		sb->s_private = ns_get(&ns->ns);
	return sb;
}

const struct fs_type proc_type = { .name = "proc", .nodev = true, .userns_mount = true, .mount = proc_mount };
