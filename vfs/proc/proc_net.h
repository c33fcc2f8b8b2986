/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the network layer shows its tables in /proc/net.
 */
#ifndef SENTRY_VFS_PROC_PROC_NET_H
#define SENTRY_VFS_PROC_PROC_NET_H

#include "sentry/base/strbuf.h"

struct net;

/* @show appends the whole text of @net's /proc/net/@name, one of the names in proc_net.c.  At start-up only. */
void proc_net_register(const char *name, void (*show)(struct net *net, struct strbuf *sb));

#endif
