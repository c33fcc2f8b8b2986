/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping ends where it ends: the byte behind it faults, with the address of the byte, for every kind of mapping. */
#include "tests/contract/contract.h"

static void edges(const char *what, char *p, size_t len)
{
	say("%s: before %s, first %s", what, probe(p - 1, 'r'), probe(p, 'r'));
	say("%s: last %s", what, probe(p + len - 1, 'r'));
	say("%s: behind %s", what, probe(p + len, 'r'));
	say("%s: write behind %s", what, probe(p + len, 'w'));
}

/* @len bytes with nothing mapped for 64 pages on both sides. */
static char *island(size_t len, int prot, int flags, int fd)
{
	char *p = mmap(NULL, len + 128 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	MUST(munmap(p, len + 128 * PAGE));
	return mmap(p + 64 * PAGE, len, prot, flags | MAP_FIXED_NOREPLACE, fd, 0);
}

int main(void)
{
	static const size_t sizes[] = { 1, 2, 3, 15, 16, 17, 512, 513 };
	int fd;

	scratch();
	fd = page_file("f", 600 * PAGE);
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t len = sizes[i] * PAGE;

		say("-- %zu pages", sizes[i]);
		edges("anonymous", island(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1), len);
		edges("populated", island(len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1), len);
		edges("shared", island(len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1), len);
		edges("file", island(len, PROT_READ | PROT_WRITE, MAP_SHARED, fd), len);
		edges("private file", island(len, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd), len);
	}
	return 0;
}
