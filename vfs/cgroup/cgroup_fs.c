/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup2: directories are cgroups, with files of fixed names.  There is one super block, whatever is mounted where.  A cgroup keeps
 * its inodes until it is removed, so that owners, modes and inotify marks stay with them.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/dirent.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "vfs/cgroup/cgroup.h"
#include "vfs/super.h"
#include "vfs/user_ns.h"
#include "vfs/text_file.h"

#define CGROUP2_MAGIC 0x63677270

struct cg_inode {
	struct inode inode;
	struct cgroup *cg; /* a reference */
	int file;	   /* enum cgroup_file, or -1: the directory */
};

static const struct inode_ops cg_dir_ops, cg_file_inode_ops;
static const struct file_ops cg_dir_fops, cg_file_ops;

static struct cg_inode *cg_inode(struct inode *inode)
{
	return container_of(inode, struct cg_inode, inode);
}

static struct inode *cg_inode_new(struct super_block *sb, struct cgroup *cg, int file, uint32_t mode)
{
	struct cg_inode *ci = calloc(1, sizeof(*ci));

	if (!ci)
		return ERR_PTR(-LINUX_ENOMEM);
	ci->cg = cgroup_get(cg);
	ci->file = file;
	inode_init(&ci->inode, sb, 0, mode, file < 0 ? &cg_dir_ops : &cg_file_inode_ops, file < 0 ? &cg_dir_fops : &cg_file_ops);
	atomic_store(&ci->inode.nlink, file < 0 ? 2 : 1);
	ci->inode.uid = current_cred->fsuid;
	ci->inode.gid = current_cred->fsgid;
	return &ci->inode;
}

static void cg_free_inode(struct inode *inode)
{
	struct cg_inode *ci = cg_inode(inode);

	cgroup_put(ci->cg);
	inode_fini(inode);
	free(ci);
}

/* The inodes that @cg keeps.  -LINUX_ENOMEM leaves what was made, for cg_drop_inodes. */
static int cg_make_inodes(struct super_block *sb, struct cgroup *cg, uint32_t mode)
{
	struct inode *inode = cg_inode_new(sb, cg, -1, LINUX_S_IFDIR | (mode & 07777));

	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	cg->dir = inode;
	for (int i = 0; i < NR_CGROUP_FILES; i++) {
		inode = cg_inode_new(sb, cg, i, LINUX_S_IFREG | cgroup_files[i].mode);
		if (IS_ERR(inode))
			return (int)PTR_ERR(inode);
		cg->files[i] = inode;
	}
	return 0;
}

static void cg_drop_inodes(struct cgroup *cg)
{
	struct inode *gone[NR_CGROUP_FILES + 1];

	mutex_lock(&cgroup_lock);
	memcpy(gone, cg->files, sizeof(cg->files));
	gone[NR_CGROUP_FILES] = cg->dir;
	memset(cg->files, 0, sizeof(cg->files));
	cg->dir = NULL;
	mutex_unlock(&cgroup_lock);
	for (size_t i = 0; i < ARRAY_SIZE(gone); i++)
		if (gone[i])
			inode_put(gone[i]);
}

/* --- directories --- */

static bool file_visible(const struct cgroup *cg, int i)
{
	const struct cgroup_file_type *t = &cgroup_files[i];

	if (!cg->parent)
		return !t->not_root;
	return !t->controller || READ_ONCE(cg->parent->subtree_control) & t->controller;
}

static struct inode *find_locked(struct cgroup *cg, const char *name)
{
	struct cgroup *child;

	for (int i = 0; i < NR_CGROUP_FILES; i++)
		if (!strcmp(cgroup_files[i].name, name))
			return file_visible(cg, i) ? cg->files[i] : NULL;
	list_for_each_entry(child, &cg->children, link)
		if (!strcmp(child->name, name))
			return child->dir;
	return NULL;
}

static struct inode *cg_lookup(struct inode *dir, const char *name)
{
	struct inode *inode;

	MUTEX_GUARD(&cgroup_lock);
	inode = find_locked(cg_inode(dir)->cg, name);
	return inode ? inode_get(inode) : ERR_PTR(-LINUX_ENOENT);
}

/* Files come and go with the parent's subtree_control. */
static bool cg_revalidate(struct inode *dir, const char *name, struct inode *inode)
{
	MUTEX_GUARD(&cgroup_lock);
	return find_locked(cg_inode(dir)->cg, name) == inode;
}

static struct inode *cg_mkdir(struct inode *dir, const char *name, uint32_t mode)
{
	struct cgroup *parent = cg_inode(dir)->cg, *cg;
	struct inode *inode;
	int err;

	if (strchr(name, '\n'))
		return ERR_PTR(-LINUX_EINVAL);
	mutex_lock(&cgroup_lock);
	cg = parent->dead ? ERR_PTR(-LINUX_ENODEV) : cgroup_new_locked(parent, name);
	mutex_unlock(&cgroup_lock);
	if (IS_ERR(cg))
		return (struct inode *)cg;
	err = cg_make_inodes(dir->sb, cg, mode);
	if (err) {
		mutex_lock(&cgroup_lock);
		cgroup_remove_locked(cg);
		mutex_unlock(&cgroup_lock);
		cg_drop_inodes(cg);
		cgroup_put(cg);
		return ERR_PTR(err);
	}
	atomic_fetch_add(&dir->nlink, 1);
	inode = inode_get(cg->dir);
	/* The tree's reference is that of the inodes. */
	cgroup_put(cg);
	return inode;
}

static int cg_rmdir(struct inode *dir, const char *name __unused, struct inode *inode)
{
	struct cgroup *cg = cg_inode(inode)->cg;
	int err;

	if (cg_inode(inode)->file >= 0)
		return -LINUX_ENOTDIR;
	mutex_lock(&cgroup_lock);
	err = cgroup_remove_locked(cg);
	mutex_unlock(&cgroup_lock);
	if (err)
		return err;
	mutex_lock(&pids_lock);
	cgroup_forget_weight_locked(cg);
	mutex_unlock(&pids_lock);
	atomic_store(&inode->nlink, 0);
	atomic_fetch_sub(&dir->nlink, 1);
	cg_drop_inodes(cg);
	return 0;
}

static int cg_iterate(struct file *f, struct dir_context *ctx)
{
	struct cgroup *cg = cg_inode(f->inode)->cg, *child;
	uint64_t pos = 2;

	if (!dir_emit_dots(f, ctx))
		return 0;
	MUTEX_GUARD(&cgroup_lock);
	for (int i = 0; i < NR_CGROUP_FILES && !cg->dead; i++, pos++) {
		if (pos < ctx->pos || !file_visible(cg, i))
			continue;
		if (!ctx->emit(ctx, cgroup_files[i].name, strlen(cgroup_files[i].name), cg->files[i]->ino, LINUX_DT_REG, pos + 1))
			return 0;
		ctx->pos = pos + 1;
	}
	list_for_each_entry(child, &cg->children, link) {
		if (pos >= ctx->pos && child->dir) {
			if (!ctx->emit(ctx, child->name, strlen(child->name), child->dir->ino, LINUX_DT_DIR, pos + 1))
				return 0;
			ctx->pos = pos + 1;
		}
		pos++;
	}
	return 0;
}

static const struct inode_ops cg_dir_ops = {
	.lookup = cg_lookup, .revalidate = cg_revalidate, .mkdir = cg_mkdir, .rmdir = cg_rmdir };
static const struct inode_ops cg_file_inode_ops = { 0 };
static const struct file_ops cg_dir_fops = { .iterate = cg_iterate };

/* --- files --- */

struct cg_open {
	struct text_file text;
	uint64_t seq; /* of the events file, when the text was made */
	struct cgroup *ns_root; /* a reference; that of the opener's namespace */
	bool ns_initial;
};

static uint64_t cg_seq(const struct cg_inode *ci)
{
	return ci->file == CGF_MEMORY_EVENTS ? READ_ONCE(ci->cg->memory_seq) : READ_ONCE(ci->cg->events_seq);
}

static int cg_open_file(struct inode *inode, struct file *f)
{
	struct cg_open *o = calloc(1, sizeof(*o));

	if (!o)
		return -LINUX_ENOMEM;
	text_file_init(&o->text);
	o->seq = cg_seq(cg_inode(inode));
	o->ns_root = cgroup_get(cgroup_ns_root());
	o->ns_initial = cgroup_ns_is_initial();
	f->private_data = o;
	return 0;
}

static int cg_make_text(struct file *f, struct strbuf *text)
{
	struct cg_inode *ci = cg_inode(f->inode);
	struct cg_open *o = f->private_data;

	if (READ_ONCE(ci->cg->dead))
		return -LINUX_ENODEV;
	o->seq = cg_seq(ci);
	return cgroup_files[ci->file].show(ci->cg, text);
}

static int64_t cg_read(struct file *f, struct iov_iter *to, uint64_t *pos)
{
	struct cg_open *o = f->private_data;

	if (!cgroup_files[cg_inode(f->inode)->file].show)
		return -LINUX_EINVAL;
	return text_file_read(&o->text, f, to, pos, cg_make_text);
}

static int cg_store(struct file *f, char *text)
{
	struct cg_inode *ci = cg_inode(f->inode);
	const struct cgroup_file_type *type = &cgroup_files[ci->file];
	struct cg_open *o = f->private_data;

	if (READ_ONCE(ci->cg->dead))
		return -LINUX_ENODEV;
	/* The limits of a namespace's root are set from outside. */
	if (READ_ONCE(cgroup_nsdelegate) && !o->ns_initial && o->ns_root == ci->cg && !type->delegatable)
		return -LINUX_EPERM;
	if (type->store_as)
		return type->store_as(ci->cg, text, &(struct cgroup_writer){ f->cred, o->ns_root });
	return type->store(ci->cg, text);
}

static int64_t cg_write(struct file *f, struct iov_iter *from, uint64_t *pos)
{
	struct cg_inode *ci = cg_inode(f->inode);
	size_t len = from->count, end;
	char *buf;
	int err;

	if (!cgroup_files[ci->file].store && !cgroup_files[ci->file].store_as)
		return -LINUX_EINVAL;
	if (len >= PAGE_SIZE)
		return -LINUX_E2BIG;
	buf = text_file_written(from);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	for (end = len; end && strchr(" \t\n", buf[end - 1]); end--)
		;
	buf[end] = '\0';
	err = cg_store(f, buf + strspn(buf, " \t\n"));
	free(buf);
	if (err)
		return err;
	*pos += len;
	return (int64_t)len;
}

static unsigned cg_poll(struct file *f, struct poll_table *pt)
{
	struct cg_inode *ci = cg_inode(f->inode);
	struct cg_open *o = f->private_data;
	unsigned mask = LINUX_EPOLLIN | LINUX_EPOLLRDNORM | LINUX_EPOLLOUT | LINUX_EPOLLWRNORM;

	if (ci->file != CGF_EVENTS && ci->file != CGF_MEMORY_EVENTS)
		return mask;
	poll_wait(f, &ci->cg->events_wait, pt);
	if (READ_ONCE(o->seq) != cg_seq(ci))
		mask |= LINUX_EPOLLERR | LINUX_EPOLLPRI;
	return mask;
}

static void cg_release(struct file *f)
{
	struct cg_open *o = f->private_data;

	text_file_fini(&o->text);
	cgroup_put(o->ns_root);
	free(o);
}

static const struct file_ops cg_file_ops = {
	.open = cg_open_file, .read = cg_read, .write = cg_write, .poll = cg_poll, .llseek = text_file_llseek, .release = cg_release };

/* --- super block --- */

static int cg_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	*ret = (struct linux_statfs){ .f_type = (int64_t)sb->magic, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE,
				      .f_namelen = NAME_MAX_LEN };
	return 0;
}

struct cgroup *cgroup_for_clone(int fd)
{
	_cleanup_fput_ struct file *f = fget_raw(fd);
	struct cgroup *cg = NULL;
	struct inode *procs;
	int err;

	if (!f)
		return ERR_PTR(-LINUX_EBADF);
	if (f->inode->ops != &cg_dir_ops)
		return ERR_PTR(-LINUX_EBADF);
	mutex_lock(&cgroup_lock);
	procs = cg_inode(f->inode)->cg->files[CGF_PROCS];
	if (procs)
		inode_get(procs);
	mutex_unlock(&cgroup_lock);
	if (!procs)
		return ERR_PTR(-LINUX_ENODEV);
	err = inode_permission(procs, MAY_WRITE);
	mutex_lock(&cgroup_lock);
	cg = cg_inode(f->inode)->cg;
	if (!err && !cgroup_takes_processes(cg))
		err = -LINUX_EBUSY;
	if (!err)
		cgroup_get(cg);
	mutex_unlock(&cgroup_lock);
	inode_put(procs);
	if (!err) {
		err = cgroup_may_migrate(current->tg->cgroup, cg, &(struct cgroup_writer){ current_cred, cgroup_ns_root() });
		if (err)
			cgroup_put(cg);
	}
	return err ? ERR_PTR(err) : cg;
}

static void cg_show_path(const struct dentry *root, struct strbuf *sb)
{
	MUTEX_GUARD(&cgroup_lock);
	cgroup_show_from(cg_inode(root->inode)->cg, cgroup_ns_root(), sb);
}

static void cg_show_options(struct super_block *sb __unused, struct strbuf *out)
{
	if (READ_ONCE(cgroup_nsdelegate))
		strbuf_adds(out, ",nsdelegate");
}

static const struct super_ops cg_super_ops = {
	.free_inode = cg_free_inode, .statfs = cg_statfs, .show_path = cg_show_path, .show_options = cg_show_options };

static struct super_block *cg_sb_make(const struct fs_type *type)
{
	struct super_block *sb = sb_new(type, &cg_super_ops);
	struct dentry *root;
	int err;

	if (IS_ERR(sb))
		return sb;
	sb->magic = CGROUP2_MAGIC;
	sb->blksize = PAGE_SIZE;
	sb->source = strdup("cgroup2");
	err = cg_make_inodes(sb, &cgroup_root, 0555);
	root = err ? ERR_PTR(err) : dentry_new_root(sb, inode_get(cgroup_root.dir));
	if (IS_ERR(root)) {
		sb_put(sb);
		return (struct super_block *)root;
	}
	sb->root = root;
	return sb;
}

static struct super_block *cgroup2_mount(const struct fs_type *type, unsigned flags __unused, const char *source __unused,
					 const char *data)
{
	static struct mutex lock = MUTEX_INIT;
	static struct super_block *the_sb; /* lock; a reference for ever */
	static const char *const known[] = { "nsdelegate", "memory_recursiveprot", "favordynmods", "memory_localevents", "" };
	bool nsdelegate = false;

	for (const char *p = data; p && *p; p += strcspn(p, ","), p += *p == ',') {
		size_t len = strcspn(p, ","), i;

		for (i = 0; i < ARRAY_SIZE(known); i++)
			if (strlen(known[i]) == len && !memcmp(known[i], p, len))
				break;
		if (i == ARRAY_SIZE(known))
			return ERR_PTR(-LINUX_EINVAL);
		nsdelegate |= i == 0;
	}
	if (!ns_capable(cgroup_ns_owner(), CAP_SYS_ADMIN))
		return ERR_PTR(-LINUX_EPERM);
	if (cgroup_ns_is_initial()) /* flags are those of the whole tree */
		WRITE_ONCE(cgroup_nsdelegate, nsdelegate);
	MUTEX_GUARD(&lock);
	if (!the_sb) {
		struct super_block *sb = cg_sb_make(type);

		if (IS_ERR(sb))
			return sb;
		the_sb = sb;
	}
	return sb_get(the_sb);
}

/* The directory of @cg, with a reference. */
static struct dentry *cg_dentry(struct super_block *sb, const struct cgroup *cg)
{
	struct dentry *parent, *d;

	if (!cg->parent) {
		dentry_get(sb->root);
		return sb->root;
	}
	parent = cg_dentry(sb, cg->parent);
	if (IS_ERR(parent))
		return parent;
	d = dentry_lookup_child(parent, cg->name, strlen(cg->name));
	dentry_put(parent);
	if (!IS_ERR(d) && !d->inode) { /* removed; a name made again is another */
		dentry_put(d);
		return ERR_PTR(-LINUX_ENODEV);
	}
	return d;
}

static struct dentry *cg_mount_root(struct super_block *sb)
{
	return cg_dentry(sb, cgroup_ns_root());
}

const struct fs_type cgroup2_type = {
	.name = "cgroup2", .nodev = true, .userns_mount = true, .mount = cgroup2_mount, .mount_root = cg_mount_root };
