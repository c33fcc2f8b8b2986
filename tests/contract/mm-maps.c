/* SPDX-License-Identifier: Apache-2.0 */
/* /proc/self/maps agrees with what was mapped: bounds, rights, offsets, names, merging of neighbours. */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static int count_named(const char *name)
{
	struct map_line m;
	unsigned long at = 0;
	int n = 0;

	while (maps_lookup((void *)at, &m, true)) {
		n += !strcmp(m.name, name);
		at = m.end;
	}
	return n;
}

int main(void)
{
	char *base = mmap(NULL, 64 * PAGE, PROT_NONE, ANON, -1, 0), exe[PATH_MAX] = "";
	struct map_line m;
	unsigned long at = 0, last = 0;
	bool ordered = true, aligned = true;
	int fd;

	MUST(munmap(base, 64 * PAGE));
	base += PAGE;
	SECTION("neighbours merge and split");
	PTR(mmap(base, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	PTR(mmap(base + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0));
	show_maps("merged", base, 4 * PAGE);
	CALL(mprotect(base + PAGE, PAGE, PROT_READ));
	show_maps("split", base, 4 * PAGE);
	CALL(mprotect(base + PAGE, PAGE, RW));
	show_maps("merged again", base, 4 * PAGE);
	SECTION("kinds");
	scratch();
	fd = page_file("a file", 8 * PAGE);
	PTR(mmap(base + 5 * PAGE, 2 * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, PAGE));
	PTR(mmap(base + 7 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 3 * PAGE));
	PTR(mmap(base + 8 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 7 * PAGE));
	PTR(mmap(base + 9 * PAGE, PAGE, RW | PROT_EXEC, MAP_SHARED | MAP_FIXED, fd, 0));
	show_maps("file", base + 5 * PAGE, 5 * PAGE);
	MUST(unlink("a file"));
	show_maps("deleted", base + 5 * PAGE, 5 * PAGE);
	SECTION("the standard ones");
	SHOW(count_named("[stack]"));
	free(malloc(100000));
	SHOW(count_named("[heap]"));
	SHOW(count_named("[vdso]"));
	MUST(readlink("/proc/self/exe", exe, sizeof(exe) - 1));
	YES(count_named(exe) >= 2);
	YES(maps_lookup((void *)(uintptr_t)main, &m, false) && !strcmp(m.name, exe));
	STR(m.perms);
	SECTION("ordered, aligned, not overlapping");
	while (maps_lookup((void *)at, &m, true)) {
		ordered &= m.start >= last && m.start < m.end;
		aligned &= !(m.start % PAGE) && !(m.end % PAGE);
		last = at = m.end;
	}
	YES(ordered);
	YES(aligned);
	return 0;
}
