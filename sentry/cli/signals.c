/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals sent to the sentry are meant for the guest.  They are blocked in all threads; one thread waits for them.
 *
 *     from the terminal (^C, ^\, ^Z, a new size)   to the terminal's foreground group in the guest
 *     from kill(1)                                 to the first program
 *
 * A ^Z that the guest has no use for, because its first program is in the foreground and has no shell above it, stops the
 * sentry as it would have stopped the program: the shell outside takes over.
 */
#include <pthread.h>

#include "platform/host/host.h"
#include "sentry/abi/signal.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "sentry/kernel/kernel.h"
#include "vfs/devpts/hosttty.h"

#define PASSED_ON                                                                                                      \
	(LINUX_SIGMASK(LINUX_SIGHUP) | LINUX_SIGMASK(LINUX_SIGINT) | LINUX_SIGMASK(LINUX_SIGQUIT) |                    \
	 LINUX_SIGMASK(LINUX_SIGTERM) | LINUX_SIGMASK(LINUX_SIGUSR1) | LINUX_SIGMASK(LINUX_SIGUSR2) |                  \
	 LINUX_SIGMASK(LINUX_SIGWINCH) | LINUX_SIGMASK(LINUX_SIGTSTP) | LINUX_SIGMASK(LINUX_SIGCONT))

#define INIT_PGRP 1

bool (*signals_taken)(int sig, int code);

void signals_init(void)
{
	host_sigprocmask(LINUX_SIG_BLOCK, PASSED_ON, NULL);
	host_sigaction(LINUX_SIGPIPE, HOST_SIG_IGN, 0);
	/* Restoring the terminal's modes must work from the background too. */
	host_sigaction(LINUX_SIGTTOU, HOST_SIG_IGN, 0);
}

static void suspend_sentry(void)
{
	host_kill(host_getpid(), LINUX_SIGSTOP);
	/* The terminal may have another size now; redrawing is what programs do on both occasions. */
	hosttty_resized();
}

static void pass_on(int sig, int code)
{
	int pgrp = hosttty_foreground();

	if (sig == LINUX_SIGWINCH) {
		hosttty_resized();
		return;
	}
	if (code != LINUX_SI_KERNEL || pgrp <= 0) {
		if (sig != LINUX_SIGCONT || code != LINUX_SI_KERNEL)
			kernel_kill_init(sig);
		return;
	}
	if (sig == LINUX_SIGTSTP && pgrp == INIT_PGRP)
		suspend_sentry();
	else if (sig == LINUX_SIGHUP)
		hosttty_hangup();
	else
		kernel_signal_pgrp(pgrp, sig);
}

static void *signals_main(void *arg __unused)
{
	for (;;) {
		int code, sig = host_sigtimedwait(PASSED_ON, -1, &code);

		if (sig > 0 && !(signals_taken && signals_taken(sig, code)))
			pass_on(sig, code);
	}
	return NULL;
}

int signals_start(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, signals_main, NULL))
		return cli_error("cannot start a thread for signals");
	pthread_detach(thread);
	return 0;
}
