/* SPDX-License-Identifier: Apache-2.0 */
/* The caller's resource limits, and what a host that gives too little is to be asked for. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "platform/host/host.h"

#define NR_LIMITS 16
#define PROBE_SIZE (16 << 20)
static_assert(RLIM_NLIMITS == NR_LIMITS, "the host's limits");

/*
 * What the sentry wants for itself.  Soft limits are raised as far as the hard ones allow, for they are mostly meant for other
 * programs; the guest gets those of the caller.
 */
static const struct need {
	int resource;
	uint64_t least;   /* below this not even small guests run; 0: it depends, and the call that fails tells (host_why) */
	const char *name, *counts, *mend;
} needs[] = {
	{ RLIMIT_NOFILE, 128, "RLIMIT_NOFILE", "open files", "'ulimit -n 1024'" },
	{ RLIMIT_STACK, 256 << 10, "RLIMIT_STACK", "bytes of stack", "'ulimit -s 8192'" },
	{ RLIMIT_AS, 0, "RLIMIT_AS", "bytes of address space", "'ulimit -v unlimited'" },
	{ RLIMIT_DATA, 0, "RLIMIT_DATA", "bytes of data", "'ulimit -d unlimited'" },
	{ RLIMIT_FSIZE, 0, "RLIMIT_FSIZE", "bytes a file", "'ulimit -f unlimited'" },
	{ RLIMIT_NPROC, 0, "RLIMIT_NPROC", "processes and threads of the user", "'ulimit -u unlimited', or that of the container" },
};

static struct host_rlimit callers[NR_LIMITS];
static bool noted;

static const char *need_text(const struct need *n, const struct host_rlimit *lim)
{
	static char text[200];

	snprintf(text, sizeof(text), "the limit of %llu %s (%s) is too low; raise it, as with %s", (unsigned long long)lim->max,
		 n->counts, n->name, n->mend);
	return text;
}

int host_limits_raise(const char **ret_why)
{
	/* Where a file ends is an error, never a signal. */
	signal(SIGXFSZ, SIG_IGN);
	for (int i = 0; i < NR_LIMITS; i++)
		if (host_getrlimit(i, &callers[i]))
			callers[i] = (struct host_rlimit){ RLIM_INFINITY, RLIM_INFINITY };
	noted = true;
	for (size_t i = 0; i < ARRAY_SIZE(needs); i++) {
		struct host_rlimit lim = callers[needs[i].resource];

		if (lim.max < needs[i].least) {
			*ret_why = need_text(&needs[i], &lim);
			return -EMFILE;
		}
		if (lim.cur < lim.max) {
			lim.cur = lim.max;
			host_setrlimit(needs[i].resource, &lim);
		}
	}
	return 0;
}

int host_caller_rlimit(int resource, struct host_rlimit *ret_lim)
{
	if (!noted || resource < 0 || resource >= NR_LIMITS)
		return host_getrlimit(resource, ret_lim);
	*ret_lim = callers[resource];
	return 0;
}

/* The limit that an error of this number comes from, if it is one. */
static const struct need *need_behind(int err, struct host_rlimit *ret_lim)
{
	static const struct {
		int err, resource;
	} signs[] = {
		{ EMFILE, RLIMIT_NOFILE }, { EFBIG, RLIMIT_FSIZE }, { EAGAIN, RLIMIT_NPROC },
		{ ENOMEM, RLIMIT_AS },	   { ENOMEM, RLIMIT_DATA },
	};

	for (size_t s = 0; s < ARRAY_SIZE(signs); s++)
		for (size_t i = 0; i < ARRAY_SIZE(needs); i++)
			if (signs[s].err == err && needs[i].resource == signs[s].resource &&
			    !host_getrlimit(needs[i].resource, ret_lim) && ret_lim->max != RLIM_INFINITY)
				return &needs[i];
	return NULL;
}

/* pthread_create answers EAGAIN for that, too. */
static bool stack_can_be_had(void)
{
	void *p = mmap(NULL, PROBE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p != MAP_FAILED && !munmap(p, PROBE_SIZE);
}

const char *host_why(int err)
{
	struct host_rlimit lim;
	const struct need *n;

	err = err < 0 ? -err : err;
	if (err == EAGAIN && !stack_can_be_had())
		err = ENOMEM;
	n = need_behind(err, &lim);
	if (n)
		return need_text(n, &lim);
	if (err == EAGAIN)
		return "there may be no more processes or threads; see the pids limit of this container or session";
	if (err == ENOMEM)
		return "out of memory, or vm.overcommit_memory=2 leaves too little; try a smaller --memory";
	return strerror(err);
}
