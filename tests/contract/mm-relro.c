/* SPDX-License-Identifier: Apache-2.0 */
/* Relocated read-only data, constants and code can't be written; ordinary data can; relocations point where they should. */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

static int target = 5;
static int *const pointer = &target;
static int (*const functions[])(void) = { (int (*)(void))getpid, (int (*)(void))getppid };
static const char *const names[] = { "zero", "one", "two" };
static const char constant[] = "constant";
static int *ordinary = &target;

static void where(const char *what, const void *p)
{
	struct map_line m;

	if (maps_lookup(p, &m, false))
		say("%s: %s, write %s", what, m.perms, probe(p, 'w'));
}

int main(void)
{
	where("constant", constant);
	where("relocated constants", names);
	where("function table", functions);
	where("code", (const void *)(uintptr_t)main);
	YES(*pointer == 5 && pointer == ordinary);
	STR(names[2]);
	YES(functions[0]() == getpid());
	*ordinary = 6;
	SHOW(*pointer);
	IN_CHILD("a child has its own") {
		*ordinary = 7;
		SHOW(*pointer);
	}
	SHOW(*pointer);
	return 0;
}
