/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "sentry/base/log.h"
#include "vfs/overlayfs/overlayfs.h"
#include "vfs/overlayfs/ovl.h"
#include "vfs/super.h"

struct options {
	char *lower, *upper, *work;
	bool userxattr;
};

/* --- options --- */

/* Features that are off here: asking for that is fine. */
static bool is_default(const char *opt)
{
	static const char *const known[] = {
		"redirect_dir=off", "redirect_dir=nofollow", "index=off", "metacopy=off", "xino=off", "xino=auto", "nfs_export=off",
		"uuid=null", "uuid=off", "uuid=auto", "verity=off", "volatile", "default_permissions",
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(opt, known[i]))
			return true;
	return false;
}

static int option_parse(struct options *o, char *opt)
{
	if (!strncmp(opt, "lowerdir=", 9))
		o->lower = opt + 9;
	else if (!strncmp(opt, "upperdir=", 9))
		o->upper = opt + 9;
	else if (!strncmp(opt, "workdir=", 8))
		o->work = opt + 8;
	else if (!strcmp(opt, "userxattr"))
		o->userxattr = true;
	else if (*opt && !is_default(opt)) {
		log_once(LOG_LEVEL_WARN, "overlay: the mount option '%s' is not there", opt);
		return -LINUX_EINVAL;
	}
	return 0;
}

/* Cuts @s at the next @sep that has no backslash in front of it; what follows, or NULL. */
static char *cut(char *s, char sep)
{
	for (; *s; s++) {
		if (*s == '\\' && s[1]) {
			s++;
		} else if (*s == sep) {
			*s = 0;
			return s + 1;
		}
	}
	return NULL;
}

static void unescape(char *s)
{
	char *to = s;

	for (; *s; s++) {
		if (*s == '\\' && s[1])
			s++;
		*to++ = *s;
	}
	*to = 0;
}

static int options_parse(struct options *o, char *data)
{
	int err = 0;

	for (char *next; data && !err; data = next) {
		next = cut(data, ',');
		err = option_parse(o, data);
	}
	if (!err && (!o->lower || !*o->lower || (o->upper && !o->work)))
		err = -LINUX_EINVAL;
	return err;
}

/* --- layers --- */

static int layer_open(char *name, struct path *ret)
{
	int err;

	unescape(name);
	err = path_lookupat(LINUX_AT_FDCWD, name, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, ret);
	if (err)
		*ret = (struct path){ NULL, NULL };
	return err;
}

static int lowers_open(struct ovl_sb_info *si, char *list)
{
	int err = 0;

	si->lower = calloc(OVL_LAYERS_MAX, sizeof(*si->lower));
	if (!si->lower)
		return -LINUX_ENOMEM;
	for (char *next; list && !err; list = next) {
		next = cut(list, ':');
		if (si->nr_lower == OVL_LAYERS_MAX || !*list)
			return -LINUX_EINVAL;
		err = layer_open(list, &si->lower[si->nr_lower]);
		if (!err)
			si->nr_lower++;
	}
	return err;
}

/* The directory "work" in workdir, empty. */
static int work_make(struct ovl_sb_info *si, const struct path *workdir)
{
	struct dentry *d = real_lookup(workdir->dentry, "work");

	if (!IS_ERR(d) && !d->inode) {
		dentry_put(d);
		d = real_make(workdir->dentry, "work", LINUX_S_IFDIR, 0, NULL, NULL);
	}
	if (IS_ERR(d))
		return PTR_ERR(d);
	if (!LINUX_S_ISDIR(d->inode->mode)) {
		dentry_put(d);
		return -LINUX_EINVAL;
	}
	ref_get(&workdir->mnt->ref);
	si->work = (struct path){ workdir->mnt, d };
	return 0;
}

static int upper_open(struct ovl_sb_info *si, struct options *o)
{
	struct path workdir;
	int err = layer_open(o->upper, &si->upper);

	if (err)
		return err;
	err = layer_open(o->work, &workdir);
	if (err)
		return err;
	if (workdir.mnt != si->upper.mnt || dentry_is_below(workdir.dentry, si->upper.dentry) ||
	    dentry_is_below(si->upper.dentry, workdir.dentry))
		err = -LINUX_EINVAL;
	if (!err)
		err = mnt_want_write(si->upper.mnt);
	if (!err)
		err = work_make(si, &workdir);
	path_put(&workdir);
	return err;
}

/* --- the super block --- */

static int ovl_statfs(struct super_block *sb, struct linux_statfs *ret)
{
	struct ovl_sb_info *si = OVL_SB(sb);
	const struct path *p = si->upper.dentry ? &si->upper : &si->lower[0];
	int err = sb_statfs(p->mnt->sb, ret);

	ret->f_type = OVL_SUPER_MAGIC;
	return err;
}

static int ovl_sync(struct super_block *sb)
{
	struct ovl_sb_info *si = OVL_SB(sb);

	return si->upper.dentry ? sb_sync(si->upper.mnt->sb) : 0;
}

static void ovl_show_options(struct super_block *sb, struct strbuf *out)
{
	strbuf_adds(out, ",");
	strbuf_add_escaped(out, OVL_SB(sb)->options, " \t\n\\");
}

static void si_free(struct ovl_sb_info *si)
{
	if (si->upper.dentry)
		path_put(&si->upper);
	if (si->work.dentry)
		path_put(&si->work);
	for (unsigned i = 0; i < si->nr_lower; i++)
		path_put(&si->lower[i]);
	free(si->lower);
	free(si->options);
	if (si->cred)
		cred_put(si->cred);
	mutex_fini(&si->hash_lock);
	free(si);
}

static void ovl_kill(struct super_block *sb)
{
	si_free(OVL_SB(sb));
}

static const struct super_ops ovl_super_ops = {
	.free_inode = ovl_free_inode,
	.statfs = ovl_statfs,
	.sync = ovl_sync,
	.kill = ovl_kill,
	.show_options = ovl_show_options,
};

static int layers_open(struct ovl_sb_info *si, const char *data)
{
	char *copy = strdup(data);
	struct options o = { 0 };
	int err = copy ? options_parse(&o, copy) : -LINUX_ENOMEM;

	si->opaque = o.userxattr ? "user.overlay.opaque" : "trusted.overlay.opaque";
	if (!err)
		err = lowers_open(si, o.lower);
	if (!err && o.upper)
		err = upper_open(si, &o);
	free(copy);
	return err;
}

static int root_make(struct super_block *sb)
{
	struct ovl_sb_info *si = OVL_SB(sb);
	struct path *lower = calloc(si->nr_lower, sizeof(*lower)), upper = si->upper;
	struct inode *root;
	struct dentry *d;

	if (!lower)
		return -LINUX_ENOMEM;
	for (unsigned i = 0; i < si->nr_lower; i++) {
		lower[i] = si->lower[i];
		path_get(&lower[i]);
	}
	if (upper.dentry)
		path_get(&upper);
	root = ovl_inode_get(sb, NULL, NULL, &upper, lower, si->nr_lower);
	free(lower);
	if (IS_ERR(root))
		return PTR_ERR(root);
	d = dentry_new_root(sb, root);
	if (IS_ERR(d))
		return PTR_ERR(d);
	sb->root = d;
	return 0;
}

static struct super_block *ovl_mount(const struct fs_type *type, unsigned flags, const char *source, const char *data)
{
	struct ovl_sb_info *si = calloc(1, sizeof(*si));
	struct super_block *sb;
	int err;

	(void)source;
	if (!si)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_init(&si->hash_lock);
	for (size_t i = 0; i < ARRAY_SIZE(si->hash); i++)
		list_init(&si->hash[i]);
	si->cred = cred_get(current_cred);
	si->options = strdup(data ? data : "");
	err = si->options ? layers_open(si, si->options) : -LINUX_ENOMEM;
	sb = err ? ERR_PTR(err) : sb_new(type, &ovl_super_ops);
	if (IS_ERR(sb)) {
		si_free(si);
		return sb;
	}
	sb->s_private = si;
	sb->flags = flags;
	sb->magic = OVL_SUPER_MAGIC;
	si->main = (si->upper.dentry ? &si->upper : &si->lower[0])->mnt->sb;
	sb->max_bytes = si->main->max_bytes;
	sb->blksize = si->main->blksize;
	atomic_store(&sb->next_ino, 1UL << 32);
	if (!si->upper.dentry) {
		sb->flags |= LINUX_SB_RDONLY;
		sb->fixed_ro = true;
	}
	err = root_make(sb);
	if (!err)
		return sb;
	sb_put(sb);
	return ERR_PTR(err);
}

const struct fs_type overlayfs_type = {
	.name = "overlay",
	.nodev = true,
	.userns_mount = true,
	.mount = ovl_mount,
};
