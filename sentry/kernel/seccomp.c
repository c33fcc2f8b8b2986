/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/seccomp.h"

#include <stdlib.h>

#include "sentry/abi/ptrace.h"
#include "sentry/base/log.h"
#include "sentry/kernel/bpf_classic.h"
#include "sentry/kernel/ptrace.h"
#include "sentry/kernel/seccomp_notify.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "vfs/user_ns.h"

#define MAX_INSNS_PER_PATH ((1 << 18) / sizeof(struct linux_sock_filter))
#define FILTER_OVERHEAD 4 /* instructions a filter counts for beside its own */

enum { NR_read = 0, NR_write = 1, NR_rt_sigreturn = 15, NR_exit = 60 };

struct seccomp_filter {
	struct ref ref;
	struct seccomp_filter *prev; /* reference */
	struct seccomp_listener *listener; /* reference, or NULL */
	bool wait_killable;
	unsigned len;
	struct linux_sock_filter prog[];
};

void seccomp_put(struct seccomp_filter *f)
{
	while (f && ref_put(&f->ref)) {
		struct seccomp_filter *prev = f->prev;

		seccomp_listener_orphan(f->listener);
		free(f);
		f = prev;
	}
}

static struct seccomp_filter *seccomp_get(struct seccomp_filter *f)
{
	if (f)
		ref_get(&f->ref);
	return f;
}

void seccomp_copy(struct task *child)
{
	struct task *t = current;

	MUTEX_GUARD(&t->tg->siglock);
	child->seccomp = seccomp_get(t->seccomp);
	child->seccomp_mode = t->seccomp_mode;
}

/* --- installing --- */

int seccomp_set_strict(void)
{
	struct task *t = current;

	MUTEX_GUARD(&t->tg->siglock);
	if (t->seccomp_mode == LINUX_SECCOMP_MODE_FILTER)
		return -LINUX_EINVAL;
	t->seccomp_mode = LINUX_SECCOMP_MODE_STRICT;
	return 0;
}

/* The new filter, without its predecessor, or ERR_PTR. */
static struct seccomp_filter *filter_read(uaddr_t uprog)
{
	struct linux_sock_fprog fprog;
	struct seccomp_filter *f;
	size_t size;
	int err;

	if (get_user(&fprog, uprog))
		return ERR_PTR(-LINUX_EFAULT);
	if (!fprog.len || fprog.len > LINUX_BPF_MAXINSNS)
		return ERR_PTR(-LINUX_EINVAL);
	/* Without privileges that could be used to fool a set-id program. */
	if (!current->no_new_privs && !ns_capable(current->cred->user_ns, CAP_SYS_ADMIN))
		return ERR_PTR(-LINUX_EACCES);
	size = fprog.len * sizeof(struct linux_sock_filter);
	f = malloc(sizeof(*f) + size);
	if (!f)
		return ERR_PTR(-LINUX_ENOMEM);
	ref_init(&f->ref);
	f->prev = NULL;
	f->listener = NULL;
	f->wait_killable = false;
	f->len = fprog.len;
	err = copy_from_user(f->prog, fprog.filter, size);
	if (!err)
		err = bpf_check(f->prog, f->len, sizeof(struct linux_seccomp_data));
	if (err) {
		free(f);
		return ERR_PTR(err);
	}
	return f;
}

static bool is_ancestor(const struct seccomp_filter *ancestor, const struct seccomp_filter *f)
{
	if (!ancestor)
		return true;
	while (f && f != ancestor)
		f = f->prev;
	return f;
}

/* The first thread whose filters are not a beginning of current's: TSYNC would drop what it has. */
static struct task *find_unsyncable_locked(void)
{
	struct task *t;

	list_for_each_entry(t, &current->tg->threads, thread_link)
		if (t != current && !t->exiting &&
		    (t->seccomp_mode == LINUX_SECCOMP_MODE_STRICT || !is_ancestor(t->seccomp, current->seccomp)))
			return t;
	return NULL;
}

static void sync_threads_locked(void)
{
	struct task *me = current, *t;

	list_for_each_entry(t, &me->tg->threads, thread_link) {
		if (t == me)
			continue;
		seccomp_get(me->seccomp);
		seccomp_put(t->seccomp);
		/* What it had is one of the new one's ancestors, so that it may be running it now. */
		WRITE_ONCE(t->seccomp, me->seccomp);
		WRITE_ONCE(t->seccomp_mode, LINUX_SECCOMP_MODE_FILTER);
		t->no_new_privs |= me->no_new_privs;
		task_drop_answers_locked(t);
	}
}

/* Takes @f on success. */
static int64_t filter_attach(struct seccomp_filter *f, unsigned flags)
{
	struct task *t = current, *odd;
	size_t total = f->len;

	MUTEX_GUARD(&t->tg->siglock);
	if (t->seccomp_mode == LINUX_SECCOMP_MODE_STRICT)
		return -LINUX_EINVAL;
	for (struct seccomp_filter *p = t->seccomp; p; p = p->prev)
		total += p->len + FILTER_OVERHEAD;
	if (total > MAX_INSNS_PER_PATH)
		return -LINUX_ENOMEM;
	/* One listener for all of a task's filters. */
	for (struct seccomp_filter *p = f->listener ? t->seccomp : NULL; p; p = p->prev)
		if (p->listener)
			return -LINUX_EBUSY;
	odd = flags & LINUX_SECCOMP_FILTER_FLAG_TSYNC ? find_unsyncable_locked() : NULL;
	if (odd)
		return flags & LINUX_SECCOMP_FILTER_FLAG_TSYNC_ESRCH ? -LINUX_ESRCH : task_tid(odd);
	f->prev = t->seccomp;
	t->seccomp = f;
	t->seccomp_mode = LINUX_SECCOMP_MODE_FILTER;
	if (flags & LINUX_SECCOMP_FILTER_FLAG_TSYNC)
		sync_threads_locked();
	return 0;
}

/* The same with a listener: its descriptor.  The number is taken first, for there is no way back from a filter. */
static int64_t filter_attach_listener(struct seccomp_filter *f, unsigned flags)
{
	struct file *file;
	int64_t ret;
	int fd;

	f->listener = seccomp_listener_new(&file);
	if (IS_ERR(f->listener)) {
		ret = PTR_ERR(f->listener);
		f->listener = NULL;
		return ret;
	}
	fd = fd_install_or_put(file, true);
	if (fd < 0)
		return fd;
	ret = filter_attach(f, flags);
	if (ret)
		fd_close(fd);
	return ret ? ret : fd;
}

int64_t seccomp_set_filter(unsigned flags, uaddr_t uprog)
{
	const unsigned known = LINUX_SECCOMP_FILTER_FLAG_TSYNC | LINUX_SECCOMP_FILTER_FLAG_LOG |
			       LINUX_SECCOMP_FILTER_FLAG_SPEC_ALLOW | LINUX_SECCOMP_FILTER_FLAG_NEW_LISTENER |
			       LINUX_SECCOMP_FILTER_FLAG_TSYNC_ESRCH | LINUX_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	bool listen = flags & LINUX_SECCOMP_FILTER_FLAG_NEW_LISTENER;
	struct seccomp_filter *f;
	int64_t ret;

	if (flags & ~known)
		return -LINUX_EINVAL;
	/* The result can't be a thread and a descriptor. */
	if (listen && (flags & LINUX_SECCOMP_FILTER_FLAG_TSYNC) && !(flags & LINUX_SECCOMP_FILTER_FLAG_TSYNC_ESRCH))
		return -LINUX_EINVAL;
	if ((flags & LINUX_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) && !listen)
		return -LINUX_EINVAL;
	f = filter_read(uprog);
	if (IS_ERR(f))
		return PTR_ERR(f);
	f->wait_killable = flags & LINUX_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
	ret = listen ? filter_attach_listener(f, flags) : filter_attach(f, flags);
	if (ret < 0 || (ret && !listen))
		seccomp_put(f);
	return ret;
}

int seccomp_action_avail(uint32_t action)
{
	switch (action) {
	case LINUX_SECCOMP_RET_KILL_PROCESS:
	case LINUX_SECCOMP_RET_KILL_THREAD:
	case LINUX_SECCOMP_RET_TRAP:
	case LINUX_SECCOMP_RET_ERRNO:
	case LINUX_SECCOMP_RET_USER_NOTIF:
	case LINUX_SECCOMP_RET_TRACE:
	case LINUX_SECCOMP_RET_LOG:
	case LINUX_SECCOMP_RET_ALLOW:
		return 0;
	default:
		return -LINUX_EOPNOTSUPP;
	}
}

unsigned task_seccomp(struct task *t, unsigned *ret_nr)
{
	MUTEX_GUARD(&t->tg->siglock);
	*ret_nr = 0;
	for (const struct seccomp_filter *f = t->seccomp; f; f = f->prev)
		++*ret_nr;
	return t->seccomp_mode;
}

/* --- on each call --- */

/* The strictest answer: actions are ordered by value, as signed numbers. */
static uint32_t filters_run(struct seccomp_filter *f, const struct linux_seccomp_data *data, struct seccomp_filter **ret_match)
{
	uint32_t ret = LINUX_SECCOMP_RET_ALLOW;

	for (; f; f = f->prev) {
		uint32_t one = bpf_run(f->prog, (const uint32_t *)data, sizeof(*data));

		if ((int32_t)(one & LINUX_SECCOMP_RET_ACTION_FULL) < (int32_t)(ret & LINUX_SECCOMP_RET_ACTION_FULL)) {
			ret = one;
			*ret_match = f;
		}
	}
	return ret;
}

static void siginfo_init_seccomp(struct linux_siginfo *info, uint64_t nr, uint32_t data)
{
	siginfo_init(info, LINUX_SIGSYS, LINUX_SYS_SECCOMP);
	info->si_errno = (int32_t)data;
	info->sys.call_addr = current->ctx->regs.rip;
	info->sys.syscall = (int32_t)nr;
	info->sys.arch = LINUX_AUDIT_ARCH_X86_64;
}

static enum seccomp_verdict skip_with(int64_t ret)
{
	current->ctx->regs.rax = (uint64_t)ret;
	return SECCOMP_SKIP;
}

static enum seccomp_verdict seccomp_kill(uint64_t nr, bool process)
{
	log_info("process %d (%s): killed by its own seccomp filter at system call %lu", task_tgid(current), current->comm,
		 (unsigned long)nr);
	if (process || tgroup_nr_threads(current->tg) == 1)
		tgroup_exit_request(LINUX_SIGSYS);
	else
		task_exit_request(LINUX_SIGSYS);
	return skip_with(-LINUX_ENOSYS);
}

/* The tracer decides; without one the call doesn't exist. */
static enum seccomp_verdict seccomp_trace(uint32_t data)
{
	struct task *t = current;

	if (!t->ptrace || !PT_EVENT_ENABLED(t, LINUX_PTRACE_EVENT_SECCOMP))
		return skip_with(-LINUX_ENOSYS);
	t->ctx->regs.rax = (uint64_t)-LINUX_ENOSYS;
	ptrace_event(LINUX_PTRACE_EVENT_SECCOMP, data);
	if (signal_fatal_pending() || !t->in_syscall)
		return SECCOMP_SKIP;
	return SECCOMP_MAKE;
}

static enum seccomp_verdict seccomp_strict(uint64_t nr)
{
	if (nr == NR_read || nr == NR_write || nr == NR_exit || nr == NR_rt_sigreturn)
		return SECCOMP_MAKE;
	task_exit_request(LINUX_SIGKILL);
	return skip_with(-LINUX_ENOSYS);
}

static enum seccomp_verdict seccomp_ask(const struct seccomp_filter *f, const struct linux_seccomp_data *data)
{
	int64_t ret = -LINUX_ENOSYS;

	if (f->listener && seccomp_notify(f->listener, data, f->wait_killable, &ret))
		return SECCOMP_MAKE;
	return skip_with(ret);
}

enum seccomp_verdict seccomp_check(uint64_t nr, const uint64_t *args)
{
	struct linux_seccomp_data data = {
		.nr = (int32_t)nr, .arch = LINUX_AUDIT_ARCH_X86_64,
		.instruction_pointer = current->ctx->regs.rip,
		.args = { args[0], args[1], args[2], args[3], args[4], args[5] },
	};
	struct seccomp_filter *f, *match = NULL;
	enum seccomp_verdict verdict;
	struct linux_siginfo info;
	uint32_t ret;

	if (READ_ONCE(current->seccomp_mode) == LINUX_SECCOMP_MODE_STRICT)
		return seccomp_strict(nr);
	mutex_lock(&current->tg->siglock);
	f = seccomp_get(READ_ONCE(current->seccomp));
	mutex_unlock(&current->tg->siglock);
	ret = filters_run(f, &data, &match);
	if ((ret & LINUX_SECCOMP_RET_ACTION_FULL) == LINUX_SECCOMP_RET_USER_NOTIF) {
		verdict = seccomp_ask(match, &data);
		seccomp_put(f);
		return verdict;
	}
	seccomp_put(f);
	switch (ret & LINUX_SECCOMP_RET_ACTION_FULL) {
	case LINUX_SECCOMP_RET_ALLOW:
	case LINUX_SECCOMP_RET_LOG:
		return SECCOMP_MAKE;
	case LINUX_SECCOMP_RET_ERRNO:
		return skip_with(-(int64_t)MIN(ret & LINUX_SECCOMP_RET_DATA, (uint32_t)MAX_ERRNO));
	case LINUX_SECCOMP_RET_TRAP:
		/* The handler sees the registers as before the call. */
		siginfo_init_seccomp(&info, nr, ret & LINUX_SECCOMP_RET_DATA);
		skip_with((int64_t)nr);
		current->in_syscall = false;
		signal_force(&info);
		return SECCOMP_SKIP;
	case LINUX_SECCOMP_RET_TRACE:
		return seccomp_trace(ret & LINUX_SECCOMP_RET_DATA);
	case LINUX_SECCOMP_RET_KILL_THREAD:
		return seccomp_kill(nr, false);
	default:
		return seccomp_kill(nr, true);
	}
}
