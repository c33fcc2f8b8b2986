/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /sys/class/net and /sys/devices/virtual/net: the interfaces, as netstack/netif.h has them.  An inode's number is the interface's.
 */
#include <stdio.h>
#include <string.h>

#include "netstack/net_namespace.h"
#include "vfs/proc/proc.h"
#include "vfs/sysfs/sysfs.h"

static struct net *sysfs_net(const struct proc_inode *pi)
{
	return net_of(pi->inode.sb->s_private);
}

/* The interface that an inode is about, or NULL. */
static struct netif *sysfs_netif(const struct proc_inode *pi)
{
	return netif_find(sysfs_net(pi), (int)pi->nr);
}

#define SHOW_INT(name, fmt, value)                                                                                     \
	static int show_##name(struct proc_inode *pi, struct strbuf *sb)                                               \
	{                                                                                                              \
		struct netif *nif = sysfs_netif(pi);                                                           \
                                                                                                                       \
		if (!nif)                                                                                              \
			return -LINUX_ENODEV;                                                                          \
		strbuf_addf(sb, fmt "\n", value);                                                                      \
		return 0;                                                                                              \
	}

SHOW_INT(addr_len, "%d", 6)
SHOW_INT(ifindex, "%d", nif->index)
SHOW_INT(flags, "0x%x", READ_ONCE(nif->flags) & 0xffff & ~LINUX_IFF_RUNNING)
SHOW_INT(mtu, "%u", READ_ONCE(nif->mtu))
SHOW_INT(type, "%u", nif->type)
SHOW_INT(tx_queue_len, "%d", 1000)
SHOW_INT(dev_id, "0x%x", 0)
SHOW_INT(zero, "%d", 0)
SHOW_INT(operstate, "%s", netif_is_lo(nif) ? "unknown" :
	 READ_ONCE(nif->flags) & LINUX_IFF_UP && atomic_load(&nif->carrier) ? "up" : "down")
SHOW_INT(rx_bytes, "%lu", atomic_load(&nif->stats.rx_bytes))
SHOW_INT(rx_packets, "%lu", atomic_load(&nif->stats.rx_packets))
SHOW_INT(rx_dropped, "%lu", atomic_load(&nif->stats.rx_dropped))
SHOW_INT(rx_errors, "%lu", atomic_load(&nif->stats.rx_errors))
SHOW_INT(tx_bytes, "%lu", atomic_load(&nif->stats.tx_bytes))
SHOW_INT(tx_packets, "%lu", atomic_load(&nif->stats.tx_packets))
SHOW_INT(tx_dropped, "%lu", atomic_load(&nif->stats.tx_dropped))

static void show_mac(struct strbuf *sb, const uint8_t a[6])
{
	strbuf_addf(sb, "%02x:%02x:%02x:%02x:%02x:%02x\n", a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int show_address(struct proc_inode *pi, struct strbuf *sb)
{
	struct netif *nif = sysfs_netif(pi);

	if (!nif)
		return -LINUX_ENODEV;
	show_mac(sb, nif->hwaddr);
	return 0;
}

static int show_broadcast(struct proc_inode *pi, struct strbuf *sb)
{
	struct netif *nif = sysfs_netif(pi);
	uint8_t a[6];

	if (!nif)
		return -LINUX_ENODEV;
	memset(a, netif_is_lo(nif) ? 0 : 255, sizeof(a));
	show_mac(sb, a);
	return 0;
}

/* Of an interface that is down there is no answer. */
static int show_carrier(struct proc_inode *pi, struct strbuf *sb)
{
	struct netif *nif = sysfs_netif(pi);

	if (!nif || !(READ_ONCE(nif->flags) & LINUX_IFF_UP))
		return -LINUX_EINVAL;
	strbuf_addf(sb, "%d\n", atomic_load(&nif->carrier));
	return 0;
}

static int show_uevent(struct proc_inode *pi, struct strbuf *sb)
{
	struct netif *nif = sysfs_netif(pi);

	if (!nif)
		return -LINUX_ENODEV;
	strbuf_addf(sb, "INTERFACE=%s\nIFINDEX=%d\n", nif->name, nif->index);
	return 0;
}

#define SHOW(n, fn) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = fn }

/* Files of a directory whose inodes have the directory's number. */
static struct inode *child_lookup(struct proc_inode *dir, const struct proc_entry *table, const char *name)
{
	for (const struct proc_entry *e = table; e->name; e++)
		if (!strcmp(e->name, name)) {
			struct inode *inode = proc_inode_new(dir, e, name);

			if (!IS_ERR(inode))
				PROC_I(inode)->nr = dir->nr;
			return inode;
		}
	return ERR_PTR(-LINUX_ENOENT);
}

static const struct proc_entry stat_files[] = {
	SHOW("collisions", show_zero), SHOW("multicast", show_zero), SHOW("rx_bytes", show_rx_bytes), SHOW("rx_dropped", show_rx_dropped),
	SHOW("rx_errors", show_rx_errors), SHOW("rx_packets", show_rx_packets), SHOW("tx_bytes", show_tx_bytes),
	SHOW("tx_dropped", show_tx_dropped), SHOW("tx_errors", show_zero), SHOW("tx_packets", show_tx_packets), { 0 },
};

static struct inode *stat_lookup(struct proc_inode *dir, const char *name)
{
	return child_lookup(dir, stat_files, name);
}

static uint32_t stat_next(struct proc_inode *dir __unused, uint64_t *nr, char name[32])
{
	if (*nr >= ARRAY_SIZE(stat_files) - 1)
		return 0;
	snprintf(name, 32, "%s", stat_files[*nr].name);
	return LINUX_S_IFREG;
}

static const struct proc_dir_ops stat_dir = { .lookup = stat_lookup, .next = stat_next };

static const struct proc_entry netif_files[] = {
	SHOW("addr_assign_type", show_zero), SHOW("addr_len", show_addr_len), SHOW("address", show_address),
	SHOW("broadcast", show_broadcast),
	SHOW("carrier", show_carrier), SHOW("dev_id", show_dev_id), SHOW("dormant", show_zero), SHOW("flags", show_flags),
	SHOW("ifindex", show_ifindex), SHOW("iflink", show_ifindex), SHOW("link_mode", show_zero), SHOW("mtu", show_mtu),
	SHOW("operstate", show_operstate), { .name = "statistics", .mode = LINUX_S_IFDIR | 0755, .dir = &stat_dir },
	SHOW("tx_queue_len", show_tx_queue_len), SHOW("type", show_type), SHOW("uevent", show_uevent), { 0 },
};

static struct inode *netif_lookup(struct proc_inode *dir, const char *name)
{
	return child_lookup(dir, netif_files, name);
}

static uint32_t netif_files_next(struct proc_inode *dir __unused, uint64_t *nr, char name[32])
{
	if (*nr >= ARRAY_SIZE(netif_files) - 1)
		return 0;
	snprintf(name, 32, "%s", netif_files[*nr].name);
	return netif_files[*nr].mode & LINUX_S_IFMT;
}

static const struct proc_dir_ops netif_dir = { .lookup = netif_lookup, .next = netif_files_next };
static const struct proc_entry netif_entry = { .name = "netif", .mode = LINUX_S_IFDIR | 0755, .dir = &netif_dir };

/* --- the two directories of interfaces --- */

static int show_link_to(struct proc_inode *pi, struct strbuf *sb)
{
	struct netif *nif = sysfs_netif(pi);

	strbuf_addf(sb, "../../devices/virtual/net/%s", nif ? nif->name : "");
	return 0;
}

static const struct proc_entry link_entry = { .name = "netif", .mode = LINUX_S_IFLNK | 0777, .readlink = show_link_to };

static struct inode *netifs_lookup(struct proc_inode *dir, const struct proc_entry *e, const char *name)
{
	struct netif *nif = netif_find_name(sysfs_net(dir), name);
	struct inode *inode = nif ? proc_inode_new(dir, e, name) : ERR_PTR(-LINUX_ENOENT);

	if (!IS_ERR(inode))
		PROC_I(inode)->nr = nif->index;
	return inode;
}

static uint32_t netifs_next(struct proc_inode *dir, uint64_t *nr, char name[32], uint32_t type)
{
	struct netif *nif = netif_next(sysfs_net(dir), (int)*nr);

	if (!nif)
		return 0;
	*nr = (uint64_t)nif->index;
	snprintf(name, 32, "%s", nif->name);
	return type;
}

static struct inode *class_lookup(struct proc_inode *dir, const char *name)
{
	return netifs_lookup(dir, &link_entry, name);
}

static uint32_t class_next(struct proc_inode *dir, uint64_t *nr, char name[32])
{
	return netifs_next(dir, nr, name, LINUX_S_IFLNK);
}

static struct inode *devices_lookup(struct proc_inode *dir, const char *name)
{
	return netifs_lookup(dir, &netif_entry, name);
}

static uint32_t devices_next(struct proc_inode *dir, uint64_t *nr, char name[32])
{
	return netifs_next(dir, nr, name, LINUX_S_IFDIR);
}

const struct proc_dir_ops sysfs_class_net = { .lookup = class_lookup, .next = class_next };
const struct proc_dir_ops sysfs_virtual_net = { .lookup = devices_lookup, .next = devices_next };
