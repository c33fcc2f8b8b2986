/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/sys: sysctl values.  A value is a constant, a number that can be set within bounds (and is honoured where a comment
 * says so), or a pair of functions.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/base/sysctl.h"
#include "sentry/kernel/aio.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/key.h"
#include "sentry/kernel/nsproxy.h"
#include "vfs/locks.h"
#include "vfs/proc/proc.h"

static int sysctl_show_int(struct proc_inode *pi, struct strbuf *sb)
{
	const struct sysctl_int *v = pi->entry->data;

	strbuf_addf(sb, "%" PRId64 "\n", sysctl_read(v));
	return 0;
}

static int sysctl_store_int(struct proc_inode *pi, char *buf, size_t len __unused)
{
	struct sysctl_int *v = (struct sysctl_int *)(uintptr_t)pi->entry->data;
	char *end;
	long long n = strtoll(buf, &end, 0);

	if (end == buf || (*end && *end != '\n' && *end != ' ') || n < v->min || n > v->max)
		return -LINUX_EINVAL;
	atomic_store(&v->value, n);
	return 0;
}

static int sysctl_show_text(struct proc_inode *pi, struct strbuf *sb)
{
	strbuf_addf(sb, "%s\n", (const char *)pi->entry->data);
	return 0;
}

/* --- kernel --- */

static int show_hostname(struct proc_inode *pi __unused, struct strbuf *sb)
{
	struct linux_utsname u;

	kernel_utsname(&u);
	strbuf_addf(sb, "%s\n", u.nodename);
	return 0;
}

static int store_hostname(struct proc_inode *pi __unused, char *buf, size_t len)
{
	return ns_capable(current_uts()->ns.user_ns, CAP_SYS_ADMIN) ? kernel_set_hostname(buf, len) : -LINUX_EPERM;
}

static int show_domainname(struct proc_inode *pi __unused, struct strbuf *sb)
{
	struct linux_utsname u;

	kernel_utsname(&u);
	strbuf_addf(sb, "%s\n", u.domainname);
	return 0;
}

static int store_domainname(struct proc_inode *pi __unused, char *buf, size_t len)
{
	return ns_capable(current_uts()->ns.user_ns, CAP_SYS_ADMIN) ? kernel_set_domainname(buf, len) : -LINUX_EPERM;
}

static int show_pid_max(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_addf(sb, "%u\n", pids_max());
	return 0;
}

static int store_pid_max(struct proc_inode *pi __unused, char *buf, size_t len __unused)
{
	return pids_set_max(strtoul(buf, NULL, 0));
}

static int show_threads_max(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_addf(sb, "%u\n", pids_limit() ? pids_limit() : pids_max());
	return 0;
}

static int show_cap_last_cap(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_addf(sb, "%d\n", NR_CAPS - 1);
	return 0;
}

static void uuid_text(struct strbuf *sb, const uint8_t b[16])
{
	for (int i = 0; i < 16; i++) {
		uint8_t v = i == 6 ? (b[i] & 0x0f) | 0x40 : i == 8 ? (b[i] & 0x3f) | 0x80 : b[i];

		strbuf_addf(sb, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", v);
	}
	strbuf_addc(sb, '\n');
}

static int show_uuid(struct proc_inode *pi __unused, struct strbuf *sb)
{
	uint8_t b[16];

	if (host_getrandom(b, sizeof(b)))
		return -LINUX_EIO;
	uuid_text(sb, b);
	return 0;
}

static int show_boot_id(struct proc_inode *pi __unused, struct strbuf *sb)
{
	static struct mutex lock = MUTEX_INIT;
	static uint8_t id[16];
	static bool made;
	MUTEX_GUARD(&lock);

	if (!made && host_getrandom(id, sizeof(id)))
		return -LINUX_EIO;
	made = true;
	uuid_text(sb, id);
	return 0;
}

/* --- fs --- */

static int show_file_nr(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_adds(sb, "1024\t0\t9223372036854775807\n");
	return 0;
}

static int show_aio_nr(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_addf(sb, "%" PRIu64 "\n", aio_nr());
	return 0;
}

/* --- words that are kept and mean nothing here --- */

struct sysctl_word {
	struct mutex lock;
	char text[256];
};

static int show_word(struct proc_inode *pi, struct strbuf *sb)
{
	struct sysctl_word *w = (struct sysctl_word *)pi->entry->data;

	MUTEX_GUARD(&w->lock);
	strbuf_addf(sb, "%s\n", w->text);
	return 0;
}

static int store_word(struct proc_inode *pi, char *buf, size_t len)
{
	struct sysctl_word *w = (struct sysctl_word *)pi->entry->data;

	if (len >= sizeof(w->text))
		return -LINUX_EINVAL;
	MUTEX_GUARD(&w->lock);
	memcpy(w->text, buf, len);
	w->text[len] = '\0';
	return 0;
}

static struct sysctl_word hotplug = { MUTEX_INIT, "" }, modprobe = { MUTEX_INIT, "/sbin/modprobe" },
	ping_group_range = { MUTEX_INIT, "0\t2147483647" };

#define WORD(n, w) { .name = n, .mode = LINUX_S_IFREG | 0644, .show = show_word, .store = store_word, .data = w }
#define TEXT(n, t) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = sysctl_show_text, .data = t }
#define INT(n, v) { .name = n, .mode = LINUX_S_IFREG | 0644, .show = sysctl_show_int, .store = sysctl_store_int, .data = v }
#define SHOW(n, fn) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = fn }
#define RW(n, fn, st) { .name = n, .mode = LINUX_S_IFREG | 0644, .show = fn, .store = st }
#define DIR(n, c) { .name = n, .mode = LINUX_S_IFDIR | 0555, .children = c }

static struct sysctl_int core_uses_pid = { 0, 0, 1 }, printk_delay = { 0, 0, 10000 }, panic_timeout = { 0, -1, INT32_MAX },
	panic_on_oops = { 0, 0, 1 }, randomize_va_space = { 2, 0, 2 }, sysrq = { 0, 0, 511 }, dmesg_restrict = { 0, 0, 1 },
	kptr_restrict = { 0, 0, 2 }, perf_paranoid = { 4, -1, 4 }, shmmni = { 4096, 0, 32768 }, msgmax = { 8192, 0, INT32_MAX },
	msgmnb = { 16384, 0, INT32_MAX }, msgmni = { 32000, 0, 32768 }, sched_autogroup = { 0, 0, 1 }, bpf_disabled = { 2, 0, 2 };

static const struct proc_entry random_children[] = {
	SHOW("boot_id", show_boot_id), TEXT("entropy_avail", "256"), TEXT("poolsize", "256"),
	TEXT("urandom_min_reseed_secs", "60"), SHOW("uuid", show_uuid), TEXT("write_wakeup_threshold", "256"), { 0 },
};

static const struct proc_entry keys_children[] = {
	INT("gc_delay", &keys_gc_delay), INT("maxbytes", &keys_max_bytes), INT("maxkeys", &keys_max),
	INT("persistent_keyring_expiry", &keys_persistent_expiry), INT("root_maxbytes", &keys_root_max_bytes),
	INT("root_maxkeys", &keys_root_max), { 0 },
};

static const struct proc_entry kernel_children[] = {
	SHOW("cap_last_cap", show_cap_last_cap),
	{ .name = "core_pattern", .mode = LINUX_S_IFREG | 0644, .show = sysctl_show_text, .data = "core" },
	INT("core_uses_pid", &core_uses_pid),
	INT("dmesg_restrict", &dmesg_restrict),
	RW("domainname", show_domainname, store_domainname),
	RW("hostname", show_hostname, store_hostname),
	/* No uevent ever calls for it, and no module. */
	WORD("hotplug", &hotplug),
	DIR("keys", keys_children),
	INT("kptr_restrict", &kptr_restrict),
	WORD("modprobe", &modprobe),
	INT("msgmax", &msgmax), INT("msgmnb", &msgmnb), INT("msgmni", &msgmni),
	TEXT("ngroups_max", "65536"),
	TEXT("osrelease", KERNEL_RELEASE),
	TEXT("ostype", KERNEL_SYSNAME),
	TEXT("overflowgid", "65534"), TEXT("overflowuid", "65534"),
	INT("panic", &panic_timeout), INT("panic_on_oops", &panic_on_oops),
	INT("perf_event_paranoid", &perf_paranoid),
	RW("pid_max", show_pid_max, store_pid_max),
	{ .name = "printk", .mode = LINUX_S_IFREG | 0644, .show = sysctl_show_text, .data = "4\t4\t1\t7" },
	INT("printk_delay", &printk_delay),
	DIR("random", random_children),
	INT("randomize_va_space", &randomize_va_space),
	INT("sched_autogroup_enabled", &sched_autogroup),
	TEXT("sem", "32000\t1024000000\t500\t32000"),
	TEXT("shmall", "18446744073692774399"), TEXT("shmmax", "18446744073692774399"), INT("shmmni", &shmmni),
	INT("sysrq", &sysrq),
	TEXT("tainted", "0"),
	SHOW("threads-max", show_threads_max),
	/* There is no bpf(2). */
	INT("unprivileged_bpf_disabled", &bpf_disabled),
	TEXT("version", KERNEL_VERSION),
	{ 0 },
};

static struct sysctl_int swappiness = { 60, 0, 200 }, dirty_ratio = { 20, 0, 100 }, dirty_background = { 10, 0, 100 },
	overcommit = { 0, 0, 2 }, overcommit_ratio = { 50, 0, INT32_MAX }, drop_caches = { 0, 0, 4 }, oom_dump = { 1, 0, 1 },
	panic_on_oom = { 0, 0, 2 }, min_free = { 67584, 0, INT32_MAX }, vfs_pressure = { 100, 0, INT32_MAX },
	nr_hugepages = { 0, 0, 0 };

static const struct proc_entry vm_children[] = {
	INT("dirty_background_ratio", &dirty_background), INT("dirty_ratio", &dirty_ratio), INT("drop_caches", &drop_caches),
	TEXT("max_map_count", "65530"), INT("min_free_kbytes", &min_free), TEXT("mmap_min_addr", "65536"),
	INT("nr_hugepages", &nr_hugepages), INT("oom_dump_tasks", &oom_dump), INT("overcommit_memory", &overcommit),
	INT("overcommit_ratio", &overcommit_ratio), INT("panic_on_oom", &panic_on_oom), INT("swappiness", &swappiness),
	INT("vfs_cache_pressure", &vfs_pressure), { 0 },
};

static struct sysctl_int pipe_max = { 1048576, 4096, INT32_MAX },
	inotify_events = { 16384, 0, INT32_MAX }, inotify_instances = { 128, 0, INT32_MAX },
	inotify_watches = { 65536, 0, INT32_MAX }, suid_dumpable = { 0, 0, 2 }, protected_fifos = { 0, 0, 2 },
	protected_hardlinks = { 0, 0, 1 }, protected_regular = { 0, 0, 2 }, protected_symlinks = { 0, 0, 1 };

static const struct proc_entry inotify_children[] = {
	INT("max_queued_events", &inotify_events), INT("max_user_instances", &inotify_instances),
	INT("max_user_watches", &inotify_watches), { 0 },
};
static const struct proc_entry epoll_children[] = { TEXT("max_user_watches", "1000000"), { 0 } };
static const struct proc_entry mqueue_children[] = {
	TEXT("msg_default", "10"), TEXT("msg_max", "10"), TEXT("msgsize_default", "8192"), TEXT("msgsize_max", "8192"),
	TEXT("queues_max", "256"), { 0 },
};
static const struct proc_entry empty_children[] = { { 0 } };

static const struct proc_entry fs_children[] = {
	TEXT("aio-max-nr", "65536"), SHOW("aio-nr", show_aio_nr), DIR("binfmt_misc", empty_children), DIR("epoll", epoll_children),
	TEXT("file-max", "9223372036854775807"), SHOW("file-nr", show_file_nr), TEXT("inode-nr", "1024\t0"),
	TEXT("inode-state", "1024\t0\t0\t0\t0\t0\t0"), DIR("inotify", inotify_children), INT("lease-break-time", &lease_break_time),
	TEXT("dir-notify-enable", "1"), INT("leases-enable", &leases_enable), DIR("mqueue", mqueue_children), TEXT("nr_open", "1048576"),
	TEXT("overflowgid", "65534"), TEXT("overflowuid", "65534"), INT("pipe-max-size", &pipe_max), TEXT("pipe-user-pages-hard", "0"),
	TEXT("pipe-user-pages-soft", "16384"), INT("protected_fifos", &protected_fifos),
	INT("protected_hardlinks", &protected_hardlinks), INT("protected_regular", &protected_regular),
	INT("protected_symlinks", &protected_symlinks), INT("suid_dumpable", &suid_dumpable), { 0 },
};

static struct sysctl_int somaxconn = { 4096, 0, INT32_MAX }, ip_forward = { 0, 0, 1 }, syncookies = { 0, 0, 2 };
static const struct proc_entry net_core_children[] = {
	TEXT("rmem_default", "212992"), TEXT("rmem_max", "212992"), INT("somaxconn", &somaxconn), TEXT("wmem_default", "212992"),
	TEXT("wmem_max", "212992"), { 0 },
};
/*
 * Of interfaces.  Redirects and source routes are never taken, and no host is told by an address of the interface's making; what is
 * written says no more than that the administrator wanted it so.
 */
struct conf_ints {
	struct sysctl_int accept_ra, accept_redirects, accept_source_route, forwarding, rp_filter, secure_redirects, use_tempaddr;
};
#define CONF_INTS { { 0, 0, 2 }, { 0, 0, 1 }, { 0, 0, 1 }, { 0, 0, 1 }, { 0, 0, 2 }, { 1, 0, 1 }, { 0, -1, 2 } }
static struct conf_ints conf4[4] = { CONF_INTS, CONF_INTS, CONF_INTS, CONF_INTS },
	conf6[4] = { CONF_INTS, CONF_INTS, CONF_INTS, CONF_INTS };
#define CONF4(v)                                                                                                       \
	{                                                                                                              \
		INT("accept_redirects", &(v).accept_redirects), INT("accept_source_route", &(v).accept_source_route),  \
			INT("forwarding", &(v).forwarding), INT("rp_filter", &(v).rp_filter),                          \
			INT("secure_redirects", &(v).secure_redirects), { 0 },                                         \
	}
#define CONF6(v)                                                                                                       \
	{                                                                                                              \
		INT("accept_ra", &(v).accept_ra), INT("accept_redirects", &(v).accept_redirects),                      \
			INT("accept_source_route", &(v).accept_source_route), INT("forwarding", &(v).forwarding),      \
			INT("use_tempaddr", &(v).use_tempaddr), { 0 },                                                 \
	}
static const struct proc_entry conf4_of[4][6] = { CONF4(conf4[0]), CONF4(conf4[1]), CONF4(conf4[2]), CONF4(conf4[3]) },
	conf6_of[4][6] = { CONF6(conf6[0]), CONF6(conf6[1]), CONF6(conf6[2]), CONF6(conf6[3]) };
static const struct proc_entry net_ipv4_conf_children[] = {
	DIR("all", conf4_of[0]), DIR("default", conf4_of[1]), DIR("eth0", conf4_of[2]), DIR("lo", conf4_of[3]), { 0 },
};
static const struct proc_entry net_ipv6_conf_children[] = {
	DIR("all", conf6_of[0]), DIR("default", conf6_of[1]), DIR("eth0", conf6_of[2]), DIR("lo", conf6_of[3]), { 0 },
};
static const struct proc_entry net_ipv6_children[] = { DIR("conf", net_ipv6_conf_children), { 0 } };
static struct sysctl_int tcp_rfc1337 = { 0, 0, 1 };
static const struct proc_entry net_ipv4_children[] = {
	DIR("conf", net_ipv4_conf_children),
	INT("ip_forward", &ip_forward), TEXT("ip_local_port_range", "32768\t60999"), TEXT("ip_local_reserved_ports", ""),
	TEXT("ip_unprivileged_port_start", "1024"), WORD("ping_group_range", &ping_group_range), TEXT("tcp_fin_timeout", "60"),
	TEXT("tcp_keepalive_intvl", "75"), TEXT("tcp_keepalive_probes", "9"), TEXT("tcp_keepalive_time", "7200"),
	TEXT("tcp_max_syn_backlog", "1024"), INT("tcp_rfc1337", &tcp_rfc1337),
	TEXT("tcp_rmem", "4096\t131072\t6291456"), INT("tcp_syncookies", &syncookies),
	TEXT("tcp_wmem", "4096\t16384\t4194304"), { 0 },
};
static const struct proc_entry net_unix_children[] = { TEXT("max_dgram_qlen", "512"), { 0 } };
static const struct proc_entry net_sys_children[] = {
	DIR("core", net_core_children), DIR("ipv4", net_ipv4_children), DIR("ipv6", net_ipv6_children),
	DIR("unix", net_unix_children), { 0 },
};

const struct proc_entry proc_sys_children[] = {
	DIR("fs", fs_children), DIR("kernel", kernel_children), DIR("net", net_sys_children), DIR("vm", vm_children), { 0 },
};
