/* SPDX-License-Identifier: Apache-2.0 */
/* MAP_32BIT finds room in the second gigabyte, also in programs whose heap lies below it. */
#include "tests/contract/contract.h"

#define LOW (MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT)

static int is_low(const char *p, size_t len)
{
	return p != MAP_FAILED && (uintptr_t)p >= 0x40000000 && (uintptr_t)p + len <= 0x80000000;
}

int main(int argc, char **argv)
{
	char *heap = sbrk(0), *p[64];
	int low = 0, filled = 0;

	(void)argc;
	/* A heap that begins just below, which one in some hundred does by chance, would find its room taken. */
	if ((uintptr_t)heap > 0x3fe00000 && (uintptr_t)heap < 0x80000000)
		execv("/proc/self/exe", argv);
	for (int i = 0; i < 64; i++) {
		p[i] = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, LOW, -1, 0);
		low += is_low(p[i], 1 << 20);
		if (p[i] != MAP_FAILED)
			memset(p[i], i, 1 << 20);
	}
	SHOW(low);
	for (int i = 0; i < 64; i++)
		filled += p[i] != MAP_FAILED && all_bytes(p[i], (char)i, 1 << 20);
	SHOW(filled);
	/* The heap is where it was, and goes on as far as it is bound to have room. */
	YES(sbrk(1 << 20) == heap);
	memset(heap, 'h', 1 << 20);
	for (int i = 0; i < 64; i++)
		filled -= all_bytes(p[i], (char)i, 1 << 20);
	SHOW(filled);
	CALL(munmap(p[3], 1 << 20));
	YES(mmap(NULL, 1UL << 31, PROT_READ, LOW, -1, 0) == MAP_FAILED);
	return 0;
}
