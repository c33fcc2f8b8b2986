/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One of the libraries that the dl-* programs load, built a hundred times with a different LIB.  Sizes differ from library to
 * library, so that their mappings land in ever new places.
 */
#define PASTE(a, b) a##b
#define NAME(prefix, n) PASTE(prefix, n)

/* In the program. */
extern void dl_event(int lib, int what);

static const char padding[LIB * 1700 + 1] = { LIB };
static int zero[LIB * 300 + 7];
static int counter = LIB * 10;
static __thread int tls = LIB + 1000;

static int twice(int x) { return 2 * x + counter; }
static int thrice(int x) { return 3 * x + padding[0]; }

/* A table with relocations, in RELRO. */
static int (*const table[])(int) = { twice, thrice, twice };
static int *pointer = &counter;

__attribute__((constructor)) static void constructed(void)
{
	dl_event(LIB, counter == LIB * 10 && zero[0] == 0 && zero[LIB * 300 + 6] == 0 && *pointer == counter ? 1 : 100);
	zero[0] = zero[LIB * 300 + 6] = 77;
	counter++;
}

__attribute__((destructor)) static void destructed(void)
{
	dl_event(LIB, counter == LIB * 10 + 1 ? 2 : 200);
	counter = -1;
}

int dl_check(int x)
{
	return table[x % 3](x) + tls++ + padding[sizeof(padding) - 1];
}

int NAME(dl_number_, LIB)(void)
{
	return LIB;
}
