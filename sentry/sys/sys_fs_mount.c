/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount(2), umount(2), pivot_root(2), sysfs(2).
 */
#include <stdlib.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/fs.h"
#include "sentry/sys/syscall.h"
#include "vfs/vfs.h"

static void free_cleanup(char **p)
{
	free(*p);
}
#define _cleanup_free_ __cleanup(free_cleanup)

/* A string of up to a page; NULL stays NULL.  0, -LINUX_EFAULT, -LINUX_EINVAL when it is longer. */
static int string_from_user(uaddr_t ustr, char **ret)
{
	char *s;
	int64_t len;

	if (!ustr)
		return 0;
	s = malloc(PAGE_SIZE);
	if (!s)
		return -LINUX_ENOMEM;
	len = strncpy_from_user(s, ustr, PAGE_SIZE);
	if (len < 0 || len == PAGE_SIZE) {
		free(s);
		return len < 0 ? (int)len : -LINUX_EINVAL;
	}
	*ret = s;
	return 0;
}

/* Options are a page, of which what can be read counts: copy_mount_options. */
static int options_from_user(uaddr_t udata, char **ret)
{
	size_t n;
	char *s;

	if (!udata)
		return 0;
	s = calloc(1, PAGE_SIZE + 1);
	if (!s)
		return -LINUX_ENOMEM;
	n = copy_from_user_partial(s, udata, PAGE_SIZE - 1);
	if (!n) {
		free(s);
		return -LINUX_EFAULT;
	}
	*ret = s;
	return 0;
}

SYSCALL_DEFINE5(mount, uaddr_t, usource, uaddr_t, uwhere, uaddr_t, utype, uint64_t, flags, uaddr_t, udata)
{
	_cleanup_free_ char *source = NULL, *type = NULL, *data = NULL;
	_cleanup_path_ struct path where = { NULL, NULL };
	int err = string_from_user(utype, &type);

	if (!err)
		err = string_from_user(usource, &source);
	if (!err)
		err = options_from_user(udata, &data);
	if (!err)
		err = user_path_at(LINUX_AT_FDCWD, uwhere, LOOKUP_FOLLOW, &where);
	return err ? err : do_mount(source, &where, type, flags, data);
}

SYSCALL_DEFINE2(umount2, uaddr_t, uwhere, int, flags)
{
	_cleanup_path_ struct path where = { NULL, NULL };
	int err;

	if (flags & ~(LINUX_MNT_FORCE | LINUX_MNT_DETACH | LINUX_MNT_EXPIRE | LINUX_UMOUNT_NOFOLLOW))
		return -LINUX_EINVAL;
	err = user_path_at(LINUX_AT_FDCWD, uwhere, flags & LINUX_UMOUNT_NOFOLLOW ? 0 : LOOKUP_FOLLOW, &where);
	return err ? err : do_umount(&where, flags);
}

SYSCALL_DEFINE2(pivot_root, uaddr_t, unew, uaddr_t, uold)
{
	_cleanup_path_ struct path new_root = { NULL, NULL };
	_cleanup_path_ struct path put_old = { NULL, NULL };
	int err;

	if (!may_mount())
		return -LINUX_EPERM;
	err = user_path_at(LINUX_AT_FDCWD, unew, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &new_root);
	if (!err)
		err = user_path_at(LINUX_AT_FDCWD, uold, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &put_old);
	return err ? err : do_pivot_root(&new_root, &put_old);
}

/* sysfs(2): the table of filesystems by number. */
SYSCALL_DEFINE3(sysfs, int, option, uint64_t, arg1, uint64_t, arg2)
{
	_cleanup_free_ char *name = NULL;
	uint64_t nr = 0, i;
	int err;

	while (fs_types[nr])
		nr++;
	switch (option) {
	case 1:
		err = arg1 ? string_from_user(arg1, &name) : -LINUX_EFAULT;
		if (err)
			return err;
		for (i = 0; i < nr; i++)
			if (fs_type_find(name) == fs_types[i])
				return i;
		return -LINUX_EINVAL;
	case 2:
		if (arg1 >= nr)
			return -LINUX_EINVAL;
		for (i = 0; fs_types[arg1]->name[i];)
			i++;
		return copy_to_user(arg2, fs_types[arg1]->name, i + 1);
	case 3:
		return nr;
	default:
		return -LINUX_EINVAL;
	}
}
