/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pending signals: a set, and a queue of what is known about each.  Pure data; the caller holds siglock.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/errno.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/user.h"

const char *signal_name(int sig)
{
	static const char *const names[] = {
		"0",	   "SIGHUP",  "SIGINT",	 "SIGQUIT",   "SIGILL",	   "SIGTRAP", "SIGABRT",   "SIGBUS",
		"SIGFPE",  "SIGKILL", "SIGUSR1", "SIGSEGV",   "SIGUSR2",   "SIGPIPE", "SIGALRM",   "SIGTERM",
		"SIGSTKFLT", "SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP",   "SIGTTIN", "SIGTTOU",   "SIGURG",
		"SIGXCPU", "SIGXFSZ", "SIGVTALRM", "SIGPROF", "SIGWINCH",  "SIGIO",   "SIGPWR",    "SIGSYS",
	};
	static _Thread_local char rt[24];

	if (sig >= 0 && sig < (int)ARRAY_SIZE(names))
		return names[sig];
	snprintf(rt, sizeof(rt), "SIGRT_%d", sig - LINUX_SIGRTMIN);
	return rt;
}

void siginfo_init(struct linux_siginfo *info, int sig, int code)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
}

void sigpending_init(struct sigpending *p)
{
	list_init(&p->list);
	p->signal = 0;
}

/* Takes @q off its queue; frees it unless its timer owns it. */
static void sigqueue_release(struct sigqueue *q)
{
	list_del(&q->link);
	if (q->timer)
		return;
	if (q->user) {
		atomic_fetch_sub(&q->user->nr_sigpending, 1);
		user_put(q->user);
	}
	free(q);
}

void sigpending_flush_mask(struct sigpending *p, linux_sigset_t mask)
{
	struct sigqueue *q, *tmp;

	if (!(p->signal & mask))
		return;
	p->signal &= ~mask;
	list_for_each_entry_safe(q, tmp, &p->list, link)
		if (sig_in(mask, q->info.si_signo))
			sigqueue_release(q);
}

void sigpending_flush(struct sigpending *p)
{
	sigpending_flush_mask(p, ~0ULL);
}

int sigpending_next(const struct sigpending *p, linux_sigset_t blocked)
{
	linux_sigset_t ready = p->signal & ~blocked;

	if (!ready)
		return 0;
	if (ready & SIGMASK_SYNCHRONOUS)
		ready &= SIGMASK_SYNCHRONOUS;
	return __builtin_ctzll(ready) + 1;
}

struct posix_timer *sigpending_collect(struct sigpending *p, int sig, struct linux_siginfo *ret)
{
	struct posix_timer *timer = NULL;
	struct sigqueue *q, *first = NULL;
	bool more = false;

	list_for_each_entry(q, &p->list, link) {
		if (q->info.si_signo != sig)
			continue;
		if (first) {
			more = true;
			break;
		}
		first = q;
	}
	if (!more)
		p->signal &= ~LINUX_SIGMASK(sig);
	if (!first) {
		/* It was sent without siginfo, or that was too much to keep. */
		siginfo_init(ret, sig, LINUX_SI_USER);
		return NULL;
	}
	*ret = first->info;
	timer = first->timer;
	sigqueue_release(first);
	return timer;
}

/* Room for one more of @user's instances, charged; NULL: over @limit or out of memory. */
static struct sigqueue *sigqueue_new(struct user *user, uint64_t limit, bool override)
{
	long n = user ? atomic_fetch_add(&user->nr_sigpending, 1) + 1 : 0;
	struct sigqueue *q = NULL;

	if (override || (uint64_t)n <= limit)
		q = calloc(1, sizeof(*q));
	if (!q) {
		if (user)
			atomic_fetch_sub(&user->nr_sigpending, 1);
		return NULL;
	}
	q->user = user ? user_get(user) : NULL;
	return q;
}

int sigpending_add(struct sigpending *p, const struct linux_siginfo *info, struct user *user, uint64_t limit)
{
	int sig = info->si_signo;
	bool rt = sig >= LINUX_SIGRTMIN;
	struct sigqueue *q;

	if (!rt && sig_in(p->signal, sig))
		return 0;
	if (sig == LINUX_SIGKILL) {
		p->signal |= LINUX_SIGMASK(sig);
		return 0;
	}
	q = sigqueue_new(user, limit, !rt && info->si_code >= 0);
	if (q) {
		q->info = *info;
		list_add_tail(&q->link, &p->list);
	} else if (rt && info->si_code != LINUX_SI_USER) {
		return -LINUX_EAGAIN;
	}
	p->signal |= LINUX_SIGMASK(sig);
	return 0;
}

void sigpending_add_owned(struct sigpending *p, struct sigqueue *q)
{
	if (list_empty(&q->link))
		list_add_tail(&q->link, &p->list);
	p->signal |= LINUX_SIGMASK(q->info.si_signo);
}

void sigpending_remove(struct sigpending *p, struct sigqueue *q)
{
	struct sigqueue *pos;
	bool found = false, more = false;

	list_for_each_entry(pos, &p->list, link) {
		if (pos == q)
			found = true;
		else if (pos->info.si_signo == q->info.si_signo)
			more = true;
	}
	if (!found)
		return;
	list_del(&q->link);
	if (!more)
		p->signal &= ~LINUX_SIGMASK(q->info.si_signo);
}

struct sighand *sighand_new(void)
{
	struct sighand *sh = calloc(1, sizeof(*sh));

	if (!sh)
		return NULL;
	ref_init(&sh->ref);
	mutex_init(&sh->lock);
	return sh;
}

struct sighand *sighand_copy(struct sighand *old, bool clear)
{
	struct sighand *sh = sighand_new();

	if (!sh)
		return NULL;
	mutex_lock(&old->lock);
	memcpy(sh->action, old->action, sizeof(sh->action));
	mutex_unlock(&old->lock);
	if (clear)
		sighand_reset(sh);
	return sh;
}

/* As flush_signal_handlers() in Linux: what is ignored stays ignored, nothing else stays. */
void sighand_reset(struct sighand *sh)
{
	MUTEX_GUARD(&sh->lock);
	for (int i = 0; i < LINUX_NSIG; i++) {
		bool ignored = sh->action[i].handler == LINUX_SIG_IGN;

		sh->action[i] = (struct linux_sigaction){ .handler = ignored ? LINUX_SIG_IGN : LINUX_SIG_DFL };
	}
}

void sighand_put(struct sighand *sh)
{
	if (!sh || !ref_put(&sh->ref))
		return;
	mutex_fini(&sh->lock);
	free(sh);
}

struct linux_sigaction sighand_action(struct sighand *sh, int sig)
{
	struct linux_sigaction sa;

	mutex_lock(&sh->lock);
	sa = sh->action[sig - 1];
	mutex_unlock(&sh->lock);
	return sa;
}
