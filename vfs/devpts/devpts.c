/* SPDX-License-Identifier: Apache-2.0 */
/*
 * devpts: a directory with a node per open pseudo-terminal, and a ptmx of its own.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfs/devpts/pty.h"

#define DEVPTS_SUPER_MAGIC 0x1cd1
#define INO_PTMX 2
#define INO_FIRST 3

static const struct inode_ops devpts_root_ops, devpts_node_ops;
static const struct file_ops devpts_root_fops;

static int devpts_node_setattr(struct inode *inode, const struct iattr *attr)
{
	struct pty *pty = inode->ino >= INO_FIRST ? pty_find_get(inode->ino - INO_FIRST) : NULL;
	int err = simple_setattr(inode, attr);

	/* The next look-up makes a new inode: what must last is kept with the terminal. */
	if (pty) {
		pty->mode = inode->mode;
		pty->uid = inode->uid;
		pty->gid = inode->gid;
		tty_put(&pty->tty);
	}
	return err;
}

static const struct inode_ops devpts_node_ops = { .setattr = devpts_node_setattr };

static struct inode *devpts_lookup(struct inode *dir, const char *name)
{
	char *end;
	unsigned long n = strtoul(name, &end, 10);
	struct inode *inode;
	struct pty *pty;

	if (!strcmp(name, "ptmx")) {
		inode = inode_new(dir->sb, INO_PTMX, LINUX_S_IFCHR | 0666, &devpts_node_ops, NULL);
		if (!IS_ERR(inode))
			inode->rdev = LINUX_MKDEV(5, 2);
		return inode;
	}
	if (*end || end == name || (name[0] == '0' && name[1]) || n >= PTY_MAX)
		return ERR_PTR(-LINUX_ENOENT);
	pty = pty_find_get(n);
	if (!pty)
		return ERR_PTR(-LINUX_ENOENT);
	inode = inode_new(dir->sb, INO_FIRST + n, pty->mode, &devpts_node_ops, NULL);
	if (!IS_ERR(inode)) {
		inode->rdev = pty->tty.rdev;
		inode->uid = pty->uid;
		inode->gid = pty->gid;
	}
	tty_put(&pty->tty);
	return inode;
}

static bool devpts_revalidate(struct inode *dir __unused, const char *name, struct inode *inode)
{
	struct pty *pty;

	if (!strcmp(name, "ptmx"))
		return true;
	pty = pty_find_get(strtoul(name, NULL, 10));
	if (pty)
		tty_put(&pty->tty);
	return pty && inode;
}

static int devpts_iterate(struct file *f, struct dir_context *ctx)
{
	if (!dir_emit_dots(f, ctx))
		return 0;
	if (ctx->pos == 2) {
		if (!ctx->emit(ctx, "ptmx", 4, INO_PTMX, LINUX_DT_OF_MODE(LINUX_S_IFCHR), 3))
			return 0;
		ctx->pos = 3;
	}
	for (;;) {
		int i = pty_next_index((unsigned)(ctx->pos - INO_FIRST));
		char name[16];

		if (i < 0)
			return 0;
		snprintf(name, sizeof(name), "%d", i);
		if (!ctx->emit(ctx, name, strlen(name), INO_FIRST + i, LINUX_DT_OF_MODE(LINUX_S_IFCHR), INO_FIRST + i + 1))
			return 0;
		ctx->pos = INO_FIRST + i + 1;
	}
}

static const struct inode_ops devpts_root_ops = { .lookup = devpts_lookup, .revalidate = devpts_revalidate };
static const struct file_ops devpts_root_fops = { .iterate = devpts_iterate };

static void devpts_free_inode(struct inode *inode)
{
	inode_fini(inode);
	free(inode);
}

static int devpts_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	*ret = (struct linux_statfs){ .f_type = (int64_t)sb->magic, .f_bsize = PAGE_SIZE, .f_frsize = PAGE_SIZE,
				      .f_namelen = NAME_MAX_LEN };
	return 0;
}

static void devpts_show_options(struct super_block *sb __unused, struct strbuf *out)
{
	strbuf_adds(out, ",gid=5,mode=620,ptmxmode=666");
}

static const struct super_ops devpts_super_ops = {
	.free_inode = devpts_free_inode, .statfs = devpts_statfs, .show_options = devpts_show_options };

static struct super_block *devpts_mount(const struct fs_type *type, unsigned flags, const char *source,
					const char *data __unused)
{
	struct super_block *sb = sb_new(type, &devpts_super_ops);
	struct inode *root;

	if (IS_ERR(sb))
		return sb;
	sb->magic = DEVPTS_SUPER_MAGIC;
	sb->blksize = 1024;
	sb->flags = flags;
	sb->no_dcache = true;
	sb->source = strdup(source ? source : "devpts");
	root = inode_new(sb, 1, LINUX_S_IFDIR | 0755, &devpts_root_ops, &devpts_root_fops);
	if (!IS_ERR(root)) {
		struct dentry *d = dentry_new_root(sb, root);

		if (!IS_ERR(d)) {
			sb->root = d;
			return sb;
		}
		root = (struct inode *)d;
	}
	sb_put(sb);
	return (struct super_block *)root;
}

const struct fs_type devpts_type = { .name = "devpts", .nodev = true, .userns_mount = true, .mount = devpts_mount };
