/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dentry cache.
 *
 * A dentry in the hash holds a reference to its parent, and the hash holds one reference to it.  So a cached dentry that
 * nobody uses has a count of exactly 1 and no children in the cache, and since a new user can come only through the hash (under
 * dcache_lock), reclaim under dcache_lock for writing may take it.  Looking a name up and putting it never touch a list:
 * reclaim is a clock hand over the LRU list that gives recently used dentries (`referenced`) a second round.
 *
 * Inodes are put outside the lock, because the last put of one may sleep in its filesystem.
 */
#include <stdlib.h>
#include <string.h>

#include "vfs/fsnotify.h"
#include "vfs/internal.h"

#define HASH_BITS 17
#define DENTRIES_MAX 163840 /* above it, every insertion pays for some reclaim */
#define RECLAIM_BATCH 64

struct rwlock dcache_lock = { PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP };

static struct dentry *hash_table[1 << HASH_BITS]; /* dcache_lock */
static LIST_HEAD(dentry_lru);			  /* dcache_lock; every dentry in the hash */
static atomic_ulong nr_dentries;

uint32_t dentry_hash(const struct dentry *parent, const char *name, size_t len)
{
	uint64_t h = (uintptr_t)parent >> 4;

	while (len >= 8) {
		uint64_t word;

		memcpy(&word, name, 8);
		h = (h ^ word) * 0x9fb21c651e98df25ULL;
		h ^= h >> 32;
		name += 8;
		len -= 8;
	}
	while (len--)
		h = (h ^ (unsigned char)*name++) * 0x100000001b3ULL;
	h *= 0x9e3779b97f4a7c15ULL;
	return h >> 32;
}

static struct dentry **hash_bucket(uint32_t hash)
{
	return &hash_table[hash >> (32 - HASH_BITS)];
}

static void hash_insert_locked(struct dentry *d)
{
	struct dentry **bucket = hash_bucket(d->hash);

	d->hash_next = *bucket;
	if (d->hash_next)
		d->hash_next->hash_pprev = &d->hash_next;
	d->hash_pprev = bucket;
	*bucket = d;
}

static void hash_remove_locked(struct dentry *d)
{
	*d->hash_pprev = d->hash_next;
	if (d->hash_next)
		d->hash_next->hash_pprev = d->hash_pprev;
	d->hash_pprev = NULL;
	d->hash_next = NULL;
}

struct dentry *dcache_find_locked(const struct dentry *parent, const char *name, size_t len)
{
	uint32_t hash = dentry_hash(parent, name, len);

	for (struct dentry *d = *hash_bucket(hash); d; d = d->hash_next) {
		if (d->hash != hash || d->parent != parent || d->name_len != len || memcmp(d->name, name, len))
			continue;
		if (!atomic_load_explicit(&d->referenced, memory_order_relaxed))
			atomic_store_explicit(&d->referenced, true, memory_order_relaxed);
		return d;
	}
	return NULL;
}

struct dentry *dcache_find(const struct dentry *parent, const char *name, size_t len)
{
	struct dentry *d;

	rwlock_read(&dcache_lock);
	d = dcache_find_locked(parent, name, len);
	if (d)
		dentry_get(d);
	rwlock_unlock(&dcache_lock);
	return d;
}

/* --- storage and references --- */

static void dentry_name_free(struct dentry *d)
{
	if (d->name != d->iname)
		free(d->name);
}

static int dentry_name_set(struct dentry *d, const char *name, size_t len)
{
	d->name = d->iname;
	if (len >= sizeof(d->iname)) {
		d->name = malloc(len + 1);
		if (!d->name)
			return -LINUX_ENOMEM;
	}
	memcpy(d->name, name, len);
	d->name[len] = '\0';
	d->name_len = len;
	return 0;
}

/* A dentry outside the hash with one reference.  Takes @inode, on failure too. */
static struct dentry *dentry_alloc(struct super_block *sb, struct dentry *parent, const char *name, size_t len,
				   struct inode *inode)
{
	struct dentry *d = calloc(1, sizeof(*d));

	if (!d || dentry_name_set(d, name, len)) {
		free(d);
		if (inode)
			inode_put(inode);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	ref_init(&d->ref);
	d->sb = sb;
	d->inode = inode;
	d->parent = parent ? parent : d;
	if (parent)
		dentry_get(parent);
	list_init(&d->children);
	list_init(&d->child_link);
	list_init(&d->lru);
	atomic_fetch_add_explicit(&nr_dentries, 1, memory_order_relaxed);
	return d;
}

/* Drops a dentry's inode.  With the last dentry of an unlinked file, open or not, its watchers hear that it went. */
static void dentry_inode_put(struct inode *inode)
{
	if (fsnotify_active() && (!atomic_load(&inode->nlink) || inode->dead))
		fsnotify_inode(inode, FS_DELETE_SELF);
	inode_put(inode);
}

void dentry_get(struct dentry *d)
{
	ref_get(&d->ref);
}

void dentry_put(struct dentry *d)
{
	while (d && ref_put(&d->ref)) {
		struct dentry *parent = d->parent == d ? NULL : d->parent;

		BUG_ON(d->hash_pprev);
		if (d->inode)
			dentry_inode_put(d->inode);
		dentry_name_free(d);
		free(d);
		atomic_fetch_sub_explicit(&nr_dentries, 1, memory_order_relaxed);
		d = parent;
	}
}

void path_get(const struct path *p)
{
	ref_get(&p->mnt->ref);
	dentry_get(p->dentry);
}

void path_put(const struct path *p)
{
	dentry_put(p->dentry);
	mount_put(p->mnt);
}

struct dentry *dentry_new_root(struct super_block *sb, struct inode *root)
{
	return dentry_alloc(sb, NULL, "/", 1, root);
}

struct dentry *dentry_new_anon(struct super_block *sb, const char *name, struct inode *inode)
{
	struct dentry *d = dentry_alloc(sb, NULL, name, strlen(name), inode);

	if (IS_ERR(d))
		return d;
	d->anon = true;
	d->unhashed = true;
	return d;
}

struct dentry *dentry_new_unlinked(struct dentry *parent, const char *name, struct inode *inode)
{
	struct dentry *d = dentry_alloc(parent->sb, parent, name, strlen(name), inode);

	if (!IS_ERR(d))
		d->unhashed = true;
	return d;
}

uint64_t dcache_nr_dentries(void)
{
	return atomic_load(&nr_dentries);
}

/* --- the cache --- */

static bool is_below_locked(const struct dentry *d, const struct dentry *ancestor)
{
	while (d != ancestor && d->parent != d)
		d = d->parent;
	return d == ancestor;
}

/* Enters @d; the hash takes a reference. */
static void dentry_hash_locked(struct dentry *d)
{
	dentry_get(d);
	d->hash = dentry_hash(d->parent, d->name, d->name_len);
	hash_insert_locked(d);
	list_add_tail(&d->child_link, &d->parent->children);
	list_add_tail(&d->lru, &dentry_lru);
}

/* Takes @d out and puts the hash's reference on @dispose (by lru link). */
static void dentry_unhash_locked(struct dentry *d, struct list_head *dispose)
{
	hash_remove_locked(d);
	list_del(&d->child_link);
	list_del(&d->lru);
	list_add_tail(&d->lru, dispose);
}

static void dispose_all(struct list_head *dispose)
{
	while (!list_empty(dispose)) {
		struct dentry *d = list_first_entry(dispose, struct dentry, lru);

		list_del(&d->lru);
		dentry_put(d);
	}
}

static void dcache_reclaim(void)
{
	LIST_HEAD(dispose);
	unsigned scan = 4 * RECLAIM_BATCH, freed = 0;

	rwlock_write(&dcache_lock);
	while (scan-- && freed < RECLAIM_BATCH && !list_empty(&dentry_lru)) {
		struct dentry *d = list_first_entry(&dentry_lru, struct dentry, lru);

		if (ref_read(&d->ref) > 1 || d->nr_pins || atomic_exchange(&d->referenced, false)) {
			list_move_tail(&d->lru, &dentry_lru);
			continue;
		}
		dentry_unhash_locked(d, &dispose);
		freed++;
	}
	rwlock_unlock(&dcache_lock);
	dispose_all(&dispose);
}

struct dentry *dcache_add(struct dentry *parent, const char *name, size_t len, struct inode *inode)
{
	struct dentry *d = dentry_alloc(parent->sb, parent, name, len, inode), *other;

	if (IS_ERR(d) || parent->sb->no_dcache)
		return d;
	rwlock_write(&dcache_lock);
	other = dcache_find_locked(parent, name, len);
	if (other)
		dentry_get(other);
	else
		dentry_hash_locked(d);
	rwlock_unlock(&dcache_lock);
	if (other) {
		dentry_put(d);
		return other;
	}
	if (atomic_load_explicit(&nr_dentries, memory_order_relaxed) > DENTRIES_MAX)
		dcache_reclaim();
	return d;
}

void dentry_pin_locked(struct dentry *d)
{
	for (; d->sb->no_dcache && d->parent != d; d = d->parent)
		if (!d->nr_pins++ && !d->hash_pprev && !d->unhashed)
			dentry_hash_locked(d);
}

void dentry_unpin(struct dentry *d)
{
	LIST_HEAD(dispose);

	rwlock_write(&dcache_lock);
	for (; d->sb->no_dcache && d->parent != d; d = d->parent)
		if (!--d->nr_pins && d->hash_pprev)
			dentry_unhash_locked(d, &dispose);
	rwlock_unlock(&dcache_lock);
	dispose_all(&dispose);
}

void dentry_instantiate(struct dentry *d, struct inode *inode)
{
	rwlock_write(&dcache_lock);
	BUG_ON(d->inode);
	d->inode = inode;
	rwlock_unlock(&dcache_lock);
}

/* Unhashes the whole cached tree below @d, children before parents on @dispose. */
static void unhash_children_locked(struct dentry *d, struct list_head *dispose)
{
	LIST_HEAD(work);
	struct dentry *child, *tmp;

	/* Breadth first over a work list: every dentry's children come behind it. */
	list_for_each_entry_safe(child, tmp, &d->children, child_link)
		if (!child->nr_mounts)
			list_move_tail(&child->lru, &work);
	for (child = list_first_entry(&work, struct dentry, lru); &child->lru != &work;
	     child = list_next_entry(child, lru)) {
		struct dentry *grandchild;

		list_for_each_entry_safe(grandchild, tmp, &child->children, child_link)
			if (!grandchild->nr_mounts)
				list_move_tail(&grandchild->lru, &work);
	}
	while (!list_empty(&work)) {
		child = list_last_entry(&work, struct dentry, lru);
		dentry_unhash_locked(child, dispose);
	}
}

/* Unhashes what nobody uses below @root.  Whether there was any; parents lose their last user when @dispose goes. */
static bool unhash_unused_locked(struct dentry *root, struct list_head *dispose)
{
	struct dentry *d, *tmp;

	list_for_each_entry_safe(d, tmp, &dentry_lru, lru)
		if (d->sb == root->sb && ref_read(&d->ref) == 1 && !d->nr_pins && d != root && is_below_locked(d, root))
			dentry_unhash_locked(d, dispose);
	return !list_empty(dispose);
}

void dcache_shrink_tree(struct dentry *root)
{
	bool again;

	do {
		LIST_HEAD(dispose);

		rwlock_write(&dcache_lock);
		again = unhash_unused_locked(root, &dispose);
		rwlock_unlock(&dcache_lock);
		dispose_all(&dispose);
	} while (again);
}

void dentry_drop(struct dentry *d)
{
	LIST_HEAD(dispose);

	rwlock_write(&dcache_lock);
	if (d->hash_pprev && !d->nr_mounts) {
		unhash_children_locked(d, &dispose);
		dentry_unhash_locked(d, &dispose);
	}
	rwlock_unlock(&dcache_lock);
	dispose_all(&dispose);
}

void dentry_delete(struct dentry *d)
{
	struct inode *inode = NULL;
	LIST_HEAD(dispose);

	rwlock_write(&dcache_lock);
	unhash_children_locked(d, &dispose);
	rwlock_unlock(&dcache_lock);
	dispose_all(&dispose);

	rwlock_write(&dcache_lock);
	if (d->hash_pprev && ref_read(&d->ref) == 2) {
		/* Only the hash and the caller: it stays as a negative entry. */
		inode = d->inode;
		d->inode = NULL;
	} else {
		d->unhashed = true;
		if (d->hash_pprev)
			dentry_unhash_locked(d, &dispose);
	}
	rwlock_unlock(&dcache_lock);
	if (inode)
		dentry_inode_put(inode);
	dispose_all(&dispose);
}

/* --- renames --- */

/* Gives @d the name and parent; storage of the old name goes to *ret_old.  The hash is brought up to date. */
static void dentry_place_locked(struct dentry *d, struct dentry *parent, struct dentry *name_from)
{
	bool hashed = d->hash_pprev;

	if (hashed) {
		hash_remove_locked(d);
		list_del(&d->child_link);
	}
	dentry_name_free(d);
	if (name_from->name == name_from->iname) {
		memcpy(d->iname, name_from->iname, sizeof(d->iname));
		d->name = d->iname;
	} else {
		d->name = name_from->name;
	}
	d->name_len = name_from->name_len;
	d->parent = parent;
	d->hash = dentry_hash(parent, d->name, d->name_len);
	if (hashed) {
		hash_insert_locked(d);
		list_add_tail(&d->child_link, &parent->children);
	}
}

int dentry_move(struct dentry *d, struct dentry *new_parent, const char *name, struct dentry *target)
{
	struct dentry carrier, *old_parent, *stale;
	LIST_HEAD(dispose);
	int err = dentry_name_set(&carrier, name, strlen(name));

	if (err)
		return err;
	rwlock_write(&dcache_lock);
	if (target && target->hash_pprev) {
		unhash_children_locked(target, &dispose);
		dentry_unhash_locked(target, &dispose);
	}
	if (target && target->inode)
		target->unhashed = true;
	/* A negative entry another lookup may have left at the new name. */
	stale = dcache_find_locked(new_parent, carrier.name, carrier.name_len);
	if (stale && stale != d && !stale->nr_mounts) {
		unhash_children_locked(stale, &dispose);
		dentry_unhash_locked(stale, &dispose);
	}
	old_parent = d->parent;
	dentry_get(new_parent);
	dentry_place_locked(d, new_parent, &carrier);
	rwlock_unlock(&dcache_lock);
	dentry_put(old_parent);
	dispose_all(&dispose);
	return 0;
}

int dentry_exchange(struct dentry *a, struct dentry *b)
{
	struct dentry carry_a, carry_b, *parent_a, *parent_b;

	if (dentry_name_set(&carry_a, a->name, a->name_len))
		return -LINUX_ENOMEM;
	if (dentry_name_set(&carry_b, b->name, b->name_len)) {
		dentry_name_free(&carry_a);
		return -LINUX_ENOMEM;
	}
	rwlock_write(&dcache_lock);
	/* Each parent loses one child and gains one: the references stay as they are. */
	parent_a = a->parent;
	parent_b = b->parent;
	dentry_place_locked(a, parent_b, &carry_b);
	dentry_place_locked(b, parent_a, &carry_a);
	rwlock_unlock(&dcache_lock);
	return 0;
}

bool dentry_is_below(struct dentry *d, const struct dentry *ancestor)
{
	bool below;

	rwlock_read(&dcache_lock);
	below = is_below_locked(d, ancestor);
	rwlock_unlock(&dcache_lock);
	return below;
}
