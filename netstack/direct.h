/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Direct streams: TCP connections out of the guest that are sockets of the host.
 *
 * The network helper connects (or accepts, on a published port) as its policy allows, and hands the socket over: slirp/helper.h.  From
 * then on the calling thread moves data between the guest's memory and the socket itself; nothing is queued here, so what is readable,
 * writable, urgent, reset or acknowledged is the host kernel's word.  A caller that has to wait looks at the socket for a
 * moment, then sleeps like everybody else, and a thread that watches all such sockets with epoll wakes it.
 *
 * Connections go by frames instead (tcp.c) while packet sockets or --pcap want to see them, and to addresses of the link itself.
 *
 *     UNCONNECTED --direct_connect--> CONNECTING --helper's answer--> CONNECTED --errors--> DISCONNECTED
 *
 * Locks: direct_lock guards the table and a stream's `watched` and `fd`; it is above sock->lock.  The fd does not change while
 * the sock is CONNECTED and its file is open, so those who came by a system call use it without the lock.
 */
#ifndef SENTRY_NETSTACK_DIRECT_H
#define SENTRY_NETSTACK_DIRECT_H

#include "netstack/netif.h"
#include "netstack/socket.h"

/* @ctl: the helper's second pair (taken); @nif: the link that such connections seem to go over.  Before the sentry is confined. */
int direct_init(int ctl, struct netif *nif);
/* From now on connections may come in.  0 or -errno. */
int direct_start(void);
/* Whether a connection to @to by the way @dst is made like this. */
bool direct_usable(const struct inet_name *to, const struct dst *dst);
/* Begins one: 0 (SS_CONNECTING), -LINUX_ENOBUFS, -LINUX_ENETDOWN. */
int direct_connect(struct sock *sk, const struct inet_name *to);
/* --net=host: @sk is going to listen on @name, and so is the helper.  0, -errno of its bind or listen, or of waiting. */
int direct_listen(struct sock *sk, const struct inet_name *name);
void direct_unlisten(struct sock *sk);
/* Listening is passed on from now on. */
void direct_set_host_listens(void);
/* Forgets one that failed; the sock may connect again. */
void direct_reset(struct sock *sk);

/* For socks with sk->direct set; as their namesakes. */
int64_t direct_sendmsg(struct sock *sk, struct msg *msg, bool nonblock);
int64_t direct_recvmsg(struct sock *sk, struct msg *msg, bool nonblock);
unsigned direct_poll(struct sock *sk);
void direct_shutdown(struct sock *sk, int how);
void direct_close(struct sock *sk, bool abort);
/* SO_ERROR of the host's socket: positive. */
int direct_error(struct sock *sk);
/* FIONREAD, TIOCOUTQ, SIOCATMARK. */
int direct_ioctl(struct sock *sk, unsigned cmd, int *ret);
/* An option of this sock changed: tells the host's socket.  Options that mean nothing there are passed over. */
void direct_setsockopt(struct sock *sk, int level, int name);
int direct_getsockopt(struct sock *sk, int level, int name, void *val, unsigned *len);
/* Somebody wants signals, so events have to be seen. */
void direct_watch_signals(struct sock *sk);
void direct_free(struct sock *sk);
/* Bytes that were received and wait for a reader here. */
size_t direct_spilled(const struct sock *sk);
/* Between direct*.c: the host's socket, -1: none; all options that were set before there was one. */
int direct_fd(const struct sock *sk);
void direct_apply_all(struct sock *sk);

#endif
