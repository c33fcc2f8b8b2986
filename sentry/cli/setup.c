/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Everything that has to be there before the first task, in the order of dependence: log, frames, VFS, mounts; then,
 * when all files of the host are open and confine_setup has shut the rest away, the platform.  Start-up time is a feature:
 * nothing here reads more than it must.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/socket.h"
#include "platform/host/host.h"
#include "platform/platform.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "vfs/cgroup/cgroup.h"
#include "vfs/devpts/hosttty.h"
#include "vfs/devpts/pty.h"
#include "vfs/ext4/ext4.h"
#include "vfs/hostfs/hostfs.h"
#include "vfs/overlay/overlay.h"

static int log_to = 2;

static int setup_log(const struct run_options *o)
{
	static const enum log_level levels[] = { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
	int fd;

	log_level = levels[CLAMP(o->verbosity, -1, 2) + 1];
	if (!o->log_file)
		return 0;
	fd = host_openat(HOST_AT_FDCWD, o->log_file, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_APPEND, 0666);
	if (fd < 0)
		return cli_error("cannot open the log file '%s': %s", o->log_file, cli_strerror(fd));
	/* Out of the way of what the guest's descriptors wrap. */
	log_set_fd(fd);
	log_to = fd;
	return 0;
}

/* A descriptor 0, 1 or 2 that the caller closed must not be taken by something of ours. */
static int setup_host_fds(void)
{
	int fd;

	do
		fd = host_openat(HOST_AT_FDCWD, "/dev/null", LINUX_O_RDWR, 0);
	while (fd >= 0 && fd <= 2);
	if (fd < 0)
		return cli_error("cannot open /dev/null: %s", host_why(fd));
	host_close(fd);
	return 0;
}

/* What registers itself with the VFS. */
static int setup_devices(void)
{
	int err = pty_init();

	if (!err)
		err = tty_device_init();
	tty_hooks = &tty_core_hooks;
	net_init();
	cgroup_ns_init();
	return err;
}

int setup_limits(void)
{
	const char *why = NULL;

	return host_limits_raise(&why) ? cli_error("%s", why) : 0;
}

int setup_core(struct run_options *o)
{
	int err = setup_host_fds();

	if (err)
		return err;
	err = setup_log(o);
	if (err)
		return err;
	err = net_fork_helper(o, log_to);
	if (err)
		return err;
	err = frames_init(o->memory);
	if (err)
		return cli_error("cannot set up guest memory: %s", host_why(err));
	err = vfs_init();
	if (err)
		return cli_error("cannot set up the file system layer: %s", cli_strerror(err));
	err = setup_devices();
	if (err)
		return cli_error("cannot set up the devices: %s", cli_strerror(err));
	return net_setup(o);
}

int setup_platform(const struct run_options *o)
{
	struct platform_params params = {
		.memory_fd = frames_memory_fd(), .debug = o->verbosity >= 2, .no_patch = o->no_patch,
		.spin = o->spin,
	};
	const char *why = NULL;
	int err;

	err = platform_select(o->platform ? o->platform : "auto", &params, &why);
	if (err && o->platform)
		return cli_error("cannot use platform '%s': %s; try 'sentry doctor'", o->platform,
				 why ? why : cli_strerror(err));
	if (err)
		return cli_error("no way to run guest code on this host: %s", why ? why : cli_strerror(err));
	return 0;
}

/* --- the root --- */

static struct super_block *open_lower(const char *root, struct strbuf *why)
{
	struct host_stat st;
	int err;

	if (!root)
		return hostfs_open("/", LINUX_SB_RDONLY, why);
	err = host_fstatat(HOST_AT_FDCWD, root, 0, &st);
	if (err) {
		strbuf_adds(why, cli_strerror(err));
		return ERR_PTR(err);
	}
	if (LINUX_S_ISDIR(st.mode))
		return hostfs_open(root, LINUX_SB_RDONLY, why);
	return ext4_open_image(root, why);
}

/* The image that the guest writes, for setup_fini. */
static struct super_block *written;

static struct super_block *open_written(const struct run_options *o, const char *root, struct strbuf *why)
{
	unsigned flags = EXT4_OPEN_WRITER | (o->rw_nobarrier ? EXT4_OPEN_NOBARRIER : 0);
	struct host_stat st;

	if (!root || (!host_fstatat(HOST_AT_FDCWD, root, 0, &st) && LINUX_S_ISDIR(st.mode))) {
		strbuf_adds(why, "--rw and --overlay are for images; a directory of the host is written with -v DIR:DIR");
		return ERR_PTR(-LINUX_EINVAL);
	}
	if (o->rw && o->overlay) {
		strbuf_adds(why, "--rw writes the image, --overlay another file: only one of them can be");
		return ERR_PTR(-LINUX_EINVAL);
	}
	if (o->overlay)
		written = ext4_open_image_overlay(root, o->overlay, flags, why);
	else
		written = ext4_open_image_rw(root, flags, why);
	return written;
}

void setup_fini(void)
{
	if (written)
		ext4_shutdown(written);
}

static int setup_root(const struct run_options *o, const char *root)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	struct super_block *sb;
	struct path path;

	sb = o->rw || o->overlay ? open_written(o, root, &why) : open_lower(root, &why);
	if (IS_ERR(sb)) {
		written = NULL;
		return cli_error("cannot open image '%s': %s", root ? root : "/",
				 why.len ? strbuf_str(&why) : cli_strerror(PTR_ERR(sb)));
	}
	if (!written)
		sb = overlay_new(sb, 0);
	if (IS_ERR(sb))
		return cli_error("cannot lay a writable overlay over '%s': %s", root ? root : "/",
				 cli_strerror(PTR_ERR(sb)));
	current_fs = NULL;
	if (IS_ERR(mnt_namespace_new(sb, 0, &path)))
		return cli_error("out of memory");
	current_fs = fs_struct_new(&path, &path);
	path_put(&path);
	return current_fs ? 0 : cli_error("out of memory");
}

/* --- what is mounted on it --- */

struct guest_mount {
	const char *type, *where;
	unsigned flags;
	const char *data;
};

static const struct guest_mount guest_mounts[] = {
	{ "proc", "/proc", LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC, NULL },
	{ "sysfs", "/sys", LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC, NULL },
	{ "devtmpfs", "/dev", LINUX_MS_NOSUID, "mode=755" },
	{ "devpts", "/dev/pts", LINUX_MS_NOSUID | LINUX_MS_NOEXEC, "gid=5,mode=620,ptmxmode=666" },
	{ "tmpfs", "/dev/shm", LINUX_MS_NOSUID | LINUX_MS_NODEV, "mode=1777" },
	{ "mqueue", "/dev/mqueue", LINUX_MS_NOSUID | LINUX_MS_NODEV | LINUX_MS_NOEXEC, NULL },
};

/* Makes the directory @path and those above it, where they are missing. */
static int make_dirs(const char *path)
{
	char buf[PATH_MAX_LEN];
	int err = 0;

	if (strlen(path) >= sizeof(buf))
		return -LINUX_ENAMETOOLONG;
	strcpy(buf, path);
	for (char *p = buf + 1; !err; p++) {
		char c = *p;

		if (c && c != '/')
			continue;
		*p = '\0';
		err = do_mkdirat(LINUX_AT_FDCWD, buf, 0755);
		if (err == -LINUX_EEXIST)
			err = 0;
		*p = c;
		if (!c)
			break;
	}
	return err;
}

static int find_mount_point(const char *where, struct path *ret)
{
	int err = path_lookupat(LINUX_AT_FDCWD, where, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, ret);

	if (err != -LINUX_ENOENT)
		return err;
	err = make_dirs(where);
	return err ? err : path_lookupat(LINUX_AT_FDCWD, where, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, ret);
}

/* A file system that this sentry was built without is left out; what needs it finds its mount point empty. */
static int setup_guest_mount(const struct guest_mount *m)
{
	struct path where;
	int err;

	if (!fs_type_find(m->type)) {
		log_info("there is no %s: %s stays as it is", m->type, m->where);
		return 0;
	}
	err = find_mount_point(m->where, &where);
	if (!err) {
		err = do_mount(m->type, &where, m->type, m->flags, m->data);
		path_put(&where);
	}
	return err ? cli_error("cannot mount %s on %s in the guest: %s", m->type, m->where, cli_strerror(err)) : 0;
}

/* The place for a volume: a directory for a directory, an empty file for a file. */
static int find_volume_point(const char *guest, bool dir, struct path *ret)
{
	const char *slash = strrchr(guest, '/');
	_cleanup_fput_ struct file *f = NULL;
	char *parent;
	int err;

	if (dir)
		return find_mount_point(guest, ret);
	err = path_lookupat(LINUX_AT_FDCWD, guest, LOOKUP_FOLLOW, ret);
	if (err != -LINUX_ENOENT)
		return err;
	parent = strndup(guest, (size_t)(slash - guest));
	if (!parent)
		return -LINUX_ENOMEM;
	err = *parent ? make_dirs(parent) : 0;
	free(parent);
	if (err)
		return err;
	f = filp_open(guest, LINUX_O_WRONLY | LINUX_O_CREAT, 0644);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	return path_lookupat(LINUX_AT_FDCWD, guest, LOOKUP_FOLLOW, ret);
}

static int setup_volume(const struct volume *v)
{
	unsigned flags = v->read_only ? LINUX_MS_RDONLY : 0;
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	struct super_block *sb;
	struct path where;
	int err;

	sb = hostfs_open(v->host, flags, &why);
	if (IS_ERR(sb))
		return cli_error("cannot share '%s': %s", v->host,
				 why.len ? strbuf_str(&why) : cli_strerror(PTR_ERR(sb)));
	err = find_volume_point(v->guest, LINUX_S_ISDIR(sb->root->inode->mode), &where);
	if (err) {
		sb_put(sb);
	} else {
		err = mount_attach(sb, &where, flags | LINUX_MS_NOSUID | LINUX_MS_NODEV);
		path_put(&where);
	}
	return err ? cli_error("cannot mount '%s' on '%s' in the guest: %s", v->host, v->guest, cli_strerror(err)) : 0;
}

/* The rest is init's to mount, as on any machine whose kernel has CONFIG_DEVTMPFS_MOUNT. */
int setup_boot_mounts(const struct run_options *o, const char *root)
{
	static const struct guest_mount dev = { "devtmpfs", "/dev", LINUX_MS_NOSUID, "mode=755" };
	int err = setup_root(o, root);

	if (!err)
		err = setup_guest_mount(&dev);
	for (unsigned i = 0; i < o->nr_volumes && !err; i++)
		err = setup_volume(&o->volumes[i]);
	return err;
}

int setup_mounts(const struct run_options *o, const char *root)
{
	int err = setup_root(o, root);

	for (size_t i = 0; i < ARRAY_SIZE(guest_mounts) && !err; i++)
		err = setup_guest_mount(&guest_mounts[i]);
	for (unsigned i = 0; i < o->nr_tmpfs && !err; i++)
		err = setup_guest_mount(&(struct guest_mount){ "tmpfs", o->tmpfs[i].guest, LINUX_MS_NOSUID | LINUX_MS_NODEV,
								o->tmpfs[i].host });
	for (unsigned i = 0; i < o->nr_volumes && !err; i++)
		err = setup_volume(&o->volumes[i]);
	if (!err)
		net_setup_resolver(o, !root);
	if (!err && o->read_only) {
		err = do_mount(NULL, &current_fs->root, NULL, LINUX_MS_REMOUNT | LINUX_MS_BIND | LINUX_MS_RDONLY, NULL);
		if (err)
			err = cli_error("cannot make the root read-only: %s", cli_strerror(err));
	}
	return err;
}
