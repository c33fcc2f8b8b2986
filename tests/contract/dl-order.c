/* SPDX-License-Identifier: Apache-2.0 */
/* dlopen, dlclose, dlsym: order of constructors and destructors, reference counts, visibility, errors, clean reloads. */
#include "tests/contract/dl.h"
#include "tests/contract/maps.h"

void dl_event(int lib, int what)
{
	say("library %d: %s", lib, what == 1 ? "constructed" : what == 2 ? "destructed" : "wrong");
}

int main(void)
{
	void *a, *b, *again, *all[NR_LIBS + 1];
	struct map_line m;

	a = dl_open(10, RTLD_NOW);
	SHOW(dl_call(a, 5));
	SHOW(dl_call(a, 5));
	SECTION("a second handle is the same");
	again = dl_open(10, RTLD_NOW);
	YES(a == again);
	SHOW(dlclose(again));
	SHOW(dl_call(a, 6));
	SECTION("RTLD_NOLOAD");
	YES(dlopen(dl_path(11), RTLD_NOW | RTLD_NOLOAD) == NULL);
	again = dlopen(dl_path(10), RTLD_NOW | RTLD_NOLOAD);
	YES(again == a);
	dlclose(again);
	SECTION("visibility");
	YES(dlsym(RTLD_DEFAULT, "dl_number_10") == NULL);
	b = dl_open(20, RTLD_NOW | RTLD_GLOBAL);
	YES(dlsym(RTLD_DEFAULT, "dl_number_20") != NULL);
	YES(dlsym(a, "dl_number_20") == NULL);
	YES(dlsym(RTLD_DEFAULT, "dl_event") == (void *)(uintptr_t)dl_event);
	YES(dlsym(a, "missing") == NULL && dlerror() != NULL);
	SECTION("its code is mapped executable, its data is not");
	void *code = dlsym(b, "dl_number_20");
	YES(maps_lookup(code, &m, false));
	STR(m.perms);
	PROBE(code, w);
	SECTION("closed");
	SHOW(dlclose(b));
	SHOW(dlclose(a));
	SECTION("opened again: fresh");
	a = dl_open(10, RTLD_LAZY);
	SHOW(dl_call(a, 5));
	dlclose(a);
	SECTION("errors");
	YES(dlopen("/missing/x.so", RTLD_NOW) == NULL);
	scratch();
	put_file("text.so", "this is no library", 0755);
	put_file("empty.so", "", 0755);
	YES(dlopen("./text.so", RTLD_NOW) == NULL);
	YES(dlopen("./empty.so", RTLD_NOW) == NULL);
	SECTION("all at once, closed in another order");
	for (int i = 1; i <= 30; i++)
		all[i] = dl_open(i, RTLD_NOW);
	long sum = 0;
	for (int i = 1; i <= 30; i++)
		sum = sum * 7 + dl_call(all[i], i);
	SHOW(sum);
	for (int i = 1; i <= 30; i++) {
		int k = i * 7 % 31;

		SHOW(dlclose(all[k]));
	}
	SECTION("left open at exit");
	dl_open(3, RTLD_NOW);
	dl_open(2, RTLD_NOW);
	dl_open(1, RTLD_NOW);
	return 0;
}
