/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptors that the first program begins with: 0, 1 and 2, and with --preserve-fds what else the caller passes on
 * (process substitutions of a shell, the job server of make).
 */
#include <stdlib.h>

#include "platform/host/host.h"
#include "sentry/abi/dirent.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"
#include "sentry/cli/cli.h"
#include "vfs/dev/hostfd.h"
#include "vfs/devpts/hosttty.h"

#define HOST_NULL_DEVICE LINUX_MKDEV(1, 3)
#define MAX_INHERITED 64

static int inherited[MAX_INHERITED]; /* open when the sentry started */
static unsigned nr_inherited;
static bool tty_ready;

static void inherit_listed(const char *buf, ssize_t len, int dir, unsigned more)
{
	for (ssize_t pos = 0; pos < len && nr_inherited < MAX_INHERITED;) {
		const struct linux_dirent64 *d = (const void *)(buf + pos);
		int fd = atoi(d->d_name);

		pos += d->d_reclen;
		if (d->d_name[0] >= '0' && d->d_name[0] <= '9' && fd != dir && (fd <= 2 || (unsigned)fd - 3 < more))
			inherited[nr_inherited++] = fd;
	}
}

void stdio_note_inherited(unsigned more)
{
	char buf[2048];
	ssize_t len;
	int dir = -1;

	/* Nobody has a use for the others. */
	if (more < ~0U - 3)
		host_close_range(3 + more, ~0U);
	if (more)
		dir = host_openat(HOST_AT_FDCWD, "/proc/self/fd", LINUX_O_RDONLY | LINUX_O_DIRECTORY, 0);
	if (dir < 0) {
		for (int fd = 0; fd <= 2; fd++)
			if (host_fcntl_getfl(fd) >= 0)
				inherited[nr_inherited++] = fd;
		return;
	}
	while ((len = host_getdents64(dir, buf, sizeof(buf))) > 0)
		inherit_listed(buf, len, dir, more);
	host_close(dir);
}

unsigned stdio_inherited(const int **ret_fds)
{
	*ret_fds = inherited;
	return nr_inherited;
}

static struct file *open_terminal(int fd, uint32_t flags, uint32_t uid)
{
	int err = tty_ready ? 0 : hosttty_init(fd);

	if (err)
		return ERR_PTR(err);
	tty_ready = true;
	return hosttty_open(flags, uid);
}

/* NULL for what has no meaning in the guest: directories, and objects without a type. */
static struct file *open_stream(int fd, uint32_t uid, uint32_t gid)
{
	int flags = host_fcntl_getfl(fd);
	struct host_stat st;

	if (flags < 0 || host_fstat(fd, &st))
		return NULL;
	if (flags & LINUX_O_PATH || LINUX_S_ISDIR(st.mode) || !(st.mode & LINUX_S_IFMT))
		return NULL;
	flags &= LINUX_O_ACCMODE;
	if (host_isatty(fd))
		return open_terminal(fd, (uint32_t)flags, uid);
	if (LINUX_S_ISCHR(st.mode) && st.rdev == HOST_NULL_DEVICE)
		return filp_open("/dev/null", (uint32_t)flags, 0);
	return hostfd_open(fd, uid, gid);
}

int setup_stdio(uint32_t uid, uint32_t gid)
{
	for (unsigned i = 0; i < nr_inherited; i++) {
		int fd = inherited[i], err;
		struct file *f = open_stream(fd, uid, gid);

		if (!f)
			continue;
		err = IS_ERR(f) ? (int)PTR_ERR(f) : fd_dup2(f, fd, false);
		if (!IS_ERR(f))
			fput(f);
		if (err < 0)
			return cli_error("cannot give descriptor %d to the guest: %s", fd, cli_strerror(err));
	}
	return 0;
}
