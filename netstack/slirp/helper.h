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
/*
 * TCP needs no frames: the helper also makes connections as the host's own sockets and hands them to the sentry, by messages on a
 * second pair.  The policy is asked the same way, and the sentry has no call to make, bind or connect a socket itself.
 * Published TCP ports are the helper's listeners, whose connections come by the same way.  With policy->frames (--pcap) all goes
 * by frames and libslirp.
 */
#ifndef SENTRY_NETSTACK_SLIRP_HELPER_H
#define SENTRY_NETSTACK_SLIRP_HELPER_H

#include "netstack/slirp/policy.h"

#define HELPER_MTU 16384
#define HELPER_FRAME_MAX (HELPER_MTU + 64)

enum helper_wish { HELPER_CONNECT, HELPER_LISTEN, HELPER_UNLISTEN };

/* What the sentry asks: a connection to @addr (16 bytes, IPv4 mapped); a port to be published to @addr, or no more. */
struct helper_ask {
	uint32_t id;
	uint16_t port, wish;	/* enum helper_wish */
	uint8_t addr[16];
};

enum helper_said { HELPER_CONNECTED, HELPER_CONNECTING, HELPER_FAILED, HELPER_DENIED, HELPER_ACCEPTED, HELPER_LISTENS };

/* What it is told; with a descriptor unless it failed. */
struct helper_tell {
	uint32_t id;		/* of the question; 0 with HELPER_ACCEPTED */
	uint32_t what;		/* enum helper_said */
	int32_t err;		/* HELPER_FAILED: negative */
	uint16_t port, guest_port; /* HELPER_ACCEPTED: whose, and to which */
	uint8_t addr[16], guest[16];
};

/*
 * Forks it.  ret_fds are the sentry's ends: of the frames' pair and of the connections'.  @policy is copied by the fork.  @log_fd:
 * where its complaints go.  With ports to publish it returns when they are open, else -errno and the text of what failed in @why.
 */
int helper_start(struct policy *policy, int log_fd, int ret_fds[2], char *why, size_t why_size);
/* What it would lack: NULL, or a sentence in static storage. */
const char *helper_check(void);

#endif
