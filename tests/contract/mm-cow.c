/* SPDX-License-Identifier: Apache-2.0 */
/* Copy on write among parent, children and grandchildren, for anonymous and private file pages, written by whoever first. */
#include "tests/contract/contract.h"

#define N 64

static char *anon, *file, *shared;

static void show(const char *who)
{
	say("%s: %c%c%c %c%c%c %c%c%c", who, anon[0], anon[PAGE], anon[63 * PAGE], file[0], file[PAGE], file[63 * PAGE],
	    shared[0], shared[PAGE], shared[63 * PAGE]);
}

static void mark(int page, char c)
{
	anon[page * PAGE] = file[page * PAGE] = shared[page * PAGE] = c;
}

int main(void)
{
	struct gate go, done;
	pid_t pid;
	int fd, sum = 0;

	scratch();
	fd = page_file("f", N * PAGE);
	anon = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	shared = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	file = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	memset(anon, 'p', N * PAGE);
	memset(shared, 'p', N * PAGE);
	show("parent");
	gate_init(&go);
	gate_init(&done);
	pid = MUST(fork());
	if (pid == 0) {
		mark(0, 'c');
		show("child wrote");
		IN_CHILD("grandchild ends") {
			show("grandchild sees");
			mark(1, 'g');
			mark(0, 'G');
			show("grandchild wrote");
		}
		show("child again");
		gate_open(&done);
		gate_wait(&go);
		show("child, after the parent wrote");
		_exit(0);
	}
	gate_wait(&done);
	show("parent sees");
	mark(63, 'P');
	mark(1, 'P');
	gate_open(&go);
	reap("child ends", pid);
	show("parent at the end");
	SECTION("the last owner writes in place");
	for (int i = 0; i < 20; i++) {
		pid = MUST(fork());
		if (pid == 0)
			_exit(anon[i * PAGE] == (i < 2 ? anon[i * PAGE] : 'p') ? 0 : 1);
		int st;
		waitpid(pid, &st, 0);
		sum += st;
		anon[i * PAGE] = 'q';
	}
	SHOW(sum);
	SECTION("a syscall that writes memory breaks the sharing too");
	int fds[2];
	MUST(pipe(fds));
	write_all(fds[1], "SSSS", 4);
	IN_CHILD("child reads into it")
		CALL(read(fds[0], anon + 30 * PAGE, 4));
	SHOW(anon[30 * PAGE]);
	SECTION("vfork shares");
	pid = vfork();
	if (pid == 0) {
		anon[31 * PAGE] = 'v';
		_exit(3);
	}
	reap("vfork", pid);
	SHOW(anon[31 * PAGE]);
	return 0;
}
