/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A table of live inodes by (dev, ino), for file systems that must show one inode for all names of a file.
 *
 * The table holds no references: an inode leaves it in its file system's free_inode.  An inode that is found while its
 * last reference is being dropped is not returned, so a short time two inodes of one key can exist; only the living one
 * is found.  inode->s_link is the table's.
 *
 * Locks: `lock` is a leaf.
 */
#ifndef SENTRY_VFS_INODE_HASH_H
#define SENTRY_VFS_INODE_HASH_H

#include "vfs/vfs.h"

struct inode_hash {
	struct mutex lock;
	struct list_head *buckets; /* lock */
	unsigned nr_buckets, nr;   /* lock; a power of two */
};

/* 0 or -LINUX_ENOMEM. */
int inode_hash_init(struct inode_hash *h);
/* Inodes still in it stay as they are; they must not be removed any more. */
void inode_hash_fini(struct inode_hash *h);
/* The living inode of that key with a reference, or NULL. */
struct inode *inode_hash_find(struct inode_hash *h, uint64_t dev, uint64_t ino);
/* Whether an inode of that key is in the table, living or on its way out. */
bool inode_hash_busy(struct inode_hash *h, uint64_t dev, uint64_t ino);
/*
 * Puts @inode, whose s_link is initialised and on no list, into the table under its own dev and ino.  When another living
 * one is there already, that one is returned with a reference and nothing is changed; else NULL.
 */
struct inode *inode_hash_insert(struct inode_hash *h, struct inode *inode);
/* No effect when @inode is not in the table. */
void inode_hash_remove(struct inode_hash *h, struct inode *inode);
/*
 * Calls @fn for each living inode with a reference held and no lock.  @fn may do anything but wait for the caller.  Inodes
 * that come or go meanwhile may be missed.  0, or -LINUX_ENOMEM before any call.
 */
int inode_hash_for_each(struct inode_hash *h, void (*fn)(struct inode *inode, void *arg), void *arg);

#endif
