/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mapping the segments of an ELF file, as fs/binfmt_elf.c does.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/binfmt.h"
#include "sentry/abi/fs.h"
#include "sentry/abi/mman.h"
#include "sentry/mm/uaccess.h"

int elf_object_read(struct file *f, const void *head, size_t len, struct elf_object *ret)
{
	uint64_t phoff;
	size_t phsize;
	int64_t n;
	void *phdrs;
	int err;

	err = elf_check_header(head, len, &phoff, &phsize);
	if (err)
		return err;
	phdrs = malloc(phsize);
	if (!phdrs)
		return -LINUX_ENOMEM;
	n = kernel_read(f, phdrs, phsize, phoff);
	err = n == (int64_t)phsize ? elf_parse(head, phdrs, &ret->info) : -LINUX_ENOEXEC;
	free(phdrs);
	ret->file = f;
	ret->bias = 0;
	return err;
}

void elf_object_fini(struct elf_object *obj)
{
	elf_info_fini(&obj->info);
}

static int64_t elf_mmap(struct mm *mm, uaddr_t addr, uint64_t len, unsigned prot, unsigned flags, struct file *f,
			uint64_t off)
{
	struct mmap_args a = {
		.addr = addr,
		.len = len,
		.prot = prot,
		.flags = LINUX_MAP_PRIVATE | flags | (f ? LINUX_MAP_DENYWRITE : LINUX_MAP_ANONYMOUS),
		.off = off,
		.file = f ? &f->vm : NULL,
		.noexec = f && f->path.mnt && (f->path.mnt->flags & LINUX_MS_NOEXEC),
	};
	int err;

	if (f) {
		err = f->ops->mmap ? f->ops->mmap(f, &a) : -LINUX_ENOEXEC;
		if (err)
			return err;
	}
	return mm_mmap(mm, &a);
}

/*
 * Zeroes what the last file page has behind the segment's data, on a private copy.  Where the file was cut off before that page
 * there is nothing to zero, and no program.
 */
static int elf_clear_tail(struct mm *mm, uaddr_t addr)
{
	static const char zeroes[PAGE_SIZE];
	size_t len = PAGE_ALIGN(addr) - addr;

	return mm_copy_to(mm, addr, zeroes, len, false) == len ? 0 : -LINUX_ENOEXEC;
}

/*
 * The file's pages, and behind them whole anonymous pages for .bss.  A segment that isn't writable keeps the file's bytes in
 * its tail, as on Linux.
 */
static int elf_map_load(struct mm *mm, struct elf_object *obj, const struct elf_load *ld)
{
	uaddr_t addr = ld->vaddr + obj->bias;
	uaddr_t page = PAGE_DOWN(addr);
	uaddr_t file_end = addr + ld->filesz, end = addr + ld->memsz;
	uaddr_t anon = ld->filesz ? PAGE_ALIGN(file_end) : page;
	int64_t ret;

	if (ld->filesz) {
		ret = elf_mmap(mm, page, file_end - page, ld->prot, LINUX_MAP_FIXED, obj->file,
			       ld->offset - PAGE_OFFSET(addr));
		if (ret < 0)
			return (int)ret;
		if (end > file_end && PAGE_OFFSET(file_end) && (ld->prot & LINUX_PROT_WRITE)) {
			int err = elf_clear_tail(mm, file_end);

			if (err)
				return err;
		}
	}
	if (PAGE_ALIGN(end) <= anon)
		return 0;
	ret = elf_mmap(mm, anon, PAGE_ALIGN(end) - anon,
		       LINUX_PROT_READ | LINUX_PROT_WRITE | (ld->prot & LINUX_PROT_EXEC), LINUX_MAP_FIXED, NULL, 0);
	return ret < 0 ? (int)ret : 0;
}

/*
 * Reserves the whole span before the first segment, so that no segment lands on something else.  The holes between
 * segments are given back: the mm is private, nothing can come in between.  The bias of a relocatable object is a multiple of the
 * largest alignment.
 */
static int elf_reserve(struct mm *mm, struct elf_object *obj, uaddr_t hint)
{
	const struct elf_info *info = &obj->info;
	uint64_t size = info->end - info->start, mask = ~(info->align - 1);
	unsigned flags = LINUX_MAP_NORESERVE;
	uaddr_t addr = 0;
	int64_t ret;

	if (!info->dyn) {
		addr = info->start;
	} else if (hint) {
		obj->bias = (hint - info->start) & mask;
		addr = obj->bias + info->start;
	} else {
		size += info->align - PAGE_SIZE;
	}
	if (addr)
		flags |= LINUX_MAP_FIXED_NOREPLACE;
	ret = elf_mmap(mm, addr, size, LINUX_PROT_NONE, flags, NULL, 0);
	if (ret < 0)
		return ret == -LINUX_EEXIST ? -LINUX_ENOEXEC : (int)ret;
	if (!addr)
		obj->bias = ((uaddr_t)ret - info->start + ~mask) & mask;
	return mm_munmap(mm, (uaddr_t)ret, size);
}

int elf_object_map(struct mm *mm, struct elf_object *obj, uaddr_t hint)
{
	int err = elf_reserve(mm, obj, hint);

	for (unsigned i = 0; !err && i < obj->info.nr_loads; i++)
		err = elf_map_load(mm, obj, &obj->info.loads[i]);
	return err;
}
