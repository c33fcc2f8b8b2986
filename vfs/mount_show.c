/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/pid/mounts, mountinfo and mountstats, as fs/proc_namespace.c prints them.
 */
#include "vfs/mount.h"

#define MANGLED " \t\n\\#"

struct flag_name {
	unsigned flag;
	const char *name;
};

static void show_flags(struct strbuf *sb, unsigned flags, const struct flag_name *names)
{
	for (; names->name; names++)
		if (flags & names->flag)
			strbuf_addf(sb, ",%s", names->name);
}

static void show_mnt_opts(struct strbuf *sb, const struct mount *m)
{
	static const struct flag_name names[] = {
		{ LINUX_MS_NOSUID, "nosuid" },		 { LINUX_MS_NODEV, "nodev" },
		{ LINUX_MS_NOEXEC, "noexec" },		 { LINUX_MS_NOATIME, "noatime" },
		{ LINUX_MS_NODIRATIME, "nodiratime" },	 { LINUX_MS_RELATIME, "relatime" },
		{ LINUX_MS_NOSYMFOLLOW, "nosymfollow" }, { 0, NULL },
	};

	show_flags(sb, m->flags, names);
}

static void show_sb_opts(struct strbuf *sb, const struct super_block *s)
{
	static const struct flag_name names[] = {
		{ LINUX_SB_SYNCHRONOUS, "sync" },
		{ LINUX_SB_DIRSYNC, "dirsync" },
		{ LINUX_SB_MANDLOCK, "mand" },
		{ LINUX_SB_LAZYTIME, "lazytime" },
		{ 0, NULL },
	};

	show_flags(sb, s->flags, names);
}

static void show_source(struct strbuf *sb, const struct mount *m)
{
	if (m->sb->source)
		strbuf_add_escaped(sb, m->sb->source, MANGLED);
	else
		strbuf_adds(sb, "none");
}

static void show_mounts(struct strbuf *sb, struct mount *m, const char *where)
{
	show_source(sb, m);
	strbuf_addc(sb, ' ');
	strbuf_add_escaped(sb, where, MANGLED);
	strbuf_addf(sb, " %s %s", m->sb->type->name, mnt_want_write(m) ? "ro" : "rw");
	show_sb_opts(sb, m->sb);
	show_mnt_opts(sb, m);
	if (m->sb->ops->show_options)
		m->sb->ops->show_options(m->sb, sb);
	strbuf_adds(sb, " 0 0\n");
}

static void show_mountinfo(struct strbuf *sb, struct mount *m, const char *where)
{
	struct path root = { m, m->root };
	_cleanup_strbuf_ struct strbuf in_sb = STRBUF_INIT;

	if (m->sb->ops->show_path)
		m->sb->ops->show_path(m->root, &in_sb);
	else
		path_format_in_sb(&root, &in_sb);
	strbuf_addf(sb, "%d %d %u:%u ", m->id, m->parent ? m->parent->id : m->id, (unsigned)LINUX_MAJOR(m->sb->dev),
		    (unsigned)LINUX_MINOR(m->sb->dev));
	strbuf_add_escaped(sb, strbuf_str(&in_sb), MANGLED);
	strbuf_addc(sb, ' ');
	strbuf_add_escaped(sb, where, MANGLED);
	strbuf_adds(sb, m->flags & LINUX_MS_RDONLY ? " ro" : " rw");
	show_mnt_opts(sb, m);
	strbuf_addc(sb, ' ');
	mount_show_propagation(m, sb);
	strbuf_addf(sb, "- %s ", m->sb->type->name);
	show_source(sb, m);
	strbuf_adds(sb, m->sb->flags & LINUX_SB_RDONLY ? " ro" : " rw");
	show_sb_opts(sb, m->sb);
	if (m->sb->ops->show_options)
		m->sb->ops->show_options(m->sb, sb);
	strbuf_addc(sb, '\n');
}

static void show_mountstats(struct strbuf *sb, struct mount *m, const char *where)
{
	if (m->sb->source) {
		strbuf_adds(sb, "device ");
		show_source(sb, m);
	} else {
		strbuf_adds(sb, "no device");
	}
	strbuf_adds(sb, " mounted on ");
	strbuf_add_escaped(sb, where, MANGLED);
	strbuf_addf(sb, " with fstype %s\n", m->sb->type->name);
}

int mounts_show(struct mnt_namespace *ns, const struct path *root, enum mounts_format fmt, struct strbuf *ret)
{
	_cleanup_strbuf_ struct strbuf where = STRBUF_INIT;
	struct mount *m;

	MUTEX_GUARD(&namespace_lock);
	list_for_each_entry(m, &ns->mounts, ns_link) {
		struct path top = { m, m->root };
		bool reached;
		int err;

		strbuf_reset(&where);
		err = path_format_reached(&top, root, &where, &reached);
		if (err)
			return err;
		if (!reached)
			continue;
		switch (fmt) {
		case MOUNTS_MOUNTS:
			show_mounts(ret, m, strbuf_str(&where));
			break;
		case MOUNTS_MOUNTINFO:
			show_mountinfo(ret, m, strbuf_str(&where));
			break;
		case MOUNTS_MOUNTSTATS:
			show_mountstats(ret, m, strbuf_str(&where));
			break;
		}
	}
	return strbuf_err(ret);
}
