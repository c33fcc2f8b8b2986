/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/net_namespace.h"

#include <stdlib.h>

struct net init_net = { .ns = NS_INIT(NS_NET, NS_INUM_NET, &init_user_ns) };

static void net_setup(struct net *net)
{
	list_init(&net->netifs);
	list_init(&net->routes);
	list_init(&net->neighbours);
	list_init(&net->unused);
	net->next_index = 1;
	netif_init_lo(net);
}

/* Nobody is in it any more. */
static void net_cleanup(struct timer *t)
{
	struct net *net = t->data;
	struct netif *nif, *tmp;

	mutex_lock(&rtnl_lock);
	while (!list_empty(&net->netifs))
		netif_unregister(list_first_entry(&net->netifs, struct netif, link));
	mutex_unlock(&rtnl_lock);
	list_for_each_entry_safe(nif, tmp, &net->unused, link) {
		list_del(&nif->link);
		if (nif != &net->lo)
			free(nif);
	}
	free(net);
}

static void net_free(struct ns_common *ns)
{
	struct net *net = container_of(ns, struct net, ns);

	timer_arm(&net->cleanup, monotonic_ns());
}

static struct ns_common *net_create(struct user_namespace *owner)
{
	struct net *net = calloc(1, sizeof(*net));

	if (!net)
		return ERR_PTR(-LINUX_ENOMEM);
	timer_init(&net->cleanup, net_cleanup, net);
	ns_init(&net->ns, NS_NET, owner, net_free);
	net_setup(net);
	return &net->ns;
}

void net_ns_init(void)
{
	static const struct net_ns_ops ops = { .init = &init_net.ns, .create = net_create };

	net_setup(&init_net);
	netif_set_flags(&init_net.lo, LINUX_IFF_UP, LINUX_IFF_UP);
	net_ns_ops = &ops;
}
