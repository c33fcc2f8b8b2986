/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/connector.h"

#include <string.h>

#include "netstack/net_namespace.h"
#include "netstack/netlink.h"
#include "sentry/base/waitq.h"

atomic_int cn_proc_listeners;
static atomic_uint next_seq;

static void cn_proc_send(const struct linux_proc_event *e, uint32_t seq, uint32_t ack)
{
	struct {
		struct linux_cn_msg m;
		uint8_t event[sizeof(*e)];
	} __attribute__((packed)) body = { .m = { LINUX_CN_IDX_PROC, LINUX_CN_VAL_PROC, seq, ack, sizeof(*e), 0 } };
	struct nlbuf b = { .seq = seq };

	static_assert(sizeof(body) == 60, "an event as a whole");
	memcpy(body.event, e, sizeof(*e));
	nl_begin(&b, LINUX_NLMSG_DONE, &body, sizeof(body));
	nl_end(&b);
	netlink_multicast(&init_net, LINUX_NETLINK_CONNECTOR, LINUX_CN_IDX_PROC, &b);
}

void cn_proc_event(struct linux_proc_event *e)
{
	if (!netlink_has_listeners(&init_net, LINUX_NETLINK_CONNECTOR, LINUX_CN_IDX_PROC)) {
		atomic_store(&cn_proc_listeners, 0); /* gone without a word */
		return;
	}
	e->timestamp_ns = (uint64_t)monotonic_ns();
	cn_proc_send(e, atomic_fetch_add(&next_seq, 1), 0);
}

/* A wish to listen, or not to any more, and the event that acknowledges it; cn_proc_mcast_ctl() of Linux. */
static void cn_proc_wish(const struct sock *sk, const struct linux_cn_msg *m, uint32_t op)
{
	struct linux_proc_event e = { .what = LINUX_PROC_EVENT_NONE, .cpu = UINT32_MAX, .timestamp_ns = (uint64_t)monotonic_ns() };

	if (current_cred->user_ns != &init_user_ns || sk->net != &init_net)
		return;
	if (!capable(CAP_NET_ADMIN))
		e.ack.err = LINUX_EPERM;
	else if (op == LINUX_PROC_CN_MCAST_LISTEN)
		atomic_fetch_add(&cn_proc_listeners, 1);
	else if (op != LINUX_PROC_CN_MCAST_IGNORE)
		e.ack.err = LINUX_EINVAL;
	else if (atomic_load(&cn_proc_listeners) > 0)
		atomic_fetch_sub(&cn_proc_listeners, 1);
	if (op == LINUX_PROC_CN_MCAST_IGNORE && !e.ack.err) /* who hears nothing any more doesn't hear that either */
		return;
	cn_proc_send(&e, m->seq, m->ack + 1);
}

void cn_input(struct sock *sk, const void *buf, size_t len)
{
	struct linux_nlmsghdr h;
	struct linux_cn_msg m;
	uint32_t op;

	if (len < sizeof(h) + sizeof(m))
		return;
	memcpy(&h, buf, sizeof(h));
	memcpy(&m, (const char *)buf + sizeof(h), sizeof(m));
	if (h.len < sizeof(h) + sizeof(m) || h.len > len || m.len < sizeof(op) || m.len > h.len - sizeof(h) - sizeof(m))
		return;
	memcpy(&op, (const char *)buf + sizeof(h) + sizeof(m), sizeof(op));
	if (m.idx == LINUX_CN_IDX_PROC && m.val == LINUX_CN_VAL_PROC)
		cn_proc_wish(sk, &m, op);
}
