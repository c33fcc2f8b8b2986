/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The spawner: a process of the sentry's own that makes stubs, because a running sentry may make no process (confine.h).
 *
 * It is forked by the platform's init, from the main thread and before there is any other; it has a copy of what the platform
 * had set up by then, the descriptors it was told to keep, and one end of a socket.  It takes requests that say little (one
 * more stub), so that a sentry that was taken over can order nothing by them that it could not do with a stub anyway.
 *
 * It ends with the sentry, whatever ends that: the socket's other end is gone then, and it gets SIGKILL besides.
 *
 * It has a filter of its own, which its children inherit: the stubs' own filters only take away from it.
 *
 * The children that it makes should be the sentry's own (CLONE_PARENT): to wait for, and to get their death signal from.
 */
#ifndef SENTRY_PLATFORM_SPAWNER_H
#define SENTRY_PLATFORM_SPAWNER_H

#include "platform/host/host.h"
#include "sentry/base/types.h"

#define SPAWNER_MAX_FDS 4
#define SPAWNER_MAX_MSG 128

struct spawner_msg {
	uint8_t data[SPAWNER_MAX_MSG];
	size_t len;
	int fd[SPAWNER_MAX_FDS]; /* the receiver's own */
	unsigned nr_fds;
};

struct spawner_ops {
	/* In the spawner, once, before its filter; closes what it does not need and leaves @sock open. */
	void (*start)(int sock);
	/* In the spawner: the answer to @req in *reply, whose descriptors are closed once they are sent.  Those of @req are its own. */
	void (*handle)(struct spawner_msg *req, struct spawner_msg *reply);
	/* In the spawner, optional: an answer was sent and nothing is waiting; time to prepare the next. */
	void (*idle)(void);
};

/* Main thread.  0 or -errno. */
int spawner_start(const struct spawner_ops *ops);
/* Any thread; one call at a time is served, others wait.  0 with *reply filled, its descriptors the caller's, or -errno. */
int spawner_call(const struct spawner_msg *req, struct spawner_msg *reply);
/* For start: closes every descriptor but these. */
void spawner_keep_fds(const int *fds, unsigned nr);
/* Ends and reaps it. */
void spawner_stop(void);
/* 0 when there is none. */
pid_t spawner_pid(void);

/* What it may do, and the stubs it makes; how many rules. */
extern const struct host_syscall_rule spawner_rules[];
extern const unsigned nr_spawner_rules;

#endif
