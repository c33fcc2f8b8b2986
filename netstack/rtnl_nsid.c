/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers by which one network namespace knows others: IFLA_LINK_NETNSID, and `ip netns set`, `ip netns list-id`.
 *
 * They are kept by the other namespace's inode number, which is not given twice, so one that is gone needs nothing done.
 */
#include "netstack/net_namespace.h"
#include "netstack/netlink.h"

struct linux_rtgen {
	uint8_t family, pad[3];
};

static int nsid_find_locked(const struct net *net, const struct net *of)
{
	for (int i = 0; i < NR_NSIDS; i++)
		if (net->nsids[i] == of->ns.inum)
			return i;
	return -1;
}

int net_nsid_locked(struct net *net, const struct net *of)
{
	int id = nsid_find_locked(net, of);

	for (int i = 0; id < 0 && i < NR_NSIDS; i++)
		if (!net->nsids[i]) {
			net->nsids[i] = of->ns.inum;
			id = i;
		}
	return id;
}

struct net *net_by_ref(uint32_t ref, bool is_fd)
{
	_cleanup_fput_ struct file *f = NULL;
	struct net *net;

	if (!is_fd) {
		net = net_of(kernel_process_net((int32_t)ref));
		return net ? net : ERR_PTR(-LINUX_ESRCH);
	}
	f = fget((int)ref);
	if (!f)
		return ERR_PTR(-LINUX_EBADF);
	net = net_of(nsfs_file_ns(f));
	return net ? net_get(net) : ERR_PTR(-LINUX_EINVAL);
}

/* The namespace that a request is about. */
static struct net *nsid_req_net(const struct nlreq *r)
{
	const void *data;
	uint32_t ref;

	for (unsigned type = LINUX_NETNSA_PID; type <= LINUX_NETNSA_FD; type++)
		if (nlreq_attr(r, sizeof(struct linux_rtgen), type, &data) >= (int)sizeof(ref)) {
			memcpy(&ref, data, sizeof(ref));
			return net_by_ref(ref, type == LINUX_NETNSA_FD);
		}
	return ERR_PTR(-LINUX_EINVAL);
}

static void nsid_fill(struct nlbuf *b, int id)
{
	nl_begin(b, LINUX_RTM_NEWNSID, &(struct linux_rtgen){ 0 }, sizeof(struct linux_rtgen));
	nl_attr_u32(b, LINUX_NETNSA_NSID, (uint32_t)id);
	nl_end(b);
}

static int nsid_get(const struct nlreq *r, struct nlbuf *b)
{
	struct net *of _cleanup_net_ = NULL;
	uint32_t id = UINT32_MAX;

	if (r->dump) {
		MUTEX_GUARD(&netif_lock);

		for (int i = 0; i < NR_NSIDS; i++)
			if (r->net->nsids[i])
				nsid_fill(b, i);
		return 0;
	}
	if (!nlreq_attr_u32(r, sizeof(struct linux_rtgen), LINUX_NETNSA_NSID, &id))
		return -LINUX_EINVAL;
	if (id != UINT32_MAX) {
		MUTEX_GUARD(&netif_lock);

		if (id >= NR_NSIDS || !r->net->nsids[id])
			return -LINUX_ENOENT;
		nsid_fill(b, (int)id);
		return 0;
	}
	of = nsid_req_net(r);
	if (IS_ERR(of))
		return (int)PTR_ERR(of);
	MUTEX_GUARD(&netif_lock);
	nsid_fill(b, nsid_find_locked(r->net, of));
	return 0;
}

static int nsid_set(const struct nlreq *r)
{
	struct net *of _cleanup_net_ = NULL;
	const void *data;
	int32_t id;

	if (nlreq_attr(r, sizeof(struct linux_rtgen), LINUX_NETNSA_NSID, &data) < (int)sizeof(id))
		return -LINUX_EINVAL;
	memcpy(&id, data, sizeof(id));
	of = nsid_req_net(r);
	if (IS_ERR(of))
		return (int)PTR_ERR(of);
	MUTEX_GUARD(&netif_lock);
	if (nsid_find_locked(r->net, of) >= 0)
		return -LINUX_EEXIST;
	if (id < 0)
		return net_nsid_locked(r->net, of) < 0 ? -LINUX_ENOSPC : 0;
	if (id >= NR_NSIDS)
		return -LINUX_ENOSPC;
	if (r->net->nsids[id])
		return -LINUX_EEXIST;
	r->net->nsids[id] = of->ns.inum;
	return 0;
}

int rtnl_nsid_request(const struct nlreq *r, struct nlbuf *b)
{
	return r->h->type == LINUX_RTM_GETNSID ? nsid_get(r, b) : nsid_set(r);
}
