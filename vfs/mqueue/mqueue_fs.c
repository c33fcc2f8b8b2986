/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/dirent.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/abi/time.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/task.h"
#include "vfs/fsnotify.h"
#include "vfs/internal.h"
#include "vfs/mount.h"
#include "vfs/mqueue/mqueue.h"
#include "vfs/super.h"

#define ENTRY_SIZE 20 /* what a name adds to the directory's size */

/* What an IPC namespace has of it. */
struct mq_mount {
	struct super_block *sb; /* a reference */
	struct mount *mnt;	/* for files that were not opened by a path; a reference */
};

static const struct inode_ops mq_dir_ops, mq_inode_ops;
static const struct file_ops mq_dir_file_ops;

static struct mq_sb *mq_sb(const struct super_block *sb)
{
	return sb->s_private;
}

/* --- what is charged --- */

/* struct msg_msg and struct posix_msg_tree_node of the kernel: the limit means them, too. */
#define KERNEL_MSG_SIZE 48
#define KERNEL_NODE_SIZE 48

long mq_charge_of(uint64_t max_msgs, uint64_t msg_size)
{
	return (long)(max_msgs * KERNEL_MSG_SIZE + MIN(max_msgs, (uint64_t)MQ_PRIO_MAX) * KERNEL_NODE_SIZE + max_msgs * msg_size);
}

static int charge(struct mq_inode *mq)
{
	struct user *user = current->user;
	long bytes = mq_charge_of(mq->max_msgs, mq->msg_size);

	if ((uint64_t)(atomic_fetch_add(&user->mq_bytes, bytes) + bytes) > current_rlimit(LINUX_RLIMIT_MSGQUEUE)) {
		atomic_fetch_sub(&user->mq_bytes, bytes);
		return -LINUX_EMFILE;
	}
	mq->user = user_get(user);
	mq->charged = bytes;
	return 0;
}

static void uncharge(struct mq_inode *mq)
{
	if (!mq->user)
		return;
	atomic_fetch_sub(&mq->user->mq_bytes, mq->charged);
	user_put(mq->user);
}

/* --- inodes --- */

static int attr_check(const struct linux_mq_attr *a)
{
	bool may = capable(CAP_SYS_RESOURCE);

	if (a->mq_maxmsg <= 0 || a->mq_msgsize <= 0 || a->mq_maxmsg > (may ? MQ_HARD_MSG : MQ_MAX_MSG) ||
	    a->mq_msgsize > (may ? MQ_HARD_MSGSIZE : MQ_MAX_MSGSIZE))
		return -LINUX_EINVAL;
	return 0;
}

static void mq_free(struct mq_inode *mq)
{
	mq_clear(mq);
	uncharge(mq);
	inode_fini(&mq->inode);
	waitq_fini(&mq->readable);
	waitq_fini(&mq->writable);
	mutex_fini(&mq->lock);
	free(mq->name);
	free(mq);
}

static struct mq_inode *mq_new(struct super_block *sb, const char *name, uint32_t mode, const struct linux_mq_attr *attr)
{
	struct mq_inode *mq = calloc(1, sizeof(*mq));

	if (!mq)
		return ERR_PTR(-LINUX_ENOMEM);
	inode_init(&mq->inode, sb, 0, LINUX_S_IFREG | (mode & LINUX_S_IALLUGO), &mq_inode_ops, &mqueue_file_ops);
	mq->inode.uid = current_cred->fsuid;
	mq->inode.gid = current_cred->fsgid;
	mq->inode.size = MQ_FILE_SIZE;
	mutex_init(&mq->lock);
	list_init(&mq->link);
	list_init(&mq->msgs);
	waitq_init(&mq->readable);
	waitq_init(&mq->writable);
	mq->max_msgs = attr ? (uint64_t)attr->mq_maxmsg : MQ_MAX_MSG;
	mq->msg_size = attr ? (uint64_t)attr->mq_msgsize : MQ_MAX_MSGSIZE;
	mq->name = strdup(name);
	return mq;
}

/* --- names --- */

static struct mq_inode *find_locked(struct mq_sb *ms, const char *name)
{
	struct mq_inode *mq;

	mutex_assert_held(&ms->lock);
	list_for_each_entry(mq, &ms->queues, link)
		if (!strcmp(mq->name, name))
			return mq;
	return NULL;
}

static struct inode *mq_lookup(struct inode *dir, const char *name)
{
	struct mq_sb *ms = mq_sb(dir->sb);
	struct mq_inode *mq;

	MUTEX_GUARD(&ms->lock);
	mq = find_locked(ms, name);
	return mq ? inode_get(&mq->inode) : ERR_PTR(-LINUX_ENOENT);
}

/* mq_open and mq_unlink change names behind the dentries. */
static bool mq_revalidate(struct inode *dir, const char *name, struct inode *inode)
{
	struct mq_sb *ms = mq_sb(dir->sb);
	struct mq_inode *mq;

	MUTEX_GUARD(&ms->lock);
	mq = find_locked(ms, name);
	return (mq ? &mq->inode : NULL) == inode;
}

/* A new queue with a name, or ERR_PTR. */
static struct inode *mq_create(struct inode *dir, const char *name, uint32_t mode, const struct linux_mq_attr *attr)
{
	struct mq_sb *ms = mq_sb(dir->sb);
	struct mq_inode *mq;
	int err;

	mq = mq_new(dir->sb, name, mode, attr);
	if (IS_ERR(mq))
		return (struct inode *)mq;
	mutex_lock(&ms->lock);
	if (ms->gone)
		err = -LINUX_EACCES;
	else if (find_locked(ms, name))
		err = -LINUX_EEXIST;
	else if (ms->nr_queues >= MQ_MAX_QUEUES && !capable(CAP_SYS_RESOURCE))
		err = -LINUX_ENOSPC;
	else
		err = !mq->name ? -LINUX_ENOMEM : attr ? attr_check(attr) : 0;
	if (!err)
		err = charge(mq);
	if (!err) {
		mq->pos = ms->next_pos++;
		ms->nr_queues++;
		list_add_tail(&mq->link, &ms->queues);
		inode_get(&mq->inode);
	}
	mutex_unlock(&ms->lock);
	if (err) {
		inode_put(&mq->inode);
		return ERR_PTR(err);
	}
	mutex_lock(&dir->i_lock);
	dir->size += ENTRY_SIZE;
	mutex_unlock(&dir->i_lock);
	inode_touch_mtime(dir);
	return &mq->inode;
}

static struct inode *mq_mknod(struct inode *dir, const char *name, uint32_t mode, uint64_t rdev __unused)
{
	return LINUX_S_ISREG(mode) ? mq_create(dir, name, mode, NULL) : ERR_PTR(-LINUX_EPERM);
}

static int mq_unlink_inode(struct inode *dir, const char *name __unused, struct inode *inode)
{
	struct mq_inode *mq = mq_inode(inode);
	struct mq_sb *ms = mq_sb(dir->sb);

	mutex_lock(&ms->lock);
	if (list_empty(&mq->link)) {
		mutex_unlock(&ms->lock);
		return -LINUX_ENOENT;
	}
	list_del(&mq->link);
	list_init(&mq->link);
	ms->nr_queues--;
	mutex_unlock(&ms->lock);
	mutex_lock(&dir->i_lock);
	dir->size -= ENTRY_SIZE;
	mutex_unlock(&dir->i_lock);
	inode_touch_mtime(dir);
	atomic_store(&inode->nlink, 0);
	inode_touch_ctime(inode);
	inode_put(inode);
	return 0;
}

static int mq_iterate(struct file *f, struct dir_context *ctx)
{
	struct mq_sb *ms = mq_sb(f->inode->sb);
	struct mq_inode *mq;

	if (!dir_emit_dots(f, ctx))
		return 0;
	MUTEX_GUARD(&ms->lock);
	list_for_each_entry(mq, &ms->queues, link) {
		if (mq->pos < ctx->pos)
			continue;
		if (!ctx->emit(ctx, mq->name, strlen(mq->name), mq->inode.ino, LINUX_DT_REG, mq->pos + 1))
			break;
		ctx->pos = mq->pos + 1;
	}
	return 0;
}

static const struct inode_ops mq_dir_ops = {
	.lookup = mq_lookup, .revalidate = mq_revalidate, .mknod = mq_mknod, .unlink = mq_unlink_inode };
static const struct inode_ops mq_inode_ops = { 0 };
static const struct file_ops mq_dir_file_ops = { .iterate = mq_iterate, .llseek = generic_dir_llseek };

/* --- super block --- */

static void mq_free_inode(struct inode *inode)
{
	struct mq_inode *mq, *tmp;

	if (!LINUX_S_ISDIR(inode->mode)) {
		mq_free(mq_inode(inode));
		return;
	}
	/* The root: nobody can come by a name any more. */
	list_for_each_entry_safe(mq, tmp, &mq_sb(inode->sb)->queues, link) {
		list_del(&mq->link);
		list_init(&mq->link);
		inode_put(&mq->inode);
	}
	inode_fini(inode);
	free(inode);
}

static int mq_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	*ret = (struct linux_statfs){ .f_type = (int64_t)sb->magic, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE,
				      .f_namelen = NAME_MAX_LEN };
	return 0;
}

static void mq_kill(struct super_block *sb)
{
	struct mq_sb *ms = mq_sb(sb);

	mutex_fini(&ms->lock);
	free(ms);
}

static const struct super_ops mq_super_ops = { .free_inode = mq_free_inode, .statfs = mq_statfs, .kill = mq_kill };

static struct super_block *mq_sb_new(void)
{
	struct mq_sb *ms = calloc(1, sizeof(*ms));
	struct inode *root = calloc(1, sizeof(*root));
	struct super_block *sb = ms && root ? sb_new(&mqueue_type, &mq_super_ops) : ERR_PTR(-LINUX_ENOMEM);

	if (IS_ERR(sb)) {
		free(ms);
		free(root);
		return sb;
	}
	mutex_init(&ms->lock);
	list_init(&ms->queues);
	ms->next_pos = 2;
	sb->s_private = ms;
	sb->magic = MQUEUE_MAGIC;
	sb->blksize = PAGE_SIZE;
	sb->source = strdup("mqueue");
	inode_init(root, sb, 0, LINUX_S_IFDIR | 01777, &mq_dir_ops, &mq_dir_file_ops);
	atomic_store(&root->nlink, 2);
	root->size = 2 * ENTRY_SIZE;
	sb->root = dentry_new_root(sb, root);
	if (IS_ERR(sb->root)) {
		sb->root = NULL;
		sb_put(sb);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	return sb;
}

/* The namespace is gone; its file system may still be mounted somewhere. */
static void ns_free(struct ipc_namespace *ns)
{
	struct mq_mount *m = ns->mqueue;

	if (!m)
		return;
	mutex_lock(&mq_sb(m->sb)->lock);
	mq_sb(m->sb)->gone = true;
	mutex_unlock(&mq_sb(m->sb)->lock);
	mount_put(m->mnt);
	sb_put(m->sb);
	free(m);
}

static struct mq_mount *mq_mount_new(void)
{
	struct mq_mount *m = calloc(1, sizeof(*m));

	if (!m)
		return ERR_PTR(-LINUX_ENOMEM);
	m->sb = mq_sb_new();
	m->mnt = IS_ERR(m->sb) ? (struct mount *)m->sb : mount_new(sb_get(m->sb), m->sb->root, 0);
	if (IS_ERR(m->mnt)) {
		long err = PTR_ERR(m->mnt);

		if (!IS_ERR(m->sb))
			sb_put(m->sb);
		free(m);
		return ERR_PTR(err);
	}
	return m;
}

/* The caller's; borrowed: its namespace stays.  Or ERR_PTR. */
static struct mq_mount *mq_mount_current(void)
{
	struct ipc_namespace *ns = current_ipc();
	struct mq_mount *m;

	MUTEX_GUARD(&ns->lock);
	if (ns->mqueue)
		return ns->mqueue;
	m = mq_mount_new();
	if (!IS_ERR(m)) {
		ipc_ns_mqueue_free = ns_free;
		ns->mqueue = m;
	}
	return m;
}

static struct super_block *mqueue_mount(const struct fs_type *type __unused, unsigned flags __unused, const char *source __unused,
					const char *data __unused)
{
	struct mq_mount *m = mq_mount_current();

	return IS_ERR(m) ? (struct super_block *)m : sb_get(m->sb);
}

const struct fs_type mqueue_type = { .name = "mqueue", .nodev = true, .userns_mount = true, .mount = mqueue_mount };

/* --- mq_open, mq_unlink --- */

/* As lookup_one_len() has it. */
static int name_check(const char *name)
{
	size_t len = strlen(name);

	if (!len)
		return -LINUX_ENOENT;
	if (!strcmp(name, ".") || !strcmp(name, "..") || strchr(name, '/'))
		return -LINUX_EACCES;
	return len > NAME_MAX_LEN ? -LINUX_ENAMETOOLONG : 0;
}

static int open_check(struct inode *inode, uint32_t oflag)
{
	static const unsigned may[] = { MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE };

	if ((oflag & (LINUX_O_CREAT | LINUX_O_EXCL)) == (LINUX_O_CREAT | LINUX_O_EXCL))
		return -LINUX_EEXIST;
	if ((oflag & LINUX_O_ACCMODE) == LINUX_O_ACCMODE)
		return -LINUX_EINVAL;
	return inode_permission(inode, may[oflag & LINUX_O_ACCMODE]);
}

static struct inode *find_or_create(struct inode *dir, const char *name, uint32_t oflag, uint32_t mode,
				    const struct linux_mq_attr *attr)
{
	for (;;) {
		struct inode *inode = mq_lookup(dir, name);
		int err;

		if (!IS_ERR(inode)) {
			err = open_check(inode, oflag);
			if (!err)
				return inode;
			inode_put(inode);
			return ERR_PTR(err);
		}
		if (!(oflag & LINUX_O_CREAT))
			return inode;
		err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
		if (err)
			return ERR_PTR(err);
		inode = mq_create(dir, name, mode & ~READ_ONCE(current_fs->umask), attr);
		if (!IS_ERR(inode))
			fsnotify_dir(dir, FS_CREATE, name, 0);
		/* Somebody was faster. */
		if (PTR_ERR(inode) != -LINUX_EEXIST)
			return inode;
	}
}

struct file *mqueue_open(const char *name, uint32_t oflag, uint32_t mode, const struct linux_mq_attr *attr)
{
	int err = name_check(name);
	struct mq_mount *m = err ? ERR_PTR(err) : mq_mount_current();
	char shown[NAME_MAX_LEN + 2] = "/";
	struct dentry *dentry;
	struct inode *inode;
	struct file *f;

	if (IS_ERR(m))
		return (struct file *)m;
	inode = find_or_create(m->sb->root->inode, name, oflag, mode, attr);
	if (IS_ERR(inode))
		return (struct file *)inode;
	strcat(shown, name);
	dentry = dentry_new_anon(m->sb, shown, inode);
	if (IS_ERR(dentry))
		return (struct file *)dentry;
	f = file_new_on(&(struct path){ m->mnt, dentry }, &mqueue_file_ops, oflag & ~(LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_CLOEXEC),
			NULL);
	if (!IS_ERR(f))
		f->fmode = (f->fmode & ~(unsigned)FMODE_STREAM) | FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	dentry_put(dentry);
	return f;
}

int mqueue_unlink(const char *name)
{
	int err = name_check(name);
	struct mq_mount *m = err ? ERR_PTR(err) : mq_mount_current();
	struct inode *dir, *inode;

	if (IS_ERR(m))
		return (int)PTR_ERR(m);
	dir = m->sb->root->inode;
	inode = mq_lookup(dir, name);
	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	err = inode_permission(dir, MAY_WRITE | MAY_EXEC);
	/* The directory is sticky. */
	if (!err && current_cred->fsuid != dir->uid && !inode_owner_or_capable(inode))
		err = -LINUX_EPERM;
	if (!err)
		err = mq_unlink_inode(dir, name, inode);
	if (!err)
		fsnotify_dir(dir, FS_DELETE, name, 0);
	inode_put(inode);
	return err;
}
