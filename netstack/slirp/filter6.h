/* SPDX-License-Identifier: Apache-2.0 */
/* filter.h for IPv6 packets. */
#ifndef SENTRY_NETSTACK_SLIRP_FILTER6_H
#define SENTRY_NETSTACK_SLIRP_FILTER6_H

#include "netstack/slirp/filter.h"

/* Of the packet at @ip, whose padding is cut off *len. */
enum filter_verdict filter_ip6(const struct policy *p, const uint8_t *ip, size_t *len, int64_t now);
/* As filter_denial, for a frame that filter_ip6 denied. */
size_t filter_denial6(const uint8_t *frame, size_t len, uint8_t *ret);

#endif
