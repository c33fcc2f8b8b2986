/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sockets that only messages refer to.
 *
 * A file of an AF_UNIX socket may be in a message (SCM_RIGHTS) that waits in the queue of a socket which itself is only in a message,
 * and so on in a circle: nobody can receive any of them, and their references keep them alive for ever.  As in Linux's
 * net/unix/garbage.c, such circles are looked for when an AF_UNIX socket is closed while any is in flight:
 *
 *   1. candidates are sockets whose file has no other references than those of messages;
 *   2. references out of candidates' queues are taken off; who has some left is referred to from elsewhere;
 *   3. what those have in their queues is reachable too, and so on;
 *   4. the messages of the rest go, and with them the files.
 *
 * scm_lock is held over 1 to 4 and by everybody who puts descriptors in a message or takes them out, so the picture stands still.
 * It is above unix_lock, sock->lock and rcvq_lock.
 */
#include <stdlib.h>

#include "netstack/sock_queue.h"
#include "netstack/unix.h"

struct mutex scm_lock = MUTEX_INIT;
static atomic_int nr_inflight;

/* --- what is in flight --- */

static struct sock *file_unix_sock(struct file *f)
{
	struct sock *sk = file_sock(f);

	return sk && sk->family == LINUX_AF_UNIX ? sk : NULL;
}

static void scm_count(const struct scm *scm, int by)
{
	MUTEX_GUARD(&scm_lock);

	for (unsigned i = 0; i < scm->nr_files; i++) {
		struct sock *sk = file_unix_sock(scm->files[i]);

		if (!sk)
			continue;
		atomic_fetch_add(&sk->inflight, by);
		atomic_fetch_add(&nr_inflight, by);
	}
}

void scm_fly(const struct scm *scm)
{
	scm_count(scm, 1);
}

void scm_land(const struct scm *scm)
{
	scm_count(scm, -1);
}

/* --- the search --- */

struct gc_node {
	struct sock *sk; /* a reference */
	int left;	 /* references that are not from candidates' queues */
	bool reachable;
};

struct gc {
	struct gc_node *nodes;
	unsigned nr, max;
};

static void gc_collect(struct sock *sk, const char *name __unused, unsigned len __unused, uint64_t peer_ino __unused, void *arg)
{
	struct gc *g = arg;
	int inflight = atomic_load(&sk->inflight);

	if (!inflight || g->nr == g->max || !ref_get_unless_zero(&sk->ref))
		return;
	mutex_lock(&sk->lock);
	if (sk->file && ref_read(&sk->file->ref) == inflight)
		g->nodes[g->nr++] = (struct gc_node){ sk, inflight, false };
	else
		inflight = 0;
	mutex_unlock(&sk->lock);
	if (!inflight)
		sock_put(sk);
}

static struct gc_node *gc_find(struct gc *g, const struct sock *sk)
{
	for (unsigned i = 0; i < g->nr; i++)
		if (g->nodes[i].sk == sk)
			return &g->nodes[i];
	return NULL;
}

static void gc_visit_queue(struct gc *g, struct sock *sk, void (*fn)(struct gc *g, struct gc_node *n))
{
	struct skb *skb;
	MUTEX_GUARD(&sk->rcvq_lock);

	list_for_each_entry(skb, &sk->rcvq, link)
		for (unsigned i = 0; i < skb->scm.nr_files; i++) {
			struct sock *in = file_unix_sock(skb->scm.files[i]);
			struct gc_node *n = in ? gc_find(g, in) : NULL;

			if (n)
				fn(g, n);
		}
}

/* What could be received through @sk: of a listener, what its children have. */
static void gc_visit(struct gc *g, struct sock *sk, void (*fn)(struct gc *g, struct gc_node *n))
{
	struct sock *child;

	gc_visit_queue(g, sk, fn);
	mutex_lock(&sk->lock);
	list_for_each_entry(child, &sk->accept_queue, accept_link)
		gc_visit_queue(g, child, fn);
	mutex_unlock(&sk->lock);
}

static void gc_take_off(struct gc *g __unused, struct gc_node *n)
{
	n->left--;
}

static void gc_put_back(struct gc *g __unused, struct gc_node *n)
{
	n->left++;
}

/* Moves the messages with descriptors off @sk's queue. */
static void gc_strip(struct sock *sk, struct list_head *garbage)
{
	struct skb *skb, *tmp;
	MUTEX_GUARD(&sk->rcvq_lock);

	list_for_each_entry_safe(skb, tmp, &sk->rcvq, link)
		if (skb->scm.nr_files) {
			list_del(&skb->link);
			sk->rcvq_bytes -= skb->len - skb->off;
			list_add_tail(&skb->link, garbage);
		}
}

static void gc_search(struct gc *g, struct list_head *garbage)
{
	bool more = true;

	for (unsigned i = 0; i < g->nr; i++)
		gc_visit(g, g->nodes[i].sk, gc_take_off);
	while (more) {
		more = false;
		for (unsigned i = 0; i < g->nr; i++)
			if (!g->nodes[i].reachable && g->nodes[i].left > 0) {
				g->nodes[i].reachable = more = true;
				gc_visit(g, g->nodes[i].sk, gc_put_back);
			}
	}
	for (unsigned i = 0; i < g->nr; i++) {
		struct sock *sk = g->nodes[i].sk, *child;

		if (g->nodes[i].reachable)
			continue;
		gc_strip(sk, garbage);
		mutex_lock(&sk->lock);
		list_for_each_entry(child, &sk->accept_queue, accept_link)
			gc_strip(child, garbage);
		mutex_unlock(&sk->lock);
	}
}

void unix_gc(void)
{
	static atomic_bool running;
	struct list_head garbage = LIST_HEAD_INIT(garbage);
	struct gc g = { .max = (unsigned)MAX(atomic_load(&nr_inflight), 0) };
	struct skb *skb, *tmp;

	if (!g.max || atomic_exchange(&running, true)) /* or called for what it frees itself */
		return;
	g.nodes = calloc(g.max, sizeof(*g.nodes));
	if (g.nodes) {
		mutex_lock(&scm_lock);
		unix_for_each(NULL, gc_collect, &g);
		gc_search(&g, &garbage);
		mutex_unlock(&scm_lock);
	}
	list_for_each_entry_safe(skb, tmp, &garbage, link) {
		list_del(&skb->link);
		skb_free(skb);
	}
	for (unsigned i = 0; i < g.nr; i++)
		sock_put(g.nodes[i].sk);
	free(g.nodes);
	atomic_store(&running, false);
}
