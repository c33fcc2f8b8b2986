/* SPDX-License-Identifier: Apache-2.0 */
/*
 * elf(5): what the loader and /proc need of it.  ELF64, x86-64.
 */
#ifndef SENTRY_ABI_ELF_H
#define SENTRY_ABI_ELF_H

#include "sentry/base/types.h"

#define LINUX_ET_EXEC 2
#define LINUX_ET_DYN 3
#define LINUX_EM_X86_64 62

#define LINUX_PT_LOAD 1
#define LINUX_PT_INTERP 3
#define LINUX_PT_GNU_STACK 0x6474e551

#define LINUX_PF_X 1
#define LINUX_PF_W 2
#define LINUX_PF_R 4

struct linux_elf64_ehdr {
	uint8_t e_ident[16];
	uint16_t e_type, e_machine;
	uint32_t e_version;
	uint64_t e_entry, e_phoff, e_shoff;
	uint32_t e_flags;
	uint16_t e_ehsize, e_phentsize, e_phnum, e_shentsize, e_shnum, e_shstrndx;
};
static_assert(sizeof(struct linux_elf64_ehdr) == 64, "Elf64_Ehdr");

struct linux_elf64_phdr {
	uint32_t p_type, p_flags;
	uint64_t p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align;
};
static_assert(sizeof(struct linux_elf64_phdr) == 56, "Elf64_Phdr");

/* The auxiliary vector, getauxval(3). */
#define LINUX_AT_NULL 0
#define LINUX_AT_PHDR 3
#define LINUX_AT_PHENT 4
#define LINUX_AT_PHNUM 5
#define LINUX_AT_PAGESZ 6
#define LINUX_AT_BASE 7
#define LINUX_AT_FLAGS 8
#define LINUX_AT_ENTRY 9
#define LINUX_AT_UID 11
#define LINUX_AT_EUID 12
#define LINUX_AT_GID 13
#define LINUX_AT_EGID 14
#define LINUX_AT_PLATFORM 15
#define LINUX_AT_HWCAP 16
#define LINUX_AT_CLKTCK 17
#define LINUX_AT_SECURE 23
#define LINUX_AT_RANDOM 25
#define LINUX_AT_HWCAP2 26
#define LINUX_AT_RSEQ_FEATURE_SIZE 27
#define LINUX_AT_RSEQ_ALIGN 28
#define LINUX_AT_EXECFN 31
#define LINUX_AT_SYSINFO_EHDR 33
#define LINUX_AT_MINSIGSTKSZ 51

#define LINUX_HWCAP2_FSGSBASE 2

#endif
