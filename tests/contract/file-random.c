/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random operations on a handful of names: every result, and what the tree looks like now and then.  The sequence is the same
 * in every run, so that the two kernels walk the same way.
 */
#include "tests/contract/contract.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <sys/xattr.h>

#define ROUNDS 6000
#define NR_FDS 6

static uint64_t seed = 1;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static int fds[NR_FDS] = { -1, -1, -1, -1, -1, -1 };

static const char *name(void)
{
	static const char *const names[] = { "a",     "b",     "c",	"d",	  "a/x",   "b/x",   "a/y",  "b/y",
					     "c/x",   "a/b/x", "a/b",	"a/b/y",  "a/.",   "b/..",  "a/",   "c/",
					     "d/x",   ".",     "a/../b", "nodir/x", "./a",  "a//x",  "d/..", "x" };
	static char buf[4][64];
	static int i;

	i = (i + 1) % 4;
	strcpy(buf[i], names[rnd(ARRAY_SIZE(names))]);
	return buf[i];
}

static const char *err(long ret)
{
	static char buf[2][32];
	static int i;

	if (ret < 0)
		return errno_name(errno);
	i ^= 1;
	snprintf(buf[i], sizeof(buf[i]), "%ld", ret);
	return buf[i];
}

static int open_flags(void)
{
	static const int flags[] = { O_CREAT, O_EXCL, O_TRUNC, O_APPEND, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_CREAT, O_CREAT };
	int f = rnd(3);

	for (int i = rnd(3); i > 0; i--)
		f |= flags[rnd(ARRAY_SIZE(flags))];
	return f;
}

static void op_open(void)
{
	int slot = rnd(NR_FDS), flags = open_flags(), mode = rnd(0400) << 1 | 0600, fd;
	const char *n = name();

	if (fds[slot] >= 0)
		close(fds[slot]);
	fd = open(n, flags, mode);
	say("open %s %#x %o: %s", n, flags, mode, fd < 0 ? errno_name(errno) : "ok");
	fds[slot] = fd;
}

static void op_data(void)
{
	int fd = fds[rnd(NR_FDS)];
	static char buf[20000];
	long len = rnd(4) ? rnd(300) : rnd(sizeof(buf)), off = rnd(4) ? rnd(1000) : rnd(100000), n;

	switch (rnd(9)) {
	case 0:
		memset(buf, 'a' + rnd(26), len);
		say("write: %s", err(write(fd, buf, len)));
		break;
	case 1:
		memset(buf, 'a' + rnd(26), len);
		say("pwrite: %s", err(pwrite(fd, buf, len, off)));
		break;
	case 2:
	case 3: {
		unsigned sum = 0;

		n = rnd(2) ? read(fd, buf, len) : pread(fd, buf, len, off);
		for (long i = 0; i < n; i++)
			sum = sum * 31 + (unsigned char)buf[i];
		say("read: %s sum %u", err(n), n > 0 ? sum : 0);
		break;
	}
	case 4:
		say("lseek: %s", err(lseek(fd, off, rnd(2))));
		break;
	case 5:
		say("ftruncate: %s", err(ftruncate(fd, off)));
		break;
	case 6: {
		struct stat st;
		int ret = fstat(fd, &st);

		say("fstat: %s mode %o nlink %u size %lld", err(ret), ret ? 0 : st.st_mode, ret ? 0 : (unsigned)st.st_nlink,
		    ret || S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size);
		break;
	}
	case 7:
		say("fchmod: %s", err(fchmod(fd, rnd(01000) | 0700)));
		break;
	case 8:
		say("fallocate: %s", err(fallocate(fd, rnd(2) ? FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE : rnd(2), off,
						   len + 1)));
		break;
	}
}

static void op_name(void)
{
	const char *n = name(), *m = name();
	unsigned flags = rnd(8);
	struct stat st;
	char buf[100];
	int ret;

	switch (rnd(16)) {
	case 0:
	case 1:
		say("mkdir %s: %s", n, err(mkdir(n, rnd(01000) | 0700)));
		break;
	case 2:
		say("rmdir %s: %s", n, err(rmdir(n)));
		break;
	case 3:
	case 4:
		say("unlink %s: %s", n, err(unlink(n)));
		break;
	case 5:
		say("link %s %s: %s", n, m, err(linkat(AT_FDCWD, n, AT_FDCWD, m, flags & 1 ? AT_SYMLINK_FOLLOW : 0)));
		break;
	case 6:
		/* A link to "." would let ".." lead out of the scratch directory. */
		if (!strchr(n, '.'))
			say("symlink %s %s: %s", n, m, err(symlink(n, m)));
		break;
	case 7:
	case 8:
		say("rename %s %s: %s", n, m, err(rename(n, m)));
		break;
	case 9:
		/* Not RENAME_WHITEOUT, which asks for CAP_MKNOD. */
		flags &= 3;
		say("renameat2 %s %s %u: %s", n, m, flags, err(syscall(SYS_renameat2, AT_FDCWD, n, AT_FDCWD, m, flags)));
		break;
	case 10:
	case 11:
		ret = flags & 1 ? stat(n, &st) : lstat(n, &st);
		say("stat %s %u: %s mode %o nlink %u size %lld", n, flags & 1, err(ret), ret ? 0 : st.st_mode,
		    ret ? 0 : (unsigned)st.st_nlink, ret || S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size);
		break;
	case 12:
		ret = readlink(n, buf, sizeof(buf));
		say("readlink %s: %s %.*s", n, err(ret), ret > 0 ? ret : 0, buf);
		break;
	case 13:
		say("truncate %s: %s", n, err(truncate(n, rnd(10000))));
		break;
	case 14:
		say("chmod %s: %s", n, err(chmod(n, rnd(01000) | 0700)));
		break;
	case 15:
		say("xattr %s: %s", n,
		    err(flags & 1 ? setxattr(n, "user.x", "value", flags, 0) : getxattr(n, "user.x", buf, sizeof(buf))));
		break;
	}
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void show_tree(const char *path, int depth)
{
	struct dirent **list;
	int n = scandir(path, &list, NULL, by_name);

	if (n < 0)
		return;
	for (int i = 0; i < n; i++) {
		struct stat st;
		char sub[600];

		if (list[i]->d_name[0] != '.') {
			snprintf(sub, sizeof(sub), "%s/%s", path, list[i]->d_name);
			MUST(lstat(sub, &st));
			say("%s mode %o nlink %u size %lld type %d", sub, st.st_mode, (unsigned)st.st_nlink,
			    S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size, list[i]->d_type);
			if (S_ISDIR(st.st_mode) && depth < 8)
				show_tree(sub, depth + 1);
		}
		free(list[i]);
	}
	free(list);
}

int main(int argc, char **argv)
{
	drop_privileges();
	scratch();
	umask(0);
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
	for (int i = 0; i < ROUNDS; i++) {
		switch (rnd(8)) {
		case 0:
		case 1:
			op_open();
			break;
		case 2:
		case 3:
			op_data();
			break;
		default:
			op_name();
		}
		if (i % 500 == 499)
			show_tree(".", 0);
	}
	return 0;
}
