/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory files live in a tmpfs of their own that is mounted nowhere.
 */
#include "vfs/shmem.h"

#include <stdio.h>
#include <string.h>

#include "sentry/abi/mman.h"
#include "vfs/internal.h"
#include "vfs/mount.h"
#include "vfs/tmpfs/tmpfs.h"

static struct mount *shm_mount(void)
{
	static struct mutex lock = MUTEX_INIT;
	static struct mount *mnt;
	struct super_block *sb;
	struct mount *m;
	MUTEX_GUARD(&lock);

	if (mnt)
		return mnt;
	sb = tmpfs_sb_new(&tmpfs_type, 0, "size=0,nr_inodes=0");
	if (IS_ERR(sb))
		return (struct mount *)sb;
	m = mount_new(sb, sb->root, LINUX_MS_NOATIME);
	if (!IS_ERR(m))
		mnt = m;
	return m;
}

struct file *shmem_file_setup(const char *name, uint64_t size, uint32_t flags)
{
	struct mount *mnt = shm_mount();
	struct inode *inode;
	struct path path;
	struct file *f;

	if (IS_ERR(mnt))
		return (struct file *)mnt;
	inode = tmpfs_inode_new_unlinked(mnt->sb, 0777);
	if (IS_ERR(inode))
		return (struct file *)inode;
	inode->size = size;
	path = (struct path){ mnt, dentry_new_anon(mnt->sb, name, inode) };
	if (IS_ERR(path.dentry))
		return (struct file *)path.dentry;
	/* Not counted as a writer: a program may be started from its own memfd. */
	f = file_new_on(&path, inode->fops, flags | LINUX_O_RDWR | LINUX_O_LARGEFILE, NULL);
	dentry_put(path.dentry);
	if (!IS_ERR(f))
		f->fmode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE | FMODE_ATOMIC_POS;
	return f;
}

struct file *memfd_file_new(const char *name, unsigned flags)
{
	char full[NAME_MAX_LEN + 1];
	struct file *f;

	snprintf(full, sizeof(full), "/memfd:%s", name);
	f = shmem_file_setup(full, 0, 0);
	if (IS_ERR(f))
		return f;
	if (flags & LINUX_MFD_ALLOW_SEALING)
		f->inode->seals = 0;
	if (flags & LINUX_MFD_NOEXEC_SEAL) {
		f->inode->mode &= ~0111U;
		f->inode->seals = LINUX_F_SEAL_EXEC;
	}
	return f;
}

/* --- seals --- */

int memfd_get_seals(struct file *f)
{
	return f->inode->seals == SEALS_NONE ? -LINUX_EINVAL : (int)f->inode->seals;
}

int memfd_add_seals(struct file *f, unsigned seals)
{
	const unsigned all = LINUX_F_SEAL_SEAL | LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW | LINUX_F_SEAL_WRITE |
			     LINUX_F_SEAL_FUTURE_WRITE | LINUX_F_SEAL_EXEC;
	struct inode *inode = f->inode;
	int err = 0;

	if (!(f->fmode & FMODE_WRITE))
		return -LINUX_EPERM;
	if (seals & ~all)
		return -LINUX_EINVAL;
	rwlock_write(&inode->i_rwsem);
	if (inode->seals == SEALS_NONE)
		err = -LINUX_EINVAL;
	else if (inode->seals & LINUX_F_SEAL_SEAL)
		err = -LINUX_EPERM;
	else if (seals & LINUX_F_SEAL_WRITE && !(inode->seals & LINUX_F_SEAL_WRITE) &&
		 atomic_load(&inode->mapping.backing.nr_writable) > 0)
		err = -LINUX_EBUSY;
	else
		inode->seals |= seals;
	/* A program that may not change any more: neither its contents. */
	if (!err && seals & LINUX_F_SEAL_EXEC && inode->mode & 0111)
		inode->seals |=
			LINUX_F_SEAL_SHRINK | LINUX_F_SEAL_GROW | LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE;
	rwlock_unlock(&inode->i_rwsem);
	return err;
}

int64_t shmem_write_allowed(struct inode *inode, uint64_t pos, struct iov_iter *from)
{
	if (inode->seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE))
		return -LINUX_EPERM;
	/* As shmem_write_begin: a page that reaches past the end is refused whole. */
	if (inode->seals & LINUX_F_SEAL_GROW && pos + from->count > inode->size) {
		uint64_t room = inode->size > pos ? PAGE_DOWN(inode->size) : 0;

		if (room <= pos)
			return -LINUX_EPERM;
		iov_iter_truncate(from, room - pos);
	}
	return from->count;
}

int shmem_mmap_allowed(struct inode *inode, struct mmap_args *a)
{
	unsigned type = a->flags & LINUX_MAP_TYPE;

	if (!(inode->seals & (LINUX_F_SEAL_WRITE | LINUX_F_SEAL_FUTURE_WRITE)))
		return 0;
	if (type != LINUX_MAP_SHARED && type != LINUX_MAP_SHARED_VALIDATE)
		return 0;
	if (a->prot & LINUX_PROT_WRITE)
		return -LINUX_EPERM;
	a->may_write = false;
	return 0;
}
