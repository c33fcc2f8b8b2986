/* SPDX-License-Identifier: Apache-2.0 */
/*
 * netlink(7): what the protocols behind AF_NETLINK sockets (rtnetlink.c, sock_diag.c) share.
 *
 * A request is answered at once, by the thread that sends it: the answers are put together in a struct nlbuf and then queued for
 * its reader.
 */
#ifndef SENTRY_NETSTACK_NETLINK_H
#define SENTRY_NETSTACK_NETLINK_H

#include "netstack/socket.h"
#include "sentry/abi/netlink.h"

/* Messages under construction.  Running out of memory is remembered in `oom`, and makes what follows no-ops. */
struct nlbuf {
	uint8_t *p; /* malloc */
	size_t len, cap, msg; /* msg: where the message begun last starts */
	uint32_t seq, pid;
	uint16_t flags;
	bool oom;
};

void nlbuf_fini(struct nlbuf *b);
/* Begins a message whose fixed part is @size bytes of @fixed. */
void nl_begin(struct nlbuf *b, uint16_t type, const void *fixed, size_t size);
void nl_end(struct nlbuf *b);
void nl_attr(struct nlbuf *b, uint16_t type, const void *data, size_t len);
void nl_attr_u8(struct nlbuf *b, uint16_t type, uint8_t v);
void nl_attr_u32(struct nlbuf *b, uint16_t type, uint32_t v);
void nl_attr_str(struct nlbuf *b, uint16_t type, const char *s);

/* Attributes in an attribute: what nl_nest gave goes to nl_nest_end. */
size_t nl_nest(struct nlbuf *b, uint16_t type);
void nl_nest_end(struct nlbuf *b, size_t nest);

/* A request, checked to hold its header. */
struct nlreq {
	struct net *net; /* of the socket that asks; borrowed */
	const struct linux_nlmsghdr *h;
	const uint8_t *body; /* behind the header */
	size_t len;
	bool dump;
};
/* The fixed part of a request into @ret; a shorter one (as "family" alone) leaves zeros.  What is behind it is attributes. */
void nlreq_fixed(const struct nlreq *r, void *ret, size_t size);
/* An attribute among @len bytes of them: its length and *ret_data, or -1.  The last of its type counts. */
int nl_attr_find(const void *attrs, size_t len, unsigned type, const void **ret_data);
/* The attribute @type behind a fixed part of @size: its length and *ret_data, or -1.  The last of its type counts. */
int nlreq_attr(const struct nlreq *r, size_t size, unsigned type, const void **ret_data);
/* @ret is untouched when there is none.  False for a short one. */
bool nlreq_attr_u32(const struct nlreq *r, size_t size, unsigned type, uint32_t *ret);

/* Answers of one protocol: 0 or -errno for the acknowledgement.  Dumps append all their messages. */
int rtnetlink_request(const struct nlreq *r, struct nlbuf *b);
/* Its parts about links, and about the numbers that namespaces have in each other (rtnl_link.c, rtnl_nsid.c). */
int rtnl_link_request(const struct nlreq *r, struct nlbuf *b);
int rtnl_nsid_request(const struct nlreq *r, struct nlbuf *b);
/* The number of @of in @net, which it gets if it has none; netif_lock held.  -1: no room. */
int net_nsid_locked(struct net *net, const struct net *of);
/* The namespace that a descriptor (@is_fd) or process id of the caller's names, a reference; ERR_PTR: -EINVAL, -EBADF, -ESRCH. */
struct net *net_by_ref(uint32_t ref, bool is_fd);
int sock_diag_request(const struct nlreq *r, struct nlbuf *b);

/* Queues the one message in @b for all of @net and @protocol that joined @group (from 1).  Frees @b. */
void netlink_multicast(struct net *net, int protocol, unsigned group, struct nlbuf *b);
/* Whether @f is a netlink socket: 0, -LINUX_ENOTSOCK, -LINUX_EINVAL.  What mq_notify(2) sends to one: a datagram of its own. */
int netlink_file_check(struct file *f);
void netlink_notify(struct file *f, const void *data, size_t len);
/* Whether anybody would hear it. */
bool netlink_has_listeners(struct net *net, int protocol, unsigned group);

#endif
