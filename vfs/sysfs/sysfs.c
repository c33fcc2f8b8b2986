/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A minimal /sys, made of the same tables as /proc.
 */
#include <stdio.h>
#include <string.h>

#include "netstack/net_namespace.h"
#include "vfs/proc/proc.h"
#include "vfs/sysfs/sysfs.h"

#define SYSFS_MAGIC 0x62656572

static int show_fixed(struct proc_inode *pi, struct strbuf *sb)
{
	strbuf_adds(sb, pi->entry->data);
	return 0;
}

#define FIXED(n, text) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = show_fixed, .data = text }
#define SHOW(n, fn) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = fn }
#define DIR(n, c) { .name = n, .mode = LINUX_S_IFDIR | 0755, .children = c }
#define END { 0 }

static const struct proc_entry empty[] = { END };

/* --- processors --- */

static const struct proc_entry cpus_children[] = {
	FIXED("kernel_max", "8191\n"), FIXED("isolated", "\n"), FIXED("offline", "\n"), SHOW("online", sysfs_show_cpu_list),
	SHOW("possible", sysfs_show_cpu_list), SHOW("present", sysfs_show_cpu_list), END,
};
static const struct proc_entry node0_children[] = {
	SHOW("cpulist", sysfs_show_cpu_list), SHOW("cpumap", sysfs_show_cpu_mask), FIXED("distance", "10\n"), END };
static const struct proc_entry node_children[] = {
	FIXED("has_cpu", "0\n"), FIXED("has_memory", "0\n"), DIR("node0", node0_children), FIXED("online", "0\n"),
	FIXED("possible", "0\n"), END,
};
static const struct proc_entry system_children[] = {
	{ .name = "cpu", .mode = LINUX_S_IFDIR | 0755, .children = cpus_children, .dir = &sysfs_cpus_dir }, DIR("node", node_children), END,
};

/* --- the rest --- */

static const struct proc_entry virtual_children[] = {
	{ .name = "net", .mode = LINUX_S_IFDIR | 0755, .dir = &sysfs_virtual_net }, END,
};
static const struct proc_entry class_children[] = { DIR("block", empty), DIR("mem", empty), DIR("misc", empty),
						    { .name = "net", .mode = LINUX_S_IFDIR | 0755, .dir = &sysfs_class_net },
						    DIR("tty", empty), END };
static const struct proc_entry devices_children[] = { DIR("system", system_children), DIR("virtual", virtual_children), END };
static const struct proc_entry thp_children[] = {
	FIXED("defrag", "always defer defer+madvise [madvise] never\n"), FIXED("enabled", "always madvise [never]\n"),
	FIXED("hpage_pmd_size", "2097152\n"), FIXED("shmem_enabled", "always within_size advise [never] deny force\n"), END,
};
/* Mount points of file systems that there are not, and huge pages, are missing: who looks for them goes by that. */
static const struct proc_entry mm_children[] = { DIR("transparent_hugepage", thp_children), END };
static const struct proc_entry kernel_children[] = {
	DIR("mm", mm_children), FIXED("profiling", "0\n"),
	FIXED("uevent_seqnum", "0\n"), END,
};
static const struct proc_entry fs_children[] = { DIR("cgroup", empty), DIR("ext4", empty), END };
static const struct proc_entry dev_children[] = { DIR("block", empty), DIR("char", empty), END };

static const struct proc_entry root_children[] = {
	DIR("block", empty), DIR("bus", empty), DIR("class", class_children), DIR("dev", dev_children),
	DIR("devices", devices_children), DIR("firmware", empty), DIR("fs", fs_children), DIR("kernel", kernel_children),
	DIR("module", empty), DIR("power", empty), END,
};
static const struct proc_entry root_entry = { .name = "/", .mode = LINUX_S_IFDIR | 0555, .children = root_children };

static struct super_block *sysfs_mount(const struct fs_type *type, unsigned flags, const char *source,
				       const char *data __unused)
{
	struct net *net = current_net_ns();
	struct super_block *sb;

	if (!ns_capable(net->ns.user_ns, CAP_SYS_ADMIN))
		return ERR_PTR(-LINUX_EPERM);
	sb = proc_sb_new(type, flags, source, SYSFS_MAGIC, &root_entry);
	/* It shows the network of who mounted it: sysfs(5). */
	if (!IS_ERR(sb))
		sb->s_private = ns_get(&net->ns);
	return sb;
}

const struct fs_type sysfs_type = { .name = "sysfs", .nodev = true, .userns_mount = true, .mount = sysfs_mount };
