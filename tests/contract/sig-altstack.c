/* SPDX-License-Identifier: Apache-2.0 */
/* sigaltstack(2): where handlers run, nested, disabled, auto-disarmed, too small, changed while in use. */
#include "tests/contract/contract.h"

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char alt[65536], alt2[65536];
static int depth;

static bool inside(const char *stack, const void *p)
{
	return (const char *)p >= stack && (const char *)p < stack + sizeof(alt);
}

static void show(const char *what)
{
	stack_t ss;

	sigaltstack(NULL, &ss);
	say("%s: flags %#x, %s, size %zu", what, ss.ss_flags, ss.ss_sp == alt ? "first" : ss.ss_sp == alt2 ? "second" : "none",
	    ss.ss_size);
}

static void on_signal(int sig)
{
	stack_t ss = { .ss_sp = alt2, .ss_size = sizeof(alt2) };
	char here;

	say("%s: on the alternate stack: %d", signal_name(sig), inside(alt, &here));
	show("in the handler");
	if (sig == SIGUSR1)
		CALL(sigaltstack(&ss, NULL));
	if (depth++ < 2)
		raise(SIGUSR1);
}

static void plain(int sig)
{
	char here;

	say("%s without SA_ONSTACK: on the alternate stack: %d", signal_name(sig), inside(alt, &here));
}

static void disarm(int sig)
{
	stack_t ss = { .ss_sp = alt2, .ss_size = sizeof(alt2) };
	char here;

	say("%s: first %d second %d", signal_name(sig), inside(alt, &here), inside(alt2, &here));
	show("disarmed");
	if (depth++ == 0) {
		CALL(sigaltstack(&ss, NULL));
		raise(SIGHUP);
	}
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_ONSTACK | SA_NODEFER };
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };

	show("at the start");
	SECTION("refusals");
	CALL(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = 1024 }, NULL));
	CALL(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = 2047 }, NULL));
	CALL(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = sizeof(alt), .ss_flags = 0x77 }, NULL));
	CALL(sigaltstack(&(stack_t){ .ss_sp = alt, .ss_size = sizeof(alt), .ss_flags = SS_ONSTACK }, NULL));
	CALL(sigaltstack(BAD_PTR, NULL));
	CALL(sigaltstack(NULL, BAD_PTR));
	SECTION("set");
	CALL(sigaltstack(&ss, NULL));
	show("set");
	sigaction(SIGUSR1, &sa, NULL);
	sa.sa_handler = plain;
	sa.sa_flags = 0;
	sigaction(SIGUSR2, &sa, NULL);
	raise(SIGUSR2);
	SECTION("three deep on the same stack");
	raise(SIGUSR1);
	show("after");
	SECTION("a fork inherits it, a thread does not");
	IN_CHILD("child")
		show("child");
	SECTION("disabled");
	ss.ss_flags = SS_DISABLE;
	CALL(sigaltstack(&ss, NULL));
	show("disabled");
	depth = 5;
	raise(SIGUSR1);
	SECTION("auto-disarm");
	ss = (stack_t){ .ss_sp = alt, .ss_size = sizeof(alt), .ss_flags = SS_AUTODISARM };
	CALL(sigaltstack(&ss, NULL));
	show("armed");
	sa.sa_handler = disarm;
	sa.sa_flags = SA_ONSTACK | SA_NODEFER;
	sigaction(SIGHUP, &sa, NULL);
	depth = 0;
	raise(SIGHUP);
	show("armed again");
	SECTION("a stack that is not there kills");
	IN_CHILD("child") {
		char *gone = mmap(NULL, sizeof(alt), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		ss = (stack_t){ .ss_sp = gone, .ss_size = sizeof(alt) };
		MUST(sigaltstack(&ss, NULL));
		raise(SIGUSR1);
	}
	return 0;
}
