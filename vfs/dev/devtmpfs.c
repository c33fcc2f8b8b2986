/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devtmpfs: a tmpfs that starts with the device nodes every program expects.
 */
#include <stdio.h>
#include <string.h>

#include "vfs/dev/dev.h"
#include "vfs/device.h"
#include "vfs/tmpfs/tmpfs.h"

struct dev_node {
	const char *name;
	uint32_t mode;
	unsigned major, minor;
	uint32_t gid;
};

#define TTY_GID 5
#define TTY_MAJOR 4
#define NR_TERMINALS 12 /* those that keyboards have keys for */

static const struct dev_node dev_nodes[] = {
	{ "null", LINUX_S_IFCHR | 0666, 1, 3, 0 },     { "zero", LINUX_S_IFCHR | 0666, 1, 5, 0 },
	{ "full", LINUX_S_IFCHR | 0666, 1, 7, 0 },     { "random", LINUX_S_IFCHR | 0666, 1, 8, 0 },
	{ "urandom", LINUX_S_IFCHR | 0666, 1, 9, 0 },  { "kmsg", LINUX_S_IFCHR | 0644, 1, 11, 0 },
	{ "tty", LINUX_S_IFCHR | 0666, 5, 0, TTY_GID }, { "console", LINUX_S_IFCHR | 0600, 5, 1, TTY_GID },
	{ "ptmx", LINUX_S_IFCHR | 0666, 5, 2, TTY_GID }, { "pts", LINUX_S_IFDIR | 0755, 0, 0, 0 },
	{ "shm", LINUX_S_IFDIR | 01777, 0, 0, 0 },     { "mqueue", LINUX_S_IFDIR | 01777, 0, 0, 0 },
};

static const struct dev_node serial = { "ttyS0", LINUX_S_IFCHR | 0660, TTY_MAJOR, 64, 20 };

static const char *const dev_links[][2] = {
	{ "fd", "/proc/self/fd" },
	{ "stdin", "/proc/self/fd/0" },
	{ "stdout", "/proc/self/fd/1" },
	{ "stderr", "/proc/self/fd/2" },
	{ "core", "/proc/kcore" },
};

static int devtmpfs_add_node(struct inode *dir, const struct dev_node *n)
{
	struct inode *inode;

	if (LINUX_S_ISDIR(n->mode))
		inode = dir->ops->mkdir(dir, n->name, n->mode);
	else
		inode = dir->ops->mknod(dir, n->name, n->mode, LINUX_MKDEV(n->major, n->minor));
	if (IS_ERR(inode))
		return (int)PTR_ERR(inode);
	inode->gid = n->gid;
	inode_put(inode);
	return 0;
}

static int devtmpfs_add_terminals(struct inode *dir)
{
	static const struct dev_node rtc = { "rtc0", LINUX_S_IFCHR | 0600, 254, 0, 0 };
	int err = devtmpfs_add_node(dir, &serial);
	char name[8];

	if (!err)
		err = devtmpfs_add_node(dir, &rtc);

	for (unsigned i = 0; i <= NR_TERMINALS && !err; i++) {
		struct dev_node n = { name, LINUX_S_IFCHR | 0620, TTY_MAJOR, i, TTY_GID };

		snprintf(name, sizeof(name), "tty%u", i);
		err = devtmpfs_add_node(dir, &n);
	}
	return err;
}

static int devtmpfs_populate(struct inode *dir)
{
	int err = 0;

	rwlock_write(&dir->i_rwsem);
	for (size_t i = 0; i < ARRAY_SIZE(dev_nodes) && !err; i++)
		err = devtmpfs_add_node(dir, &dev_nodes[i]);
	/* Devices that not every machine has. */
	if (!err && chrdev_find(LINUX_MKDEV(serial.major, serial.minor)))
		err = devtmpfs_add_terminals(dir);
	for (size_t i = 0; i < ARRAY_SIZE(dev_links) && !err; i++) {
		struct inode *l = dir->ops->symlink(dir, dev_links[i][0], dev_links[i][1]);

		if (IS_ERR(l))
			err = (int)PTR_ERR(l);
		else
			inode_put(l);
	}
	rwlock_unlock(&dir->i_rwsem);
	return err;
}

static struct super_block *devtmpfs_mount(const struct fs_type *type, unsigned flags, const char *source, const char *data)
{
	struct super_block *sb = tmpfs_mount(type, flags, source, data);
	int err;

	if (IS_ERR(sb))
		return sb;
	sb->root->inode->mode = LINUX_S_IFDIR | 0755;
	err = devtmpfs_populate(sb->root->inode);
	if (!err)
		return sb;
	sb_put(sb);
	return ERR_PTR(err);
}

const struct fs_type devtmpfs_type = { .name = "devtmpfs", .nodev = true, .mount = devtmpfs_mount };
