/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/cli/tar.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"

#define BLOCK 512UL
#define CHUNK 65536UL
#define NAME_LIMIT 65536UL /* of a long name, and of pax records */
#define DEPTH_LIMIT 256    /* of directories; each is a stack frame */

struct tar_header { /* POSIX.1 */
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2];
	char uname[32], gname[32], devmajor[8], devminor[8], prefix[155], pad[12];
};
static_assert(sizeof(struct tar_header) == BLOCK, "a header is a block");

enum tar_type { TAR_FILE = '0', TAR_LINK, TAR_SYMLINK, TAR_CHAR, TAR_BLOCK, TAR_DIR, TAR_FIFO, TAR_LONG_NAME = 'L', TAR_LONG_LINK = 'K' };

/* --- writing --- */

/* Octal with a NUL, or what GNU has for more: the number itself, big-endian. */
static void put_number(char *field, size_t size, uint64_t n)
{
	if (n < 1ULL << (3 * (size - 1))) {
		char digits[24];

		snprintf(digits, sizeof(digits), "%0*" PRIo64, (int)size - 1, n);
		memcpy(field, digits, size);
		return;
	}
	for (size_t i = size; i-- > 1; n >>= 8)
		field[i] = (char)n;
	field[0] = (char)0x80;
}

static int put_zeros(int fd, uint64_t len)
{
	static const char zeros[2 * BLOCK];

	return host_write_full(fd, zeros, len);
}

static int put_header(int fd, const char *name, const char *link, char type, const struct tree_node *n, uint64_t size)
{
	struct tar_header h = { 0 };
	unsigned sum = 0;

	strncpy(h.name, name, sizeof(h.name) - 1);
	strncpy(h.link, link, sizeof(h.link) - 1);
	put_number(h.mode, sizeof(h.mode), n->mode & 07777);
	put_number(h.uid, sizeof(h.uid), n->uid);
	put_number(h.gid, sizeof(h.gid), n->gid);
	put_number(h.size, sizeof(h.size), size);
	put_number(h.mtime, sizeof(h.mtime), (uint64_t)MAX(n->mtime, 0));
	put_number(h.devmajor, sizeof(h.devmajor), LINUX_MAJOR(n->rdev));
	put_number(h.devminor, sizeof(h.devminor), LINUX_MINOR(n->rdev));
	h.type = type;
	memcpy(h.magic, "ustar", 6);
	memcpy(h.version, "00", 2);
	memset(h.checksum, ' ', sizeof(h.checksum));
	for (size_t i = 0; i < sizeof(h); i++)
		sum += ((uint8_t *)&h)[i];
	put_number(h.checksum, 7, sum);
	return host_write_full(fd, &h, sizeof(h));
}

static int put_long(int fd, char type, const char *text)
{
	static const struct tree_node none = { .mode = 0644 };
	size_t len = strlen(text) + 1;
	int err = put_header(fd, "././@LongLink", "", type, &none, len);

	if (!err)
		err = host_write_full(fd, text, len);
	return err ? err : put_zeros(fd, -len % BLOCK);
}

static int put_entry(int fd, const char *name, const char *link, char type, const struct tree_node *n, uint64_t size)
{
	int err = 0;

	if (strlen(name) >= sizeof(((struct tar_header *)0)->name))
		err = put_long(fd, TAR_LONG_NAME, name);
	if (!err && strlen(link) >= sizeof(((struct tar_header *)0)->link))
		err = put_long(fd, TAR_LONG_LINK, link);
	return err ? err : put_header(fd, name, link, type, n, size);
}

/* As many bytes as were announced, whatever the file has become. */
static int pack_file(const struct tree_ops *ops, const char *path, const char *name, const struct tree_node *n, int fd)
{
	void *file = ops->open(path, false);
	char *buf = malloc(CHUNK);
	int err = IS_ERR(file) ? (int)PTR_ERR(file) : buf ? 0 : -LINUX_ENOMEM;
	uint64_t done = 0;

	if (!err)
		err = put_entry(fd, name, "", TAR_FILE, n, n->size);
	while (!err && done < n->size) {
		size_t want = MIN(n->size - done, CHUNK);
		int64_t got = ops->read(file, buf, want, done);

		if (got < 0)
			err = (int)got;
		else if (!got)
			memset(buf, 0, want);
		if (!err)
			err = host_write_full(fd, buf, got ? (size_t)got : want);
		done += got ? (uint64_t)MAX(got, 0) : want;
	}
	if (!err)
		err = put_zeros(fd, -n->size % BLOCK);
	free(buf);
	if (!IS_ERR(file))
		ops->close(file);
	return err;
}

static int pack(const struct tree_ops *ops, const char *path, bool follow, const char *name, int fd, unsigned depth);

static int pack_children(const struct tree_ops *ops, const char *path, const char *name, int fd, unsigned depth)
{
	_cleanup_strbuf_ struct strbuf names = STRBUF_INIT;
	int err = depth < DEPTH_LIMIT ? ops->list(path, &names) : -LINUX_ELOOP;

	for (size_t at = 0; !err && at < names.len; at += strlen(names.buf + at) + 1) {
		_cleanup_strbuf_ struct strbuf child = STRBUF_INIT, as = STRBUF_INIT;

		strbuf_addf(&child, "%s/%s", path, names.buf + at);
		strbuf_addf(&as, "%s/%s", name, names.buf + at);
		err = strbuf_err(&child) || strbuf_err(&as) ? -LINUX_ENOMEM :
		      pack(ops, strbuf_str(&child), false, strbuf_str(&as), fd, depth + 1);
		if (err == -LINUX_ENOENT) /* it has gone */
			err = 0;
	}
	return err;
}

static int pack_dir(const struct tree_ops *ops, const char *path, const char *name, const struct tree_node *n, int fd, unsigned depth)
{
	_cleanup_strbuf_ struct strbuf as = STRBUF_INIT;
	int err;

	strbuf_addf(&as, "%s/", name);
	err = strbuf_err(&as) ? -LINUX_ENOMEM : put_entry(fd, strbuf_str(&as), "", TAR_DIR, n, 0);
	return err ? err : pack_children(ops, path, name, fd, depth);
}

static int pack_link(const struct tree_ops *ops, const char *path, const char *name, const struct tree_node *n, int fd)
{
	_cleanup_strbuf_ struct strbuf target = STRBUF_INIT;
	int err = ops->readlink(path, &target);

	return err ? err : put_entry(fd, name, strbuf_str(&target), TAR_SYMLINK, n, 0);
}

static int pack(const struct tree_ops *ops, const char *path, bool follow, const char *name, int fd, unsigned depth)
{
	struct tree_node n;
	int err = ops->stat(path, follow, &n);

	if (err)
		return err;
	switch (n.mode & LINUX_S_IFMT) {
	case LINUX_S_IFREG:
		return pack_file(ops, path, name, &n, fd);
	case LINUX_S_IFDIR:
		return pack_dir(ops, path, name, &n, fd, depth);
	case LINUX_S_IFLNK:
		return pack_link(ops, path, name, &n, fd);
	case LINUX_S_IFCHR:
		return put_entry(fd, name, "", TAR_CHAR, &n, 0);
	case LINUX_S_IFBLK:
		return put_entry(fd, name, "", TAR_BLOCK, &n, 0);
	case LINUX_S_IFIFO:
		return put_entry(fd, name, "", TAR_FIFO, &n, 0);
	default:
		return 0; /* a socket: there is nothing to carry */
	}
}

int tar_pack(const struct tree_ops *ops, const char *path, bool follow, const char *top, int fd)
{
	int err = pack(ops, path, follow, top, fd, 0);

	return err ? err : put_zeros(fd, 2 * BLOCK);
}

/* --- reading --- */

struct tar_entry {
	struct strbuf name, link;
	struct tree_node node;
	char type;
};

struct tar_dir {
	struct tar_dir *next;
	struct tree_node node;
	char path[];
};

struct tar_reader {
	int fd;
	struct tar_entry e;
	/* Of the entry that comes, from entries before it. */
	struct strbuf long_name, long_link;
	bool has_size, has_mtime;
	uint64_t size;
	int64_t mtime;
	/* Directories so far: they get their modes and times last, when nothing is made in them any more. */
	struct tar_dir *dirs;
};

/* 1, 0 at the end of the stream, or -errno. */
static int get_full(int fd, void *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = host_read(fd, (char *)buf + done, len - done);

		if (n == -LINUX_EINTR)
			continue;
		if (n <= 0)
			return n ? (int)n : done ? -LINUX_EPROTO : 0;
		done += (size_t)n;
	}
	return 1;
}

static int get_exactly(int fd, void *buf, size_t len)
{
	int n = len ? get_full(fd, buf, len) : 1;

	return n == 1 ? 0 : n ? n : -LINUX_EPROTO;
}

static int skip(int fd, uint64_t len)
{
	char buf[8 * BLOCK];
	int err = 0;

	for (; !err && len; len -= MIN(len, sizeof(buf)))
		err = get_exactly(fd, buf, MIN(len, sizeof(buf)));
	return err;
}

static uint64_t get_number(const char *field, size_t size)
{
	uint64_t n = 0;

	if (*field & 0x80) {
		for (size_t i = 1; i < size; i++)
			n = n << 8 | (uint8_t)field[i];
		return n;
	}
	for (size_t i = 0; i < size && field[i]; i++)
		if (field[i] >= '0' && field[i] <= '7')
			n = n << 3 | (uint64_t)(field[i] - '0');
	return n;
}

static bool checksum_ok(const struct tar_header *h)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(*h); i++)
		sum += i >= offsetof(struct tar_header, checksum) && i < offsetof(struct tar_header, type) ? ' ' : ((const uint8_t *)h)[i];
	return sum == get_number(h->checksum, sizeof(h->checksum));
}

static int get_text(struct tar_reader *r, uint64_t size, struct strbuf *ret)
{
	char *text;
	int err;

	strbuf_reset(ret);
	if (size > NAME_LIMIT)
		return -LINUX_ENAMETOOLONG;
	text = malloc(size + 1);
	if (!text)
		return -LINUX_ENOMEM;
	err = get_exactly(r->fd, text, size);
	if (!err)
		err = skip(r->fd, -size % BLOCK);
	strbuf_add(ret, text, size);
	free(text);
	return err ? err : strbuf_err(ret);
}

/* Records "LENGTH KEY=VALUE\n". */
static int get_pax(struct tar_reader *r, uint64_t size)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;
	int err = get_text(r, size, &text);

	for (size_t at = 0; !err && at < text.len;) {
		char *end, *key, *value;
		unsigned long len = strtoul(text.buf + at, &end, 10);

		if (*end != ' ' || !len || len > text.len - at || text.buf[at + len - 1] != '\n')
			return -LINUX_EPROTO;
		text.buf[at + len - 1] = '\0';
		key = end + 1;
		value = strchr(key, '=');
		if (!value)
			return -LINUX_EPROTO;
		*value++ = '\0';
		if (!strcmp(key, "path")) {
			strbuf_reset(&r->long_name);
			strbuf_adds(&r->long_name, value);
		} else if (!strcmp(key, "linkpath")) {
			strbuf_reset(&r->long_link);
			strbuf_adds(&r->long_link, value);
		} else if (!strcmp(key, "size")) {
			r->size = strtoull(value, NULL, 10);
			r->has_size = true;
		} else if (!strcmp(key, "mtime")) {
			r->mtime = strtoll(value, NULL, 10);
			r->has_mtime = true;
		}
		at += len;
	}
	return err;
}

static uint32_t type_mode(char type)
{
	switch (type) {
	case TAR_SYMLINK:
		return LINUX_S_IFLNK;
	case TAR_CHAR:
		return LINUX_S_IFCHR;
	case TAR_BLOCK:
		return LINUX_S_IFBLK;
	case TAR_DIR:
		return LINUX_S_IFDIR;
	case TAR_FIFO:
		return LINUX_S_IFIFO;
	default:
		return LINUX_S_IFREG;
	}
}

static void take_header(struct tar_reader *r, const struct tar_header *h)
{
	struct tar_entry *e = &r->e;

	strbuf_reset(&e->name);
	strbuf_reset(&e->link);
	if (r->long_name.len) {
		strbuf_adds(&e->name, r->long_name.buf);
	} else {
		if (!memcmp(h->magic, "ustar", 6) && *h->prefix)
			strbuf_addf(&e->name, "%.*s/", (int)sizeof(h->prefix), h->prefix);
		strbuf_addf(&e->name, "%.*s", (int)sizeof(h->name), h->name);
	}
	if (r->long_link.len)
		strbuf_adds(&e->link, r->long_link.buf);
	else
		strbuf_addf(&e->link, "%.*s", (int)sizeof(h->link), h->link);
	e->type = h->type ? h->type : TAR_FILE;
	e->node = (struct tree_node){
		.mode = (uint32_t)get_number(h->mode, sizeof(h->mode)) & 07777,
		.uid = (uint32_t)get_number(h->uid, sizeof(h->uid)),
		.gid = (uint32_t)get_number(h->gid, sizeof(h->gid)),
		.size = r->has_size ? r->size : get_number(h->size, sizeof(h->size)),
		.mtime = r->has_mtime ? r->mtime : (int64_t)get_number(h->mtime, sizeof(h->mtime)),
		.rdev = LINUX_MKDEV(get_number(h->devmajor, sizeof(h->devmajor)), get_number(h->devminor, sizeof(h->devminor))),
	};
	e->node.mode |= type_mode(e->type);
	strbuf_reset(&r->long_name);
	strbuf_reset(&r->long_link);
	r->has_size = r->has_mtime = false;
}

/* The next entry, with its data to come: 1, 0 at the end, or -errno. */
static int next_entry(struct tar_reader *r)
{
	struct tar_header h;
	uint64_t size;
	int n;

	for (;;) {
		n = get_full(r->fd, &h, sizeof(h));
		if (n <= 0 || !*(char *)&h)
			return MIN(n, 0);
		if (!checksum_ok(&h))
			return -LINUX_EPROTO;
		size = get_number(h.size, sizeof(h.size));
		if (h.type == TAR_LONG_NAME)
			n = get_text(r, size, &r->long_name);
		else if (h.type == TAR_LONG_LINK)
			n = get_text(r, size, &r->long_link);
		else if (h.type == 'x')
			n = get_pax(r, size);
		else if (h.type == 'g')
			n = skip(r->fd, (size + BLOCK - 1) / BLOCK * BLOCK);
		else
			break;
		if (n)
			return n;
	}
	take_header(r, &h);
	return strbuf_err(&r->e.name) || strbuf_err(&r->e.link) ? -LINUX_ENOMEM : 1;
}

/* --- unpacking --- */

/* Splits @name at slashes into the path below @dir; -LINUX_EPERM where it leads out.  Directories on the way are made. */
static int place(const struct tree_ops *ops, const char *dir, const char *top, const char *name, struct strbuf *ret)
{
	bool first = true;

	strbuf_reset(ret);
	strbuf_adds(ret, dir);
	while (*name) {
		size_t len = strcspn(name, "/");
		struct tree_node n;
		int err;

		if (len == 2 && !memcmp(name, "..", 2))
			return -LINUX_EPERM;
		if (len && !(len == 1 && *name == '.')) {
			if (!first && ret->len > strlen(dir)) {
				/* What is above must be a directory, and no link to one elsewhere. */
				err = ops->stat(strbuf_str(ret), false, &n);
				if (err == -LINUX_ENOENT)
					err = ops->mkdir(strbuf_str(ret));
				else if (!err && !LINUX_S_ISDIR(n.mode))
					err = -LINUX_ENOTDIR;
				if (err)
					return err;
			}
			strbuf_addc(ret, '/');
			if (first && top)
				strbuf_adds(ret, top);
			else
				strbuf_add(ret, name, len);
			first = false;
		}
		name += len + (name[len] == '/');
	}
	return strbuf_err(ret);
}

static int unpack_file(struct tar_reader *r, const struct tree_ops *ops, const char *path)
{
	uint64_t left = r->e.node.size, off = 0;
	void *file = ops->open(path, true);
	char *buf = malloc(CHUNK);
	int err = IS_ERR(file) ? (int)PTR_ERR(file) : buf ? 0 : -LINUX_ENOMEM;

	while (!err && left) {
		size_t n = MIN(left, CHUNK);

		err = get_exactly(r->fd, buf, n);
		for (size_t done = 0; !err && done < n;) {
			int64_t k = ops->write(file, buf + done, n - done, off);

			err = k <= 0 ? (k ? (int)k : -LINUX_EIO) : 0;
			done += (size_t)MAX(k, 0);
			off += (uint64_t)MAX(k, 0);
		}
		left -= n;
	}
	free(buf);
	if (!IS_ERR(file))
		ops->close(file);
	return err ? err : skip(r->fd, -r->e.node.size % BLOCK);
}

static int unpack_dir(struct tar_reader *r, const struct tree_ops *ops, const char *path, bool top)
{
	size_t size = strlen(path) + 1;
	struct tar_dir *dir;
	struct tree_node n;
	int err = ops->stat(path, false, &n);

	if (err == -LINUX_ENOENT)
		err = ops->mkdir(path);
	else if (!err && !LINUX_S_ISDIR(n.mode))
		err = -LINUX_ENOTDIR;
	if (err || top)
		return err;
	dir = malloc(sizeof(*dir) + size);
	if (!dir)
		return -LINUX_ENOMEM;
	memcpy(dir->path, path, size);
	dir->node = r->e.node;
	dir->next = r->dirs;
	r->dirs = dir;
	return 0;
}

/* The innermost first, as far as they were noted in that order.  One that was replaced since is no directory. */
static int finish_dirs(struct tar_reader *r, const struct tree_ops *ops, bool owner)
{
	struct tree_node n;
	int err = 0;

	for (struct tar_dir *next; r->dirs; r->dirs = next) {
		next = r->dirs->next;
		if (!err && !ops->stat(r->dirs->path, false, &n) && LINUX_S_ISDIR(n.mode))
			err = ops->set(r->dirs->path, &r->dirs->node, owner);
		free(r->dirs);
	}
	return err;
}

static int unpack_one(struct tar_reader *r, const struct tree_ops *ops, const char *dir, const char *top, const char *path, bool owner)
{
	_cleanup_strbuf_ struct strbuf old = STRBUF_INIT;
	struct tar_entry *e = &r->e;
	struct tree_node was;
	int err;

	if (e->type == TAR_DIR)
		return unpack_dir(r, ops, path, !strcmp(path, dir));
	if (!ops->stat(path, false, &was)) {
		err = LINUX_S_ISDIR(was.mode) ? -LINUX_EISDIR : ops->unlink(path);
		if (err)
			return err;
	}
	switch (e->type) {
	case TAR_LINK:
		err = place(ops, dir, top, strbuf_str(&e->link), &old);
		return err ? err : ops->link(strbuf_str(&old), path);
	case TAR_SYMLINK:
		err = ops->symlink(strbuf_str(&e->link), path);
		break;
	case TAR_CHAR:
	case TAR_BLOCK:
	case TAR_FIFO:
		err = ops->mknod(path, e->node.mode, e->node.rdev);
		break;
	default:
		err = unpack_file(r, ops, path);
	}
	return err ? err : ops->set(path, &e->node, owner);
}

int tar_unpack(const struct tree_ops *ops, const char *dir, const char *top, bool owner, int fd, struct strbuf *bad)
{
	struct tar_reader r = { .fd = fd, .e = { STRBUF_INIT, STRBUF_INIT }, .long_name = STRBUF_INIT, .long_link = STRBUF_INIT };
	_cleanup_strbuf_ struct strbuf path = STRBUF_INIT;
	int n, late;

	while ((n = next_entry(&r)) > 0) {
		int err = place(ops, dir, top, strbuf_str(&r.e.name), &path);

		if (!err)
			err = unpack_one(&r, ops, dir, top, strbuf_str(&path), owner);
		if (!err)
			continue;
		if (bad)
			strbuf_adds(bad, strbuf_str(&r.e.name));
		n = err;
		break;
	}
	/* The rest, so that who writes it is not stuck. */
	while (n == 0 && get_full(fd, &(struct tar_header){ 0 }, BLOCK) == 1)
		;
	late = finish_dirs(&r, ops, owner);
	strbuf_fini(&r.e.name);
	strbuf_fini(&r.e.link);
	strbuf_fini(&r.long_name);
	strbuf_fini(&r.long_link);
	return n ? n : late;
}
