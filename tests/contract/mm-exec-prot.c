/* SPDX-License-Identifier: Apache-2.0 */
/* PROT_EXEC through splits, merges and copies: code made at run time keeps running, and data never becomes code. */
#include "tests/contract/contract.h"
#include "tests/contract/maps.h"

/* mov $imm, %eax; ret */
static void emit(char *at, int value)
{
	at[0] = (char)0xb8;
	memcpy(at + 1, &value, 4);
	at[5] = (char)0xc3;
}

static int call(const char *at)
{
	return ((int (*)(void))(uintptr_t)at)();
}

#define N 16
#define RX (PROT_READ | PROT_EXEC)
#define RW (PROT_READ | PROT_WRITE)

static int sum(const char *p)
{
	int s = 0;

	for (int i = 0; i < N; i++)
		s = s * 3 + call(p + i * PAGE);
	return s;
}

int main(void)
{
	char *p = mmap(NULL, N * PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q, *r;
	int fd;

	for (int i = 0; i < N; i++)
		emit(p + i * PAGE, i + 1);
	SECTION("no execution without PROT_EXEC");
	PROBE(p, x);
	SECTION("made executable");
	CALL(mprotect(p, N * PAGE, RX));
	SHOW(sum(p));
	PROBE(p, w);
	SECTION("one page rewritten in the middle");
	CALL(mprotect(p + 5 * PAGE, PAGE, RW));
	PROBE(p + 5 * PAGE, x);
	emit(p + 5 * PAGE, 1000);
	SHOW(call(p + 4 * PAGE));
	CALL(mprotect(p + 5 * PAGE, PAGE, RX));
	SHOW(sum(p));
	SECTION("many splits and merges");
	for (int i = 0; i < N; i += 2)
		MUST(mprotect(p + i * PAGE, PAGE, PROT_NONE));
	PROBE(p + 2 * PAGE, x);
	SHOW(call(p + 3 * PAGE));
	for (int i = 0; i < N; i += 2)
		MUST(mprotect(p + i * PAGE, PAGE, RX));
	SHOW(sum(p));
	CALL(munmap(p + 8 * PAGE, PAGE));
	SHOW(call(p + 7 * PAGE) + call(p + 9 * PAGE));
	PROBE(p + 8 * PAGE, x);
	YES(mmap(p + 8 * PAGE, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + 8 * PAGE);
	emit(p + 8 * PAGE, 9);
	CALL(mprotect(p + 8 * PAGE, PAGE, RX));
	SHOW(sum(p));
	SECTION("after fork, in both");
	IN_CHILD("child") {
		SHOW(sum(p));
		MUST(mprotect(p, PAGE, RW | PROT_EXEC));
		emit(p, 77);
		SHOW(call(p));
	}
	SHOW(sum(p));
	SECTION("writable and executable: the new code runs at once");
	CALL(mprotect(p, N * PAGE, RW | PROT_EXEC));
	int s = 0;
	for (int i = 0; i < 500; i++) {
		emit(p + i % N * PAGE, i);
		s += call(p + i % N * PAGE);
	}
	SHOW(s);
	SECTION("code of a file, through two views");
	scratch();
	fd = MUST(open("code", O_RDWR | O_CREAT, 0755));
	MUST(ftruncate(fd, 2 * PAGE));
	q = mmap(NULL, 2 * PAGE, RW, MAP_SHARED, fd, 0);
	r = mmap(NULL, 2 * PAGE, RX, MAP_SHARED, fd, 0);
	emit(q, 5);
	emit(q + PAGE, 6);
	SHOW(call(r) * 10 + call(r + PAGE));
	emit(q, 7);
	SHOW(call(r) * 10 + call(r + PAGE));
	PROBE(r, w);
	PROBE(q, x);
	SECTION("PROT_EXEC alone");
	char *e = mmap(NULL, PAGE, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	emit(e, 3);
	CALL(mprotect(e, PAGE, PROT_EXEC));
	SHOW(call(e));
	PROBE(e, w);
	SECTION("a split of what was not touched yet leaves the rest executable");
	int fd2 = MUST(open("code2", O_RDWR | O_CREAT, 0755));
	MUST(ftruncate(fd2, 4 * PAGE));
	q = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd2, 0);
	for (int i = 0; i < 4; i++)
		emit(q + i * PAGE, 50 + i);
	for (int shared = 0; shared < 2; shared++) {
		struct map_line m;

		r = mmap(NULL, 4 * PAGE, RX, shared ? MAP_SHARED : MAP_PRIVATE, fd2, 0);
		CALL(munmap(r + PAGE, PAGE));
		PROBE(r + 2 * PAGE, x);
		PROBE(r, x);
		SHOW(call(r + 3 * PAGE));
		CALL(mprotect(r + 2 * PAGE, PAGE, PROT_READ));
		PROBE(r + 2 * PAGE, x);
		SHOW(call(r + 3 * PAGE));
		YES(maps_lookup(r + 3 * PAGE, &m, false) && m.perms[2] == 'x');
	}
	return 0;
}
