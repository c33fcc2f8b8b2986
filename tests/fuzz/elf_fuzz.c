/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: ELF headers.  What elf_parse accepts must hold what loader/elf.h promises.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -I. tests/fuzz/elf_fuzz.c loader/elf.c -lelf
 *
 * Built without a fuzzer (-DFUZZ_MAIN) it mutates a good header a given number of times, for `make check`.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader/elf.h"
#include "platform/platform.h"

static void require(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "elf_fuzz: broken promise: %s\n", what);
	abort();
}

static void check_load(const struct elf_info *info, const struct elf_load *ld)
{
	require(ld->memsz > 0 && ld->filesz <= ld->memsz, "sizes");
	require(ld->vaddr + ld->memsz > ld->vaddr && ld->vaddr + ld->memsz <= GUEST_TASK_SIZE, "inside the guest");
	require(ld->vaddr >= info->start && ld->vaddr + ld->memsz <= info->end, "inside the span");
	require(!ld->filesz || PAGE_OFFSET(ld->offset) == PAGE_OFFSET(ld->vaddr), "congruent");
	require(info->dyn || ld->vaddr >= GUEST_MIN_ADDR, "above mmap_min_addr");
}

static void check(const struct elf_info *info)
{
	require(info->nr_loads > 0 && info->nr_loads <= info->phnum, "loads");
	require(info->align >= PAGE_SIZE && !(info->align & (info->align - 1)), "alignment");
	require(info->start < info->end && info->end <= GUEST_TASK_SIZE, "span");
	for (unsigned i = 0; i < info->nr_loads; i++) {
		check_load(info, &info->loads[i]);
		for (unsigned j = 0; j < i; j++) {
			const struct elf_load *a = &info->loads[i], *b = &info->loads[j];

			require(a->vaddr >= b->vaddr + b->memsz || b->vaddr >= a->vaddr + a->memsz, "no overlap");
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_info info;
	uint64_t phoff;
	size_t phsize;

	if (elf_check_header(data, size, &phoff, &phsize) || phoff > size || phsize > size - phoff)
		return 0;
	if (elf_parse(data, data + phoff, &info))
		return 0;
	check(&info);
	elf_info_fini(&info);
	return 0;
}

#ifdef FUZZ_MAIN
#define NR_PHDRS 4

static void good(uint8_t *buf)
{
	struct linux_elf64_ehdr eh = { .e_ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
				       .e_type = LINUX_ET_DYN,
				       .e_machine = LINUX_EM_X86_64,
				       .e_phoff = 64,
				       .e_phentsize = 56,
				       .e_phnum = NR_PHDRS };
	struct linux_elf64_phdr ph[NR_PHDRS] = { { LINUX_PT_LOAD, 5, 0, 0, 0, 0x1000, 0x1000, 0x1000 },
						 { LINUX_PT_LOAD, 6, 0x2000, 0x3000, 0, 0x10, 0x9000, 0x1000 },
						 { LINUX_PT_INTERP, 4, 0x300, 0x300, 0, 28, 28, 1 },
						 { LINUX_PT_GNU_STACK, 6, 0, 0, 0, 0, 0, 16 } };

	memcpy(buf, &eh, sizeof(eh));
	memcpy(buf + sizeof(eh), ph, sizeof(ph));
}

/* Values that sums stumble over. */
static uint64_t nasty(void)
{
	static const uint64_t values[] = { 0,	       1,	  0xfff,	   0x1000,   INT64_MAX,
					   UINT64_MAX, 1UL << 63, GUEST_TASK_SIZE, 1UL << 47 };

	return values[rand() % (int)ARRAY_SIZE(values)] + (uint64_t)(rand() % 5) - 2;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 100000;
	uint8_t buf[64 + NR_PHDRS * 56];

	srand(argc > 2 ? (unsigned)atoi(argv[2]) : 1);
	for (int i = 0; i < rounds; i++) {
		good(buf);
		for (int n = rand() % 6; n >= 0; n--) {
			size_t at = (size_t)rand() % (sizeof(buf) / 8) * 8;
			uint64_t v = nasty();

			if (rand() % 2)
				memcpy(buf + at, &v, 8);
			else
				buf[(size_t)rand() % sizeof(buf)] ^= (uint8_t)(1 << rand() % 8);
		}
		LLVMFuzzerTestOneInput(buf, sizeof(buf));
	}
	return 0;
}
#endif
