/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files at the root of /proc.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/kernel/ipc.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/key.h"
#include "sentry/mm/frame.h"
#include "vfs/locks.h"
#include "vfs/proc/proc.h"

#define NSEC_PER_TICK ((uint64_t)1000000000 / LINUX_USER_HZ)

/*
 * The processors the sentry may run on, asked once: nothing changes them under a guest that sizes its thread pools by them.
 */
unsigned proc_nr_cpus(void)
{
	static atomic_uint nr;
	unsigned n = atomic_load(&nr);

	if (!n) {
		n = MAX(host_nr_cpus(), 1);
		atomic_store(&nr, n);
	}
	return n;
}

static int show_self(struct proc_inode *pi __unused, struct strbuf *sb)
{
	/* Nobody here: outside the namespace of this proc. */
	if (!current || !task_tgid(current))
		return -LINUX_ENOENT;
	strbuf_addf(sb, "%d", task_tgid(current));
	return 0;
}

static int show_thread_self(struct proc_inode *pi __unused, struct strbuf *sb)
{
	if (!current || !task_tgid(current))
		return -LINUX_ENOENT;
	strbuf_addf(sb, "%d/task/%d", task_tgid(current), task_tid(current));
	return 0;
}

static int show_fixed_link(struct proc_inode *pi, struct strbuf *sb)
{
	strbuf_adds(sb, pi->entry->data);
	return 0;
}

static int show_fixed(struct proc_inode *pi, struct strbuf *sb)
{
	strbuf_adds(sb, pi->entry->data);
	return 0;
}

static int show_empty(struct proc_inode *pi __unused, struct strbuf *sb __unused)
{
	return 0;
}

/* The host's text is the truth about the processor, which the guest can ask with cpuid anyway. */
static int show_cpuinfo(struct proc_inode *pi __unused, struct strbuf *sb)
{
	char buf[4096];
	uint64_t off = 0;
	ssize_t n;

	while ((n = host_cpuinfo(buf, sizeof(buf), off)) > 0) {
		strbuf_add(sb, buf, (size_t)n);
		off += (uint64_t)n;
	}
	return n < 0 ? -LINUX_EIO : 0;
}

static int show_version(struct proc_inode *pi __unused, struct strbuf *sb)
{
	struct linux_utsname u;

	kernel_utsname(&u);
	strbuf_addf(sb, "%s version %s (sentry@localhost) (cc) %s\n", u.sysname, u.release, u.version);
	return 0;
}

static int show_uptime(struct proc_inode *pi __unused, struct strbuf *sb)
{
	int64_t up = boottime_ns();
	struct kernel_counts c;
	int64_t idle;

	kernel_counts(&c);
	idle = up * proc_nr_cpus() - (int64_t)(c.utime + c.stime);
	idle = MAX(idle, 0);
	strbuf_addf(sb, "%" PRId64 ".%02" PRId64 " %" PRId64 ".%02" PRId64 "\n", up / 1000000000, up / 10000000 % 100,
		    idle / 1000000000, idle / 10000000 % 100);
	return 0;
}

static int show_loadavg(struct proc_inode *pi __unused, struct strbuf *sb)
{
	struct kernel_counts c;

	kernel_counts(&c);
	strbuf_addf(sb, "0.00 0.00 0.00 %u/%u %u\n", c.nr_running, c.nr_tasks, c.last_pid);
	return 0;
}

static int show_stat(struct proc_inode *pi __unused, struct strbuf *sb)
{
	struct kernel_counts c;
	uint64_t user, sys, idle, up = boottime_ns();
	unsigned n = proc_nr_cpus();

	kernel_counts(&c);
	user = c.utime / NSEC_PER_TICK;
	sys = c.stime / NSEC_PER_TICK;
	idle = up / NSEC_PER_TICK * n;
	idle = idle > user + sys ? idle - user - sys : 0;
	strbuf_addf(sb, "cpu  %" PRIu64 " 0 %" PRIu64 " %" PRIu64 " 0 0 0 0 0 0\n", user, sys, idle);
	for (unsigned i = 0; i < n; i++)
		strbuf_addf(sb, "cpu%u %" PRIu64 " 0 %" PRIu64 " %" PRIu64 " 0 0 0 0 0 0\n", i, user / n, sys / n, idle / n);
	strbuf_addf(sb, "intr 0\nctxt %" PRIu64 "\nbtime %" PRId64 "\nprocesses %" PRIu64 "\n", c.nr_switches,
		    (realtime_ns() - (int64_t)up) / 1000000000, c.nr_forks);
	strbuf_addf(sb, "procs_running %u\nprocs_blocked 0\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n", MAX(c.nr_running, 1));
	return 0;
}

static int show_meminfo(struct proc_inode *pi __unused, struct strbuf *sb)
{
	struct frame_stats s;
	uint64_t cached = pagecache_pages(), free, anon;

	frame_get_stats(&s);
	free = s.limit > s.used ? s.limit - s.used : 0;
	anon = s.used > cached ? s.used - cached : 0;
	const struct {
		const char *name;
		uint64_t pages;
	} rows[] = {
		{ "MemTotal", s.limit }, { "MemFree", free }, { "MemAvailable", MIN(free + cached, s.limit) }, { "Buffers", 0 },
		{ "Cached", cached }, { "SwapCached", 0 }, { "Active", anon }, { "Inactive", cached }, { "Active(anon)", anon },
		{ "Inactive(anon)", 0 }, { "Active(file)", 0 }, { "Inactive(file)", cached }, { "Unevictable", 0 },
		{ "Mlocked", 0 }, { "SwapTotal", 0 }, { "SwapFree", 0 }, { "Dirty", 0 }, { "Writeback", 0 },
		{ "AnonPages", anon }, { "Mapped", 0 }, { "Shmem", 0 }, { "KReclaimable", 0 }, { "Slab", 0 },
		{ "SReclaimable", 0 }, { "SUnreclaim", 0 }, { "KernelStack", 0 }, { "PageTables", 0 }, { "NFS_Unstable", 0 },
		{ "Bounce", 0 }, { "WritebackTmp", 0 }, { "CommitLimit", s.limit / 2 }, { "Committed_AS", anon },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		strbuf_addf(sb, "%s:%*s%8" PRIu64 " kB\n", rows[i].name, (int)(15 - strlen(rows[i].name)), "",
			    rows[i].pages * (PAGE_SIZE / 1024));
	strbuf_addf(sb, "VmallocTotal:   34359738367 kB\nVmallocUsed:           0 kB\nVmallocChunk:          0 kB\n");
	strbuf_addf(sb, "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\nHugePages_Surp:        0\n"
			"Hugepagesize:       2048 kB\nHugetlb:               0 kB\n");
	return 0;
}

static int show_vmstat(struct proc_inode *pi __unused, struct strbuf *sb)
{
	struct frame_stats s;
	uint64_t cached = pagecache_pages();

	frame_get_stats(&s);
	strbuf_addf(sb, "nr_free_pages %" PRIu64 "\nnr_file_pages %" PRIu64 "\nnr_anon_pages %" PRIu64
			"\npgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\n",
		    s.limit > s.used ? s.limit - s.used : 0, cached, s.used > cached ? s.used - cached : 0);
	return 0;
}

static int show_filesystems(struct proc_inode *pi __unused, struct strbuf *sb)
{
	for (const struct fs_type *const *t = fs_types; *t; t++)
		strbuf_addf(sb, "%s\t%s\n", (*t)->nodev ? "nodev" : "", (*t)->name);
	return 0;
}

static const char devices_text[] = "Character devices:\n  1 mem\n  4 tty\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n"
				   " 10 misc\n136 pts\n\nBlock devices:\n";
static int show_cmdline(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_addf(sb, "%s\n", kernel_cmdline);
	return 0;
}


#define TEXT(n, m, fn) { .name = n, .mode = LINUX_S_IFREG | (m), .show = fn }
#define FIXED(n, text) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = show_fixed, .data = text }
#define LINK(n, fn) { .name = n, .mode = LINUX_S_IFLNK | 0777, .readlink = fn }

static int show_locks(struct proc_inode *pi __unused, struct strbuf *sb)
{
	locks_show_all(sb);
	return 0;
}

static int show_keys(struct proc_inode *pi __unused, struct strbuf *sb)
{
	keys_show(sb);
	return 0;
}

static int show_key_users(struct proc_inode *pi __unused, struct strbuf *sb)
{
	key_users_show(sb);
	return 0;
}

static int show_msg(struct proc_inode *pi __unused, struct strbuf *sb)
{
	ipc_show_msg(sb);
	return 0;
}

static int show_sem(struct proc_inode *pi __unused, struct strbuf *sb)
{
	ipc_show_sem(sb);
	return 0;
}

static int show_shm(struct proc_inode *pi __unused, struct strbuf *sb)
{
	ipc_show_shm(sb);
	return 0;
}

static const struct proc_entry sysvipc_children[] = {
	TEXT("msg", 0444, show_msg), TEXT("sem", 0444, show_sem), TEXT("shm", 0444, show_shm), { 0 },
};

static const struct proc_entry root_children[] = {
	TEXT("cmdline", 0444, show_cmdline),
	FIXED("consoles", "tty0                 -WU (EC p  )    4:1\n"),
	TEXT("cpuinfo", 0444, show_cpuinfo),
	FIXED("devices", devices_text),
	TEXT("diskstats", 0444, show_empty),
	TEXT("filesystems", 0444, show_filesystems),
	TEXT("interrupts", 0444, show_empty),
	TEXT("key-users", 0444, show_key_users),
	TEXT("keys", 0444, show_keys),
	TEXT("loadavg", 0444, show_loadavg),
	TEXT("locks", 0444, show_locks),
	TEXT("meminfo", 0444, show_meminfo),
	FIXED("misc", ""),
	TEXT("modules", 0444, show_empty),
	{ .name = "mounts", .mode = LINUX_S_IFLNK | 0777, .readlink = show_fixed_link, .data = "self/mounts" },
	{ .name = "net", .mode = LINUX_S_IFLNK | 0777, .readlink = show_fixed_link, .data = "self/net" },
	FIXED("partitions", "major minor  #blocks  name\n\n"),
	LINK("self", show_self),
	TEXT("stat", 0444, show_stat),
	FIXED("swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
	{ .name = "sys", .mode = LINUX_S_IFDIR | 0555, .children = proc_sys_children },
	{ .name = "sysvipc", .mode = LINUX_S_IFDIR | 0555, .children = sysvipc_children },
	LINK("thread-self", show_thread_self),
	TEXT("uptime", 0444, show_uptime),
	TEXT("version", 0444, show_version),
	TEXT("vmstat", 0444, show_vmstat),
	{ 0 },
};

const struct proc_entry proc_root_entry = {
	.name = "/", .mode = LINUX_S_IFDIR | 0555, .children = root_children, .dir = &proc_root_dir };
