/* SPDX-License-Identifier: Apache-2.0 */
/* Reading /proc/self/maps in contract programs. */
#ifndef TESTS_CONTRACT_MAPS_H
#define TESTS_CONTRACT_MAPS_H

#include "tests/contract/contract.h"

struct map_line {
	unsigned long start, end, off;
	char perms[8];
	char name[PATH_MAX];
};

/* The first mapping that ends above @addr: true when there is one and it holds @addr, or with @next at all. */
UNUSED_OK static bool maps_lookup(const void *addr, struct map_line *ret, bool next)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[PATH_MAX + 128];
	bool found = false;

	if (!f) {
		say("/proc/self/maps: %s", errno_name(errno));
		return false;
	}
	while (!found && fgets(line, sizeof(line), f)) {
		struct map_line m;
		int at = 0;

		memset(&m, 0, sizeof(m));
		if (sscanf(line, "%lx-%lx %7s %lx %*s %*s %n", &m.start, &m.end, m.perms, &m.off, &at) < 4) {
			say("a line of maps that does not parse");
			break;
		}
		line[strcspn(line, "\n")] = 0;
		if (at)
			strcpy(m.name, line + at);
		if ((unsigned long)addr >= m.end)
			continue;
		if ((unsigned long)addr < m.start && !next)
			break;
		*ret = m;
		found = true;
	}
	fclose(f);
	return found;
}

/* Prints the mappings in [@base, @base + @len) as page numbers relative to @base. */
UNUSED_OK static void show_maps(const char *what, const void *base, size_t len)
{
	unsigned long lo = (unsigned long)base, hi = lo + len, at = lo;
	struct map_line m;
	bool any = false;

	while (at < hi && maps_lookup((void *)at, &m, true) && m.start < hi) {
		const char *name = strrchr(m.name, '/');
		long from = m.start < lo ? 0 : (long)((m.start - lo) / PAGE);
		long to = m.end > hi ? (long)(len / PAGE) : (long)((m.end - lo) / PAGE);

		say("%s: pages %ld-%ld %s off %lu %s", what, from, to, m.perms,
		    m.name[0] ? (m.off + (m.start < lo ? lo - m.start : 0)) / PAGE : 0, name ? name + 1 : m.name);
		at = m.end;
		any = true;
	}
	if (!any)
		say("%s: nothing mapped", what);
}

#endif
