/* SPDX-License-Identifier: Apache-2.0 */
#include "loader/elf.h"

#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "platform/platform.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/mman.h"

#define LINUX_PATH_MAX 4096

int elf_check_header(const void *head, size_t len, uint64_t *ret_phoff, size_t *ret_phsize)
{
	struct linux_elf64_ehdr eh;

	if (len < sizeof(eh))
		return -LINUX_ENOEXEC;
	memcpy(&eh, head, sizeof(eh));
	if (memcmp(eh.e_ident, "\177ELF", 4) != 0)
		return -LINUX_ENOEXEC;
	if (eh.e_type != LINUX_ET_EXEC && eh.e_type != LINUX_ET_DYN)
		return -LINUX_ENOEXEC;
	/* A 32-bit header has other contents there, and i386 and x32 programs another e_machine or e_phentsize. */
	if (eh.e_machine != LINUX_EM_X86_64 || eh.e_phentsize != sizeof(struct linux_elf64_phdr))
		return -LINUX_ENOEXEC;
	if (eh.e_phnum == 0 || eh.e_phnum > ELF_MAX_PHDRS || eh.e_phoff > INT64_MAX - 65536)
		return -LINUX_ENOEXEC;
	*ret_phoff = eh.e_phoff;
	*ret_phsize = eh.e_phnum * sizeof(struct linux_elf64_phdr);
	return 0;
}

/*
 * An image that libelf accepts and that holds what counts: the header, with the parts that Linux ignores made canonical,
 * and the program headers behind it.
 */
static void *elf_canonical_image(const void *head, const void *phdrs, unsigned phnum, size_t *ret_size)
{
	static const uint8_t ident[16] = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT };
	size_t size = sizeof(struct linux_elf64_ehdr) + phnum * sizeof(struct linux_elf64_phdr);
	struct linux_elf64_ehdr eh;
	char *image = malloc(size);

	if (!image)
		return NULL;
	memcpy(&eh, head, sizeof(eh));
	memcpy(eh.e_ident, ident, sizeof(ident));
	eh.e_version = EV_CURRENT;
	eh.e_phoff = eh.e_ehsize = sizeof(eh);
	eh.e_shoff = 0;
	eh.e_shnum = eh.e_shstrndx = eh.e_shentsize = 0;
	memcpy(image, &eh, sizeof(eh));
	memcpy(image + sizeof(eh), phdrs, size - sizeof(eh));
	*ret_size = size;
	return image;
}

static unsigned elf_prot(uint32_t p_flags)
{
	return (p_flags & LINUX_PF_R ? LINUX_PROT_READ : 0) | (p_flags & LINUX_PF_W ? LINUX_PROT_WRITE : 0) |
	       (p_flags & LINUX_PF_X ? LINUX_PROT_EXEC : 0);
}

static int elf_add_load(struct elf_info *info, const Elf64_Phdr *ph, uint64_t e_phoff)
{
	struct elf_load *ld = &info->loads[info->nr_loads];
	uint64_t end;

	if (ph->p_memsz == 0)
		return 0;
	if (ph->p_filesz > ph->p_memsz || ph->p_memsz > GUEST_TASK_SIZE ||
	    __builtin_add_overflow(ph->p_vaddr, ph->p_memsz, &end) || end > GUEST_TASK_SIZE - PAGE_SIZE)
		return -LINUX_ENOEXEC;
	if (!info->dyn && ph->p_vaddr < GUEST_MIN_ADDR)
		return -LINUX_ENOEXEC;
	if (ph->p_filesz &&
	    (ph->p_offset > INT64_MAX - ph->p_memsz || PAGE_OFFSET(ph->p_offset) != PAGE_OFFSET(ph->p_vaddr)))
		return -LINUX_ENOEXEC;
	/* An alignment that is no power of two is no alignment (maximum_alignment in Linux); a wild one can't be met. */
	if (ph->p_align && !(ph->p_align & (ph->p_align - 1))) {
		if (ph->p_align > GUEST_TASK_SIZE / 8)
			return -LINUX_ENOEXEC;
		info->align = MAX(info->align, ph->p_align);
	}
	if (ph->p_offset <= e_phoff && e_phoff - ph->p_offset < ph->p_filesz)
		info->phdr_vaddr = e_phoff - ph->p_offset + ph->p_vaddr;
	*ld = (struct elf_load){ ph->p_vaddr, ph->p_memsz, ph->p_offset, ph->p_filesz, elf_prot(ph->p_flags) };
	info->nr_loads++;
	info->start = MIN(info->start, PAGE_DOWN(ph->p_vaddr));
	info->end = MAX(info->end, PAGE_ALIGN(end));
	return 0;
}

static int elf_add_phdr(struct elf_info *info, const Elf64_Phdr *ph, uint64_t e_phoff)
{
	switch (ph->p_type) {
	case LINUX_PT_LOAD:
		return elf_add_load(info, ph, e_phoff);
	case LINUX_PT_INTERP:
		if (info->interp_size)
			return 0; /* the first one counts */
		if (ph->p_filesz < 2 || ph->p_filesz > LINUX_PATH_MAX || ph->p_offset > INT64_MAX - ph->p_filesz)
			return -LINUX_ENOEXEC;
		info->interp_offset = ph->p_offset;
		info->interp_size = ph->p_filesz;
		return 0;
	case LINUX_PT_GNU_STACK:
		info->exec_stack = ph->p_flags & LINUX_PF_X;
		return 0;
	default:
		return 0;
	}
}

static int load_compare(const void *a, const void *b)
{
	const struct elf_load *x = a, *y = b;

	return x->vaddr < y->vaddr ? -1 : x->vaddr > y->vaddr;
}

/*
 * Segments may come in any order and share a page, but not a byte: which one would win is not defined, and Linux's answer is an
 * accident of mapping order.
 */
static int elf_check_overlap(const struct elf_info *info)
{
	struct elf_load *sorted = malloc(info->nr_loads * sizeof(*sorted));
	int err = 0;

	if (!sorted)
		return -LINUX_ENOMEM;
	memcpy(sorted, info->loads, info->nr_loads * sizeof(*sorted));
	qsort(sorted, info->nr_loads, sizeof(*sorted), load_compare);
	for (unsigned i = 1; i < info->nr_loads; i++)
		if (sorted[i].vaddr < sorted[i - 1].vaddr + sorted[i - 1].memsz)
			err = -LINUX_ENOEXEC;
	free(sorted);
	return err;
}

static int elf_parse_image(Elf *elf, uint64_t e_phoff, struct elf_info *info)
{
	const Elf64_Ehdr *eh = elf ? elf64_getehdr(elf) : NULL;
	const Elf64_Phdr *ph = eh ? elf64_getphdr(elf) : NULL;
	int err;

	if (!ph)
		return -LINUX_ENOEXEC;
	info->dyn = eh->e_type == LINUX_ET_DYN;
	info->entry = eh->e_entry;
	info->phnum = eh->e_phnum;
	info->loads = calloc(info->phnum, sizeof(*info->loads));
	if (!info->loads)
		return -LINUX_ENOMEM;
	for (unsigned i = 0; i < info->phnum; i++) {
		err = elf_add_phdr(info, &ph[i], e_phoff);
		if (err)
			return err;
	}
	if (!info->nr_loads)
		return -LINUX_ENOEXEC;
	/* A relative entry point outside would, with the load address added, be anything. */
	if (info->entry >= GUEST_TASK_SIZE)
		return -LINUX_ENOEXEC;
	return elf_check_overlap(info);
}

int elf_parse(const void *head, const void *phdrs, struct elf_info *ret)
{
	struct elf_info info = { .start = UINT64_MAX, .align = PAGE_SIZE };
	struct linux_elf64_ehdr eh;
	size_t size;
	char *image;
	Elf *elf;
	int err;

	memcpy(&eh, head, sizeof(eh));
	image = elf_canonical_image(head, phdrs, eh.e_phnum, &size);
	if (!image)
		return -LINUX_ENOMEM;
	elf_version(EV_CURRENT);
	elf = elf_memory(image, size);
	err = elf_parse_image(elf, eh.e_phoff, &info);
	elf_end(elf);
	free(image);
	if (err)
		elf_info_fini(&info);
	else
		*ret = info;
	return err;
}

void elf_info_fini(struct elf_info *info)
{
	free(info->loads);
	info->loads = NULL;
	info->nr_loads = 0;
}
