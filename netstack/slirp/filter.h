/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What frames the helper hands to libslirp.  A pure core over hostile bytes.
 *
 * libslirp is handed nothing that it has not been shown to handle: IPv4 without options, whole headers, from an address of the
 * guest's, to where the policy allows; no urgent data; ARP of the right size.  Everything else goes no further.
 */
#ifndef SENTRY_NETSTACK_SLIRP_FILTER_H
#define SENTRY_NETSTACK_SLIRP_FILTER_H

#include "netstack/slirp/policy.h"

enum filter_verdict {
	FILTER_PASS,
	FILTER_DROP,	/* without a word: malformed, or nothing anybody waits for */
	FILTER_DENY,	/* by the policy: the guest is told */
	FILTER_NAME,	/* a question for a name that is not allowed: answer that there is none */
};

/* @frame is changed only in that padding behind the packet is cut off *len. */
enum filter_verdict filter_frame(const struct policy *p, uint8_t *frame, size_t *len, int64_t now);
/* The answer to a frame denied: ICMP, administratively prohibited.  Its length; @ret has room for FILTER_REPLY_MAX bytes. */
#define FILTER_REPLY_MAX 640
size_t filter_denial(const uint8_t *frame, size_t len, uint8_t *ret);
/* The answer to a question not allowed: no such name.  0: none. */
size_t filter_nxdomain(const uint8_t *frame, size_t len, uint8_t *ret);
/* Learns from a frame to the guest: what names resolved to, and who sent through published ports. */
void filter_learn(struct policy *p, const uint8_t *frame, size_t len, int64_t now);

#endif
