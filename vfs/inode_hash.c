/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/inode_hash.h"

#include <stdlib.h>

#define INITIAL_BUCKETS 256

static struct list_head *buckets_new(unsigned nr)
{
	struct list_head *buckets = malloc(nr * sizeof(*buckets));

	for (unsigned i = 0; buckets && i < nr; i++)
		list_init(&buckets[i]);
	return buckets;
}

int inode_hash_init(struct inode_hash *h)
{
	mutex_init(&h->lock);
	h->nr = 0;
	h->nr_buckets = INITIAL_BUCKETS;
	h->buckets = buckets_new(h->nr_buckets);
	return h->buckets ? 0 : -LINUX_ENOMEM;
}

void inode_hash_fini(struct inode_hash *h)
{
	free(h->buckets);
	h->buckets = NULL;
	mutex_fini(&h->lock);
}

static struct list_head *bucket_of(struct inode_hash *h, uint64_t dev, uint64_t ino)
{
	uint64_t key = (ino ^ dev * 0x9e3779b97f4a7c15ULL) * 0xff51afd7ed558ccdULL;

	return &h->buckets[(key >> 32) & (h->nr_buckets - 1)];
}

/* A failed allocation only makes look-ups slower. */
static void grow_locked(struct inode_hash *h)
{
	struct inode_hash bigger = { .nr_buckets = h->nr_buckets * 2 };
	struct inode *inode, *tmp;

	bigger.buckets = buckets_new(bigger.nr_buckets);
	if (!bigger.buckets)
		return;
	for (unsigned i = 0; i < h->nr_buckets; i++)
		list_for_each_entry_safe(inode, tmp, &h->buckets[i], s_link)
			list_move_tail(&inode->s_link, bucket_of(&bigger, inode->dev, inode->ino));
	free(h->buckets);
	h->buckets = bigger.buckets;
	h->nr_buckets = bigger.nr_buckets;
}

static struct inode *find_locked(struct inode_hash *h, uint64_t dev, uint64_t ino)
{
	struct inode *inode;

	list_for_each_entry(inode, bucket_of(h, dev, ino), s_link)
		if (inode->ino == ino && inode->dev == dev && ref_get_unless_zero(&inode->ref))
			return inode;
	return NULL;
}

struct inode *inode_hash_find(struct inode_hash *h, uint64_t dev, uint64_t ino)
{
	MUTEX_GUARD(&h->lock);

	return find_locked(h, dev, ino);
}

bool inode_hash_busy(struct inode_hash *h, uint64_t dev, uint64_t ino)
{
	struct inode *inode;
	MUTEX_GUARD(&h->lock);

	list_for_each_entry(inode, bucket_of(h, dev, ino), s_link)
		if (inode->ino == ino && inode->dev == dev)
			return true;
	return false;
}

struct inode *inode_hash_insert(struct inode_hash *h, struct inode *inode)
{
	struct inode *old;
	MUTEX_GUARD(&h->lock);

	old = find_locked(h, inode->dev, inode->ino);
	if (old)
		return old;
	if (h->nr >= h->nr_buckets && h->nr_buckets < (1U << 24))
		grow_locked(h);
	list_add(&inode->s_link, bucket_of(h, inode->dev, inode->ino));
	h->nr++;
	return NULL;
}

void inode_hash_remove(struct inode_hash *h, struct inode *inode)
{
	MUTEX_GUARD(&h->lock);

	if (list_empty(&inode->s_link))
		return;
	list_del(&inode->s_link);
	h->nr--;
}

int inode_hash_for_each(struct inode_hash *h, void (*fn)(struct inode *inode, void *arg), void *arg)
{
	struct inode **all, *inode;
	unsigned nr = 0;

	mutex_lock(&h->lock);
	all = malloc((h->nr + 1) * sizeof(*all));
	for (unsigned i = 0; all && i < h->nr_buckets; i++)
		list_for_each_entry(inode, &h->buckets[i], s_link)
			if (ref_get_unless_zero(&inode->ref))
				all[nr++] = inode;
	mutex_unlock(&h->lock);
	if (!all)
		return -LINUX_ENOMEM;
	for (unsigned i = 0; i < nr; i++) {
		fn(all[i], arg);
		inode_put(all[i]);
	}
	free(all);
	return 0;
}
