/* SPDX-License-Identifier: Apache-2.0 */
/* fsopen(2), fspick(2), fsconfig(2), fsmount(2), open_tree(2), move_mount(2), mount_setattr(2). */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/sys/syscall.h"
#include "vfs/fs_context.h"
#include "vfs/mount.h"

#define KEY_MAX 256 /* of fsconfig's strings, with the NUL */
#define BINARY_MAX (1024 * 1024)

static int key_from_user(uaddr_t ustr, char ret[KEY_MAX])
{
	int64_t n = strncpy_from_user(ret, ustr, KEY_MAX);

	return n < 0 ? (int)n : n >= KEY_MAX ? -LINUX_EINVAL : 0;
}

SYSCALL_DEFINE2(fsopen, uaddr_t, uname, unsigned, flags)
{
	const struct fs_type *type;
	char *name;
	int err;

	if (!may_mount())
		return -LINUX_EPERM;
	if (flags & ~LINUX_FSOPEN_CLOEXEC)
		return -LINUX_EINVAL;
	err = getname(uname, true, &name);
	if (err)
		return err == -LINUX_ENAMETOOLONG ? -LINUX_EINVAL : err;
	type = fs_type_find(name);
	free(name);
	if (!type)
		return -LINUX_ENODEV;
	return fd_install_or_put(fs_context_open(type), flags & LINUX_FSOPEN_CLOEXEC);
}

SYSCALL_DEFINE3(fspick, int, dfd, uaddr_t, upath, unsigned, flags)
{
	struct path path _cleanup_path_ = { 0 };
	unsigned lookup = LOOKUP_FOLLOW;
	int err;

	if (!may_mount())
		return -LINUX_EPERM;
	if (flags & ~(LINUX_FSPICK_CLOEXEC | LINUX_FSPICK_SYMLINK_NOFOLLOW | LINUX_FSPICK_NO_AUTOMOUNT | LINUX_FSPICK_EMPTY_PATH))
		return -LINUX_EINVAL;
	if (flags & LINUX_FSPICK_SYMLINK_NOFOLLOW)
		lookup = 0;
	if (flags & LINUX_FSPICK_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path_at(dfd, upath, lookup, &path);
	if (err)
		return err;
	if (path.dentry != path.mnt->root)
		return -LINUX_EINVAL;
	return fd_install_or_put(fs_context_pick(path.mnt->sb), flags & LINUX_FSPICK_CLOEXEC);
}

/* --- fsconfig --- */

/* Which arguments a command has, and must not have. */
static int fsconfig_check(unsigned cmd, uaddr_t ukey, uaddr_t uvalue, int aux)
{
	bool ok;

	switch (cmd) {
	case LINUX_FSCONFIG_SET_FLAG:
		ok = ukey && !uvalue && !aux;
		break;
	case LINUX_FSCONFIG_SET_STRING:
		ok = ukey && uvalue && !aux;
		break;
	case LINUX_FSCONFIG_SET_BINARY:
		ok = ukey && uvalue && aux > 0 && aux <= BINARY_MAX;
		break;
	case LINUX_FSCONFIG_SET_PATH:
	case LINUX_FSCONFIG_SET_PATH_EMPTY:
		ok = ukey && uvalue && (aux == LINUX_AT_FDCWD || aux >= 0);
		break;
	case LINUX_FSCONFIG_SET_FD:
		ok = ukey && !uvalue && aux >= 0;
		break;
	case LINUX_FSCONFIG_CMD_CREATE:
	case LINUX_FSCONFIG_CMD_CREATE_EXCL:
	case LINUX_FSCONFIG_CMD_RECONFIGURE:
		ok = !ukey && !uvalue && !aux;
		break;
	default:
		return -LINUX_EOPNOTSUPP;
	}
	return ok ? 0 : -LINUX_EINVAL;
}

SYSCALL_DEFINE5(fsconfig, int, fd, unsigned, cmd, uaddr_t, ukey, uaddr_t, uvalue, int, aux)
{
	struct file *f _cleanup_fput_ = NULL;
	char key[KEY_MAX], value[KEY_MAX];
	struct fs_context *fc;
	int err;

	if (fd < 0)
		return -LINUX_EINVAL;
	err = fsconfig_check(cmd, ukey, uvalue, aux);
	if (err)
		return err;
	f = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	fc = fs_context_of(f);
	if (!fc)
		return -LINUX_EINVAL;
	err = ukey ? key_from_user(ukey, key) : 0;
	if (!err && cmd == LINUX_FSCONFIG_SET_STRING)
		err = key_from_user(uvalue, value);
	if (err)
		return err;
	switch (cmd) {
	case LINUX_FSCONFIG_SET_FLAG:
		return fs_context_set(fc, key, NULL);
	case LINUX_FSCONFIG_SET_STRING:
		return fs_context_set(fc, key, value);
	case LINUX_FSCONFIG_CMD_CREATE:
	case LINUX_FSCONFIG_CMD_CREATE_EXCL: /* no file system shares super blocks among mounts of its own */
		return fs_context_create(fc);
	case LINUX_FSCONFIG_CMD_RECONFIGURE:
		return fs_context_reconfigure(fc);
	default:
		/* No option of ours is anything but text. */
		return -LINUX_EINVAL;
	}
}

/* --- mounts --- */

/* MOUNT_ATTR_* but for the times of access, as LINUX_MS_*. */
static unsigned attr_to_flags(uint64_t attr)
{
	static const struct {
		uint32_t attr, flag;
	} map[] = {
		{ LINUX_MOUNT_ATTR_RDONLY, LINUX_MS_RDONLY }, { LINUX_MOUNT_ATTR_NOSUID, LINUX_MS_NOSUID },
		{ LINUX_MOUNT_ATTR_NODEV, LINUX_MS_NODEV }, { LINUX_MOUNT_ATTR_NOEXEC, LINUX_MS_NOEXEC },
		{ LINUX_MOUNT_ATTR_NODIRATIME, LINUX_MS_NODIRATIME }, { LINUX_MOUNT_ATTR_NOSYMFOLLOW, LINUX_MS_NOSYMFOLLOW },
	};
	unsigned flags = 0;

	for (size_t i = 0; i < ARRAY_SIZE(map); i++)
		if (attr & map[i].attr)
			flags |= map[i].flag;
	return flags;
}

#define ATTR_FLAGS                                                                                                     \
	(LINUX_MOUNT_ATTR_RDONLY | LINUX_MOUNT_ATTR_NOSUID | LINUX_MOUNT_ATTR_NODEV | LINUX_MOUNT_ATTR_NOEXEC |        \
	 LINUX_MOUNT_ATTR__ATIME | LINUX_MOUNT_ATTR_NODIRATIME | LINUX_MOUNT_ATTR_NOSYMFOLLOW)
#define ATIME_FLAGS (LINUX_MS_NOATIME | LINUX_MS_RELATIME | LINUX_MS_STRICTATIME)

/* Exactly one way to keep times of access. */
static int attr_to_atime(uint64_t attr, unsigned *flags)
{
	switch (attr & LINUX_MOUNT_ATTR__ATIME) {
	case LINUX_MOUNT_ATTR_RELATIME:
		*flags |= LINUX_MS_RELATIME;
		return 0;
	case LINUX_MOUNT_ATTR_NOATIME:
		*flags |= LINUX_MS_NOATIME;
		return 0;
	case LINUX_MOUNT_ATTR_STRICTATIME:
		*flags |= LINUX_MS_STRICTATIME;
		return 0;
	default:
		return -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE3(fsmount, int, fd, unsigned, flags, unsigned, attr)
{
	struct file *f _cleanup_fput_ = NULL;
	unsigned mnt_flags = attr_to_flags(attr);

	if (!may_mount())
		return -LINUX_EPERM;
	if (flags & ~LINUX_FSMOUNT_CLOEXEC || attr & ~ATTR_FLAGS || attr_to_atime(attr, &mnt_flags))
		return -LINUX_EINVAL;
	f = fget(fd);
	if (!f)
		return -LINUX_EBADF;
	if (!fs_context_of(f))
		return -LINUX_EINVAL;
	return fd_install_or_put(fs_context_mount(fs_context_of(f), mnt_flags), flags & LINUX_FSMOUNT_CLOEXEC);
}

SYSCALL_DEFINE3(open_tree, int, dfd, uaddr_t, upath, unsigned, flags)
{
	struct path path _cleanup_path_ = { 0 };
	unsigned lookup = flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	bool clone = flags & LINUX_OPEN_TREE_CLONE;
	struct file *f;
	int err;

	if (flags & ~(LINUX_AT_EMPTY_PATH | LINUX_AT_NO_AUTOMOUNT | LINUX_AT_RECURSIVE | LINUX_AT_SYMLINK_NOFOLLOW |
		      LINUX_OPEN_TREE_CLONE | LINUX_OPEN_TREE_CLOEXEC) ||
	    (flags & LINUX_AT_RECURSIVE && !clone))
		return -LINUX_EINVAL;
	if (clone && !may_mount())
		return -LINUX_EPERM;
	if (flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path_at(dfd, upath, lookup, &path);
	if (err)
		return err;
	if (clone)
		f = mount_clone_open(&path, flags & LINUX_AT_RECURSIVE);
	else
		f = dentry_open(&path, LINUX_O_PATH, current_cred);
	return fd_install_or_put(f, flags & LINUX_OPEN_TREE_CLOEXEC);
}

SYSCALL_DEFINE5(move_mount, int, from_fd, uaddr_t, ufrom, int, to_fd, uaddr_t, uto, unsigned, flags)
{
	struct path from _cleanup_path_ = { 0 }, to _cleanup_path_ = { 0 };
	unsigned from_lookup = 0, to_lookup = 0;
	int err;

	if (!may_mount())
		return -LINUX_EPERM;
	/* Neither SET_GROUP nor BENEATH. */
	if (flags & ~(LINUX_MOVE_MOUNT_F_SYMLINKS | LINUX_MOVE_MOUNT_F_AUTOMOUNTS | LINUX_MOVE_MOUNT_F_EMPTY_PATH |
		      LINUX_MOVE_MOUNT_T_SYMLINKS | LINUX_MOVE_MOUNT_T_AUTOMOUNTS | LINUX_MOVE_MOUNT_T_EMPTY_PATH)) {
		syscall_unsupported("move_mount flags", "MOVE_MOUNT_SET_GROUP and _BENEATH");
		return -LINUX_EINVAL;
	}
	if (flags & LINUX_MOVE_MOUNT_F_SYMLINKS)
		from_lookup |= LOOKUP_FOLLOW;
	if (flags & LINUX_MOVE_MOUNT_F_EMPTY_PATH)
		from_lookup |= LOOKUP_EMPTY;
	if (flags & LINUX_MOVE_MOUNT_T_SYMLINKS)
		to_lookup |= LOOKUP_FOLLOW;
	if (flags & LINUX_MOVE_MOUNT_T_EMPTY_PATH)
		to_lookup |= LOOKUP_EMPTY;
	err = user_path_at(from_fd, ufrom, from_lookup, &from);
	if (!err)
		err = user_path_at(to_fd, uto, to_lookup, &to);
	return err ? err : mount_move(&from, &to);
}

/* build_mount_kattr: what is asked for, in our terms. */
static int attr_to_change(const struct linux_mount_attr *attr, struct mount_attr_change *c)
{
	static const uint64_t types = LINUX_MS_SHARED | LINUX_MS_PRIVATE | LINUX_MS_SLAVE | LINUX_MS_UNBINDABLE;

	if (attr->propagation & ~types || attr->propagation & (attr->propagation - 1))
		return -LINUX_EINVAL;
	if ((attr->attr_set | attr->attr_clr) & ~(uint64_t)(ATTR_FLAGS | LINUX_MOUNT_ATTR_IDMAP))
		return -LINUX_EINVAL;
	/* No file system lets its owners be mapped. */
	if ((attr->attr_set | attr->attr_clr) & LINUX_MOUNT_ATTR_IDMAP)
		return -LINUX_EINVAL;
	c->set = attr_to_flags(attr->attr_set);
	c->clear = attr_to_flags(attr->attr_clr);
	c->propagation = attr->propagation;
	if (!(attr->attr_clr & LINUX_MOUNT_ATTR__ATIME))
		return attr->attr_set & LINUX_MOUNT_ATTR__ATIME ? -LINUX_EINVAL : 0;
	if ((attr->attr_clr & LINUX_MOUNT_ATTR__ATIME) != LINUX_MOUNT_ATTR__ATIME)
		return -LINUX_EINVAL;
	c->clear |= ATIME_FLAGS;
	return attr_to_atime(attr->attr_set, &c->set);
}

SYSCALL_DEFINE5(mount_setattr, int, dfd, uaddr_t, upath, unsigned, flags, uaddr_t, uattr, size_t, size)
{
	struct path path _cleanup_path_ = { 0 };
	unsigned lookup = flags & LINUX_AT_SYMLINK_NOFOLLOW ? 0 : LOOKUP_FOLLOW;
	struct mount_attr_change c = { .recursive = flags & LINUX_AT_RECURSIVE };
	struct linux_mount_attr attr;
	int err;

	if (flags & ~(LINUX_AT_EMPTY_PATH | LINUX_AT_RECURSIVE | LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT))
		return -LINUX_EINVAL;
	if (size > PAGE_SIZE)
		return -LINUX_E2BIG;
	if (size < LINUX_MOUNT_ATTR_SIZE_VER0)
		return -LINUX_EINVAL;
	if (!may_mount())
		return -LINUX_EPERM;
	err = copy_struct_from_user(&attr, sizeof(attr), uattr, size);
	if (err || !(attr.attr_set | attr.attr_clr | attr.propagation))
		return err;
	err = attr_to_change(&attr, &c);
	if (err)
		return err;
	if (flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path_at(dfd, upath, lookup, &path);
	return err ? err : mount_setattr(&path, &c);
}
