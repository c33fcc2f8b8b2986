/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/fs_context.h"

#include <stdlib.h>
#include <string.h>

#include "vfs/mount.h"
#include "vfs/super.h"

#define LOG_LINES 8
#define OPTIONS_MAX PAGE_SIZE /* as mount(2) takes */

enum fs_context_phase { PHASE_CREATE, PHASE_MADE, PHASE_CHANGE, PHASE_FAILED };

struct fs_context {
	struct mutex lock;
	const struct fs_type *type;
	/* Below: lock */
	enum fs_context_phase phase;
	char *source;
	struct strbuf options;		/* "a,b=c" */
	unsigned sb_flags, sb_flags_changed;
	struct super_block *sb;		/* a reference; made, to be mounted, or picked, to be changed; NULL before */
	char *log[LOG_LINES];		/* oldest first */
	unsigned nr_log;
};

/* --- messages --- */

__printf(2, 3) static void fc_log(struct fs_context *fc, const char *fmt, ...)
{
	struct strbuf sb = STRBUF_INIT;
	va_list ap;

	strbuf_addf(&sb, "e %s: ", fc->type->name);
	va_start(ap, fmt);
	strbuf_vaddf(&sb, fmt, ap);
	va_end(ap);
	if (strbuf_err(&sb)) {
		strbuf_fini(&sb);
		return;
	}
	if (fc->nr_log == LOG_LINES) {
		free(fc->log[0]);
		memmove(&fc->log[0], &fc->log[1], (LOG_LINES - 1) * sizeof(fc->log[0]));
		fc->nr_log--;
	}
	fc->log[fc->nr_log++] = strbuf_detach(&sb);
}

/* One message, whole. */
static int64_t fs_context_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	struct fs_context *fc = f->private_data;
	int64_t ret;
	char *line;

	MUTEX_GUARD(&fc->lock);
	if (!fc->nr_log)
		return -LINUX_ENODATA;
	line = fc->log[0];
	memmove(&fc->log[0], &fc->log[1], --fc->nr_log * sizeof(fc->log[0]));
	ret = (int64_t)strlen(line);
	if ((uint64_t)ret > to->count)
		ret = -LINUX_EMSGSIZE;
	else if (iov_iter_copy_to(to, line, (size_t)ret) != (size_t)ret)
		ret = -LINUX_EFAULT;
	free(line);
	return ret;
}

/* --- making and freeing --- */

static void fs_context_free(struct fs_context *fc)
{
	for (unsigned i = 0; i < fc->nr_log; i++)
		free(fc->log[i]);
	if (fc->sb)
		sb_put(fc->sb);
	strbuf_fini(&fc->options);
	free(fc->source);
	mutex_fini(&fc->lock);
	free(fc);
}

static void fs_context_release(struct file *f)
{
	fs_context_free(f->private_data);
}

static const struct file_ops fs_context_ops = {
	.read = fs_context_read, .llseek = noop_llseek, .release = fs_context_release };

struct fs_context *fs_context_of(const struct file *f)
{
	return f->ops == &fs_context_ops ? f->private_data : NULL;
}

static struct file *fs_context_new(const struct fs_type *type, struct super_block *picked)
{
	struct fs_context *fc = calloc(1, sizeof(*fc));
	struct file *f;

	if (!fc)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_init(&fc->lock);
	fc->type = type;
	if (picked) {
		fc->sb = sb_get(picked);
		fc->phase = PHASE_CHANGE;
		fc->sb_flags = picked->flags;
	}
	f = anon_file_new("anon_inode:[fscontext]", 0600, &fs_context_ops, LINUX_O_RDWR, fc);
	if (IS_ERR(f))
		fs_context_free(fc);
	return f;
}

struct file *fs_context_open(const struct fs_type *type)
{
	return fs_context_new(type, NULL);
}

struct file *fs_context_pick(struct super_block *sb)
{
	return fs_context_new(sb->type, sb);
}

/* --- options --- */

/* Whether @key is one of the flags that all file systems have. */
static bool set_sb_flag(struct fs_context *fc, const char *key)
{
	static const struct {
		const char *key;
		unsigned flag;
		bool on;
	} flags[] = {
		{ "ro", LINUX_SB_RDONLY, true },	     { "rw", LINUX_SB_RDONLY, false },
		{ "sync", LINUX_SB_SYNCHRONOUS, true },	     { "async", LINUX_SB_SYNCHRONOUS, false },
		{ "dirsync", LINUX_SB_DIRSYNC, true },	     { "lazytime", LINUX_SB_LAZYTIME, true },
		{ "nolazytime", LINUX_SB_LAZYTIME, false },  { "mand", LINUX_SB_MANDLOCK, true },
		{ "nomand", LINUX_SB_MANDLOCK, false },
	};

	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		if (strcmp(key, flags[i].key))
			continue;
		fc->sb_flags = flags[i].on ? fc->sb_flags | flags[i].flag : fc->sb_flags & ~flags[i].flag;
		fc->sb_flags_changed |= flags[i].flag;
		return true;
	}
	return false;
}

static int set_source(struct fs_context *fc, const char *value)
{
	if (!value) {
		fc_log(fc, "Non-string source");
		return -LINUX_EINVAL;
	}
	if (fc->source) {
		fc_log(fc, "Multiple sources");
		return -LINUX_EINVAL;
	}
	fc->source = strdup(value);
	return fc->source ? 0 : -LINUX_ENOMEM;
}

static bool is_option(const struct fs_type *type, const char *key)
{
	if (!type->options)
		return true;
	for (const char *const *o = type->options; *o; o++)
		if (!strcmp(*o, key))
			return true;
	return false;
}

static int set_option(struct fs_context *fc, const char *key, const char *value)
{
	if (!is_option(fc->type, key)) {
		fc_log(fc, "Unknown parameter '%s'", key);
		return -LINUX_EINVAL;
	}
	/* There is no way to say a comma in the text that the file system will get. */
	if (strchr(key, ',') || strchr(key, '=') || (value && strchr(value, ',')))
		return -LINUX_EINVAL;
	if (fc->options.len + strlen(key) + (value ? strlen(value) : 0) + 3 > OPTIONS_MAX) {
		fc_log(fc, "Cumulative options too large");
		return -LINUX_EINVAL;
	}
	strbuf_addf(&fc->options, "%s%s%s%s", fc->options.len ? "," : "", key, value ? "=" : "", value ? value : "");
	return strbuf_err(&fc->options);
}

int fs_context_set(struct fs_context *fc, const char *key, const char *value)
{
	MUTEX_GUARD(&fc->lock);
	if (fc->phase != PHASE_CREATE && fc->phase != PHASE_CHANGE)
		return -LINUX_EBUSY;
	if (!*key)
		return -LINUX_EINVAL;
	if (!value && set_sb_flag(fc, key))
		return 0;
	return strcmp(key, "source") ? set_option(fc, key, value) : set_source(fc, value);
}

/* --- what the options are for --- */

int fs_context_create(struct fs_context *fc)
{
	struct super_block *sb;

	MUTEX_GUARD(&fc->lock);
	if (fc->phase != PHASE_CREATE)
		return -LINUX_EBUSY;
	sb = sb_create(fc->type, fc->sb_flags, fc->source, fc->options.len ? fc->options.buf : NULL);
	if (IS_ERR(sb)) {
		/* Who may not is free to try again. */
		if (sb != ERR_PTR(-LINUX_EPERM))
			fc->phase = PHASE_FAILED;
		return (int)PTR_ERR(sb);
	}
	fc->sb = sb;
	fc->phase = PHASE_MADE;
	return 0;
}

int fs_context_reconfigure(struct fs_context *fc)
{
	int err = 0;

	MUTEX_GUARD(&fc->lock);
	if (fc->phase != PHASE_CHANGE)
		return -LINUX_EBUSY;
	/* No file system can change more than this once it is mounted. */
	if (fc->options.len)
		err = -LINUX_EINVAL;
	if (!err)
		err = sb_reconfigure(fc->sb, fc->sb_flags & LINUX_SB_RDONLY);
	if (err)
		fc->phase = PHASE_FAILED;
	return err;
}

/* An O_PATH file on the root of @m, a loose mount (its reference is the file's from now on). */
static struct file *loose_mount_open(struct mount *m)
{
	struct path path = { m, m->root };
	struct file *f;

	path_get(&path);
	f = file_open_path(&path, LINUX_O_PATH, current_cred);
	if (IS_ERR(f))
		mount_dissolve(m);
	else
		f->fmode |= FMODE_NEED_UNMOUNT;
	return f;
}

struct file *fs_context_mount(struct fs_context *fc, unsigned flags)
{
	struct mount *m;
	struct file *f;

	MUTEX_GUARD(&fc->lock);
	if (fc->phase != PHASE_MADE)
		return ERR_PTR(fc->phase == PHASE_CHANGE ? -LINUX_EBUSY : -LINUX_EINVAL);
	m = mount_new_top(sb_get(fc->sb), flags);
	if (IS_ERR(m))
		return (struct file *)m;
	f = loose_mount_open(m);
	if (IS_ERR(f))
		return f;
	/* From now on it is as fspick would have it. */
	strbuf_reset(&fc->options);
	fc->phase = PHASE_CHANGE;
	return f;
}

struct file *mount_clone_open(const struct path *src, bool rec)
{
	struct mount *m;

	mutex_lock(&namespace_lock);
	m = mount_clone_locked(src, rec);
	namespace_unlock(&(struct mutex *){ &namespace_lock });
	return IS_ERR(m) ? (struct file *)m : loose_mount_open(m);
}
