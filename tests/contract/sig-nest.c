/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers nested 30 deep, each with registers, masks and the state of the one below intact; longjmp out of the depth. */
#include "tests/contract/contract.h"

#define DEPTH 30

static volatile int level, order;
static sigjmp_buf env;

static void nested(int sig)
{
	volatile double f = level * 1.5;
	volatile long guard[16];
	int me = level++;

	for (int i = 0; i < 16; i++)
		guard[i] = me * 1000 + i;
	if (level < DEPTH)
		raise(level % 2 ? SIGUSR2 : SIGUSR1);
	for (int i = 0; i < 16; i++)
		if (guard[i] != me * 1000 + i)
			say("level %d: stack damaged", me);
	if (f != me * 1.5)
		say("level %d: f is damaged", me);
	order = order * 7 % 1000003 + me;
	(void)sig;
}

static void mask_of(int sig)
{
	sigset_t set;
	char line[65];
	int n = 0;

	sigprocmask(SIG_BLOCK, NULL, &set);
	for (int s = 1; s < 32; s++)
		if (sigismember(&set, s) == 1)
			n += snprintf(line + n, sizeof(line) - n, " %d", s);
	line[n] = 0;
	say("%s handler's mask:%s", signal_name(sig), line);
	if (sig == SIGINT)
		raise(SIGQUIT);
}

static void jumps(int sig)
{
	if (level++ < DEPTH)
		raise(sig);
	siglongjmp(env, level);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = nested, .sa_flags = SA_NODEFER };
	sigset_t set;

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	for (int i = 0; i < 5; i++) {
		level = order = 0;
		raise(SIGUSR1);
		say("depth %d order %d", level, order);
	}
	SECTION("masks: sa_mask, the signal itself, and what was blocked before");
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sa.sa_handler = mask_of;
	sa.sa_flags = 0;
	sigaddset(&sa.sa_mask, SIGHUP);
	sigaddset(&sa.sa_mask, SIGKILL);
	sigaction(SIGINT, &sa, NULL);
	sigemptyset(&sa.sa_mask);
	sigaddset(&sa.sa_mask, SIGTERM);
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGQUIT, &sa, NULL);
	raise(SIGINT);
	raise(SIGQUIT);
	sigprocmask(SIG_BLOCK, NULL, &set);
	SHOW(sigismember(&set, SIGINT) + sigismember(&set, SIGHUP) + sigismember(&set, SIGALRM));
	SECTION("siglongjmp from the depth");
	sa.sa_handler = jumps;
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &sa, NULL);
	for (int i = 0; i < 3; i++) {
		level = 0;
		int r = sigsetjmp(env, 1);
		if (r == 0)
			raise(SIGUSR1);
		SHOW(r);
	}
	SECTION("SA_RESETHAND");
	sa.sa_handler = mask_of;
	sa.sa_flags = SA_RESETHAND;
	sigemptyset(&sa.sa_mask);
	sigaction(SIGWINCH, &sa, NULL);
	raise(SIGWINCH);
	sigaction(SIGWINCH, NULL, &sa);
	YES(sa.sa_handler == SIG_DFL);
	raise(SIGWINCH);
	IN_CHILD("the second one kills") {
		sa.sa_handler = mask_of;
		sa.sa_flags = SA_RESETHAND | SA_NODEFER;
		sigaction(SIGTERM, &sa, NULL);
		raise(SIGTERM);
		raise(SIGTERM);
	}
	return 0;
}
