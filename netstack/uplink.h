/* SPDX-License-Identifier: Apache-2.0 */
/*
 * eth0: the link to the network helper.
 *
 * It is there with its address and routes from the start; the thread that receives starts with the first frame sent (or at once when
 * ports are published).  When the helper dies the interface loses its carrier, and what went over it ends with ENETDOWN.
 */
#ifndef SENTRY_NETSTACK_UPLINK_H
#define SENTRY_NETSTACK_UPLINK_H

#include "sentry/base/types.h"

/*
 * @fd, @ctl: the helper's (taken); @ctl < 0: all by frames.  @start: receive from now on.  @ipv6: the link has that as well.  Once,
 * after net_init.
 */
int uplink_init(int fd, int ctl, bool start, bool ipv6);

/* The helper is gone, as one of its two pairs says. */
void uplink_lost(void);

#endif
