/* SPDX-License-Identifier: Apache-2.0 */
/*
 * /proc/pid/stat, statm, status, limits, io: the accounting of a process, in the formats of fs/proc/array.c and base.c.
 */
#include <inttypes.h>
#include <string.h>

#include "sentry/abi/sched.h"
#include "sentry/kernel/seccomp.h"
#include "vfs/proc/proc.h"
#include "vfs/user_ns.h"

#define NSEC_PER_TICK ((uint64_t)1000000000 / LINUX_USER_HZ)

/* An address space as these files show it; zeros without one. */
struct mm_numbers {
	uint64_t total_vm, peak_vm, rss, peak, file, shmem, anon, text, data, stack, locked;
	uaddr_t start_code, end_code, start_stack, start_data, end_data, start_brk, arg_start, arg_end, env_start, env_end;
	bool dumpable, valid;
};

static struct mm_numbers mm_numbers(struct task *t)
{
	struct mm *mm = task_mm_get(t);
	struct mm_numbers n = { 0 };

	if (!mm)
		return n;
	rwlock_read(&mm->lock);
	n = (struct mm_numbers){ .total_vm = mm->total_vm, .peak_vm = mm->peak_vm, .data = mm->data_vm,
				 .stack = mm->stack_vm, .locked = mm->locked_vm,
				 .start_code = mm->start_code, .end_code = mm->end_code, .start_stack = mm->start_stack,
				 .start_data = mm->start_data, .end_data = mm->end_data, .start_brk = mm->start_brk,
				 .arg_start = mm->arg_start, .arg_end = mm->arg_end, .env_start = mm->env_start,
				 .env_end = mm->env_end, .dumpable = READ_ONCE(mm->dumpable), .valid = true };
	n.text = (PAGE_ALIGN(mm->end_code) - PAGE_DOWN(mm->start_code)) >> PAGE_SHIFT;
	mm_settle(mm);
	mutex_lock(&mm->pt_lock);
	n.file = MAX(mm->rss[MM_FILEPAGES], 0);
	n.shmem = MAX(mm->rss[MM_SHMEMPAGES], 0);
	n.anon = MAX(mm->rss[MM_ANONPAGES], 0);
	n.rss = n.file + n.shmem + n.anon;
	n.peak = MAX((uint64_t)MAX(mm->rss_peak, 0), n.rss);
	mutex_unlock(&mm->pt_lock);
	rwlock_unlock(&mm->lock);
	mm_put(mm);
	return n;
}

/* Signals of /proc/pid/stat are the low 31 bits in decimal. */
static uint64_t stat_sigset(linux_sigset_t s)
{
	return s & 0x7fffffff;
}

int proc_show_stat(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	struct rusage_acct self, children = { 0 };
	struct task_signals sig;
	struct guest_regs regs = { 0 };
	struct mm_numbers m;
	char comm[TASK_COMM_LEN];
	uint64_t utime, stime;
	bool peek;

	if (!t)
		return -LINUX_ESRCH;
	m = mm_numbers(t);
	task_comm(t, comm);
	task_signals(t, &sig);
	if (pi->thread) {
		task_rusage(t, &self);
		task_cputime(t, &utime, &stime);
	} else {
		tgroup_rusage(t->tg, &self, &children);
		tgroup_cputime(t->tg, &utime, &stime);
	}
	peek = task_may_access(t, false);
	if (peek)
		task_regs(t, &regs);
	strbuf_addf(sb, "%d (%s) %c %d %d %d", task_tid(t), comm, task_state_char(t), task_ppid(t), tgroup_pgrp_nr(t->tg),
		    tgroup_session_nr(t->tg));
	mutex_lock(&pids_lock);
	strbuf_addf(sb, " %d %d", t->tg->tty && tty_hooks ? (int)tty_hooks->dev(t->tg->tty) : 0,
		    t->tg->tty && tty_hooks ? tty_hooks->foreground_pgrp(t->tg->tty) : -1);
	mutex_unlock(&pids_lock);
	strbuf_addf(sb, " %u %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, 0x400000u, self.min_flt, children.min_flt, self.maj_flt,
		    children.maj_flt);
	strbuf_addf(sb, " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, utime / NSEC_PER_TICK, stime / NSEC_PER_TICK,
		    children.utime / NSEC_PER_TICK, children.stime / NSEC_PER_TICK);
	strbuf_addf(sb, " %d %d %u 0 %" PRIu64, t->sched_policy ? -1 - t->sched_priority : 20 + t->nice, t->nice,
		    tgroup_nr_threads(t->tg), (uint64_t)t->start_time / NSEC_PER_TICK);
	strbuf_addf(sb, " %" PRIu64 " %" PRIu64 " %" PRIu64, m.total_vm << PAGE_SHIFT, m.rss,
		    tgroup_rlimit(t->tg, LINUX_RLIMIT_RSS).rlim_cur);
	strbuf_addf(sb, " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, peek ? m.start_code : !!m.valid,
		    peek ? m.end_code : !!m.valid, peek ? m.start_stack : 0, peek ? regs.rsp : 0, peek ? regs.rip : 0);
	strbuf_addf(sb, " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64, stat_sigset(sig.pending), stat_sigset(sig.blocked),
		    stat_sigset(sig.ignored), stat_sigset(sig.caught));
	strbuf_addf(sb, " %d 0 0 %d %d %d %d 0 0 0", task_state_char(t) != 'R', task_is_leader(t) ? LINUX_SIGCHLD : -1, 0,
		    t->sched_priority, t->sched_policy);
	if (peek)
		strbuf_addf(sb, " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64,
			    m.start_data, m.end_data, m.start_brk, m.arg_start, m.arg_end, m.env_start, m.env_end);
	else
		strbuf_adds(sb, " 0 0 0 0 0 0 0");
	strbuf_addf(sb, " %d\n", peek ? t->exit_code : 0);
	return 0;
}

int proc_show_statm(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);
	struct mm_numbers m;

	if (!t)
		return -LINUX_ESRCH;
	m = mm_numbers(t);
	strbuf_addf(sb, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " 0 %" PRIu64 " 0\n", m.total_vm, m.rss, m.file + m.shmem,
		    m.text, m.data + m.stack);
	return 0;
}

/* The numbers in the namespace of the reader's proc and in those below it, down to the process's own. */
static void show_numbers(struct strbuf *sb, const char *name, const struct pid *pid)
{
	strbuf_addf(sb, "%s:", name);
	for (unsigned level = pid_view ? pid_view->level : 0; pid && level <= pid->level; level++)
		strbuf_addf(sb, "\t%d", pid->numbers[level].nr);
	strbuf_addc(sb, '\n');
}

static void show_ns_numbers(struct strbuf *sb, struct task *t)
{
	MUTEX_GUARD(&pids_lock);
	show_numbers(sb, "NStgid", t->tg->pid);
	show_numbers(sb, "NSpid", t->pid);
	show_numbers(sb, "NSpgid", t->tg->pgrp);
	show_numbers(sb, "NSsid", t->tg->session);
}

static void status_ids(struct strbuf *sb, const struct cred *c)
{
	const struct user_namespace *ns = current_cred->user_ns;

	strbuf_addf(sb, "Uid:\t%u\t%u\t%u\t%u\n", from_kuid_munged(ns, c->uid), from_kuid_munged(ns, c->euid),
		    from_kuid_munged(ns, c->suid), from_kuid_munged(ns, c->fsuid));
	strbuf_addf(sb, "Gid:\t%u\t%u\t%u\t%u\n", from_kgid_munged(ns, c->gid), from_kgid_munged(ns, c->egid),
		    from_kgid_munged(ns, c->sgid), from_kgid_munged(ns, c->fsgid));
}

static void status_memory(struct strbuf *sb, struct task *t)
{
	struct mm_numbers m = mm_numbers(t);

	if (!m.valid)
		return;
	const struct {
		const char *name;
		uint64_t pages;
	} rows[] = {
		{ "VmPeak", m.peak_vm }, { "VmSize", m.total_vm }, { "VmLck", m.locked }, { "VmPin", 0 }, { "VmHWM", m.peak },
		{ "VmRSS", m.rss }, { "RssAnon", m.anon }, { "RssFile", m.file }, { "RssShmem", m.shmem }, { "VmData", m.data },
		{ "VmStk", m.stack }, { "VmExe", m.text }, { "VmLib", 0 }, { "VmPTE", 1 + m.rss / 512 }, { "VmSwap", 0 },
	};
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		strbuf_addf(sb, "%s:\t%8" PRIu64 " kB\n", rows[i].name, rows[i].pages * (PAGE_SIZE / 1024));
	strbuf_addf(sb, "HugetlbPages:\t%8u kB\nCoreDumping:\t0\nTHP_enabled:\t%d\n", 0, !t->thp_disable);
}

static void status_signals(struct strbuf *sb, struct task *t)
{
	struct task_signals s;

	task_signals(t, &s);
	strbuf_addf(sb, "Threads:\t%u\n", tgroup_nr_threads(t->tg));
	strbuf_addf(sb, "SigQ:\t%" PRIu64 "/%" PRIu64 "\n", s.nr_queued, s.limit);
	strbuf_addf(sb, "SigPnd:\t%016" PRIx64 "\nShdPnd:\t%016" PRIx64 "\nSigBlk:\t%016" PRIx64 "\n", (uint64_t)s.pending,
		    (uint64_t)s.shared_pending, (uint64_t)s.blocked);
	strbuf_addf(sb, "SigIgn:\t%016" PRIx64 "\nSigCgt:\t%016" PRIx64 "\n", (uint64_t)s.ignored, (uint64_t)s.caught);
}

static void status_cpus(struct strbuf *sb)
{
	unsigned n = MAX(proc_nr_cpus(), 1);

	strbuf_addf(sb, "Cpus_allowed:\t%x\nCpus_allowed_list:\t0%s%.0d\n", n >= 32 ? ~0u : (1u << n) - 1, n > 1 ? "-" : "",
		    (int)n - 1);
	strbuf_adds(sb, "Mems_allowed:\t1\nMems_allowed_list:\t0\n");
}

int proc_show_status(struct proc_inode *pi, struct strbuf *sb)
{
	unsigned nr_filters, seccomp_mode;
	struct task *t _cleanup_task_ = proc_task_get(pi);
	const struct cred *c;
	struct rusage_acct ru;
	struct fs_struct *fs;
	char comm[TASK_COMM_LEN];

	if (!t)
		return -LINUX_ESRCH;
	c = task_cred_get(t);
	task_comm(t, comm);
	strbuf_adds(sb, "Name:\t");
	strbuf_add_escaped(sb, comm, "\n\\");
	fs = task_fs_get(t);
	if (fs) {
		strbuf_addf(sb, "\nUmask:\t%04o", fs->umask);
		fs_struct_put(fs);
	}
	strbuf_addf(sb, "\nState:\t%s\n", task_state_name(task_state_char(t)));
	strbuf_addf(sb, "Tgid:\t%d\nNgid:\t0\nPid:\t%d\nPPid:\t%d\nTracerPid:\t%d\n", task_tgid(t), task_tid(t), task_ppid(t),
		    task_tracer_tid(t));
	status_ids(sb, c);
	strbuf_adds(sb, "FDSize:\t256\nGroups:\t");
	for (unsigned i = 0; i < c->nr_groups; i++)
		strbuf_addf(sb, "%u ", from_kgid_munged(current_cred->user_ns, c->groups[i]));
	strbuf_addc(sb, '\n');
	show_ns_numbers(sb, t);
	strbuf_adds(sb, "Kthread:\t0\n");
	status_memory(sb, t);
	status_signals(sb, t);
	strbuf_addf(sb,
		    "CapInh:\t%016" PRIx64 "\nCapPrm:\t%016" PRIx64 "\nCapEff:\t%016" PRIx64 "\nCapBnd:\t%016" PRIx64
		    "\nCapAmb:\t%016" PRIx64 "\n",
		    c->cap_inheritable, c->cap_permitted, c->cap_effective, c->cap_bset, c->cap_ambient);
	seccomp_mode = task_seccomp(t, &nr_filters);
	strbuf_addf(sb, "NoNewPrivs:\t%d\nSeccomp:\t%u\nSeccomp_filters:\t%u\n", t->no_new_privs, seccomp_mode,
		    nr_filters);
	strbuf_adds(sb, "Speculation_Store_Bypass:\tnot vulnerable\nSpeculationIndirectBranch:\tunknown\n");
	status_cpus(sb);
	task_rusage(t, &ru);
	strbuf_addf(sb, "voluntary_ctxt_switches:\t%" PRIu64 "\nnonvoluntary_ctxt_switches:\t%" PRIu64 "\n", ru.nvcsw, ru.nivcsw);
	cred_put(c);
	return 0;
}

static const struct {
	const char *name, *unit;
} limit_names[] = {
	[LINUX_RLIMIT_CPU] = { "Max cpu time", "seconds" },
	[LINUX_RLIMIT_FSIZE] = { "Max file size", "bytes" },
	[LINUX_RLIMIT_DATA] = { "Max data size", "bytes" },
	[LINUX_RLIMIT_STACK] = { "Max stack size", "bytes" },
	[LINUX_RLIMIT_CORE] = { "Max core file size", "bytes" },
	[LINUX_RLIMIT_RSS] = { "Max resident set", "bytes" },
	[LINUX_RLIMIT_NPROC] = { "Max processes", "processes" },
	[LINUX_RLIMIT_NOFILE] = { "Max open files", "files" },
	[LINUX_RLIMIT_MEMLOCK] = { "Max locked memory", "bytes" },
	[LINUX_RLIMIT_AS] = { "Max address space", "bytes" },
	[LINUX_RLIMIT_LOCKS] = { "Max file locks", "locks" },
	[LINUX_RLIMIT_SIGPENDING] = { "Max pending signals", "signals" },
	[LINUX_RLIMIT_MSGQUEUE] = { "Max msgqueue size", "bytes" },
	[LINUX_RLIMIT_NICE] = { "Max nice priority", NULL },
	[LINUX_RLIMIT_RTPRIO] = { "Max realtime priority", NULL },
	[LINUX_RLIMIT_RTTIME] = { "Max realtime timeout", "us" },
};
static_assert(ARRAY_SIZE(limit_names) == LINUX_RLIM_NLIMITS, "a name per limit");

int proc_show_limits(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);

	if (!t)
		return -LINUX_ESRCH;
	strbuf_adds(sb, "Limit                     Soft Limit           Hard Limit           Units     \n");
	for (unsigned i = 0; i < LINUX_RLIM_NLIMITS; i++) {
		struct linux_rlimit r = tgroup_rlimit(t->tg, i);
		uint64_t vals[2] = { r.rlim_cur, r.rlim_max };

		strbuf_addf(sb, "%-25s ", limit_names[i].name);
		for (int k = 0; k < 2; k++) {
			if (vals[k] == UINT64_MAX)
				strbuf_addf(sb, "%-20s ", "unlimited");
			else
				strbuf_addf(sb, "%-20" PRIu64 " ", vals[k]);
		}
		strbuf_addf(sb, limit_names[i].unit ? "%-10s\n" : "\n", limit_names[i].unit ? limit_names[i].unit : "");
	}
	return 0;
}

int proc_show_io(struct proc_inode *pi, struct strbuf *sb)
{
	struct task *t _cleanup_task_ = proc_task_get(pi);

	if (!t)
		return -LINUX_ESRCH;
	strbuf_addf(sb, "rchar: %lu\nwchar: %lu\nsyscr: %lu\nsyscw: %lu\nread_bytes: %lu\nwrite_bytes: %lu\ncancelled_write_bytes: 0\n",
		    t->rchar, t->wchar, t->syscr, t->syscw, t->io.rbytes, t->io.wbytes);
	return 0;
}
