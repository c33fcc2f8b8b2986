/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The anonymous super block.  Its inodes have no name in any tree; their dentries are unhashed and carry the text that
 * /proc/pid/fd shows.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "vfs/anon/anon.h"

static void anon_free_inode(struct inode *inode)
{
	if (inode->ops && inode->ops->free_anon)
		inode->ops->free_anon(inode);
	inode_fini(inode);
	free(inode);
}

static int anon_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	*ret = (struct linux_statfs){ .f_type = (int64_t)sb->magic, .f_bsize = PAGE_SIZE, .f_namelen = NAME_MAX_LEN,
				      .f_frsize = PAGE_SIZE };
	return 0;
}

static const struct super_ops anon_super_ops = { .free_inode = anon_free_inode, .statfs = anon_statfs };
static const struct fs_type anon_type = { .name = "anon_inodefs", .nodev = true };

enum anon_kind { ANON_INODES, ANON_PIPES, ANON_SOCKETS, NR_ANON_KINDS };

/* What fstatfs(2) tells of each kind. */
static const uint64_t anon_magic[NR_ANON_KINDS] = { 0x09041934, 0x50495045, 0x534f434b };

/* One super block for each kind, made on first use and kept for the life of the sentry, with its only mount. */
static struct mutex anon_lock = MUTEX_INIT;
static struct mount *anon_mounts[NR_ANON_KINDS]; /* anon_lock to set */

static enum anon_kind anon_kind_of(uint32_t mode)
{
	return LINUX_S_ISFIFO(mode) ? ANON_PIPES : LINUX_S_ISSOCK(mode) ? ANON_SOCKETS : ANON_INODES;
}

static int anon_init(enum anon_kind kind)
{
	MUTEX_GUARD(&anon_lock);
	struct super_block *sb;
	struct mount *mnt;

	if (anon_mounts[kind])
		return 0;
	sb = sb_new(&anon_type, &anon_super_ops);
	if (IS_ERR(sb))
		return (int)PTR_ERR(sb);
	sb->magic = anon_magic[kind];
	sb->blksize = PAGE_SIZE;
	mnt = calloc(1, sizeof(*mnt));
	if (!mnt) {
		sb_put(sb);
		return -LINUX_ENOMEM;
	}
	ref_init(&mnt->ref);
	mnt->sb = sb;
	list_init(&mnt->ns_link);
	list_init(&mnt->children);
	list_init(&mnt->child_link);
	anon_mounts[kind] = mnt;
	return 0;
}

/* "pipe:[" becomes "pipe:[123]": objects that are told apart by their inode number. */
static void anon_name(char *buf, size_t size, const char *name, uint64_t ino)
{
	size_t len = strlen(name);

	if (len >= 2 && name[len - 1] == '[' && name[len - 2] == ':')
		snprintf(buf, size, "%s%llu]", name, (unsigned long long)ino);
	else
		snprintf(buf, size, "%s", name);
}

struct file *anon_file_new(const char *name, uint32_t mode, const struct file_ops *ops, uint32_t flags, void *private_data)
{
	struct dentry *dentry;
	struct inode *inode;
	struct file *f;
	char buf[NAME_MAX_LEN + 1];
	enum anon_kind kind = anon_kind_of(mode);
	int err = anon_init(kind);

	if (err)
		return ERR_PTR(err);
	inode = inode_new(anon_mounts[kind]->sb, 0, mode, NULL, ops);
	if (IS_ERR(inode))
		return (struct file *)inode;
	/* The others belong to root, as the one inode that they share in Linux does. */
	if (kind != ANON_INODES) {
		inode->uid = current_cred->fsuid;
		inode->gid = current_cred->fsgid;
	}
	anon_name(buf, sizeof(buf), name, inode->ino);
	dentry = dentry_new_anon(anon_mounts[kind]->sb, buf, inode);
	if (IS_ERR(dentry))
		return (struct file *)dentry;
	f = file_new_on(&(struct path){ anon_mounts[kind], dentry }, ops, flags, private_data);
	dentry_put(dentry);
	return f;
}

struct file *anon_file_again(struct file *f, const struct file_ops *ops, uint32_t flags, void *private_data)
{
	return file_new_on(&f->path, ops, flags, private_data);
}
