/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory syscalls: what they add to sentry/mm is the file behind a descriptor.
 */
#include "sentry/abi/fs.h"
#include "sentry/abi/mman.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/mm.h"
#include "sentry/sys/syscall.h"
#include "vfs/vfs.h"

/* --- mmap --- */

/* A kernel with huge pages and none of them free: known sizes are out of memory, others do not exist. */
static int64_t mmap_hugetlb(unsigned flags)
{
	unsigned order = (flags >> LINUX_MAP_HUGE_SHIFT) & LINUX_MAP_HUGE_MASK;

	return order == 0 || order == 21 || order == 30 ? -LINUX_ENOMEM : -LINUX_EINVAL;
}

/* Shared anonymous memory is an unlinked file of shared memory. */
static int64_t mmap_shared_anon(struct mmap_args *a)
{
	_cleanup_fput_ struct file *f = NULL;
	struct frame_stats st;

	if (!a->len)
		return -LINUX_EINVAL;
	if (a->flags & LINUX_MAP_GROWSDOWN)
		return -LINUX_EINVAL;
	if (a->len > GUEST_TASK_SIZE)
		return -LINUX_ENOMEM;
	frame_get_stats(&st);
	if (!(a->flags & LINUX_MAP_NORESERVE) && PAGES_FOR(a->len) > st.limit)
		return -LINUX_ENOMEM;
	f = shmem_file_setup("/dev/zero", PAGE_ALIGN(a->len), 0);
	if (IS_ERR(f))
		return PTR_ERR(f);
	a->file = &f->vm;
	a->may_write = true;
	a->off = 0;
	return mm_mmap(current_mm, a);
}

/* The checks that Linux makes before it asks the file. */
static int mmap_file_check(const struct mmap_args *a)
{
	unsigned type = a->flags & LINUX_MAP_TYPE;

	if (!a->len || (type != LINUX_MAP_PRIVATE && type != LINUX_MAP_SHARED && type != LINUX_MAP_SHARED_VALIDATE))
		return -LINUX_EINVAL;
	if (type != LINUX_MAP_PRIVATE && (a->prot & LINUX_PROT_WRITE) && !a->may_write)
		return -LINUX_EACCES;
	if (a->noread)
		return -LINUX_EACCES;
	if (a->noexec && (a->prot & LINUX_PROT_EXEC))
		return -LINUX_EPERM;
	return 0;
}

static int64_t mmap_file(struct mmap_args *a, int fd)
{
	_cleanup_fput_ struct file *f = fget(fd);
	int64_t ret;
	int err;

	if (!f)
		return -LINUX_EBADF;
	if (a->flags & LINUX_MAP_HUGETLB)
		return -LINUX_EINVAL;
	a->file = &f->vm;
	a->may_write = f->fmode & FMODE_WRITE;
	a->noread = !(f->fmode & FMODE_READ);
	a->noexec = f->path.mnt && (f->path.mnt->flags & LINUX_MS_NOEXEC);
	err = mmap_file_check(a);
	if (!err)
		err = f->ops->mmap ? f->ops->mmap(f, a) : -LINUX_ENODEV;
	if (err)
		return err;
	ret = mm_mmap(current_mm, a);
	if (a->file_taken)
		a->file->ops->put(a->file);
	return ret;
}

SYSCALL_DEFINE6(mmap, uaddr_t, addr, uint64_t, len, unsigned, prot, unsigned, flags, int, fd, uint64_t, off)
{
	struct mmap_args a = { .addr = addr, .len = len, .prot = prot, .flags = flags, .off = off };

	if (PAGE_OFFSET(off))
		return -LINUX_EINVAL;
	if (!(flags & LINUX_MAP_ANONYMOUS))
		return mmap_file(&a, fd);
	if (flags & LINUX_MAP_HUGETLB)
		return mmap_hugetlb(flags);
	if ((flags & LINUX_MAP_TYPE) == LINUX_MAP_SHARED)
		return mmap_shared_anon(&a);
	a.off = 0;
	return mm_mmap(current_mm, &a);
}

/* --- the rest of the family --- */

SYSCALL_DEFINE2(munmap, uaddr_t, addr, uint64_t, len)
{
	return mm_munmap(current_mm, addr, len);
}

SYSCALL_DEFINE3(mprotect, uaddr_t, addr, uint64_t, len, unsigned, prot)
{
	return mm_mprotect(current_mm, addr, len, prot);
}

SYSCALL_DEFINE5(mremap, uaddr_t, addr, uint64_t, old_len, uint64_t, new_len, unsigned, flags, uaddr_t, new_addr)
{
	return mm_mremap(current_mm, addr, old_len, new_len, flags, new_addr);
}

SYSCALL_DEFINE1(brk, uaddr_t, brk)
{
	return mm_brk(current_mm, brk);
}

SYSCALL_DEFINE3(madvise, uaddr_t, addr, uint64_t, len, int, advice)
{
	return mm_madvise(current_mm, addr, len, advice);
}

static int msync_range(struct vm_file *vm, uint64_t off, uint64_t len, void *arg __unused)
{
	struct file *f = container_of(vm, struct file, vm);

	return f->ops->fsync ? f->ops->fsync(f, off, off + len, false) : -LINUX_EINVAL;
}

SYSCALL_DEFINE3(msync, uaddr_t, addr, uint64_t, len, unsigned, flags)
{
	return mm_msync(current_mm, addr, len, flags, msync_range, NULL);
}

SYSCALL_DEFINE3(mincore, uaddr_t, addr, uint64_t, len, uaddr_t, vec)
{
	return mm_mincore(current_mm, addr, len, vec);
}

SYSCALL_DEFINE5(remap_file_pages, uaddr_t, addr, uint64_t, size, uint64_t, prot, uint64_t, pgoff, unsigned, flags)
{
	return prot ? -LINUX_EINVAL : mm_remap_file_pages(current_mm, addr, size, pgoff, flags);
}

SYSCALL_DEFINE2(mlock, uaddr_t, addr, uint64_t, len)
{
	return mm_mlock(current_mm, addr, len, 0);
}

SYSCALL_DEFINE3(mlock2, uaddr_t, addr, uint64_t, len, unsigned, flags)
{
	return mm_mlock(current_mm, addr, len, flags);
}

SYSCALL_DEFINE2(munlock, uaddr_t, addr, uint64_t, len)
{
	return mm_munlock(current_mm, addr, len);
}

SYSCALL_DEFINE1(mlockall, unsigned, flags)
{
	return mm_mlockall(current_mm, flags);
}

SYSCALL_DEFINE0(munlockall)
{
	return mm_munlockall(current_mm);
}

/* --- protection keys: as on a processor without them --- */

SYSCALL_DEFINE4(pkey_mprotect, uaddr_t, addr, uint64_t, len, unsigned, prot, int, pkey)
{
	return pkey == -1 ? mm_mprotect(current_mm, addr, len, prot) : -LINUX_EINVAL;
}

SYSCALL_DEFINE2(pkey_alloc, uint64_t, flags, uint64_t, rights)
{
	if (flags || (rights & ~(uint64_t)(LINUX_PKEY_DISABLE_ACCESS | LINUX_PKEY_DISABLE_WRITE)))
		return -LINUX_EINVAL;
	return -LINUX_ENOSPC;
}

SYSCALL_DEFINE1(pkey_free, int, pkey __unused)
{
	return -LINUX_EINVAL;
}
