/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Small ranges that are mapped, unmapped and mapped again at the same place: they are clean, and out of reach in between, whatever
 * comes next.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define AT ((char *)0x300000000)

static sigjmp_buf back;
static volatile int code;

static void on_segv(int sig, siginfo_t *info, void *uc)
{
	(void)sig;
	(void)uc;
	code = info->si_code;
	siglongjmp(back, 1);
}

/* The access as a letter: '.' works, 'M' nothing there, 'A' not allowed. */
static char probe(char *p, int write)
{
	code = 0;
	if (!sigsetjmp(back, 1)) {
		if (write)
			*(volatile char *)p = 1;
		else
			(void)*(volatile char *)p;
	}
	return code == SEGV_MAPERR ? 'M' : code == SEGV_ACCERR ? 'A' : code ? '?' : '.';
}

static void show(const char *what, char *p, int pages)
{
	printf("%-24s", what);
	for (int i = 0; i < pages; i++)
		printf(" %c%c", probe(p + i * PAGE, 0), probe(p + i * PAGE, 1));
	putchar('\n');
}

static void map(char *at, int pages, int prot)
{
	if (mmap(at, pages * PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != at)
		perror("mmap");
}

static int clean(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i])
			return 0;
	return 1;
}

static void rounds(int pages)
{
	int bad = 0, seen = 0;
	char *first = NULL;

	for (int i = 0; i < 200; i++) {
		char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (!first)
			first = p;
		bad += p != first || !clean(p, pages * PAGE);
		memset(p + (i % pages) * PAGE, 0xff, PAGE);
		munmap(p, pages * PAGE);
		if (i % 10 == 0)
			seen += probe(p, 0) != 'M' || probe(p + (pages - 1) * PAGE, 1) != 'M';
	}
	printf("%d pages: %d not clean, %d seen\n", pages, bad, seen);
}

static void resident(const char *when, char *p, int pages)
{
	unsigned char vec[64];

	printf("%-24s", when);
	if (mincore(p, pages * PAGE, vec)) {
		puts(" nothing there");
		return;
	}
	for (int i = 0; i < pages; i++)
		printf(" %d", vec[i] & 1);
	putchar('\n');
}

static void child(void)
{
	int status;
	pid_t pid;

	map(AT, 4, PROT_READ | PROT_WRITE);
	memset(AT, 1, 4 * PAGE);
	munmap(AT, 4 * PAGE);
	pid = fork();
	if (!pid) {
		char c = probe(AT, 0);

		map(AT, 4, PROT_READ | PROT_WRITE);
		_exit(c == 'M' && clean(AT, 4 * PAGE) ? (memset(AT, 2, 4 * PAGE), 0) : 1);
	}
	waitpid(pid, &status, 0);
	map(AT, 4, PROT_READ | PROT_WRITE);
	printf("child %d, parent clean %d\n", status, clean(AT, 4 * PAGE));
	munmap(AT, 4 * PAGE);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_segv, .sa_flags = SA_SIGINFO };
	char name[] = "/tmp/mm-again.XXXXXX", page[PAGE];
	int fd = mkstemp(name);

	unlink(name);
	memset(page, 'f', sizeof(page));
	if (write(fd, page, PAGE) != PAGE || write(fd, page, PAGE) != PAGE)
		return 1;
	sigaction(SIGSEGV, &sa, NULL);
	for (int pages = 1; pages < 40; pages = pages * 2 + 1)
		rounds(pages);

	map(AT, 4, PROT_READ | PROT_WRITE);
	show("new", AT, 4);
	munmap(AT, 4 * PAGE);
	show("unmapped", AT, 4);
	map(AT, 4, PROT_NONE);
	show("none", AT, 4);
	map(AT, 4, PROT_READ | PROT_WRITE);
	memset(AT, 3, 4 * PAGE);
	map(AT, 4, PROT_READ);
	show("read only", AT, 4);
	printf("clean %d\n", clean(AT, 4 * PAGE));
	mprotect(AT + PAGE, PAGE, PROT_READ | PROT_WRITE);
	show("one writable", AT, 4);
	mprotect(AT, 4 * PAGE, PROT_NONE);
	show("none again", AT, 4);
	mprotect(AT, 4 * PAGE, PROT_READ | PROT_WRITE);
	printf("kept %d %d\n", AT[PAGE], AT[0]);
	munmap(AT + PAGE, 2 * PAGE);
	show("a hole", AT, 4);
	mmap(AT + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0);
	printf("file %c\n", AT[2 * PAGE]);
	show("a file in it", AT, 4);
	munmap(AT, 4 * PAGE);
	show("all gone", AT, 4);
	mmap(AT, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	printf("file %d %c\n", AT[0], AT[PAGE]);
	munmap(AT, 2 * PAGE);
	map(AT, 2, PROT_READ | PROT_WRITE);
	printf("clean %d\n", clean(AT, 2 * PAGE));
	munmap(AT, 2 * PAGE);
	resident("unmapped", AT, 2);
	map(AT, 2, PROT_READ | PROT_WRITE);
	resident("mapped", AT, 2);
	AT[PAGE] = 1;
	resident("touched", AT, 2);
	munmap(AT, 2 * PAGE);
	child();
	return 0;
}
