/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "vfs/hostfs/hostfs_fs.h"
#include "vfs/super.h"

#define HOST_RLIMIT_NOFILE 7
#define MAX_FDS 1024

/* --- devices --- */

/* File systems that are windows into the host's kernel (include/uapi/linux/magic.h), and autofs, which entering changes. */
static bool is_kernel_fs(uint64_t type)
{
	static const uint32_t types[] = {
		0x00009fa0 /* proc */,	   0x62656572 /* sysfs */,	0x00001cd1 /* devpts */,  0x0027e0eb /* cgroup */,
		0x63677270 /* cgroup2 */,  0x64626720 /* debugfs */,	0x74726163 /* tracefs */, 0x73636673 /* securityfs */,
		0xcafe4a11 /* bpf */,	   0x6165676c /* pstore */,	0xde5e81e4 /* efivarfs */, 0x62656570 /* configfs */,
		0x19800202 /* mqueue */,   0x42494e4d /* binfmt_misc */, 0xf97cff8c /* selinuxfs */, 0x00000187 /* autofs */,
		0x6e736673 /* nsfs */,
	};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (types[i] == (uint32_t)type)
			return true;
	return false;
}

static bool dev_is_closed(int dirfd, const char *name)
{
	struct host_statfs st;
	int fd = host_openat(dirfd, name, LINUX_O_PATH | LINUX_O_NOFOLLOW, 0), err;

	if (fd < 0)
		return false;
	err = host_fstatfs(fd, &st);
	host_close(fd);
	return !err && is_kernel_fs(st.type);
}

static struct hostfs_dev *dev_find(struct hostfs_sb_info *hs, uint64_t host_dev)
{
	struct hostfs_dev *d;
	MUTEX_GUARD(&hs->devs_lock);

	for (d = hs->devs; d && d->host_dev != host_dev; d = d->next)
		;
	return d;
}

const struct hostfs_dev *hostfs_dev_get(struct hostfs_sb_info *hs, uint64_t host_dev, int dirfd, const char *name)
{
	struct hostfs_dev *d = dev_find(hs, host_dev), *fresh;

	if (d)
		return d;
	fresh = calloc(1, sizeof(*fresh));
	if (!fresh)
		return NULL;
	fresh->host_dev = host_dev;
	fresh->closed = dev_is_closed(dirfd, name);
	fresh->dev = anon_dev_new();
	mutex_lock(&hs->devs_lock);
	for (d = hs->devs; d && d->host_dev != host_dev; d = d->next)
		;
	if (!d) {
		d = fresh;
		fresh = NULL;
		d->next = hs->devs;
		hs->devs = d;
	}
	mutex_unlock(&hs->devs_lock);
	free(fresh);
	return d;
}

/* --- the super block --- */

static int hostfs_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	struct host_statfs st;
	int err = host_fstatfs(HOSTFS_SB(sb)->base_fd, &st);

	if (err)
		return err;
	*ret = (struct linux_statfs){
		.f_type = st.type,
		.f_bsize = st.bsize,
		.f_blocks = st.blocks,
		.f_bfree = st.bfree,
		.f_bavail = st.bavail,
		.f_files = st.files,
		.f_ffree = st.ffree,
		.f_namelen = st.namelen,
		.f_frsize = st.frsize,
		.f_fsid = { st.fsid[0], st.fsid[1] },
	};
	return 0;
}

static void sb_info_free(struct hostfs_sb_info *hs)
{
	while (hs->devs) {
		struct hostfs_dev *d = hs->devs;

		hs->devs = d->next;
		free(d);
	}
	if (hs->base_fd >= 0)
		host_close(hs->base_fd);
	inode_hash_fini(&hs->icache);
	rwlock_fini(&hs->where_lock);
	mutex_fini(&hs->fd_lock);
	mutex_fini(&hs->devs_lock);
	free(hs);
}

static void hostfs_kill(struct super_block *sb)
{
	sb_info_free(HOSTFS_SB(sb));
	sb->s_private = NULL;
}

static const struct super_ops hostfs_super_ops = {
	.free_inode = hostfs_free_inode,
	.statfs = hostfs_statfs,
	.kill = hostfs_kill,
};

/* Made by hostfs_open alone: mount(2) does not know it. */
static const struct fs_type hostfs_type = {
	.name = "hostfs",
	.nodev = true,
};

static struct hostfs_sb_info *sb_info_new(void)
{
	struct hostfs_sb_info *hs = calloc(1, sizeof(*hs));
	struct host_rlimit lim;

	if (!hs)
		return NULL;
	if (inode_hash_init(&hs->icache)) {
		free(hs);
		return NULL;
	}
	hs->base_fd = -1;
	rwlock_init(&hs->where_lock);
	mutex_init(&hs->fd_lock);
	mutex_init(&hs->devs_lock);
	list_init(&hs->fds);
	hs->max_fds = MAX_FDS;
	if (!host_getrlimit(HOST_RLIMIT_NOFILE, &lim))
		hs->max_fds = CLAMP(lim.cur / 4, 16, MAX_FDS);
	return hs;
}

/* --- opening --- */

/* Opens the directory in which the file @path is; *ret_name points to the last component. */
static int open_parent(const char *path, const char **ret_name)
{
	const char *slash = strrchr(path, '/');
	char *dir;
	int fd;

	*ret_name = slash ? slash + 1 : path;
	if (!slash)
		return host_openat(HOST_AT_FDCWD, ".", LINUX_O_PATH | LINUX_O_DIRECTORY, 0);
	dir = strndup(path, MAX(slash - path, 1));
	if (!dir)
		return -LINUX_ENOMEM;
	fd = host_openat(HOST_AT_FDCWD, dir, LINUX_O_PATH | LINUX_O_DIRECTORY, 0);
	free(dir);
	return fd;
}

/*
 * Sets base_fd, and *ret_name for a root that is a file: its name below base_fd.
 */
static int base_open(struct hostfs_sb_info *hs, const char *path, struct host_stat *ret_st, const char **ret_name)
{
	struct host_stat slash;
	int fd, err;

	*ret_name = NULL;
	err = host_fstatat(HOST_AT_FDCWD, path, 0, ret_st);
	if (err)
		return err;
	if (LINUX_S_ISDIR(ret_st->mode)) {
		fd = host_openat(HOST_AT_FDCWD, path, LINUX_O_PATH | LINUX_O_DIRECTORY, 0);
		if (fd < 0)
			return fd;
		hs->base_fd = fd;
		hs->host_root = !host_fstatat(HOST_AT_FDCWD, "/", 0, &slash) && slash.ino == ret_st->ino &&
				slash.dev == ret_st->dev;
		return host_fstat(fd, ret_st);
	}
	if (!LINUX_S_ISREG(ret_st->mode))
		return -LINUX_EINVAL;
	fd = open_parent(path, ret_name);
	if (fd < 0)
		return fd;
	hs->base_fd = fd;
	err = host_fstatat(fd, *ret_name, LINUX_AT_SYMLINK_NOFOLLOW, ret_st);
	if (!err && !LINUX_S_ISREG(ret_st->mode))
		return -LINUX_ELOOP;
	return err;
}

static int root_open(struct hostfs_sb_info *hs, const char *name, const struct host_stat *st)
{
	struct hostfs_dev *dev = calloc(1, sizeof(*dev));
	struct inode *root;
	struct dentry *d;

	if (!dev)
		return -LINUX_ENOMEM;
	/* The root's device is the super block's; and who asks for a tree of a kernel file system gets it. */
	dev->host_dev = st->dev;
	hs->devs = dev;
	root = hostfs_iget_root(hs, name, st);
	if (IS_ERR(root))
		return PTR_ERR(root);
	d = dentry_new_root(hs->sb, root);
	if (IS_ERR(d))
		return PTR_ERR(d);
	hs->sb->root = d;
	return 0;
}

static void explain(struct strbuf *why, const char *path, int err)
{
	if (err == -LINUX_EINVAL)
		strbuf_addf(why, "%s is neither a directory nor a regular file", path);
	else if (err == -LINUX_ELOOP)
		strbuf_addf(why, "%s is a symbolic link to a file; name the file itself", path);
	else
		strbuf_addf(why, "can't open %s: %s", path, strerror(-err));
}

struct super_block *hostfs_open(const char *path, unsigned flags, struct strbuf *why)
{
	struct hostfs_sb_info *hs = sb_info_new();
	struct super_block *sb;
	struct host_stat st;
	const char *name;
	int err;

	if (!hs)
		return ERR_PTR(-LINUX_ENOMEM);
	err = base_open(hs, path, &st, &name);
	if (err)
		explain(why, path, err);
	sb = err ? ERR_PTR(err) : sb_new(&hostfs_type, &hostfs_super_ops);
	if (IS_ERR(sb)) {
		sb_info_free(hs);
		return sb;
	}
	hs->sb = sb;
	hs->readonly = flags & LINUX_SB_RDONLY;
	sb->s_private = hs;
	sb->flags = flags & LINUX_SB_RDONLY;
	sb->fixed_ro = hs->readonly;
	sb->blksize = st.blksize ? st.blksize : PAGE_SIZE;
	sb->max_bytes = 0xffffffffUL * PAGE_SIZE; /* ext4's; the host says no when its own is smaller */
	sb->source = strdup(path);
	atomic_store(&sb->next_ino, 1UL << 48);
	err = root_open(hs, name, &st);
	if (err) {
		sb_put(sb);
		return ERR_PTR(err);
	}
	return sb;
}
