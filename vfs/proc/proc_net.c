/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/net.  The network layer registers its texts; until then, and for what it does not know, the tables are empty.
 */
#include "netstack/net_namespace.h"
#include "sentry/kernel/nsproxy.h"
#include "vfs/proc/proc.h"
#include "vfs/proc/proc_net.h"

static struct {
	const char *name;
	void (*show)(struct net *net, struct strbuf *sb);
} net_texts[16];
static unsigned nr_net_texts;

void proc_net_register(const char *name, void (*show)(struct net *net, struct strbuf *sb))
{
	BUG_ON(nr_net_texts == ARRAY_SIZE(net_texts));
	net_texts[nr_net_texts].name = name;
	net_texts[nr_net_texts++].show = show;
}

/* Of the process whose directory it is. */
static int show_net(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	struct net *net _cleanup_net_ = net_of(t ? task_ns_get(t, NS_NET, NS_LINK_SELF) : NULL);

	if (!net)
		return -LINUX_EINVAL;
	for (unsigned i = 0; i < nr_net_texts; i++)
		if (net_texts[i].name && !__builtin_strcmp(net_texts[i].name, pi->entry->name)) {
			net_texts[i].show(net, sb);
			return 0;
		}
	if (pi->entry->data)
		strbuf_adds(sb, pi->entry->data);
	return 0;
}

#define NET(n, head) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = show_net, .data = head }

static const char tcp_head[] = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
			       "                                                     \n";
static const char tcp6_head[] = "  sl  local_address                         remote_address                        st tx_queue "
				"rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
static const char udp_head[] = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode "
			       "ref pointer drops             \n";
static const char dev_text[] =
	"Inter-|   Receive                                                |  Transmit\n"
	" face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
	"    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0\n";

const struct proc_entry proc_net_children[] = {
	NET("arp", "IP address       HW type     Flags       HW address            Mask     Device\n"),
	NET("dev", dev_text),
	NET("if_inet6", "00000000000000000000000000000001 01 80 10 80       lo\n"),
	NET("netlink", "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"),
	NET("packet", "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n"),
	NET("protocols", ""),
	NET("raw", udp_head),
	NET("route", "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT"
		     "                                                       \n"),
	NET("snmp", ""),
	NET("sockstat", "sockets: used 0\n"),
	NET("tcp", tcp_head),
	NET("tcp6", tcp6_head),
	NET("udp", udp_head),
	NET("udp6", tcp6_head),
	NET("unix", "Num       RefCount Protocol Flags    Type St Inode Path\n"),
	{ 0 },
};
