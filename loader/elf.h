/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ELF64 headers, checked.  A pure core: it sees bytes and tells what they mean, or -LINUX_ENOEXEC.  What it accepts is safe
 * to map: every sum was checked, no segment leaves the guest's address space, none overlaps another.
 *
 * libelf reads the headers; the limits are ours, because libelf checks that a header can be read and not that it makes sense.
 * As in Linux, e_ident beyond the magic, e_version, the section headers and PT_TLS and PT_GNU_PROPERTY are not looked at.
 */
#ifndef SENTRY_LOADER_ELF_H
#define SENTRY_LOADER_ELF_H

#include "sentry/abi/elf.h"
#include "sentry/base/types.h"

/* The program headers may fill 64 KiB (load_elf_phdrs in Linux). */
#define ELF_MAX_PHDRS (65536 / sizeof(struct linux_elf64_phdr))

struct elf_load {
	uint64_t vaddr, memsz; /* in bytes; memsz > 0 */
	uint64_t offset, filesz; /* congruent to vaddr modulo the page size; filesz <= memsz */
	unsigned prot; /* LINUX_PROT_* */
};

struct elf_info {
	bool dyn;	     /* ET_DYN: addresses are relative */
	uint64_t entry;
	uint64_t phdr_vaddr; /* of the program headers in memory, 0 when no segment holds them */
	unsigned phnum;
	struct elf_load *loads; /* malloc; in the file's order, at least one */
	unsigned nr_loads;
	uint64_t start, end; /* of all loads, page aligned */
	uint64_t align;	     /* largest alignment asked for; a power of two, at least a page */
	uint64_t interp_offset, interp_size; /* PT_INTERP with its NUL; size 0: none */
	bool exec_stack;     /* PT_GNU_STACK asks for it; without one the stack is not executable on x86-64 */
};

/*
 * Checks the first @len bytes of a file for an ELF header and says where its program headers are.  0, or -LINUX_ENOEXEC.
 */
int elf_check_header(const void *head, size_t len, uint64_t *ret_phoff, size_t *ret_phsize);
/* @phdrs: the *ret_phsize bytes there.  0 with *ret filled (elf_info_fini), -LINUX_ENOEXEC or -LINUX_ENOMEM. */
int elf_parse(const void *head, const void *phdrs, struct elf_info *ret);
void elf_info_fini(struct elf_info *info);

#endif
