/* SPDX-License-Identifier: Apache-2.0 */
/* mprotect(2): refusals; a hole stops it with the first part changed; every access right as the processor gives it. */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

int main(void)
{
	char *p = mmap(NULL, 18 * PAGE, PROT_NONE, ANON, -1, 0);
	static const struct {
		const char *name;
		int prot;
	} prots[] = { { "none", PROT_NONE }, { "r", PROT_READ }, { "w", PROT_WRITE }, { "x", PROT_EXEC },
		      { "rw", RW }, { "rx", PROT_READ | PROT_EXEC }, { "wx", PROT_WRITE | PROT_EXEC },
		      { "rwx", RW | PROT_EXEC } };

	MUST(munmap(p, 18 * PAGE));
	p = mmap(p + PAGE, 16 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
	memset(p, 0xc3, 16 * PAGE);
	SECTION("what each protection allows");
	for (size_t i = 0; i < ARRAY_SIZE(prots); i++) {
		MUST(mprotect(p, PAGE, prots[i].prot));
		say("%s: write %s", prots[i].name, probe(p + 8, 'w'));
		if (strcmp(prots[i].name, "x")) /* depends on the processor's protection keys */
			say("%s: read %s", prots[i].name, probe(p + 8, 'r'));
		say("%s: execute %s", prots[i].name, probe(p, 'x'));
	}
	MUST(mprotect(p, PAGE, RW));
	SECTION("refusals");
	CALL(mprotect(p + 1, PAGE, PROT_READ));
	CALL(mprotect(p, 0, PROT_READ));
	CALL(mprotect(p, -1UL, PROT_READ));
	CALL(mprotect(p, -PAGE, PROT_READ));
	CALL(mprotect(p, PAGE, 0x100));
	CALL(mprotect(p, PAGE, PROT_GROWSDOWN | PROT_GROWSUP));
	CALL(mprotect(p, PAGE, PROT_READ | PROT_GROWSDOWN));
	CALL(mprotect(p, PAGE, PROT_READ | PROT_GROWSUP));
	CALL(mprotect(BAD_PTR, PAGE, PROT_READ));
	CALL(mprotect((void *)(1UL << 62), PAGE, PROT_READ));
	SECTION("a hole: ENOMEM, and the part before it is changed");
	CALL(munmap(p + 6 * PAGE, 2 * PAGE));
	CALL(mprotect(p, 16 * PAGE, PROT_READ));
	show_maps("after", p, 16 * PAGE);
	CALL(mprotect(p + 6 * PAGE, 4 * PAGE, PROT_READ));
	show_maps("hole first", p, 16 * PAGE);
	CALL(mprotect(p + 6 * PAGE, PAGE, PROT_READ));
	SECTION("length is rounded up");
	CALL(mprotect(p, PAGE + 1, PROT_NONE));
	show_maps("two pages", p, 6 * PAGE);
	SECTION("contents survive PROT_NONE");
	CALL(mprotect(p, 6 * PAGE, RW));
	SHOW((unsigned char)p[PAGE]);
	SECTION("syscalls obey it");
	int fds[2];
	MUST(pipe(fds));
	MUST(mprotect(p, PAGE, PROT_READ));
	CALL(write(fds[1], p, 10));
	CALL(read(fds[0], p, 10));
	MUST(mprotect(p, PAGE, PROT_NONE));
	CALL(write(fds[1], p, 10));
	CALL(write(fds[1], p + PAGE - 10, 10));
	return 0;
}
