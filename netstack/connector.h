/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NETLINK_CONNECTOR: who has joined its group of processes, and asked for them, hears of forks, execs, changes of ids and exits.
 */
#ifndef SENTRY_NETSTACK_CONNECTOR_H
#define SENTRY_NETSTACK_CONNECTOR_H

#include "sentry/abi/connector.h"

/* How many have asked: nobody need be told while it is 0. */
extern atomic_int cn_proc_listeners;
/* Sends @e, whose time is filled in, to all of them.  No lock of the net stack held. */
void cn_proc_event(struct linux_proc_event *e);
/* What a process sent on a connector socket. */
struct sock;
void cn_input(struct sock *sk, const void *buf, size_t len);

#endif
