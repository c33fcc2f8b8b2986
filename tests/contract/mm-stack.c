/* SPDX-License-Identifier: Apache-2.0 */
/* The stack grows to its limit, stops at the guard gap and at RLIMIT_STACK; overflow is SIGSEGV on the alternate stack. */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

static char alt[64 * 1024];
static volatile int depth;

static __attribute__((noinline)) int use_stack(int kib)
{
	volatile char frame[1024];

	frame[0] = (char)kib;
	depth = kib;
	return kib > 0 ? use_stack(kib - 1) + frame[0] : 0;
}

static sigjmp_buf env;

static void overflow(int sig, siginfo_t *si, void *uc)
{
	char here;

	(void)uc;
	say("%s, code %d, on the alternate stack: %d", signal_name(sig), si->si_code, &here >= alt && &here < alt + sizeof(alt));
	siglongjmp(env, 1);
}

static void with_limit(rlim_t bytes)
{
	struct rlimit rl;
	struct sigaction sa = { .sa_sigaction = overflow, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof(alt) };

	MUST(getrlimit(RLIMIT_STACK, &rl));
	rl.rlim_cur = bytes;
	MUST(setrlimit(RLIMIT_STACK, &rl));
	MUST(sigaltstack(&ss, NULL));
	MUST(sigaction(SIGSEGV, &sa, NULL));
	if (sigsetjmp(env, 1) == 0)
		say("used %d", use_stack(100000) != 0);
	say("more than half used: %d", (100000 - depth) * 1024L > (long)bytes / 2);
	if (sigsetjmp(env, 1) == 0)
		say("again: used %d", use_stack(100000) != 0);
}

int main(void)
{
	struct map_line m;
	char here;

	SECTION("grows by touching");
	SHOW(use_stack(3000) != 12345);
	YES(maps_lookup(&here, &m, false));
	STR(m.name);
	STR(m.perms);
	YES(m.end - m.start >= 3000 * 1024);
	SECTION("one touch far below it is enough");
	PROBE((char *)m.start - (1 << 20), w);
	YES(maps_lookup(&here, &m, false) && m.end - m.start < 6 << 20);
	SECTION("overflow");
	IN_CHILD("limit 4 MiB")
		with_limit(4 << 20);
	IN_CHILD("limit 6 MiB")
		with_limit(6 << 20);
	IN_CHILD("no handler")
		say("used %d", use_stack(100000) != 0);
	SECTION("a mapping below: a gap is kept, and meeting it is SIGSEGV");
	IN_CHILD("gap") {
		char *wall = mmap((char *)m.start - 300 * PAGE, PAGE, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		YES(wall != MAP_FAILED);
		PROBE((char *)m.start - PAGE, w);
		PROBE(wall + 44 * PAGE - 200, w);
		PROBE(wall + 2 * PAGE, w);
		PROBE(wall, w);
	}
	SECTION("a big frame at once, within the limit");
	IN_CHILD("alloca") {
		volatile char *big = __builtin_alloca(2 << 20);

		big[0] = 'b';
		SHOW(big[0]);
	}
	return 0;
}
