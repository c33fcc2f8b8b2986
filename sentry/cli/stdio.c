/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors 0, 1 and 2 of the first program.
 */
#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"
#include "sentry/cli/cli.h"
#include "vfs/dev/hostfd.h"
#include "vfs/devpts/hosttty.h"

#define HOST_NULL_DEVICE LINUX_MKDEV(1, 3)

static bool tty_ready;

static struct file *open_terminal(int fd, uint32_t flags, uint32_t uid)
{
	int err = tty_ready ? 0 : hosttty_init(fd);

	if (err)
		return ERR_PTR(err);
	tty_ready = true;
	return hosttty_open(flags, uid);
}

/* NULL when the caller has closed @fd: then it is closed in the guest as well. */
static struct file *open_stream(int fd, uint32_t uid, uint32_t gid)
{
	int flags = host_fcntl_getfl(fd);
	struct host_stat st;

	if (flags < 0 || host_fstat(fd, &st))
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
	static const char *const names[] = { "input", "output", "error output" };

	for (int fd = 0; fd <= 2; fd++) {
		struct file *f = host_fds_open & (1U << fd) ? open_stream(fd, uid, gid) : NULL;
		int err;

		if (!f)
			continue;
		if (IS_ERR(f))
			return cli_error("cannot give the standard %s to the guest: %s", names[fd],
					 cli_strerror(PTR_ERR(f)));
		err = fd_dup2(f, fd, false);
		fput(f);
		if (err < 0)
			return cli_error("cannot give the standard %s to the guest: %s", names[fd], cli_strerror(err));
	}
	return 0;
}
