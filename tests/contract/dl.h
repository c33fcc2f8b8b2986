/* SPDX-License-Identifier: Apache-2.0 */
/* The generated libraries dl1.so ... dl100.so of lib/, for the programs that load them. */
#ifndef TESTS_CONTRACT_DL_H
#define TESTS_CONTRACT_DL_H

#include "tests/contract/contract.h"
#include <dlfcn.h>

#define NR_LIBS 100

/* The file of library @n: beside this program, in lib/, or lib.musl/ for a program built with musl. */
UNUSED_OK static const char *dl_path(int n)
{
	static __thread char path[PATH_MAX + 32];
	char self[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	self[len > 0 ? len : 0] = 0;
	slash = strrchr(self, '/');
	if (slash)
		*slash = 0;
#ifdef __GLIBC__
	snprintf(path, sizeof(path), "%s/lib/dl%d.so", self, n);
#else
	snprintf(path, sizeof(path), "%s/lib.musl/dl%d.so", self, n);
#endif
	return path;
}

UNUSED_OK static void *dl_open(int n, int flags)
{
	void *h = dlopen(dl_path(n), flags);

	if (!h)
		say("dlopen of %d failed: %s", n, access(dl_path(n), R_OK) ? "no such file" : "cause unknown");
	return h;
}

UNUSED_OK static int dl_call(void *h, int x)
{
	int (*check)(int) = (int (*)(int))(uintptr_t)dlsym(h, "dl_check");

	return check ? check(x) : -1;
}

#endif
