/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sentry gives up before guest code runs, so that a guest that took it over would gain next to nothing.
 *
 *     filter.c     which host calls remain: a libseccomp allow-list
 *     landlock.c   which files remain, which processes it may signal and trace
 *     confine.c    the two steps below, privileges, and what doctor prints
 *
 * Two steps, because some things must be given up before the first stub is made and others are needed until the guest runs:
 *
 *     everything with a name is open (image, shared directories, log, trace files)
 *     confine_begin()   no_new_privs, capabilities, Landlock: inherited by the spawner and the stubs, which ptrace needs to
 *                       be in one Landlock domain with the sentry
 *     the platform starts (spawner, threads), the first program is loaded
 *     confine_seal()    the filter, in all threads there are; later ones inherit it
 *     the first guest instruction
 *
 * A call outside the list kills the sentry (SECCOMP_RET_KILL_PROCESS), and with it all stubs.  For finding out which one it
 * was, `trap` makes it a BUG with the name of the call instead; the environment variable SENTRY_SECCOMP=trap and -vv ask for it.
 *
 * A new host_* call that runs while guests do needs its row in filter.c.
 */
#ifndef SENTRY_PLATFORM_CONFINE_CONFINE_H
#define SENTRY_PLATFORM_CONFINE_CONFINE_H

#include "platform/host/host.h"

/* Layers, as bits: of what is wanted, of what is active. */
enum confine_layer {
	CONFINE_SECCOMP,
	CONFINE_NO_NEW_PRIVS,
	CONFINE_LANDLOCK,
	CONFINE_UNDUMPABLE,
	CONFINE_CAPS,
	NR_CONFINE_LAYERS
};

extern const char *const confine_layer_names[NR_CONFINE_LAYERS];
/* The bit mask of "landlock,seccomp", "all"; 0 when a word of it is none, with *ret_bad pointing to it. */
unsigned confine_parse_layers(const char *list, const char **ret_bad);

/* Something of the host that the guest was given. */
struct confine_share {
	int fd; /* O_PATH or open; borrowed during the call */
	bool directory, writable;
	bool device; /* a descriptor that was passed on: its own modes say what may be done, ioctl included */
};

struct confine_params {
	const struct confine_share *shares;
	unsigned nr_shares;
	bool shares_names;  /* one of them is a directory or file served by name (hostfs) */
	bool shares_writes; /* and may be changed */
	unsigned required;  /* BIT(layer): an error where it can't be had */
};

/*
 * Main thread, no other thread yet.  0, or -errno with *ret_why (static storage) naming a required layer that the host does
 * not have.  What isn't required and can't be had is left out; confine_active tells.
 */
int confine_begin(const struct confine_params *params, const char **ret_why);
/* BIT(layer) of what holds for the calling process. */
unsigned confine_active(void);

enum confine_mode {
	CONFINE_KILL,
	CONFINE_TRAP, /* report the call, then die */
};

/*
 * Any thread, all of the process's threads.  After confine_begin.  @ptrace: the platform's requests are needed.  0 or -errno
 * with *ret_why.
 */
int confine_seal(enum confine_mode mode, bool ptrace, const char **ret_why);

/* -- filter.c ------------------------------------------------------------------------------------------------------------ */

/* What a filter is for. */
struct filter_params {
	bool names, writes, ptrace, trap;
	pid_t pid; /* the sentry's */
};

/* Loads the filter into all threads.  0 or -errno. */
int filter_load(const struct filter_params *params);
/* Writes it as a sock_filter array to @fd (tests). */
int filter_export(const struct filter_params *params, int fd);
void filter_count(const struct filter_params *params, struct host_filter_count *ret);

/* -- landlock.c ---------------------------------------------------------------------------------------------------------- */

/* The host's ABI version, 0 when there is none. */
int landlock_abi(void);
/* Restricts the calling thread and what it makes.  0 or -errno. */
int landlock_apply(const struct confine_share *shares, unsigned nr);

#endif
