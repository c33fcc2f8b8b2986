/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The network helper: libslirp in a process of its own, the only one that opens sockets on the host.
 *
 * It is forked at the very start, when the sentry is small and has one thread, and sleeps on its end of a socket pair until the first
 * frame comes (or ports are to be published); only then it loads libslirp.  A guest that never leaves loopback costs a fork.
 *
 * Frames travel one to a message.  The helper may wait for the sentry to take them, the sentry never waits for the helper.  When either
 * end dies the other sees it at once.
 */
#ifndef SENTRY_NETSTACK_SLIRP_HELPER_H
#define SENTRY_NETSTACK_SLIRP_HELPER_H

#include "netstack/slirp/policy.h"

#define HELPER_MTU 16384
#define HELPER_FRAME_MAX (HELPER_MTU + 64)

/*
 * Forks it; *ret_fd is the sentry's end.  @policy is copied by the fork.  @log_fd: where its complaints go.  With ports to publish it
 * returns when they are open, else -errno and the text of what failed in @why.
 */
int helper_start(struct policy *policy, int log_fd, int *ret_fd, char *why, size_t why_size);

#endif
