/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames from one interface of the guest to another: who sends one may hold any lock of the stack, so they are taken in by a thread
 * of their own, in order.  It starts with the first frame.
 */
#include "netstack/ip.h"
#include "netstack/net_namespace.h"
#include "netstack/sock_queue.h"
#include "platform/host/host_thread.h"
#include "platform/pairing.h"

#define BACKLOG_BYTES_MAX (32UL << 20)
#define THREAD_STACK (256UL << 10)

static struct mutex backlog_lock = MUTEX_INIT; /* a leaf */
static LIST_HEAD(backlog);		       /* backlog_lock; skbs by link, each with a reference of its nif's namespace */
static size_t backlog_bytes;		       /* the same */
static bool started;			       /* the same */
static struct waitq backlog_wait = WAITQ_INIT(backlog_wait);

static bool backlog_waits(void)
{
	MUTEX_GUARD(&backlog_lock);

	return !list_empty(&backlog);
}

static void *backlog_main(void *arg __unused)
{
	pairing_release_thread();
	for (;;) {
		LIST_HEAD(now);
		struct skb *skb, *tmp;

		waitq_wait(&backlog_wait, backlog_waits(), SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
		mutex_lock(&backlog_lock);
		list_splice_tail(&backlog, &now);
		backlog_bytes = 0;
		mutex_unlock(&backlog_lock);
		list_for_each_entry_safe(skb, tmp, &now, link) {
			struct netif *nif = skb->nif;
			struct net *net = nif->net;

			list_del(&skb->link);
			link_input(nif, skb);
			net_put(net);
		}
		tcp_flush();
	}
	return NULL;
}

static int backlog_start_locked(void)
{
	int err = host_thread_start_detached(backlog_main, NULL, THREAD_STACK);

	started = !err;
	return err;
}

int backlog_add(struct netif *nif, const struct iovec *iov, unsigned nr)
{
	struct skb *skb;
	size_t len = 0;
	bool first;

	for (unsigned i = 0; i < nr; i++)
		len += iov[i].iov_len;
	skb = skb_new(NULL, len);
	if (!skb)
		return -LINUX_ENOBUFS;
	len = 0;
	for (unsigned i = 0; i < nr; i++) {
		memcpy(skb->data + len, iov[i].iov_base, iov[i].iov_len);
		len += iov[i].iov_len;
	}
	skb->nif = nif;
	mutex_lock(&backlog_lock);
	first = list_empty(&backlog);
	if (backlog_bytes + len > BACKLOG_BYTES_MAX || (!started && backlog_start_locked())) {
		mutex_unlock(&backlog_lock);
		skb_free(skb);
		return -LINUX_ENOBUFS;
	}
	net_get(nif->net);
	list_add_tail(&skb->link, &backlog);
	backlog_bytes += len;
	mutex_unlock(&backlog_lock);
	if (first)
		waitq_wake(&backlog_wait, 0);
	return 0;
}
