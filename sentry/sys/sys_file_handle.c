/* SPDX-License-Identifier: Apache-2.0 */
/* name_to_handle_at(2), open_by_handle_at(2). */
#include "sentry/abi/fcntl.h"
#include "sentry/sys/syscall.h"
#include "vfs/file_handle.h"

struct linux_file_handle {
	uint32_t handle_bytes;
	int32_t handle_type;
};
#define MAX_HANDLE_SZ 128
#define HANDLE_TYPE 1 /* FILEID_INO32_GEN, as tmpfs says of the same three words */

SYSCALL_DEFINE5(name_to_handle_at, int, dfd, uaddr_t, uname, uaddr_t, uhandle, uaddr_t, umnt_id, int, flags)
{
	_cleanup_path_ struct path path = { NULL, NULL };
	unsigned lookup = flags & LINUX_AT_SYMLINK_FOLLOW ? LOOKUP_FOLLOW : 0;
	struct linux_file_handle handle;
	struct file_handle_id id;
	bool fits;
	int err;

	if (flags & ~(LINUX_AT_SYMLINK_FOLLOW | LINUX_AT_EMPTY_PATH | LINUX_AT_HANDLE_FID))
		return -LINUX_EINVAL;
	if (flags & LINUX_AT_EMPTY_PATH)
		lookup |= LOOKUP_EMPTY;
	err = user_path_at(dfd, uname, lookup, &path);
	if (!err)
		err = file_handle_encode(&path, &id);
	if (err)
		return err;
	if (get_user(&handle, uhandle))
		return -LINUX_EFAULT;
	if (handle.handle_bytes > MAX_HANDLE_SZ)
		return -LINUX_EINVAL;
	fits = handle.handle_bytes >= FILE_HANDLE_SIZE;
	handle = (struct linux_file_handle){ FILE_HANDLE_SIZE, fits ? HANDLE_TYPE : 0 };
	if (put_user(path.mnt->id, umnt_id, int32_t) || copy_to_user(uhandle, &handle, sizeof(handle)) ||
	    (fits && copy_to_user(uhandle + sizeof(handle), &id, FILE_HANDLE_SIZE)))
		return -LINUX_EFAULT;
	return fits ? 0 : -LINUX_EOVERFLOW;
}

/* The place whose mount a handle is of. */
static int anchor_get(int fd, struct path *ret)
{
	struct file *f _cleanup_fput_ = NULL;

	if (fd == LINUX_AT_FDCWD) {
		fs_get_pwd(ret);
		return 0;
	}
	f = fget_raw(fd);
	if (!f)
		return -LINUX_EBADF;
	*ret = f->path;
	path_get(ret);
	return 0;
}

SYSCALL_DEFINE3(open_by_handle_at, int, mount_fd, uaddr_t, uhandle, uint32_t, flags)
{
	struct path anchor _cleanup_path_ = { 0 }, path _cleanup_path_ = { 0 };
	struct linux_file_handle handle;
	struct file_handle_id id = { 0 };
	int err;

	err = anchor_get(mount_fd, &anchor);
	if (err)
		return err;
	if (get_user(&handle, uhandle))
		return -LINUX_EFAULT;
	if (!handle.handle_bytes || handle.handle_bytes > MAX_HANDLE_SZ || handle.handle_type < 0)
		return -LINUX_EINVAL;
	if (!capable(CAP_DAC_READ_SEARCH))
		return -LINUX_EPERM;
	if (handle.handle_bytes != FILE_HANDLE_SIZE || handle.handle_type != HANDLE_TYPE)
		return -LINUX_ESTALE;
	if (copy_from_user(&id, uhandle + sizeof(handle), FILE_HANDLE_SIZE))
		return -LINUX_EFAULT;
	err = file_handle_decode(anchor.mnt, &id, &path);
	if (err)
		return err;
	if (flags & LINUX_O_DIRECTORY && !LINUX_S_ISDIR(path.dentry->inode->mode))
		return -LINUX_ENOTDIR;
	return fd_install_or_put(dentry_open(&path, flags, current_cred), flags & LINUX_O_CLOEXEC);
}
