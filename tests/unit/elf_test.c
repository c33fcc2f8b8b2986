/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF validation against headers that no linker would write.
 */
#include "loader/elf.h"

#include <criterion/criterion.h>
#include <string.h>

#include "platform/platform.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/mman.h"

#define BASE 0x400000UL
#define MAX_PHDRS 8

TestSuite(elf, .timeout = 400);

/* A good program of two segments, to be spoilt. */
struct sample {
	struct linux_elf64_ehdr eh;
	struct linux_elf64_phdr ph[MAX_PHDRS];
};

static struct sample good(uint16_t type)
{
	uint64_t base = type == LINUX_ET_EXEC ? BASE : 0;
	struct sample s = {
		.eh = { .e_ident = { 0x7f, 'E', 'L', 'F', 2, 1, 1 },
			.e_type = type,
			.e_machine = LINUX_EM_X86_64,
			.e_version = 1,
			.e_entry = base + 0x1000,
			.e_phoff = sizeof(struct linux_elf64_ehdr),
			.e_ehsize = 64,
			.e_phentsize = sizeof(struct linux_elf64_phdr),
			.e_phnum = 2 },
		.ph = { { LINUX_PT_LOAD, LINUX_PF_R | LINUX_PF_X, 0, base, base, 0x1800, 0x1800, 0x1000 },
			{ LINUX_PT_LOAD, LINUX_PF_R | LINUX_PF_W, 0x1e00, base + 0x2e00, 0, 0x200, 0x5000, 0x1000 } },
	};

	return s;
}

static int parse(const struct sample *s, struct elf_info *info)
{
	uint64_t phoff;
	size_t phsize;
	int err = elf_check_header(&s->eh, sizeof(s->eh), &phoff, &phsize);

	return err ? err : elf_parse(&s->eh, s->ph, info);
}

static void assert_refused(const struct sample *s, const char *what)
{
	struct elf_info info;

	cr_assert_eq(parse(s, &info), -LINUX_ENOEXEC, "%s", what);
}

Test(elf, good_exec)
{
	struct sample s = good(LINUX_ET_EXEC);
	struct elf_info info;

	cr_assert_eq(parse(&s, &info), 0);
	cr_assert(!info.dyn);
	cr_assert_eq(info.entry, BASE + 0x1000);
	cr_assert_eq(info.nr_loads, 2);
	cr_assert_eq(info.start, BASE);
	cr_assert_eq(info.end, BASE + 0x8000);
	cr_assert_eq(info.phdr_vaddr, BASE + 64);
	cr_assert_eq(info.align, PAGE_SIZE);
	cr_assert_eq(info.loads[0].prot, LINUX_PROT_READ | LINUX_PROT_EXEC);
	cr_assert_eq(info.loads[1].filesz, 0x200);
	cr_assert(!info.exec_stack);
	elf_info_fini(&info);
}

Test(elf, ident_beyond_the_magic_is_not_looked_at)
{
	struct sample s = good(LINUX_ET_DYN);
	struct elf_info info;

	memset(s.eh.e_ident + 4, 0xff, 12);
	s.eh.e_version = 77;
	s.eh.e_shoff = UINT64_MAX;
	s.eh.e_shnum = 65535;
	cr_assert_eq(parse(&s, &info), 0);
	cr_assert(info.dyn);
	elf_info_fini(&info);
}

Test(elf, stack_and_interpreter)
{
	struct sample s = good(LINUX_ET_DYN);
	struct elf_info info;

	s.eh.e_phnum = 5;
	s.ph[2] = (struct linux_elf64_phdr){ LINUX_PT_GNU_STACK, 7, 0, 0, 0, 0, 0, 16 };
	s.ph[3] = (struct linux_elf64_phdr){ LINUX_PT_INTERP, 4, 0x2a8, 0x2a8, 0, 28, 28, 1 };
	s.ph[4] = (struct linux_elf64_phdr){ LINUX_PT_INTERP, 4, 0x1000, 0x1000, 0, 1, 1, 1 };
	cr_assert_eq(parse(&s, &info), 0, "only the first PT_INTERP counts");
	cr_assert(info.exec_stack);
	cr_assert_eq(info.interp_offset, 0x2a8);
	cr_assert_eq(info.interp_size, 28);
	elf_info_fini(&info);
}

Test(elf, headers)
{
	static const uint8_t short_file[63];
	struct sample s;
	uint64_t phoff;
	size_t phsize;

	cr_assert_eq(elf_check_header(short_file, sizeof(short_file), &phoff, &phsize), -LINUX_ENOEXEC);
	cr_assert_eq(elf_check_header(short_file, 0, &phoff, &phsize), -LINUX_ENOEXEC);
#define SPOIL(change)                                                                                                  \
	do {                                                                                                           \
		s = good(LINUX_ET_EXEC);                                                                               \
		change;                                                                                                \
		assert_refused(&s, #change);                                                                           \
	} while (0)
	SPOIL(s.eh.e_ident[0] = 0);
	SPOIL(s.eh.e_ident[3] = 'f');
	SPOIL(s.eh.e_type = 1);
	SPOIL(s.eh.e_type = 4);
	SPOIL(s.eh.e_machine = 3);
	SPOIL(s.eh.e_machine = 183);
	SPOIL(s.eh.e_phentsize = 32);
	SPOIL(s.eh.e_phentsize = 0);
	SPOIL(s.eh.e_phnum = 0);
	SPOIL(s.eh.e_phnum = ELF_MAX_PHDRS + 1);
	SPOIL(s.eh.e_phnum = 0xffff);
	SPOIL(s.eh.e_phoff = UINT64_MAX);
	SPOIL(s.eh.e_phoff = INT64_MAX);
}

Test(elf, thirty_two_bits)
{
	/* An Elf32_Ehdr for i386, and one that claims x86-64 (x32). */
	uint8_t head[64] = { 0x7f, 'E', 'L', 'F', 1, 1, 1 };
	uint64_t phoff;
	size_t phsize;

	head[16] = 2;
	head[18] = 3;
	cr_assert_eq(elf_check_header(head, sizeof(head), &phoff, &phsize), -LINUX_ENOEXEC);
	head[18] = 62;
	head[42] = 32; /* its e_phentsize */
	cr_assert_eq(elf_check_header(head, sizeof(head), &phoff, &phsize), -LINUX_ENOEXEC);
}

Test(elf, segments)
{
	struct sample s;

	SPOIL(s.ph[0].p_type = s.ph[1].p_type = 0);
	SPOIL(s.ph[0].p_memsz = s.ph[0].p_filesz = s.ph[1].p_memsz = s.ph[1].p_filesz = 0);
	SPOIL(s.ph[1].p_memsz = s.ph[1].p_filesz - 1);
	SPOIL(s.ph[1].p_memsz = UINT64_MAX);
	SPOIL(s.ph[1].p_memsz = GUEST_TASK_SIZE);
	SPOIL(s.ph[1].p_memsz = -s.ph[1].p_vaddr);
	SPOIL(s.ph[1].p_vaddr = GUEST_TASK_SIZE + 0xe00);
	SPOIL(s.ph[1].p_vaddr = 0xffffffffff600e00);
	SPOIL(s.ph[1].p_vaddr = -0x200UL);
	SPOIL(s.ph[0].p_vaddr = 0);
	SPOIL(s.ph[0].p_vaddr = GUEST_MIN_ADDR - 0x1000);
	SPOIL(s.ph[1].p_vaddr += 0x10);
	SPOIL(s.ph[1].p_offset += 1);
	SPOIL(s.ph[1].p_offset = UINT64_MAX - 0x1ff);
	SPOIL(s.ph[1].p_align = 1UL << 63);
	SPOIL(s.eh.e_entry = UINT64_MAX);
	SPOIL(s.eh.e_entry = GUEST_TASK_SIZE);
}

Test(elf, overlap)
{
	struct elf_info info;
	struct sample s;

	SPOIL(s.ph[1].p_vaddr = BASE + 0xe00);
	SPOIL(s.ph[1] = s.ph[0]);
	/* The other order of the file. */
	SPOIL(s.ph[0].p_memsz = 0x10000);
	/* Sharing a page is no overlap: linkers without separate-code do it. */
	s = good(LINUX_ET_EXEC);
	s.ph[1].p_vaddr = BASE + 0x1e00;
	cr_assert_eq(parse(&s, &info), 0);
	elf_info_fini(&info);
}

Test(elf, interpreter_name)
{
	struct sample s;

#define INTERP(...) s.eh.e_phnum = 3, s.ph[2] = (struct linux_elf64_phdr){ LINUX_PT_INTERP, 4, __VA_ARGS__ }
	SPOIL(INTERP(0x100, 0, 0, 1, 1, 1));
	SPOIL(INTERP(0x100, 0, 0, 4097, 4097, 1));
	SPOIL(INTERP(0x100, 0, 0, UINT64_MAX, 0, 1));
	SPOIL(INTERP(UINT64_MAX - 8, 0, 0, 16, 16, 1));
}

Test(elf, alignment_is_the_largest_power_of_two)
{
	struct sample s = good(LINUX_ET_DYN);
	struct elf_info info;

	s.ph[0].p_align = 0x200000;
	s.ph[1].p_align = 0x300000;
	cr_assert_eq(parse(&s, &info), 0);
	cr_assert_eq(info.align, 0x200000);
	elf_info_fini(&info);
}

Test(elf, headers_outside_of_all_segments)
{
	struct sample s = good(LINUX_ET_DYN);
	struct elf_info info;

	s.eh.e_phoff = 0x100000;
	cr_assert_eq(parse(&s, &info), 0);
	cr_assert_eq(info.phdr_vaddr, 0);
	elf_info_fini(&info);
}

Test(elf, many_segments)
{
	static struct linux_elf64_phdr ph[ELF_MAX_PHDRS];
	struct sample s = good(LINUX_ET_DYN);
	struct elf_info info;

	s.eh.e_phnum = ELF_MAX_PHDRS;
	/* Backwards, so that sorting has something to do. */
	for (unsigned i = 0; i < ELF_MAX_PHDRS; i++)
		ph[i] = (struct linux_elf64_phdr){ LINUX_PT_LOAD, 4, 0, (ELF_MAX_PHDRS - i) * PAGE_SIZE, 0, 1,
						   PAGE_SIZE,	  0 };
	cr_assert_eq(elf_parse(&s.eh, ph, &info), 0);
	cr_assert_eq(info.nr_loads, ELF_MAX_PHDRS);
	elf_info_fini(&info);
	ph[7].p_memsz++;
	cr_assert_eq(elf_parse(&s.eh, ph, &info), -LINUX_ENOEXEC);
}
