/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Not a guest program: loaded into sentry itself (LD_PRELOAD), it makes a thread of it stick when the guest asks for so many random
 * bytes.  For tests/e2e/stuck.sh.
 *
 *     71   the thread loops for ever
 *     73   it sleeps for ever in a call of the host
 *     79   so does every thread that allocates or frees memory from then on, whatever lock it holds
 */
#define _GNU_SOURCE 1
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_bool all;

static void sleep_for_ever(void)
{
	for (;;)
		syscall(SYS_ppoll, NULL, 0, NULL, NULL, 8);
}

ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
	if (len == 71)
		for (;;)
			__asm__ volatile("pause");
	if (len == 73)
		sleep_for_ever();
	if (len == 79)
		atomic_store(&all, true);
	return syscall(SYS_getrandom, buf, len, flags);
}

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t nr, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void __libc_free(void *p);

static void check(void)
{
	if (atomic_load_explicit(&all, memory_order_relaxed))
		sleep_for_ever();
}

void *malloc(size_t size)
{
	check();
	return __libc_malloc(size);
}

void *calloc(size_t nr, size_t size)
{
	check();
	return __libc_calloc(nr, size);
}

void *realloc(void *p, size_t size)
{
	check();
	return __libc_realloc(p, size);
}

void free(void *p)
{
	check();
	__libc_free(p);
}
