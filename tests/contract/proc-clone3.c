/* SPDX-License-Identifier: Apache-2.0 */
/* clone3(2): structure sizes, unknown fields, stacks, and what it refuses. */
#include "tests/contract/contract.h"
#include <linux/sched.h>

struct big {
	struct clone_args args;
	char more[64];
};

static long clone3(void *args, size_t size)
{
	long r = syscall(SYS_clone3, args, size);

	if (r == 0)
		_exit(6);
	if (r > 0) {
		int st;

		waitpid(r, &st, __WALL);
		return 1000 + WEXITSTATUS(st);
	}
	return r;
}

static void handler(int sig)
{
	(void)sig;
}

int main(void)
{
	struct big b;
	char stack[4096];

	memset(&b, 0, sizeof(b));
	b.args.exit_signal = SIGCHLD;
	SECTION("sizes");
	CALL(clone3(&b, 0));
	CALL(clone3(&b, 63));
	CALL(clone3(&b, 64));
	CALL(clone3(&b, 72));
	CALL(clone3(&b, 80));
	CALL(clone3(&b, 88));
	CALL(clone3(&b, sizeof(b)));
	CALL(clone3(&b, 4097));
	b.more[63] = 1;
	CALL(clone3(&b, sizeof(b)));
	b.more[63] = 0;
	CALL(clone3(BAD_PTR, 64));
	CALL(clone3(NULL, 88));
	SECTION("fields");
	b.args.exit_signal = 65;
	CALL(clone3(&b, 64));
	b.args.exit_signal = 0x100;
	CALL(clone3(&b, 64));
	b.args.exit_signal = SIGCHLD;
	b.args.flags = 1ULL << 40;
	CALL(clone3(&b, 64));
	b.args.flags = SIGCHLD;
	CALL(clone3(&b, 64));
	b.args.flags = 0x400000; /* CLONE_DETACHED */
	CALL(clone3(&b, 64));
	b.args.flags = 0;
	b.args.stack = (uintptr_t)stack;
	CALL(clone3(&b, 64));
	b.args.stack = 0;
	b.args.stack_size = 4096;
	CALL(clone3(&b, 64));
	b.args.stack_size = 0;
	b.args.set_tid_size = 1;
	CALL(clone3(&b, 88));
	b.args.set_tid = (uintptr_t)stack;
	b.args.set_tid_size = 100;
	CALL(clone3(&b, 88));
	b.args.set_tid = b.args.set_tid_size = 0;
	b.args.flags = CLONE_THREAD;
	CALL(clone3(&b, 64));
	b.args.flags = CLONE_SIGHAND | CLONE_CLEAR_SIGHAND;
	CALL(clone3(&b, 64));
	b.args.flags = CLONE_INTO_CGROUP;
	CALL(clone3(&b, 80));
	SECTION("CLONE_CLEAR_SIGHAND");
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, handler);
	b.args.flags = CLONE_CLEAR_SIGHAND;
	long pid = syscall(SYS_clone3, &b, 64);
	if (pid == 0) {
		struct sigaction sa;

		sigaction(SIGUSR1, NULL, &sa);
		say("ignored stays: %d", sa.sa_handler == SIG_IGN);
		sigaction(SIGUSR2, NULL, &sa);
		say("caught is reset: %d", sa.sa_handler == SIG_DFL);
		_exit(0);
	}
	reap("child", pid);
	return 0;
}
