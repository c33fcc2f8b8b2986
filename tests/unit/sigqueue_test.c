/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "sentry/abi/errno.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/user.h"

TestSuite(sigqueue, .timeout = 400);

#define NO_LIMIT UINT64_MAX
#define RT (LINUX_SIGRTMIN + 3)

static struct linux_siginfo info_of(int sig, int code, uint64_t value)
{
	struct linux_siginfo info;

	siginfo_init(&info, sig, code);
	info.rt.value = value;
	return info;
}

static int add(struct sigpending *p, int sig, int code, uint64_t value, struct user *u, uint64_t limit)
{
	struct linux_siginfo info = info_of(sig, code, value);

	return sigpending_add(p, &info, u, limit);
}

static uint64_t collect(struct sigpending *p, int sig)
{
	struct linux_siginfo info;

	cr_assert_null(sigpending_collect(p, sig, &info));
	cr_assert_eq(info.si_signo, sig);
	return info.rt.value;
}

Test(sigqueue, standard_signals_are_pending_once)
{
	struct sigpending p;

	sigpending_init(&p);
	cr_assert_eq(add(&p, LINUX_SIGUSR1, LINUX_SI_QUEUE, 1, NULL, NO_LIMIT), 0);
	cr_assert_eq(add(&p, LINUX_SIGUSR1, LINUX_SI_QUEUE, 2, NULL, NO_LIMIT), 0);
	cr_assert_eq(sigpending_next(&p, 0), LINUX_SIGUSR1);
	cr_assert_eq(collect(&p, LINUX_SIGUSR1), 1);
	cr_assert_eq(p.signal, 0);
	cr_assert(list_empty(&p.list));
}

Test(sigqueue, real_time_signals_queue_in_order)
{
	struct sigpending p;

	sigpending_init(&p);
	for (uint64_t i = 0; i < 5; i++)
		cr_assert_eq(add(&p, RT, LINUX_SI_QUEUE, i, NULL, NO_LIMIT), 0);
	for (uint64_t i = 0; i < 5; i++) {
		cr_assert_eq(sigpending_next(&p, 0), RT);
		cr_assert_eq(collect(&p, RT), i);
	}
	cr_assert_eq(sigpending_next(&p, 0), 0);
}

Test(sigqueue, the_order_of_numbers)
{
	struct sigpending p;

	sigpending_init(&p);
	add(&p, RT, LINUX_SI_QUEUE, 0, NULL, NO_LIMIT);
	add(&p, LINUX_SIGTERM, LINUX_SI_USER, 0, NULL, NO_LIMIT);
	add(&p, LINUX_SIGHUP, LINUX_SI_USER, 0, NULL, NO_LIMIT);
	add(&p, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, 0, NULL, NO_LIMIT);
	/* What the processor raised comes first, whatever its number. */
	cr_assert_eq(sigpending_next(&p, 0), LINUX_SIGSEGV);
	collect(&p, LINUX_SIGSEGV);
	cr_assert_eq(sigpending_next(&p, 0), LINUX_SIGHUP);
	cr_assert_eq(sigpending_next(&p, LINUX_SIGMASK(LINUX_SIGHUP)), LINUX_SIGTERM);
	cr_assert_eq(sigpending_next(&p, ~LINUX_SIGMASK(RT)), RT);
	sigpending_flush(&p);
	cr_assert_eq(p.signal, 0);
	cr_assert(list_empty(&p.list));
}

Test(sigqueue, the_limit)
{
	struct user *u = user_find_get(1000);
	struct linux_siginfo info;
	struct sigpending p;

	sigpending_init(&p);
	cr_assert_eq(add(&p, RT, LINUX_SI_QUEUE, 1, u, 2), 0);
	cr_assert_eq(add(&p, RT, LINUX_SI_QUEUE, 2, u, 2), 0);
	/* A payload can't be dropped silently ... */
	cr_assert_eq(add(&p, RT, LINUX_SI_QUEUE, 3, u, 2), -LINUX_EAGAIN);
	/* ... kill(2) has none ... */
	cr_assert_eq(add(&p, RT + 1, LINUX_SI_USER, 0, u, 2), 0);
	/* ... and the kernel's own, and standard ones from kill, pass. */
	cr_assert_eq(add(&p, LINUX_SIGTERM, LINUX_SI_USER, 0, u, 2), 0);
	cr_assert_eq(atomic_load(&u->nr_sigpending), 3);
	cr_assert_null(sigpending_collect(&p, RT + 1, &info));
	cr_assert_eq(info.si_signo, RT + 1);
	cr_assert_eq(info.si_code, LINUX_SI_USER);
	cr_assert_eq(collect(&p, RT), 1);
	cr_assert_eq(add(&p, LINUX_SIGUSR1, LINUX_SI_QUEUE, 9, u, 2), 0);
	sigpending_flush(&p);
	cr_assert_eq(atomic_load(&u->nr_sigpending), 0);
	cr_assert_eq(ref_read(&u->ref), 1);
	user_put(u);
}

Test(sigqueue, flushing_a_mask)
{
	struct sigpending p;

	sigpending_init(&p);
	add(&p, LINUX_SIGTSTP, LINUX_SI_USER, 0, NULL, NO_LIMIT);
	add(&p, LINUX_SIGUSR1, LINUX_SI_QUEUE, 5, NULL, NO_LIMIT);
	sigpending_flush_mask(&p, SIGMASK_STOP);
	cr_assert_eq(p.signal, LINUX_SIGMASK(LINUX_SIGUSR1));
	cr_assert_eq(collect(&p, LINUX_SIGUSR1), 5);
	cr_assert(list_empty(&p.list));
}

Test(sigqueue, an_entry_that_a_timer_owns)
{
	struct posix_timer *timer = (struct posix_timer *)0x1000;
	struct sigqueue q = { .timer = timer };
	struct linux_siginfo info;
	struct sigpending p;

	sigpending_init(&p);
	list_init(&q.link);
	q.info = info_of(RT, LINUX_SI_TIMER, 7);
	sigpending_add_owned(&p, &q);
	sigpending_add_owned(&p, &q);
	cr_assert_eq(add(&p, RT, LINUX_SI_QUEUE, 8, NULL, NO_LIMIT), 0);
	cr_assert_eq(sigpending_collect(&p, RT, &info), timer);
	cr_assert(list_empty(&q.link));
	cr_assert_eq(p.signal, LINUX_SIGMASK(RT));
	sigpending_add_owned(&p, &q);
	sigpending_remove(&p, &q);
	cr_assert(list_empty(&q.link));
	cr_assert_eq(p.signal, LINUX_SIGMASK(RT));
	cr_assert_eq(collect(&p, RT), 8);
	sigpending_add_owned(&p, &q);
	sigpending_remove(&p, &q);
	cr_assert_eq(p.signal, 0);
	sigpending_remove(&p, &q);
}

Test(sigqueue, handlers)
{
	struct sighand *a = sighand_new(), *b;

	a->action[LINUX_SIGTERM - 1].handler = 0x1234;
	a->action[LINUX_SIGTERM - 1].flags = LINUX_SA_RESTART;
	a->action[LINUX_SIGINT - 1].handler = LINUX_SIG_IGN;
	a->action[LINUX_SIGINT - 1].mask = 5;
	b = sighand_copy(a, false);
	cr_assert_eq(sighand_action(b, LINUX_SIGTERM).handler, 0x1234);
	sighand_reset(b);
	cr_assert_eq(sighand_action(b, LINUX_SIGTERM).handler, LINUX_SIG_DFL);
	cr_assert_eq(sighand_action(b, LINUX_SIGTERM).flags, 0);
	cr_assert_eq(sighand_action(b, LINUX_SIGINT).handler, LINUX_SIG_IGN);
	cr_assert_eq(sighand_action(b, LINUX_SIGINT).mask, 0);
	cr_assert_eq(sighand_action(a, LINUX_SIGTERM).handler, 0x1234);
	sighand_put(b);
	sighand_put(a);
}

Test(sigqueue, names)
{
	cr_assert_str_eq(signal_name(LINUX_SIGSEGV), "SIGSEGV");
	cr_assert_str_eq(signal_name(LINUX_SIGRTMIN + 2), "SIGRT_2");
}
