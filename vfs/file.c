/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Open files: storage, opening an inode, the last put.
 *
 * The storage of a struct file is never given back to malloc, only kept for the next file: fget reads a slot and counts a
 * reference without a lock, and what it then holds may turn out to be another file, but never other memory (fdtable.c).
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/anon/eventpoll.h"
#include "vfs/anon/pipe.h"
#include "vfs/device.h"
#include "vfs/fsnotify.h"
#include "vfs/internal.h"

static struct mutex spare_lock = MUTEX_INIT;
static struct file *spare_files; /* spare_lock; linked through private_data */
static atomic_ulong nr_files;

static void file_vm_get(struct vm_file *vm)
{
	file_get(container_of(vm, struct file, vm));
}

static void file_vm_put(struct vm_file *vm)
{
	fput(container_of(vm, struct file, vm));
}

static void file_vm_describe(struct vm_file *vm, struct strbuf *ret_path, uint64_t *ret_dev, uint64_t *ret_ino)
{
	struct file *f = container_of(vm, struct file, vm);
	struct inode *inode = f->inode;
	struct path root;
	struct kstat st;

	fs_get_root(&root);
	path_format(&f->path, &root, ret_path);
	path_put(&root);
	/* Through getattr: an overlay shows the numbers of the layer below. */
	if (vfs_getattr(&f->path, &st)) {
		st.dev = inode->sb->dev;
		st.ino = inode->ino;
	}
	*ret_dev = st.dev;
	*ret_ino = st.ino;
}

static int file_vm_punch(struct vm_file *vm, uint64_t off, uint64_t len)
{
	return vfs_fallocate(container_of(vm, struct file, vm), LINUX_FALLOC_FL_PUNCH_HOLE | LINUX_FALLOC_FL_KEEP_SIZE,
			     off, len);
}

static const struct vm_file_ops file_vm_ops = {
	.get = file_vm_get,
	.put = file_vm_put,
	.describe = file_vm_describe,
	.punch = file_vm_punch,
};

/* Everything but the reference count is zero: a stale fget may look at the count at any time. */
static struct file *file_alloc(void)
{
	struct file *f;

	mutex_lock(&spare_lock);
	f = spare_files;
	if (f)
		spare_files = f->private_data;
	mutex_unlock(&spare_lock);
	if (!f) {
		f = calloc(1, sizeof(*f));
		if (!f)
			return NULL;
	}
	static_assert(offsetof(struct file, ref) == 0, "the count is what stays");
	memset((char *)f + sizeof(f->ref), 0, sizeof(*f) - sizeof(f->ref));
	mutex_init(&f->pos_lock);
	mutex_init(&f->ep_lock);
	list_init(&f->ep_links);
	f->vm.ops = &file_vm_ops;
	atomic_fetch_add_explicit(&nr_files, 1, memory_order_relaxed);
	return f;
}

static void file_free(struct file *f)
{
	mutex_fini(&f->pos_lock);
	mutex_fini(&f->ep_lock);
	atomic_fetch_sub_explicit(&nr_files, 1, memory_order_relaxed);
	mutex_lock(&spare_lock);
	f->private_data = spare_files;
	spare_files = f;
	mutex_unlock(&spare_lock);
}

uint64_t files_count(void)
{
	return atomic_load(&nr_files);
}

/* FMODE_* of an access mode; 3 (neither) is what open(2) allows for ioctl only. */
static unsigned fmode_of(uint32_t flags)
{
	return (flags + 1) & LINUX_O_ACCMODE;
}

static void file_init(struct file *f, const struct path *path, const struct file_ops *ops, uint32_t flags,
		      const struct cred *cred)
{
	f->path = *path;
	f->inode = path->dentry->inode;
	f->ops = ops;
	f->fmode = fmode_of(flags);
	atomic_store(&f->flags, flags & ~(LINUX_O_CLOEXEC | LINUX_O_EXEC));
	f->cred = cred_get(cred);
	f->vm.backing = &f->inode->mapping.backing;
}

struct file *file_new_on(const struct path *path, const struct file_ops *ops, uint32_t flags, void *private_data)
{
	struct file *f = file_alloc();

	if (!f)
		return ERR_PTR(-LINUX_ENOMEM);
	path_get(path);
	file_init(f, path, ops, flags, current_cred);
	if (ops->llseek)
		f->fmode |= FMODE_LSEEK;
	f->private_data = private_data;
	atomic_store(&f->ref.n, 1);
	return f;
}

static int no_open(struct inode *inode __unused, struct file *f __unused)
{
	return -LINUX_ENXIO;
}

static const struct file_ops no_device_ops = { .open = no_open };
static const struct file_ops path_file_ops;
static const struct file_ops fifo_ops = { .open = fifo_open };

static const struct file_ops *file_ops_of(const struct inode *inode)
{
	const struct file_ops *ops;

	if (inode->own_special)
		return inode->fops;
	switch (inode->mode & LINUX_S_IFMT) {
	case LINUX_S_IFCHR:
		ops = chrdev_find(inode->rdev);
		return ops ? ops : &no_device_ops;
	case LINUX_S_IFBLK:
	case LINUX_S_IFSOCK:
	case 0: /* of an eventfd and its like, by /proc/self/fd: what is private to a file is not to be had twice */
		return &no_device_ops;
	case LINUX_S_IFIFO:
		return &fifo_ops;
	default:
		return inode->fops;
	}
}

static bool is_special(uint32_t mode)
{
	return LINUX_S_ISCHR(mode) || LINUX_S_ISBLK(mode) || LINUX_S_ISFIFO(mode) || LINUX_S_ISSOCK(mode);
}

/* What keeps a program and its writers apart, and a read-only mount unwritten. */
static int file_get_access(struct file *f, bool exec)
{
	int err;

	if (exec) {
		err = inode_deny_write(f->inode);
		if (!err)
			f->fmode |= FMODE_EXEC;
		return err;
	}
	if (is_special(f->inode->mode))
		return 0;
	if (!(f->fmode & FMODE_WRITE)) {
		if (f->fmode & FMODE_READ && LINUX_S_ISREG(f->inode->mode)) {
			atomic_fetch_add(&f->inode->readcount, 1);
			f->fmode |= FMODE_READER;
		}
		return 0;
	}
	err = inode_get_write_access(f->inode);
	if (err)
		return err;
	err = mnt_want_write(f->path.mnt);
	if (err) {
		inode_put_write_access(f->inode);
		return err;
	}
	atomic_fetch_add(&f->path.mnt->writers, 1);
	f->fmode |= FMODE_WRITER;
	return 0;
}

static void file_put_access(struct file *f)
{
	if (f->fmode & FMODE_EXEC)
		inode_allow_write(f->inode);
	if (f->fmode & FMODE_READER)
		atomic_fetch_sub(&f->inode->readcount, 1);
	if (f->fmode & FMODE_WRITER) {
		inode_put_write_access(f->inode);
		atomic_fetch_sub(&f->path.mnt->writers, 1);
	}
}

/* do_dentry_open. */
struct file *file_open_path(struct path *path, uint32_t flags, const struct cred *cred)
{
	struct file *f = file_alloc();
	uint32_t mode = path->dentry->inode->mode;
	int err = 0;

	if (!f) {
		path_put(path);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	if (flags & LINUX_O_PATH) {
		file_init(f, path, &path_file_ops, flags, cred);
		f->fmode = FMODE_PATH;
		atomic_store(&f->ref.n, 1);
		return f;
	}
	if (path->mnt->expiring)
		path->mnt->expiring = false;
	file_init(f, path, file_ops_of(path->dentry->inode), flags, cred);
	f->fmode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE;
	if (LINUX_S_ISREG(mode) || LINUX_S_ISDIR(mode))
		f->fmode |= FMODE_ATOMIC_POS;
	err = file_get_access(f, flags & LINUX_O_EXEC);
	if (!err && !f->ops)
		err = -LINUX_ENODEV;
	if (!err)
		err = leases_break(f->inode, flags);
	if (!err && f->fmode & FMODE_EXEC)
		err = fanotify_perm(f, LINUX_FAN_OPEN_EXEC_PERM);
	if (!err)
		err = fanotify_perm(f, LINUX_FAN_OPEN_PERM);
	if (!err && f->ops->open)
		err = f->ops->open(f->inode, f);
	/* They were for the opening only, as a terminal's open looks at O_NOCTTY. */
	atomic_fetch_and(&f->flags, ~(LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_NOCTTY | LINUX_O_TRUNC));
	if (err) {
		file_put_access(f);
		path_put(&f->path);
		cred_put(f->cred);
		file_free(f);
		return ERR_PTR(err);
	}
	atomic_store(&f->ref.n, 1);
	return f;
}

void fput(struct file *f)
{
	if (!ref_put(&f->ref))
		return;
	if (!(f->fmode & FMODE_PATH)) {
		fsnotify_file(f, f->fmode & FMODE_WRITE ? FS_CLOSE_WRITE : FS_CLOSE_NOWRITE);
		if (!list_empty(&f->ep_links))
			eventpoll_release_file(f);
		locks_remove_file(f);
		leases_remove_file(f);
		if (atomic_load(&f->flags) & LINUX_O_ASYNC && f->ops->fasync)
			f->ops->fasync(-1, f, false);
		if (f->ops->release)
			f->ops->release(f);
		file_put_access(f);
	}
	if (f->fmode & FMODE_NEED_UNMOUNT)
		mount_dissolve(f->path.mnt);
	path_put(&f->path);
	cred_put(f->cred);
	file_free(f);
}
