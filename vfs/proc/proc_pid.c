/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/pid and /proc/pid/task/tid.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/mm/uaccess.h"
#include "vfs/cgroup/cgroup.h"
#include "vfs/proc/proc.h"

/* --- text made of the address space --- */

/* Runs @fn on the task's mm; an empty text for a task without one (zombie). */
static int proc_with_mm(struct proc_inode *pi, struct strbuf *sb, void (*fn)(struct mm *mm, struct strbuf *sb))
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	struct mm *mm;

	if (!t)
		return -LINUX_ESRCH;
	mm = task_mm_get(t);
	if (!mm)
		return 0;
	fn(mm, sb);
	mm_put(mm);
	return 0;
}

static void maps_text(struct mm *mm, struct strbuf *sb)
{
	mm_show_maps(mm, sb, false);
}

static void smaps_text(struct mm *mm, struct strbuf *sb)
{
	mm_show_maps(mm, sb, true);
}

static void auxv_text(struct mm *mm, struct strbuf *sb)
{
	size_t n = 0;

	while (n < ARRAY_SIZE(mm->saved_auxv) - 2 && mm->saved_auxv[n])
		n += 2;
	strbuf_add(sb, mm->saved_auxv, (n + 2) * sizeof(uint64_t));
}

/* Copies guest memory [start, end), at most a sane amount. */
static void mm_text(struct mm *mm, uaddr_t start, uaddr_t end, struct strbuf *sb)
{
	char buf[PAGE_SIZE];

	end = MIN(end, start + (8UL << 20));
	while (start < end) {
		size_t n = mm_copy_from(mm, buf, start, MIN(end - start, sizeof(buf)), false);

		if (!n)
			break;
		strbuf_add(sb, buf, n);
		start += n;
	}
}

/*
 * A program that overwrote the end of its arguments (setproctitle) shows what it wrote, on into the environment: get_mm_cmdline()
 * in Linux.
 */
void proc_cmdline_text(struct mm *mm, struct strbuf *sb)
{
	size_t len;

	mm_text(mm, mm->arg_start, mm->arg_end, sb);
	if (!sb->len || !sb->buf[sb->len - 1])
		return;
	mm_text(mm, mm->arg_end, mm->env_end, sb);
	len = strnlen(sb->buf, sb->len);
	sb->len = len;
}

static void environ_text(struct mm *mm, struct strbuf *sb)
{
	mm_text(mm, mm->env_start, mm->env_end, sb);
}

#define MM_FILE(fname, text_fn)                                                                                        \
	static int fname(struct proc_inode *pi, struct strbuf *sb)                                                     \
	{                                                                                                              \
		return proc_with_mm(pi, sb, text_fn);                                                                  \
	}
MM_FILE(show_maps, maps_text)
MM_FILE(show_smaps, smaps_text)
MM_FILE(show_smaps_rollup, mm_show_smaps_rollup)
MM_FILE(show_auxv, auxv_text)
MM_FILE(show_cmdline, proc_cmdline_text)
MM_FILE(show_environ, environ_text)

/* --- small texts --- */

static int show_comm(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	char comm[TASK_COMM_LEN];

	if (!t)
		return -LINUX_ESRCH;
	task_comm(t, comm);
	strbuf_addf(sb, "%s\n", comm);
	return 0;
}

static int store_comm(struct proc_inode *pi, char *buf, size_t len __unused)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	char comm[TASK_COMM_LEN];

	if (!t)
		return -LINUX_ESRCH;
	if (t->tg != current->tg)
		return -LINUX_EINVAL;
	snprintf(comm, sizeof(comm), "%s", buf); /* a newline is part of what was written */
	task_set_comm(t, comm);
	return 0;
}

static int show_wchan(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);

	if (!t)
		return -LINUX_ESRCH;
	strbuf_adds(sb, task_wchan(t));
	return 0;
}

static int show_syscall(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	uint64_t nr, args[6];
	uaddr_t sp, ip;

	if (!t)
		return -LINUX_ESRCH;
	if (!task_syscall(t, &nr, args, &sp, &ip)) {
		strbuf_adds(sb, "running\n");
		return 0;
	}
	strbuf_addf(sb, "%" PRId64, (int64_t)nr);
	for (int i = 0; i < 6 && (int64_t)nr >= 0; i++)
		strbuf_addf(sb, " 0x%" PRIx64, args[i]);
	strbuf_addf(sb, " 0x%" PRIx64 " 0x%" PRIx64 "\n", sp, ip);
	return 0;
}

static int show_personality(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);

	if (!t)
		return -LINUX_ESRCH;
	strbuf_addf(sb, "%08x\n", t->personality);
	return 0;
}

static int show_schedstat(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	uint64_t utime, stime;

	if (!t)
		return -LINUX_ESRCH;
	task_cputime(t, &utime, &stime);
	strbuf_addf(sb, "%" PRIu64 " 0 0\n", utime + stime);
	return 0;
}

static int show_timerslack(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);

	if (!t)
		return -LINUX_ESRCH;
	strbuf_addf(sb, "%" PRIu64 "\n", t->timer_slack);
	return 0;
}

/* --- user namespaces --- */

static const enum id_kind kind_uid = ID_UID, kind_gid = ID_GID;

/* The process's, with a reference, or NULL. */
static struct user_namespace *proc_user_ns_get(struct proc_inode *pi)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	const struct cred *cred;
	struct user_namespace *ns;

	if (!t)
		return NULL;
	cred = task_cred_get(t);
	ns = user_ns_get(cred->user_ns);
	cred_put(cred);
	return ns;
}

static int show_id_map(struct proc_inode *pi, struct strbuf *sb)
{
	struct user_namespace *ns = proc_user_ns_get(pi);
	int err;

	if (!ns)
		return -LINUX_ESRCH;
	err = user_ns_show_map(ns, *(const enum id_kind *)pi->entry->data, sb);
	user_ns_put(ns);
	return err;
}

static int store_id_map(struct proc_inode *pi, char *buf, size_t len __unused)
{
	struct user_namespace *ns = proc_user_ns_get(pi);
	int err;

	if (!ns)
		return -LINUX_ESRCH;
	err = user_ns_write_map(ns, *(const enum id_kind *)pi->entry->data, current_cred, buf);
	user_ns_put(ns);
	return err;
}

static int show_setgroups(struct proc_inode *pi, struct strbuf *sb)
{
	struct user_namespace *ns = proc_user_ns_get(pi);

	if (!ns)
		return -LINUX_ESRCH;
	strbuf_adds(sb, atomic_load(&ns->setgroups_denied) ? "deny\n" : "allow\n");
	user_ns_put(ns);
	return 0;
}

static int store_setgroups(struct proc_inode *pi, char *buf, size_t len __unused)
{
	struct user_namespace *ns = proc_user_ns_get(pi);
	int err;

	if (!ns)
		return -LINUX_ESRCH;
	err = user_ns_write_setgroups(ns, buf);
	user_ns_put(ns);
	return err;
}

static int show_id_unset(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_addf(sb, "%u", UINT32_MAX);
	return 0;
}

static int show_cgroup(struct proc_inode *pi, struct strbuf *sb)
{
	strbuf_adds(sb, "0::");
	cgroup_show_path(pi->tg, sb);
	strbuf_addc(sb, '\n');
	return 0;
}

static int show_coredump_filter(struct proc_inode *pi __unused, struct strbuf *sb)
{
	strbuf_adds(sb, "00000033\n");
	return 0;
}

/* --- out of memory scores --- */

static int show_oom_score_adj(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);

	if (!t)
		return -LINUX_ESRCH;
	strbuf_addf(sb, "%d\n", READ_ONCE(t->tg->oom_score_adj));
	return 0;
}

static int store_oom_score_adj(struct proc_inode *pi, char *buf, size_t len __unused)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	char *end;
	long v = strtol(buf, &end, 10);

	if (!t)
		return -LINUX_ESRCH;
	if (end == buf || (*end && *end != '\n') || v < -1000 || v > 1000)
		return -LINUX_EINVAL;
	if (v < t->tg->oom_score_adj && !capable(CAP_SYS_RESOURCE))
		return -LINUX_EACCES;
	WRITE_ONCE(t->tg->oom_score_adj, (int)v);
	return 0;
}

static int show_oom_adj(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);

	if (!t)
		return -LINUX_ESRCH;
	strbuf_addf(sb, "%d\n", t->tg->oom_score_adj == 1000 ? 15 : t->tg->oom_score_adj * 17 / 1000);
	return 0;
}

static int show_oom_score(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	struct frame_stats fs;
	struct mm *mm;
	int64_t score = 0;

	if (!t)
		return -LINUX_ESRCH;
	mm = task_mm_get(t);
	if (mm) {
		frame_get_stats(&fs);
		score = (int64_t)(mm_rss(mm) * 1000 / MAX(fs.limit, 1)) + t->tg->oom_score_adj;
		mm_put(mm);
	}
	score = (2000 + score) * 2 / 3; /* as Linux shows it: 666 for a small process */
	strbuf_addf(sb, "%" PRId64 "\n", CLAMP(score, 0, 2000));
	return 0;
}

/* --- mounts --- */

static int show_mounts_as(struct proc_inode *pi, struct strbuf *sb, enum mounts_format fmt)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	struct fs_struct *fs = t ? task_fs_get(t) : NULL;
	struct path root;
	int err;

	if (!fs)
		return -LINUX_EINVAL;
	mutex_lock(&fs->lock);
	root = fs->root;
	path_get(&root);
	mutex_unlock(&fs->lock);
	err = mounts_show(fs->mnt_ns, &root, fmt, sb);
	path_put(&root);
	fs_struct_put(fs);
	return err;
}

static int show_mounts(struct proc_inode *pi, struct strbuf *sb)
{
	return show_mounts_as(pi, sb, MOUNTS_MOUNTS);
}

static int show_mountinfo(struct proc_inode *pi, struct strbuf *sb)
{
	return show_mounts_as(pi, sb, MOUNTS_MOUNTINFO);
}

static int show_mountstats(struct proc_inode *pi, struct strbuf *sb)
{
	return show_mounts_as(pi, sb, MOUNTS_MOUNTSTATS);
}

/* --- magic links --- */

enum proc_link_kind { LINK_CWD, LINK_ROOT, LINK_EXE };

static int proc_task_path(struct proc_inode *pi, struct path *ret)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	enum proc_link_kind kind = (enum proc_link_kind)(uintptr_t)pi->entry->data;
	struct fs_struct *fs;
	struct mm *mm;
	int err = -LINUX_ENOENT;

	if (!t)
		return -LINUX_ESRCH;
	if (!task_may_access(t, false))
		return -LINUX_EACCES;
	if (kind == LINK_EXE) {
		mm = task_mm_get(t);
		if (mm && mm->exe) {
			*ret = container_of(mm->exe, struct file, vm)->path;
			path_get(ret);
			err = 0;
		}
		if (mm)
			mm_put(mm);
		return err;
	}
	fs = task_fs_get(t);
	if (!fs)
		return -LINUX_ENOENT;
	mutex_lock(&fs->lock);
	*ret = kind == LINK_CWD ? fs->pwd : fs->root;
	path_get(ret);
	mutex_unlock(&fs->lock);
	fs_struct_put(fs);
	return 0;
}

static int proc_task_readlink(struct proc_inode *pi, struct strbuf *sb)
{
	struct path p, root;
	int err = proc_task_path(pi, &p);

	if (err)
		return err;
	mutex_lock(&current_fs->lock);
	root = current_fs->root;
	path_get(&root);
	mutex_unlock(&current_fs->lock);
	err = path_format(&p, &root, sb);
	path_put(&root);
	path_put(&p);
	return err;
}

/* --- ns --- */

struct proc_ns {
	enum ns_type type;
	enum ns_link which;
};

/* The namespace a link leads to, with a reference, or ERR_PTR. */
static struct ns_common *proc_ns_get(struct proc_inode *pi)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	const struct proc_ns *which = pi->entry->data;
	struct ns_common *ns;

	if (!t || !task_may_access(t, false))
		return ERR_PTR(-LINUX_EACCES);
	ns = task_ns_get(t, which->type, which->which);
	return ns ? ns : ERR_PTR(-LINUX_ENOENT);
}

static int proc_ns_readlink(struct proc_inode *pi, struct strbuf *sb)
{
	struct ns_common *ns = proc_ns_get(pi);

	if (IS_ERR(ns))
		return (int)PTR_ERR(ns);
	strbuf_addf(sb, "%s:[%u]", ns_name(ns->type), ns->inum);
	ns_put(ns);
	return 0;
}

static int proc_ns_get_link(struct proc_inode *pi, struct path *ret)
{
	struct ns_common *ns = proc_ns_get(pi);
	int err;

	if (IS_ERR(ns))
		return (int)PTR_ERR(ns);
	err = nsfs_path(ns, ret);
	ns_put(ns);
	return err;
}

#define NS_LINK(n, type, which)                                                                                        \
	{ .name = n, .mode = LINUX_S_IFLNK | 0777, .readlink = proc_ns_readlink, .get_link = proc_ns_get_link,         \
	  .data = &(const struct proc_ns){ type, which } }
static const struct proc_entry ns_children[] = {
	NS_LINK("cgroup", NS_CGROUP, NS_LINK_SELF), NS_LINK("ipc", NS_IPC, NS_LINK_SELF), NS_LINK("mnt", NS_MNT, NS_LINK_SELF),
	NS_LINK("net", NS_NET, NS_LINK_SELF), NS_LINK("pid", NS_PID, NS_LINK_SELF),
	NS_LINK("pid_for_children", NS_PID, NS_LINK_CHILDREN), NS_LINK("time", NS_TIME, NS_LINK_SELF),
	NS_LINK("time_for_children", NS_TIME, NS_LINK_CHILDREN), NS_LINK("user", NS_USER, NS_LINK_SELF),
	NS_LINK("uts", NS_UTS, NS_LINK_SELF), { 0 },
};

/* --- tables --- */

static struct inode *proc_taskdir_lookup(struct proc_inode *dir, const char *name);
static uint32_t proc_taskdir_next(struct proc_inode *dir, uint64_t *nr, char name[32]);
static const struct proc_dir_ops taskdir_ops = { .lookup = proc_taskdir_lookup, .next = proc_taskdir_next };

#define TEXT(n, m, fn) { .name = n, .mode = LINUX_S_IFREG | (m), .show = fn }
#define MOUNTS(n, fn) { .name = n, .mode = LINUX_S_IFREG | 0444, .show = fn, .flags = PROC_MOUNTS }
#define SECRET(n, m, fn) { .name = n, .mode = LINUX_S_IFREG | (m), .show = fn, .flags = PROC_MAY_ACCESS }
#define TEXT_RW(n, m, fn, st) { .name = n, .mode = LINUX_S_IFREG | (m), .show = fn, .store = st }
#define MAGIC(n, kind)                                                                                                 \
	{ .name = n, .mode = LINUX_S_IFLNK | 0777, .readlink = proc_task_readlink, .get_link = proc_task_path,        \
	  .data = (const void *)(uintptr_t)(kind) }

#define COMMON_ENTRIES                                                                                                 \
	SECRET("auxv", 0400, show_auxv), TEXT("cgroup", 0444, show_cgroup), TEXT("cmdline", 0444, show_cmdline),       \
	TEXT_RW("comm", 0644, show_comm, store_comm), TEXT("coredump_filter", 0644, show_coredump_filter),             \
	MAGIC("cwd", LINK_CWD), SECRET("environ", 0400, show_environ), MAGIC("exe", LINK_EXE),                         \
	{ .name = "fd", .mode = LINUX_S_IFDIR | 0500, .dir = &proc_fd_dir },                                          \
	{ .name = "fdinfo", .mode = LINUX_S_IFDIR | 0555, .dir = &proc_fdinfo_dir },                                  \
	{ .name = "gid_map", .mode = LINUX_S_IFREG | 0644, .show = show_id_map, .store = store_id_map, .data = &kind_gid }, \
	SECRET("io", 0400, proc_show_io), TEXT("limits", 0644, proc_show_limits),  \
	TEXT("loginuid", 0644, show_id_unset), SECRET("maps", 0444, show_maps),                                        \
	{ .name = "mem", .mode = LINUX_S_IFREG | 0600, .fops = &proc_mem_fops }, MOUNTS("mountinfo", show_mountinfo),   \
	MOUNTS("mounts", show_mounts), { .name = "net", .mode = LINUX_S_IFDIR | 0555, .children = proc_net_children }, \
	{ .name = "ns", .mode = LINUX_S_IFDIR | 0511, .children = ns_children },                                      \
	TEXT("oom_adj", 0644, show_oom_adj), TEXT("oom_score", 0444, show_oom_score),                                  \
	TEXT_RW("oom_score_adj", 0644, show_oom_score_adj, store_oom_score_adj),                                       \
	{ .name = "pagemap", .mode = LINUX_S_IFREG | 0400, .fops = &proc_pagemap_fops },                                  \
	SECRET("personality", 0400, show_personality), MAGIC("root", LINK_ROOT),                                       \
	TEXT("schedstat", 0444, show_schedstat), TEXT("sessionid", 0444, show_id_unset),                               \
	TEXT_RW("setgroups", 0644, show_setgroups, store_setgroups), SECRET("smaps", 0444, show_smaps),                                    \
	SECRET("smaps_rollup", 0444, show_smaps_rollup), TEXT("stat", 0444, proc_show_stat),                           \
	TEXT("statm", 0444, proc_show_statm), TEXT("status", 0444, proc_show_status),                                  \
	SECRET("syscall", 0400, show_syscall),                                                                         \
	{ .name = "uid_map", .mode = LINUX_S_IFREG | 0644, .show = show_id_map, .store = store_id_map, .data = &kind_uid }, \
	TEXT("wchan", 0444, show_wchan)

static const struct proc_entry tgid_children[] = {
	COMMON_ENTRIES,
	TEXT("mountstats", 0400, show_mountstats),
	{ .name = "task", .mode = LINUX_S_IFDIR | 0555, .dir = &taskdir_ops },
	TEXT("timerslack_ns", 0666, show_timerslack),
	{ 0 },
};
static const struct proc_entry tid_children[] = { COMMON_ENTRIES, { 0 } };

const struct proc_entry proc_tgid_entry = { .name = "tgid", .mode = LINUX_S_IFDIR | 0555, .children = tgid_children };
const struct proc_entry proc_tid_entry = { .name = "tid", .mode = LINUX_S_IFDIR | 0555, .children = tid_children };

/* --- directories of processes and threads --- */

static struct inode *proc_taskdir_lookup(struct proc_inode *dir, const char *name)
{
	int64_t tid = proc_parse_number(name);
	struct task *t _cleanup_task_ = tid > 0 ? task_find_get((int)tid) : NULL;
	struct inode *inode;

	if (!t || t->tg != dir->tg)
		return ERR_PTR(-LINUX_ENOENT);
	inode = proc_inode_new_task(dir, &proc_tid_entry, name, t->tg, t);
	if (!IS_ERR(inode))
		PROC_I(inode)->nr = tid;
	return inode;
}

static uint32_t proc_taskdir_next(struct proc_inode *dir, uint64_t *nr, char name[32])
{
	struct task *t _cleanup_task_ = *nr <= INT32_MAX ? tgroup_next_thread_get(dir->tg, (int)*nr) : NULL;

	if (!t)
		return 0;
	*nr = task_tid(t);
	snprintf(name, 32, "%d", task_tid(t));
	return LINUX_S_IFDIR;
}

static struct inode *proc_root_lookup(struct proc_inode *dir, const char *name)
{
	int64_t tgid = proc_parse_number(name);
	struct task *t _cleanup_task_ = tgid > 0 ? task_find_get((int)tgid) : NULL;
	struct inode *inode;

	/* A thread's number is not listed, but may be looked up, as in Linux. */
	if (!t)
		return ERR_PTR(-LINUX_ENOENT);
	inode = proc_inode_new_task(dir, &proc_tgid_entry, name, t->tg, task_tgid(t) == tgid ? NULL : t);
	if (!IS_ERR(inode))
		PROC_I(inode)->nr = tgid;
	return inode;
}

static uint32_t proc_root_next(struct proc_inode *dir __unused, uint64_t *nr, char name[32])
{
	struct tgroup *tg _cleanup_tgroup_ = *nr <= INT32_MAX ? tgroup_next_get((int)*nr) : NULL;

	if (!tg)
		return 0;
	*nr = (uint64_t)pid_nr(tg->pid);
	snprintf(name, 32, "%d", pid_nr(tg->pid));
	return LINUX_S_IFDIR;
}

const struct proc_dir_ops proc_root_dir = { .lookup = proc_root_lookup, .next = proc_root_next };
