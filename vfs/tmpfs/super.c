/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "vfs/tmpfs/tmpfs_fs.h"

/* --- inodes --- */

struct inode *tmpfs_inode_new(struct super_block *sb, const struct inode *dir, uint32_t mode, uint64_t rdev)
{
	struct tmpfs_sb_info *si = TMPFS_SB(sb);
	const struct inode_ops *ops = &tmpfs_file_inode_ops;
	const struct file_ops *fops = NULL;
	struct tmpfs_inode *ti;

	if (atomic_fetch_add(&si->nr_inodes, 1) >= si->max_inodes && si->max_inodes) {
		atomic_fetch_sub(&si->nr_inodes, 1);
		return ERR_PTR(-LINUX_ENOSPC);
	}
	ti = calloc(1, sizeof(*ti));
	if (!ti) {
		atomic_fetch_sub(&si->nr_inodes, 1);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	if (LINUX_S_ISDIR(mode)) {
		ops = &tmpfs_dir_inode_ops;
		fops = &tmpfs_dir_ops;
	} else if (LINUX_S_ISLNK(mode)) {
		ops = &tmpfs_symlink_inode_ops;
	} else if (LINUX_S_ISREG(mode)) {
		fops = &tmpfs_file_ops;
	}
	inode_init(&ti->vfs, sb, 0, mode, ops, fops);
	inode_init_owner(&ti->vfs, dir, mode);
	ti->vfs.rdev = rdev;
	ti->next_pos = 2;
	mutex_init(&ti->xattr_lock);
	list_init(&ti->xattrs);
	if (LINUX_S_ISREG(mode)) {
		ti->vfs.mapping.ops = &tmpfs_mapping_ops;
		ti->vfs.mapping.backing.shmem = true;
		ti->vfs.seals = LINUX_F_SEAL_SEAL;
	} else if (LINUX_S_ISDIR(mode)) {
		atomic_store(&ti->vfs.nlink, 2);
		ti->vfs.size = 40;
	}
	return &ti->vfs;
}

struct inode *tmpfs_inode_new_unlinked(struct super_block *sb, uint32_t mode)
{
	struct inode *inode = tmpfs_inode_new(sb, NULL, LINUX_S_IFREG | mode, 0);

	if (!IS_ERR(inode))
		atomic_store(&inode->nlink, 0);
	return inode;
}

static void tmpfs_free_inode(struct inode *inode)
{
	struct tmpfs_inode *ti = TMPFS_I(inode);

	if (LINUX_S_ISDIR(inode->mode))
		tmpfs_dir_free(inode);
	tmpfs_xattrs_free(ti);
	atomic_fetch_sub(&TMPFS_SB(inode->sb)->nr_inodes, 1);
	inode_fini(inode);
	mutex_fini(&ti->xattr_lock);
	free(ti->target);
	free(ti);
}

/* --- super block --- */

static int tmpfs_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	struct tmpfs_sb_info *si = TMPFS_SB(sb);
	uint64_t pages = atomic_load(&si->nr_pages), inodes = atomic_load(&si->nr_inodes);

	*ret = (struct linux_statfs){ .f_type = LINUX_TMPFS_MAGIC, .f_bsize = PAGE_SIZE, .f_namelen = NAME_MAX_LEN };
	if (si->max_pages) {
		ret->f_blocks = si->max_pages;
		ret->f_bfree = ret->f_bavail = si->max_pages - MIN(pages, si->max_pages);
	}
	if (si->max_inodes) {
		ret->f_files = si->max_inodes;
		ret->f_ffree = si->max_inodes - MIN(inodes, si->max_inodes);
	}
	ret->f_fsid[0] = (int32_t)sb->dev;
	return 0;
}

static void tmpfs_kill(struct super_block *sb)
{
	free(sb->s_private);
}

static void tmpfs_show_options(struct super_block *sb, struct strbuf *out)
{
	struct tmpfs_sb_info *si = TMPFS_SB(sb);

	if (si->max_pages != si->default_pages)
		strbuf_addf(out, ",size=%lluk", (unsigned long long)si->max_pages * (PAGE_SIZE / 1024));
	if (si->max_inodes != si->default_pages)
		strbuf_addf(out, ",nr_inodes=%llu", (unsigned long long)si->max_inodes);
	if (si->mode != 01777)
		strbuf_addf(out, ",mode=%03o", si->mode);
	if (si->uid)
		strbuf_addf(out, ",uid=%u", si->uid);
	if (si->gid)
		strbuf_addf(out, ",gid=%u", si->gid);
	strbuf_adds(out, ",inode64");
}

static const struct super_ops tmpfs_super_ops = {
	.free_inode = tmpfs_free_inode,
	.statfs = tmpfs_statfs,
	.kill = tmpfs_kill,
	.show_options = tmpfs_show_options,
};

/* --- options --- */

/* "512", "64k", "1g", and "50%" of memory.  Whole, or false. */
static bool parse_size(const char *s, bool percent, uint64_t *ret)
{
	uint64_t factor = 1, v;
	char *end;

	if (*s < '0' || *s > '9')
		return false;
	v = strtoull(s, &end, 0);
	switch (*end) {
	case 'g':
	case 'G':
		factor <<= 10;
		/* fall through */
	case 'm':
	case 'M':
		factor <<= 10;
		/* fall through */
	case 'k':
	case 'K':
		factor <<= 10;
		end++;
		break;
	case '%':
		if (percent) {
			struct frame_stats st;

			frame_get_stats(&st);
			factor = st.limit * PAGE_SIZE / 100;
			end++;
		}
		break;
	default:
		break;
	}
	return !*end && !__builtin_mul_overflow(v, factor, ret);
}

static bool parse_id(const char *s, int base, uint32_t *ret)
{
	char *end;
	unsigned long v = strtoul(s, &end, base);

	if (!*s || *end || v > UINT32_MAX)
		return false;
	*ret = v;
	return true;
}

static bool parse_option(struct tmpfs_sb_info *si, const char *key, const char *value)
{
	uint64_t n;

	if (!strcmp(key, "size") && parse_size(value, true, &n)) {
		si->max_pages = PAGES_FOR(n);
		return true;
	}
	if (!strcmp(key, "nr_blocks"))
		return parse_size(value, false, &si->max_pages);
	if (!strcmp(key, "nr_inodes"))
		return parse_size(value, false, &si->max_inodes);
	if (!strcmp(key, "mode") && parse_id(value, 8, &si->mode)) {
		si->mode &= LINUX_S_IALLUGO;
		return true;
	}
	if (!strcmp(key, "uid"))
		return parse_id(value, 10, &si->uid);
	if (!strcmp(key, "gid"))
		return parse_id(value, 10, &si->gid);
	/* Accepted, and true of memory that is never swapped and has no huge pages or NUMA nodes. */
	return !strcmp(key, "huge") || !strcmp(key, "mpol") || !strcmp(key, "inode64") || !strcmp(key, "inode32") ||
	       !strcmp(key, "noswap");
}

static int parse_options(struct tmpfs_sb_info *si, const char *options)
{
	char *copy, *save = NULL;
	int err = 0;

	if (!options)
		return 0;
	copy = strdup(options);
	if (!copy)
		return -LINUX_ENOMEM;
	for (char *opt = strtok_r(copy, ",", &save); opt && !err; opt = strtok_r(NULL, ",", &save)) {
		char *value = strchr(opt, '=');

		if (value)
			*value++ = '\0';
		if (!parse_option(si, opt, value ? value : ""))
			err = -LINUX_EINVAL;
	}
	free(copy);
	return err;
}

struct super_block *tmpfs_sb_new(const struct fs_type *type, unsigned flags, const char *options)
{
	struct tmpfs_sb_info *si = calloc(1, sizeof(*si));
	struct frame_stats st;
	struct super_block *sb;
	struct inode *root;
	int err;

	if (!si)
		return ERR_PTR(-LINUX_ENOMEM);
	frame_get_stats(&st);
	si->default_pages = si->max_pages = si->max_inodes = st.limit / 2;
	si->mode = 01777;
	si->uid = current_cred->fsuid;
	si->gid = current_cred->fsgid;
	err = parse_options(si, options);
	sb = err ? ERR_PTR(err) : sb_new(type, &tmpfs_super_ops);
	if (IS_ERR(sb)) {
		free(si);
		return sb;
	}
	sb->s_private = si;
	sb->flags = flags;
	sb->magic = LINUX_TMPFS_MAGIC;
	root = tmpfs_inode_new(sb, NULL, LINUX_S_IFDIR | si->mode, 0);
	if (!IS_ERR(root)) {
		root->uid = si->uid;
		root->gid = si->gid;
		sb->root = dentry_new_root(sb, root);
	}
	if (IS_ERR(root) || IS_ERR(sb->root)) {
		sb->root = NULL;
		sb_put(sb);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	return sb;
}

struct super_block *tmpfs_mount(const struct fs_type *type, unsigned flags, const char *source, const char *data)
{
	(void)source;
	return tmpfs_sb_new(type, flags, data);
}

static const char *const tmpfs_options[] = { "size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "huge", "mpol", "inode64",
					     "inode32", "noswap", NULL };

const struct fs_type tmpfs_type = { .name = "tmpfs", .nodev = true, .userns_mount = true, .options = tmpfs_options,
				    .mount = tmpfs_mount };
