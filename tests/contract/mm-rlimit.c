/* SPDX-License-Identifier: Apache-2.0 */
/* RLIMIT_AS, RLIMIT_DATA and RLIMIT_STACK on mmap, brk, mremap and mprotect; the sum is given back by munmap. */
#include "tests/contract/contract.h"

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define MB (1UL << 20)

static void limit(int which, rlim_t cur)
{
	struct rlimit rl;

	MUST(getrlimit(which, &rl));
	rl.rlim_cur = cur;
	MUST(setrlimit(which, &rl));
}

int main(void)
{
	char *p, *brk0 = (char *)syscall(SYS_brk, 0);

	IN_CHILD("RLIMIT_AS") {
		limit(RLIMIT_AS, 256 * MB);
		PTR(mmap(NULL, 300 * MB, RW, ANON, -1, 0));
		PTR(mmap(NULL, 300 * MB, PROT_NONE, ANON, -1, 0));
		PTR(mmap(NULL, 300 * MB, RW, ANON | MAP_NORESERVE, -1, 0));
		p = PTR(mmap(NULL, 150 * MB, RW, ANON, -1, 0));
		PTR(mmap(NULL, 150 * MB, RW, ANON, -1, 0));
		PTR(mmap(p, 150 * MB, RW, ANON | MAP_FIXED, -1, 0));
		PTR(mremap(p, 150 * MB, 300 * MB, MREMAP_MAYMOVE));
		CALL(munmap(p, 150 * MB));
		p = PTR(mmap(NULL, 150 * MB, RW, ANON, -1, 0));
		YES((char *)syscall(SYS_brk, brk0 + 200 * MB) != brk0 + 200 * MB);
		YES(malloc(200 * MB) == NULL);
		CALL(munmap(p, 150 * MB));
		free(malloc(100 * MB));
	}
	IN_CHILD("RLIMIT_DATA") {
		limit(RLIMIT_DATA, 64 * MB);
		PTR(mmap(NULL, 100 * MB, RW, ANON, -1, 0));
		PTR(mmap(NULL, 100 * MB, PROT_READ, ANON, -1, 0));
		PTR(mmap(NULL, 100 * MB, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
		p = PTR(mmap(NULL, 100 * MB, PROT_NONE, ANON, -1, 0));
		CALL(mprotect(p, 100 * MB, RW));
		CALL(mprotect(p, 30 * MB, RW));
		YES((char *)syscall(SYS_brk, brk0 + 65 * MB) != brk0 + 65 * MB);
	}
	IN_CHILD("setrlimit") {
		struct rlimit rl = { 2, 1 }, old;

		CALL(setrlimit(RLIMIT_AS, &rl));
		CALL(setrlimit(RLIMIT_NLIMITS, &rl));
		CALL(setrlimit(-1, &rl));
		CALL(syscall(SYS_setrlimit, RLIMIT_AS, BAD_PTR));
		CALL(syscall(SYS_getrlimit, RLIMIT_AS, BAD_PTR));
		CALL(getrlimit(RLIMIT_NLIMITS, &old));
		drop_privileges();
		rl.rlim_cur = rl.rlim_max = 1000 * MB;
		CALL(setrlimit(RLIMIT_AS, &rl));
		rl.rlim_max = 2000 * MB;
		CALL(setrlimit(RLIMIT_AS, &rl));
		rl.rlim_cur = rl.rlim_max = 500 * MB;
		CALL(prlimit(0, RLIMIT_AS, &rl, &old));
		YES(old.rlim_cur == 1000 * MB && old.rlim_max == 1000 * MB);
		CALL(prlimit(getpid(), RLIMIT_AS, NULL, &old));
		YES(old.rlim_cur == 500 * MB);
		CALL(prlimit(0x7ffffff0, RLIMIT_AS, NULL, &old));
		CALL(prlimit(-1, RLIMIT_AS, NULL, &old));
	}
	IN_CHILD("RLIMIT_STACK 0 and the stack") {
		limit(RLIMIT_STACK, 1 * MB);
		volatile char *deep = __builtin_alloca(4 * MB);
		say("%s", probe(deep, 'w'));
	}
	return 0;
}
