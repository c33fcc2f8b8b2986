/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking names up, and listing them.
 *
 * A listing is a snapshot, because the host's own positions may be any 64-bit numbers and ours must be small and hold.  A
 * position is the number of the next record, plus 2 for "." and "..".  An open directory keeps the snapshot it began with.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/dirent.h"
#include "sentry/abi/fcntl.h"
#include "vfs/hostfs/hostfs_fs.h"

#define LOOKUP_FLAGS (LINUX_AT_SYMLINK_NOFOLLOW | LINUX_AT_NO_AUTOMOUNT)
#define LIST_KEEP_MAX 65536	  /* a bigger one is forgotten when it was read to its end */
#define LIST_BYTES_MAX (1UL << 30)
#define LIST_CHUNK 32768
#define LIST_CURRENT_NS 1000000 /* a listing is believed for a millisecond, as attributes are */

/* --- look-up --- */

struct inode *hostfs_lookup(struct inode *dir, const char *name)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	struct host_stat st;
	int err;

	if (HOSTFS_I(dir)->closed)
		return ERR_PTR(-LINUX_ENOENT);
	err = hostfs_fd_get(HOSTFS_I(dir), HOSTFS_PATH, &hfd);
	if (!err)
		err = host_fstatat(hfd->fd, name, LOOKUP_FLAGS, &st);
	if (err)
		return ERR_PTR(err);
	return hostfs_iget(dir, hfd->fd, name, &st);
}

bool hostfs_revalidate(struct inode *dir, const char *name, struct inode *inode)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	struct hostfs_inode_info *hi = inode ? HOSTFS_I(inode) : NULL;
	struct host_stat st;
	int err;

	if (HOSTFS_I(dir)->closed || (hi && hostfs_seen_lately(hi, HOSTFS_I(dir), name)))
		return true;
	err = hostfs_fd_get(HOSTFS_I(dir), HOSTFS_PATH, &hfd);
	if (!err)
		err = host_fstatat(hfd->fd, name, LOOKUP_FLAGS, &st);
	if (!hi)
		return err == -LINUX_ENOENT;
	if (err || st.ino != inode->ino || st.dev != hi->host_dev)
		return false;
	hostfs_seen(hi, HOSTFS_I(dir), name);
	hostfs_attrs_set(inode, &st, false);
	return true;
}

/* --- listings --- */

void hostfs_list_put(struct hostfs_list *list)
{
	if (!ref_put(&list->ref))
		return;
	free(list->offsets);
	free(list->buf);
	free(list);
}

static const struct linux_dirent64 *record_at(const struct hostfs_list *list, uint32_t off)
{
	return (const struct linux_dirent64 *)(list->buf + off);
}

static bool is_dot(const char *name)
{
	return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2]));
}

/* Adds those records of @buf, of @size bytes, that are names. */
static int records_add(struct hostfs_list *list, const char *buf, size_t size)
{
	const struct linux_dirent64 *de;
	char *to = list->size + size <= LIST_BYTES_MAX ? realloc(list->buf, list->size + size) : NULL;

	if (!to)
		return -LINUX_ENOMEM;
	list->buf = to;
	for (size_t off = 0; off < size; off += de->d_reclen) {
		de = (const struct linux_dirent64 *)(buf + off);
		if (is_dot(de->d_name))
			continue;
		memcpy(list->buf + list->size, de, de->d_reclen);
		list->size += de->d_reclen;
		list->nr++;
	}
	return 0;
}

/* Adds all records of @fd.  Most directories are small: no more memory than they need, and none that comes and goes. */
static int records_read(struct hostfs_list *list, int fd)
{
	char buf[LIST_CHUNK] __attribute__((aligned(8)));

	for (;;) {
		ssize_t n = host_getdents64(fd, buf, sizeof(buf));
		int err;

		if (n <= 0)
			return n;
		err = records_add(list, buf, n);
		if (err)
			return err;
	}
}

/* Notes where each record is. */
static int records_index(struct hostfs_list *list)
{
	uint32_t off = 0;

	list->offsets = malloc((list->nr + 1) * sizeof(*list->offsets));
	if (!list->offsets)
		return -LINUX_ENOMEM;
	for (uint32_t i = 0; i < list->nr; i++) {
		list->offsets[i] = off;
		off += record_at(list, off)->d_reclen;
	}
	return 0;
}

static struct hostfs_list *list_new(void)
{
	struct hostfs_list *list = calloc(1, sizeof(*list));

	if (list)
		ref_init(&list->ref);
	return list;
}

/* Fills @list with what the directory has. */
static int list_fill(struct hostfs_list *list, struct hostfs_inode_info *hi)
{
	struct host_stat st;
	bool keep;
	int fd = hostfs_dir_open_read(hi, &st, &keep), err;

	if (fd < 0)
		return fd;
	list->mtime = st.mtime;
	list->ctime = st.ctime;
	list->read_at = monotonic_ns();
	err = records_read(list, fd);
	if (!keep)
		host_close(fd);
	else if (hostfs_fd_add(hi, HOSTFS_PATH, fd))
		err = -LINUX_ENOMEM;
	return err;
}

/* A fresh listing, or ERR_PTR. */
static struct hostfs_list *list_read(struct hostfs_inode_info *hi)
{
	struct hostfs_list *list = list_new();
	int err = 0;

	if (!list)
		return ERR_PTR(-LINUX_ENOMEM);
	if (!hi->closed)
		err = list_fill(list, hi);
	if (!err)
		err = records_index(list);
	if (err) {
		hostfs_list_put(list);
		return ERR_PTR(err);
	}
	return list;
}

/* The inode's last listing with a reference, or NULL. */
static struct hostfs_list *list_cached(struct hostfs_inode_info *hi)
{
	MUTEX_GUARD(&HOSTFS_SB(hi->vfs.sb)->fd_lock);

	if (hi->list)
		ref_get(&hi->list->ref);
	return hi->list;
}

/* Makes @list (reference taken; NULL) the inode's last listing. */
static void list_keep(struct hostfs_inode_info *hi, struct hostfs_list *list)
{
	struct hostfs_sb_info *hs = HOSTFS_SB(hi->vfs.sb);
	struct hostfs_list *old;

	mutex_lock(&hs->fd_lock);
	old = hi->list;
	hi->list = list;
	mutex_unlock(&hs->fd_lock);
	if (old)
		hostfs_list_put(old);
}

/* Whether the directory is as it was when @list was read.  Times too young to tell two changes apart do not count. */
static bool list_is_current(struct hostfs_inode_info *hi, const struct hostfs_list *list)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	struct host_stat st;

	if (hi->closed)
		return true;
	/* Where the guest changes directories it must see that at once. */
	if (HOSTFS_SB(hi->vfs.sb)->readonly && monotonic_ns() - list->read_at < LIST_CURRENT_NS)
		return true;
	if (hostfs_fd_get(hi, HOSTFS_PATH, &hfd) || host_fstat(hfd->fd, &st))
		return false;
	return st.mtime.sec == list->mtime.sec && st.mtime.nsec == list->mtime.nsec && st.ctime.sec == list->ctime.sec &&
	       st.ctime.nsec == list->ctime.nsec && current_time().sec - st.ctime.sec > 1;
}

/* A listing with a reference, or ERR_PTR.  @fresh: it must be what the directory has now. */
static struct hostfs_list *list_get(struct hostfs_inode_info *hi, bool fresh)
{
	struct hostfs_list *list = list_cached(hi);

	if (list && (!fresh || list_is_current(hi, list)))
		return list;
	if (list)
		hostfs_list_put(list);
	list = list_read(hi);
	if (!IS_ERR(list)) {
		ref_get(&list->ref);
		list_keep(hi, list);
	}
	return list;
}

/* --- operations --- */

static int hostfs_dir_open(struct inode *inode, struct file *f)
{
	struct hostfs_list *list = list_get(HOSTFS_I(inode), false);

	if (IS_ERR(list))
		return PTR_ERR(list);
	f->private_data = list;
	return 0;
}

static void hostfs_dir_release(struct file *f)
{
	if (f->private_data)
		hostfs_list_put(f->private_data);
	f->private_data = NULL;
}

static int hostfs_iterate(struct file *f, struct dir_context *ctx)
{
	struct hostfs_inode_info *hi = HOSTFS_I(f->inode);
	struct hostfs_list *list = f->private_data;

	if (ctx->pos <= 2) {
		list = list_get(hi, true);
		if (IS_ERR(list))
			return PTR_ERR(list);
		hostfs_dir_release(f);
		f->private_data = list;
	}
	if (!dir_emit_dots(f, ctx))
		return 0;
	if (ctx->pos - 2 >= list->nr && list->size > LIST_KEEP_MAX)
		list_keep(hi, NULL);
	while (ctx->pos - 2 < list->nr) {
		const struct linux_dirent64 *de = record_at(list, list->offsets[ctx->pos - 2]);

		if (!ctx->emit(ctx, de->d_name, strlen(de->d_name), de->d_ino, de->d_type, ctx->pos + 1))
			break;
		ctx->pos++;
	}
	return 0;
}

static int hostfs_dir_fsync(struct file *f, uint64_t start, uint64_t end, bool datasync)
{
	_cleanup_hostfs_fd_ struct hostfs_fd *hfd = NULL;
	int err, fd;

	(void)start, (void)end;
	err = hostfs_fd_get(HOSTFS_I(f->inode), HOSTFS_PATH, &hfd);
	if (err)
		return err;
	fd = host_openat(hfd->fd, ".", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
	if (fd < 0)
		return fd;
	err = datasync ? host_fdatasync(fd) : host_fsync(fd);
	host_close(fd);
	return err;
}

const struct file_ops hostfs_dir_ops = {
	.iterate = hostfs_iterate,
	.open = hostfs_dir_open,
	.release = hostfs_dir_release,
	.llseek = generic_file_llseek,
	.fsync = hostfs_dir_fsync,
};
