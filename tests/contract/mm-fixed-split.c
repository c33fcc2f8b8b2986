/* SPDX-License-Identifier: Apache-2.0 */
/* MAP_FIXED, munmap and mprotect over parts of one large mapping split it, and leave the rest as it was. */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

#define N 40

static void show(const char *what, char *base)
{
	char line[N + 1];

	for (int i = 0; i < N; i++) {
		const char *r = probe(base + i * PAGE, 'r');

		line[i] = strcmp(r, "ok") ? (strstr(r, "MAPERR") ? '.' : '!') : base[i * PAGE] ? base[i * PAGE] : '0';
	}
	line[N] = 0;
	say("%s: %s", what, line);
	show_maps(what, base, N * PAGE);
}

int main(void)
{
	char *base;
	int fd;

	scratch();
	fd = page_file("f", N * PAGE);
	/* An island, so that no neighbour merges. */
	base = mmap(NULL, (N + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(munmap(base, (N + 2) * PAGE));
	base += PAGE;
	PTR(mmap(base, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0));
	memset(base + 4 * PAGE, 'x', 4 * PAGE);
	show("start", base);
	PTR(mmap(base + 10 * PAGE, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	show("fixed in the middle", base);
	CALL(munmap(base + 6 * PAGE, 6 * PAGE));
	show("hole over both", base);
	CALL(mprotect(base + 20 * PAGE, 5 * PAGE, PROT_NONE));
	show("protected", base);
	PTR(mmap(base, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 30 * PAGE));
	show("head", base);
	PTR(mmap(base + (N - 2) * PAGE, 2 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0));
	show("tail", base);
	CALL(mprotect(base + 20 * PAGE, 5 * PAGE, PROT_READ | PROT_WRITE));
	show("merged again", base);
	PTR(mmap(base + 6 * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 6 * PAGE));
	show("filled with the same file", base);
	CALL(munmap(base, N * PAGE));
	show("gone", base);
	return 0;
}
