/* SPDX-License-Identifier: Apache-2.0 */
/* PR_SET_MDWE: memory that was written is not to be run.  PR_GET_AUXV.  process_mrelease(2). */
#include "tests/contract/contract.h"

#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

#define SET_MDWE 65UL
#define GET_MDWE 66UL
#define GET_AUXV 0x41555856UL

static void *map(int prot)
{
	return mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void denied(void)
{
	char *rw = map(PROT_READ | PROT_WRITE), *rx = map(PROT_READ | PROT_EXEC);

	CALL(prctl(GET_MDWE, 0, 0, 0, 0));
	CALL(prctl(SET_MDWE, 4, 0, 0, 0));
	CALL(prctl(SET_MDWE, 2, 0, 0, 0));
	CALL(prctl(SET_MDWE, 1, 1, 0, 0));
	CALL(prctl(GET_MDWE, 1, 0, 0, 0));
	CALL(prctl(SET_MDWE, 1, 0, 0, 0));
	CALL(prctl(SET_MDWE, 1, 0, 0, 0));
	CALL(prctl(SET_MDWE, 0, 0, 0, 0));
	CALL(prctl(SET_MDWE, 3, 0, 0, 0));
	CALL(prctl(GET_MDWE, 0, 0, 0, 0));
	PTR(map(PROT_READ | PROT_WRITE | PROT_EXEC));
	PTR(map(PROT_WRITE | PROT_EXEC));
	PTR(map(PROT_READ | PROT_EXEC));
	CALL(mprotect(rw, PAGE, PROT_READ | PROT_EXEC));
	CALL(mprotect(rw, PAGE, PROT_READ));
	CALL(mprotect(rw, PAGE, PROT_READ | PROT_EXEC));
	CALL(mprotect(rx, PAGE, PROT_READ));
	CALL(mprotect(rx, PAGE, PROT_READ | PROT_EXEC));
	IN_CHILD("inherited") {
		CALL(prctl(GET_MDWE, 0, 0, 0, 0));
		PTR(map(PROT_READ | PROT_WRITE | PROT_EXEC));
	}
}

static void auxv(void)
{
	unsigned long v[128] = { 0 };
	long n;
	size_t i;

	SECTION("auxiliary vector");
	n = prctl(GET_AUXV, v, sizeof(v), 0, 0);
	if (n > 0)
		n = 1;
	SHOW(n);
	for (i = 0; i < 126 && v[i] != AT_PAGESZ && v[i] != AT_NULL; i += 2)
		;
	YES(v[i] == AT_PAGESZ && v[i + 1] == getauxval(AT_PAGESZ));
	CALL(prctl(GET_AUXV, v, sizeof(v), 1, 0));
	CALL(prctl(GET_AUXV, v, sizeof(v), 0, 1));
	CALL(prctl(GET_AUXV, BAD_PTR, 16, 0, 0));
	YES(prctl(GET_AUXV, NULL, 0, 0, 0) > 0);
}

static void mrelease(void)
{
	int fd = MUST(syscall(SYS_pidfd_open, getpid(), 0)), p[2], child_fd;
	pid_t child;

	SECTION("process_mrelease");
	CALL(syscall(448, fd, 1));
	CALL(syscall(448, 999, 0));
	CALL(syscall(448, fd, 0));
	MUST(pipe(p));
	CALL(syscall(448, p[0], 0));
	child = MUST(fork());
	if (!child)
		for (;;)
			pause();
	child_fd = MUST(syscall(SYS_pidfd_open, child, 0));
	CALL(syscall(448, child_fd, 0));
	MUST(kill(child, SIGKILL));
	reap("child", child);
	CALL(syscall(448, child_fd, 0));
}

int main(void)
{
	IN_CHILD("denied")
		denied();
	IN_CHILD("not inherited") {
		CALL(prctl(SET_MDWE, 3, 0, 0, 0));
		IN_CHILD("grandchild") {
			CALL(prctl(GET_MDWE, 0, 0, 0, 0));
			PTR(map(PROT_READ | PROT_WRITE | PROT_EXEC));
		}
	}
	auxv();
	mrelease();
	return 0;
}
