/* SPDX-License-Identifier: Apache-2.0 */
/* MAP_GROWSDOWN areas grow on touching the page below, towards a mapping only up to the gap. */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

int main(void)
{
	char *base = mmap(NULL, 1024 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;
	struct map_line m;

	MUST(munmap(base, 1024 * PAGE));
	p = mmap(base + 800 * PAGE, 2 * PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED_NOREPLACE, -1, 0);
	YES(p == base + 800 * PAGE);
	PROBE(p, w);
	PROBE(p - 1, w);
	PROBE(p - PAGE - 8, w);
	YES(maps_lookup(p, &m, false) && m.start <= (unsigned long)(p - 2 * PAGE));
	for (int i = 3; i < 40; i++)
		p[-i * (long)PAGE] = (char)i;
	SHOW(p[-10 * (long)PAGE]);
	SECTION("mprotect with PROT_GROWSDOWN reaches the start");
	CALL(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
	PROBE(p - 10 * PAGE, w);
	CALL(mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_GROWSDOWN));
	PROBE(p - 10 * PAGE, w);
	return 0;
}
