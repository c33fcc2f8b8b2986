/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guests of a user, as other processes of the same user find them: $XDG_RUNTIME_DIR/sentry, or /tmp/sentry-UID.
 *
 *     NAME/state     what it is, written once (and again with the exit status, when a detached one has ended)
 *     NAME/control   the socket on which the sentry answers (control.h)
 *     NAME/log       what a detached one printed
 *
 * The directories belong to the user alone, mode 0700; anything else is refused.  Whose guest lives holds an flock on
 * NAME/, and so does its keeper, a small process that outlives the sentry by a moment and removes NAME/ whatever way it died
 * (of a detached guest the exit status and the log stay, until `sentry rm` or another guest of the name).  When both were killed, the
 * lock is free and the state stale: whoever meets it removes it.
 */
#ifndef SENTRY_CLI_RUNDIR_H
#define SENTRY_CLI_RUNDIR_H

#include "sentry/base/strbuf.h"
#include "sentry/base/types.h"

#define GUEST_NAME_MAX 64

struct guest_state {
	char name[GUEST_NAME_MAX + 1];
	char *image, *command; /* malloc; "" for none */
	const char *kind;      /* static: "run", "do", "boot" */
	int pid;	       /* of the sentry on the host */
	int64_t started;       /* seconds of the epoch */
	bool detached;
	bool keep;	       /* its state and log stay when it has ended */
	bool ended;	       /* of those */
	int status;	       /* exit status, when ended */
};

/* Whether @name may be one: a letter or digit, then letters, digits, '_', '.', '-', up to GUEST_NAME_MAX. */
bool guest_name_valid(const char *name);

/* The user's directory: a descriptor, or -errno with the reason in @why.  @create: makes it where it is missing. */
int rundir_open(bool create, struct strbuf *why);

/*
 * Claims a name for this process, and starts its keeper: before there is a second thread.  @s->name "" picks one.  The directory's
 * descriptor, with the control socket in *ret_listen; or -errno and the reason in @why.  Both are kept for ever.
 */
int rundir_claim(struct guest_state *s, int *ret_listen, struct strbuf *why);
/* For the keeper: how the guest ended.  Before the process ends. */
void rundir_note_status(int status);

/*
 * Looks at guest @name: 0, with a descriptor of its directory in *ret_dir (may be NULL) and with *ret for guest_state_fini;
 * -LINUX_ENOENT when there is none.  Stale state is removed.
 */
int rundir_find(int rundir, const char *name, struct guest_state *ret, int *ret_dir);
void guest_state_fini(struct guest_state *s);
/* Calls @fn for each guest, by name. */
int rundir_each(int rundir, void (*fn)(const struct guest_state *s, int dir, void *data), void *data);
/* Removes the state of one that has ended: 0, -LINUX_EBUSY while it lives. */
int rundir_remove(int rundir, const char *name);

#endif
