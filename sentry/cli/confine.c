/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What of the host the sentry keeps for a run: the directories that the guest was given, and the open descriptors.
 */
#include "platform/confine/confine.h"

#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "platform/platform.h"
#include "platform/vdso.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"

static int share_path(struct confine_share *s, const char *path, bool writable)
{
	struct host_stat st;
	int fd = host_openat(HOST_AT_FDCWD, path, LINUX_O_PATH, 0), err;

	if (fd < 0)
		return cli_error("cannot open '%s': %s", path, cli_strerror(fd));
	err = host_fstat(fd, &st);
	if (err) {
		host_close(fd);
		return cli_error("cannot look at '%s': %s", path, cli_strerror(err));
	}
	*s = (struct confine_share){ .fd = fd, .directory = LINUX_S_ISDIR(st.mode), .writable = writable };
	return 0;
}

/* Descriptors that were passed on are opened once more, for a description of our own (hostfd.c). */
static unsigned share_inherited(struct confine_share *s)
{
	const int *fds;
	unsigned nr = stdio_inherited(&fds);

	for (unsigned i = 0; i < nr; i++) {
		int flags = host_fcntl_getfl(fds[i]);

		s[i] = (struct confine_share){
			.fd = fds[i],
			.writable = (flags & LINUX_O_ACCMODE) != LINUX_O_RDONLY,
			.device = true,
		};
	}
	return nr;
}

/* The host's files as a guest has them by name: NULL (all), a directory; an image is open and needs no name. */
static bool root_is_shared(const char *root)
{
	struct host_stat st;

	return !root || (!host_fstatat(HOST_AT_FDCWD, root, 0, &st) && LINUX_S_ISDIR(st.mode));
}

static int confine_with(const struct run_options *o, const char *root, struct confine_share *share)
{
	struct confine_params p = { .shares = share, .required = o->required };
	unsigned nr = share_inherited(share), first = nr;
	const char *why = NULL;
	int err = 0;

	if (root_is_shared(root)) {
		p.shares_names = true;
		err = share_path(&share[nr], root ? root : "/", false);
		nr += !err;
	}
	for (unsigned i = 0; i < o->nr_volumes && !err; i++) {
		p.shares_names = true;
		p.shares_writes |= !o->volumes[i].read_only;
		err = share_path(&share[nr], o->volumes[i].host, !o->volumes[i].read_only);
		nr += !err;
	}
	p.nr_shares = nr;
	if (!err) {
		err = confine_begin(&p, &why);
		if (err)
			err = cli_error("cannot confine the sentry: %s", why);
	}
	while (nr > first)
		host_close(share[--nr].fd);
	return err;
}

int confine_setup(const struct run_options *o, const char *root)
{
	const int *fds;
	size_t nr = stdio_inherited(&fds) + 1 + o->nr_volumes;
	struct confine_share *share = calloc(nr, sizeof(*share));
	int err;

	if (!share)
		return cli_error("out of memory");
	/* What is in /proc, while it can be opened. */
	host_prepare();
	platform_vdso();
	err = confine_with(o, root, share);
	free(share);
	return err;
}

int confine_finish(const struct run_options *o)
{
	const char *env = host_getenv("SENTRY_SECCOMP"), *why = NULL;
	bool trap = o->verbosity >= 2 || (env && strcmp(env, "trap") == 0);
	unsigned active;

	if (confine_seal(trap ? CONFINE_TRAP : CONFINE_KILL, platform->uses_ptrace, &why))
		return cli_error("cannot confine the sentry: %s", why);
	active = confine_active();
	for (unsigned i = 0; i < NR_CONFINE_LAYERS; i++)
		if (!(active & BIT(i)))
			log_info("this host does not have the layer of confinement '%s'", confine_layer_names[i]);
	return 0;
}
