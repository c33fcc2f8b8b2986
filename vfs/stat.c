/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/internal.h"

int vfs_getattr(const struct path *path, struct kstat *ret)
{
	struct inode *inode = path->dentry->inode;
	struct kstat st;
	int err = inode->ops->getattr ? inode->ops->getattr(inode, &st) : generic_getattr(inode, &st);

	if (err)
		return err;
	st.mnt_id = path->mnt->id;
	st.attributes_mask |= LINUX_STATX_ATTR_MOUNT_ROOT;
	if (path->dentry == path->mnt->root && path->mnt->ns)
		st.attributes |= LINUX_STATX_ATTR_MOUNT_ROOT;
	*ret = st;
	return 0;
}
