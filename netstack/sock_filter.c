/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SO_ATTACH_FILTER: a classic BPF program that says how much of each packet a socket is to be given.
 *
 * Packet sockets see frames, UDP ones datagrams from their UDP header on, raw ones what they read, AF_UNIX datagrams and netlink
 * sockets messages.  Streams keep theirs, but what comes is not segments here, and nothing is dropped.
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/skf.h"
#include "netstack/socket.h"

/* struct sock_fprog: a count and where the instructions are. */
int sock_attach_filter(struct sock *sk, const void *val, unsigned len)
{
	struct {
		uint16_t nr, pad[3];
		uint64_t insns;
	} fprog;
	struct skf_prog *prog, *old;
	struct skf_insn *insns;

	if (len != sizeof(fprog))
		return -LINUX_EINVAL;
	memcpy(&fprog, val, sizeof(fprog));
	if (!fprog.nr || fprog.nr > SKF_INSNS_MAX)
		return -LINUX_EINVAL;
	insns = malloc(fprog.nr * sizeof(*insns));
	if (!insns)
		return -LINUX_ENOMEM;
	if (copy_from_user(insns, fprog.insns, fprog.nr * sizeof(*insns)))
		prog = ERR_PTR(-LINUX_EFAULT);
	else
		prog = skf_new(insns, fprog.nr);
	free(insns);
	if (IS_ERR(prog))
		return (int)PTR_ERR(prog);
	mutex_lock(&sk->rcvq_lock);
	old = sk->filter;
	WRITE_ONCE(sk->filter, prog);
	mutex_unlock(&sk->rcvq_lock);
	skf_free(old);
	return 0;
}

int sock_detach_filter(struct sock *sk)
{
	struct skf_prog *old;

	mutex_lock(&sk->rcvq_lock);
	old = sk->filter;
	WRITE_ONCE(sk->filter, NULL);
	mutex_unlock(&sk->rcvq_lock);
	if (!old)
		return -LINUX_ENOENT;
	skf_free(old);
	return 0;
}

size_t sock_filter_run(struct sock *sk, const void *p, size_t len, uint16_t protocol, uint8_t type)
{
	if (likely(!READ_ONCE(sk->filter)))
		return len;
	MUTEX_GUARD(&sk->rcvq_lock);
	return sk->filter ? MIN(len, skf_run(sk->filter, p, len, protocol, type)) : len;
}

bool sock_filter_packet(struct sock *sk, struct skb *skb)
{
	size_t head = 0, take;
	uint8_t *packet;

	if (likely(!READ_ONCE(sk->filter)) || sock_is_stream(sk))
		return true;
	if (!sk->ops->packet) {
		take = sock_filter_run(sk, skb->data, skb->len, 0, 0);
		skb->len = MIN(skb->len, take);
		return take;
	}
	packet = sk->ops->packet(sk, skb, &head);
	if (!packet)
		return false;
	take = sock_filter_run(sk, packet, head + skb->len, 0, 0);
	free(packet);
	skb->len = take > head ? MIN(skb->len, take - head) : 0;
	return take;
}
