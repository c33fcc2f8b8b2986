/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "vfs/overlayfs/ovl.h"

/* --- the table of inodes --- */

static struct list_head *bucket(struct ovl_sb_info *si, const struct inode *key)
{
	return &si->hash[((uintptr_t)key / 64 * 0x9e3779b97f4a7c15ULL) >> 56];
}

static struct inode *find_locked(struct ovl_sb_info *si, const struct inode *key)
{
	struct ovl_inode *oi;

	list_for_each_entry(oi, bucket(si, key), link)
		if (oi->key == key && ref_get_unless_zero(&oi->vfs.ref))
			return &oi->vfs;
	return NULL;
}

void ovl_rehash(struct ovl_inode *oi)
{
	struct ovl_sb_info *si = OVL_SB(oi->vfs.sb);
	MUTEX_GUARD(&si->hash_lock);

	list_del(&oi->link);
	oi->key = ovl_real_inode(oi);
	list_add(&oi->link, bucket(si, oi->key));
}

/* --- inodes --- */

void ovl_copyattr(struct inode *inode)
{
	struct inode *real = ovl_real_inode(OVL_I(inode));
	struct kstat st;

	if (vfs_getattr(ovl_real(OVL_I(inode)), &st))
		return;
	mutex_lock(&inode->i_lock);
	inode->mode = st.mode;
	inode->uid = st.uid;
	inode->gid = st.gid;
	WRITE_ONCE(inode->size, st.size);
	inode->blocks = st.blocks;
	inode->atime = st.atime;
	inode->mtime = st.mtime;
	inode->ctime = st.ctime;
	inode->btime = st.btime;
	inode->attr_flags = real->attr_flags;
	mutex_unlock(&inode->i_lock);
	atomic_store(&inode->nlink, LINUX_S_ISDIR(st.mode) ? 1 : st.nlink);
}

static void paths_put(const struct path *upper, const struct path *lower, unsigned nr_lower)
{
	if (upper && upper->dentry)
		path_put(upper);
	for (unsigned i = 0; i < nr_lower; i++)
		path_put(&lower[i]);
}

struct inode *ovl_inode_get(struct super_block *sb, struct ovl_inode *parent, const char *name, const struct path *upper,
			    const struct path *lower, unsigned nr_lower)
{
	struct ovl_sb_info *si = OVL_SB(sb);
	struct inode *real = upper && upper->dentry ? upper->dentry->inode : lower[0].dentry->inode, *found;
	bool is_dir = LINUX_S_ISDIR(real->mode);
	struct ovl_inode *oi = calloc(1, sizeof(*oi) + nr_lower * sizeof(*lower));

	if (oi && name) {
		oi->name = strdup(name);
		if (!oi->name) {
			free(oi);
			oi = NULL;
		}
	}
	if (!oi) {
		paths_put(upper, lower, nr_lower);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	inode_init(&oi->vfs, sb, real->sb == si->main ? real->ino : 0, real->mode, is_dir ? &ovl_dir_inode_ops : &ovl_file_inode_ops,
		   is_dir ? &ovl_dir_ops : &ovl_file_ops);
	if (real->sb != si->main && !is_dir) {
		/* As it is in its own file system, whose device says so. */
		oi->vfs.ino = real->ino;
		oi->vfs.dev = real->sb->dev;
	}
	oi->vfs.rdev = real->rdev;
	oi->vfs.sock = real->sock;
	mutex_init(&oi->lock);
	list_init(&oi->link);
	if (upper)
		oi->upper = *upper;
	for (unsigned i = 0; i < nr_lower; i++)
		oi->lower[i] = lower[i];
	oi->nr_lower = nr_lower;
	if (parent && !ovl_is_upper(oi)) {
		inode_get(&parent->vfs);
		oi->parent = parent;
	}
	ovl_copyattr(&oi->vfs);
	mutex_lock(&si->hash_lock);
	/* Names of one lower file are files of their own: a change is of one name. */
	found = is_dir || ovl_is_upper(oi) ? find_locked(si, real) : NULL;
	if (!found) {
		oi->key = real;
		list_add(&oi->link, bucket(si, real));
	}
	mutex_unlock(&si->hash_lock);
	if (!found)
		return &oi->vfs;
	inode_put(&oi->vfs);
	return found;
}

void ovl_free_inode(struct inode *inode)
{
	struct ovl_inode *oi = OVL_I(inode);
	struct ovl_sb_info *si = OVL_SB(inode->sb);

	mutex_lock(&si->hash_lock);
	list_del(&oi->link);
	mutex_unlock(&si->hash_lock);
	inode_fini(inode);
	paths_put(&oi->upper, oi->lower, oi->nr_lower);
	mutex_fini(&oi->lock);
	if (oi->parent)
		inode_put(&oi->parent->vfs);
	free(oi->name);
	free(oi);
}

/* --- lookup --- */

struct found {
	struct path upper, *lower;
	unsigned nr_lower;
	bool stop; /* nothing of what is below shows */
};

/* One layer's answer.  *ret with references; 0, 1 for nothing there, or -errno. */
static int layer_lookup(struct ovl_sb_info *si, const struct path *dir, const char *name, struct found *f, struct path *ret)
{
	struct dentry *d = real_lookup(dir->dentry, name);

	if (IS_ERR(d))
		return PTR_ERR(d);
	*ret = (struct path){ dir->mnt, d };
	if (!d->inode || ovl_is_whiteout(d->inode)) {
		f->stop = d->inode;
		dentry_put(d);
		return 1;
	}
	if (!LINUX_S_ISDIR(d->inode->mode) || ovl_is_opaque(si, ret))
		f->stop = true;
	ref_get(&dir->mnt->ref);
	return 0;
}

/* Into f->lower, which has room; what is no directory does not go below one. */
static int lower_lookup(struct ovl_inode *dir, const char *name, struct found *f)
{
	struct ovl_sb_info *si = OVL_SB(dir->vfs.sb);
	bool have = f->upper.dentry;

	for (unsigned i = 0; i < dir->nr_lower && !f->stop; i++) {
		struct path p;
		int err = layer_lookup(si, &dir->lower[i], name, f, &p);

		if (err < 0)
			return err;
		if (err)
			continue;
		if (have && !LINUX_S_ISDIR(p.dentry->inode->mode)) {
			path_put(&p);
			break;
		}
		f->lower[f->nr_lower++] = p;
		have = true;
	}
	return 0;
}

struct inode *ovl_lookup(struct inode *inode, const char *name)
{
	struct ovl_inode *dir = OVL_I(inode);
	struct found f = { { NULL, NULL }, calloc(dir->nr_lower + 1, sizeof(struct path)), 0, false };
	struct inode *ret;
	int err = f.lower ? 0 : -LINUX_ENOMEM;
	OVL_CREDS(inode->sb);

	if (!err && ovl_is_upper(dir)) {
		err = layer_lookup(OVL_SB(inode->sb), &dir->upper, name, &f, &f.upper);
		if (err)
			f.upper = (struct path){ NULL, NULL };
		err = MIN(err, 0);
	}
	if (!err)
		err = lower_lookup(dir, name, &f);
	if (!err && !f.upper.dentry && !f.nr_lower)
		err = -LINUX_ENOENT;
	if (err) {
		paths_put(&f.upper, f.lower, f.nr_lower);
		ret = ERR_PTR(err);
	} else {
		ret = ovl_inode_get(inode->sb, dir, name, &f.upper, f.lower, f.nr_lower);
	}
	free(f.lower);
	return ret;
}

int ovl_lower_has(struct inode *inode, const char *name)
{
	struct ovl_inode *dir = OVL_I(inode);
	struct found f = { { NULL, NULL }, calloc(dir->nr_lower + 1, sizeof(struct path)), 0, false };
	int err = f.lower ? lower_lookup(dir, name, &f) : -LINUX_ENOMEM, has = f.nr_lower > 0;

	paths_put(NULL, f.lower, f.nr_lower);
	free(f.lower);
	return err ? err : has;
}

/* --- attributes --- */

static int ovl_getattr(struct inode *inode, struct kstat *ret)
{
	const struct path *real = ovl_real(OVL_I(inode));
	OVL_CREDS(inode->sb);
	int err = vfs_getattr(real, ret);

	if (err)
		return err;
	ret->dev = inode->dev ? inode->dev : inode->sb->dev;
	ret->ino = inode->ino;
	if (LINUX_S_ISDIR(inode->mode) && OVL_I(inode)->nr_lower)
		ret->nlink = 1;
	if (OVL_I(inode)->gone && !ovl_is_upper(OVL_I(inode)))
		ret->nlink = 0;
	return 0;
}

static int ovl_setattr(struct inode *inode, const struct iattr *attr)
{
	struct ovl_inode *oi = OVL_I(inode);
	struct iattr copy = *attr;
	struct inode *real;
	OVL_CREDS(inode->sb);
	int err = ovl_copy_up(inode, attr->valid & ATTR_SIZE ? attr->size : UINT64_MAX);

	if (err)
		return err;
	real = ovl_real_inode(oi);
	rwlock_write(&real->i_rwsem);
	err = inode_setattr_locked(real, &copy);
	rwlock_unlock(&real->i_rwsem);
	ovl_copyattr(inode);
	return err;
}

static int ovl_readlink(struct inode *inode, struct strbuf *ret)
{
	struct inode *real = ovl_real_inode(OVL_I(inode));

	return real->ops->readlink ? real->ops->readlink(real, ret) : -LINUX_EINVAL;
}

/* --- extended attributes: our own are not to be seen --- */

static bool is_own(const struct inode *inode, const char *name)
{
	const char *opaque = OVL_SB(inode->sb)->opaque;

	return !strncmp(name, opaque, strlen(opaque) - strlen("opaque"));
}

static int64_t ovl_getxattr(struct inode *inode, const char *name, void *buf, size_t size)
{
	struct inode *real = ovl_real_inode(OVL_I(inode));

	if (is_own(inode, name))
		return -LINUX_ENODATA;
	return real->ops->getxattr ? real->ops->getxattr(real, name, buf, size) : -LINUX_EOPNOTSUPP;
}

static int ovl_setxattr(struct inode *inode, const char *name, const void *value, size_t size, int flags)
{
	OVL_CREDS(inode->sb);
	int err = is_own(inode, name) ? -LINUX_EPERM : ovl_copy_up(inode, UINT64_MAX);

	if (!err)
		err = vfs_setxattr(&OVL_I(inode)->upper, name, value, size, flags);
	ovl_copyattr(inode);
	return err;
}

static int ovl_removexattr(struct inode *inode, const char *name)
{
	struct inode *real = ovl_real_inode(OVL_I(inode));
	OVL_CREDS(inode->sb);
	int64_t n = !real->ops->getxattr ? -LINUX_EOPNOTSUPP : is_own(inode, name) ? -LINUX_ENODATA :
									      real->ops->getxattr(real, name, NULL, 0);
	int err = n < 0 ? (int)n : ovl_copy_up(inode, UINT64_MAX);

	if (!err)
		err = vfs_removexattr(&OVL_I(inode)->upper, name);
	ovl_copyattr(inode);
	return err;
}

static int ovl_listxattr(struct inode *inode, struct strbuf *ret)
{
	_cleanup_strbuf_ struct strbuf all = STRBUF_INIT;
	struct inode *real = ovl_real_inode(OVL_I(inode));
	int err = real->ops->listxattr ? real->ops->listxattr(real, &all) : 0;

	for (size_t at = 0; !err && at < all.len; at += strlen(all.buf + at) + 1)
		if (!is_own(inode, all.buf + at))
			strbuf_add(ret, all.buf + at, strlen(all.buf + at) + 1);
	return err;
}

const struct inode_ops ovl_dir_inode_ops = {
	.lookup = ovl_lookup,
	.mknod = ovl_mknod,
	.mkdir = ovl_mkdir,
	.symlink = ovl_symlink,
	.link = ovl_link,
	.unlink = ovl_unlink,
	.rmdir = ovl_rmdir,
	.rename = ovl_rename,
	.getattr = ovl_getattr,
	.setattr = ovl_setattr,
	.getxattr = ovl_getxattr,
	.setxattr = ovl_setxattr,
	.removexattr = ovl_removexattr,
	.listxattr = ovl_listxattr,
};

const struct inode_ops ovl_file_inode_ops = {
	.readlink = ovl_readlink,
	.getattr = ovl_getattr,
	.setattr = ovl_setattr,
	.getxattr = ovl_getxattr,
	.setxattr = ovl_setxattr,
	.removexattr = ovl_removexattr,
	.listxattr = ovl_listxattr,
};
