/* SPDX-License-Identifier: Apache-2.0 */
/* mmap(2) and munmap(2): every refusal that does not depend on the machine. */
#include "tests/contract/contract.h"

int main(void)
{
	int rw, ro, wo, dir, pipes[2];
	char *p;

	scratch();
	rw = page_file("rw", 2 * PAGE);
	ro = MUST(open("rw", O_RDONLY));
	wo = MUST(open("rw", O_WRONLY));
	dir = MUST(open(".", O_RDONLY | O_DIRECTORY));
	MUST(pipe(pipes));
	SECTION("lengths and offsets");
	PTR(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	PTR(mmap(NULL, -1UL, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	PTR(mmap(NULL, -PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	PTR(mmap(NULL, 1UL << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	PTR((void *)syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, rw, 1L));
	PTR((void *)syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, rw, -PAGE));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, rw, 100 * PAGE));
	PTR((void *)syscall(SYS_mmap, NULL, PAGE, PROT_READ, MAP_PRIVATE, rw, 0x7ffffffffffff000L));
	SECTION("flags");
	PTR(mmap(NULL, PAGE, PROT_READ, 0, rw, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE | 0x8000000, rw, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED_VALIDATE, rw, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | 0x8000000, rw, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN, -1, 0));
	SECTION("descriptors");
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 9999, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, pipes[0], 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wo, 0));
	PTR(mmap(NULL, PAGE, PROT_WRITE, MAP_SHARED, wo, 0));
	PTR(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, ro, 0));
	PTR(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, ro, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, ro, 0));
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 9999, 0));
	SECTION("fixed addresses");
	PTR(mmap((void *)1, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	PTR(mmap((void *)(1UL << 62), PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	PTR(mmap((void *)0x7ffffffff000, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	SECTION("munmap");
	p = mmap(NULL, 4 * PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CALL(munmap(p + 1, PAGE));
	CALL(munmap(p, 0));
	CALL(munmap(p, -1UL));
	CALL(munmap((void *)(1UL << 62), PAGE));
	CALL(munmap(p + PAGE, 1));
	PROBE(p, r);
	PROBE(p + PAGE, r);
	PROBE(p + 2 * PAGE, r);
	CALL(munmap(p + PAGE, PAGE));
	CALL(munmap(p, 4 * PAGE));
	CALL(munmap(p, 4 * PAGE));
	return 0;
}
