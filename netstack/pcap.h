/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --pcap: the frames of eth0 as pcapng, those sent with the process that sent them as a comment.
 */
#ifndef SENTRY_NETSTACK_PCAP_H
#define SENTRY_NETSTACK_PCAP_H

#include "platform/host/host.h"

extern atomic_bool pcap_enabled;

/* Writes to @fd (taken) from now on.  Once, before there are frames.  0 or -errno. */
int pcap_start(int fd, const char *ifname);
/* Any thread; a write that fails ends it. */
void pcap_frame(const struct iovec *iov, unsigned nr, bool outgoing);

#endif
