/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs from the lower file system.  All changed inodes are on one list.
 *
 * A changed inode that stands for a lower one can be reached through the lower's names, which hold nothing; so it pins
 * itself as long as it has a name.  New inodes are held by the entries that name them.
 */
#include "vfs/overlay/overlay_fs.h"

void overlay_changed(struct inode *inode, unsigned what)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	struct overlay_sb_info *es = OVERLAY_SB(inode->sb);

	if ((atomic_load_explicit(&oi->changes, memory_order_relaxed) & what) == what)
		return;
	if (atomic_fetch_or(&oi->changes, what))
		return;
	MUTEX_GUARD(&es->lock);
	list_add_tail(&oi->changed_link, &es->changed);
	/* overlay_unlinked sets the count to 0 before it takes the lock: either it sees the pin, or we see the 0. */
	if (oi->lower && atomic_load(&inode->nlink)) {
		oi->pinned = true;
		inode_get(inode);
	}
}

void overlay_unlinked(struct inode *inode)
{
	struct overlay_inode_info *oi = OVERLAY_I(inode);
	struct overlay_sb_info *es = OVERLAY_SB(inode->sb);
	bool unpin;

	mutex_lock(&es->lock);
	unpin = oi->pinned;
	oi->pinned = false;
	mutex_unlock(&es->lock);
	if (unpin)
		inode_put(inode);
}

/*
 * In three rounds, so that freeing a directory never frees the directories below it from inside: the guest may have made
 * them deeper than the stack.
 */
void overlay_forget_changes(struct overlay_sb_info *es)
{
	struct overlay_inode_info *oi, *tmp;

	list_for_each_entry(oi, &es->changed, changed_link)
		inode_get(&oi->vfs);
	list_for_each_entry(oi, &es->changed, changed_link)
		overlay_dir_free(oi);
	list_for_each_entry_safe(oi, tmp, &es->changed, changed_link) {
		overlay_unlinked(&oi->vfs);
		inode_put(&oi->vfs);
	}
}
