/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mmap(2), munmap(2), the search for free space, and stack growth.  The order of checks is that of mm/mmap.c in Linux, so that
 * a call that is wrong in two ways fails the same way.
 */
#include "sentry/mm/mm_internal.h"

/* Where MAP_32BIT mappings go. */
#define LOW_BASE 0x40000000UL
#define LOW_END 0x80000000UL
/* Where the search from below starts when there is no room under mmap_base (TASK_UNMAPPED_BASE). */
#define BOTTOM_UP_BASE PAGE_ALIGN(GUEST_TASK_SIZE / 3)

/* Flags that mmap accepted before MAP_SHARED_VALIDATE made unknown ones an error. */
#define LEGACY_MAP_MASK                                                                                                \
	(LINUX_MAP_SHARED | LINUX_MAP_PRIVATE | LINUX_MAP_FIXED | LINUX_MAP_ANONYMOUS | LINUX_MAP_DENYWRITE |           \
	 LINUX_MAP_EXECUTABLE | LINUX_MAP_UNINITIALIZED | LINUX_MAP_GROWSDOWN | LINUX_MAP_LOCKED |                      \
	 LINUX_MAP_NORESERVE | LINUX_MAP_POPULATE | LINUX_MAP_NONBLOCK | LINUX_MAP_STACK | LINUX_MAP_HUGETLB |          \
	 LINUX_MAP_32BIT | LINUX_MAP_ABOVE4G | LINUX_MAP_HUGE_MASK << LINUX_MAP_HUGE_SHIFT)

/* --- free space --- */

static bool range_is_free(struct mm *mm, uaddr_t addr, uint64_t len)
{
	struct vma *v = vma_find_from(&mm->vmas, addr);

	return !v || addr + len <= vma_start_gap(v);
}

static uaddr_t search(struct mm *mm, uint64_t len, bool low32)
{
	uaddr_t addr;

	/* There is no other place for these: they go into the heap's reservation, above what is used, if it reaches that far. */
	if (low32)
		return vma_find_gap_up(&mm->vmas, len, PAGE_SIZE, LOW_BASE, LOW_END, mm->start_brk,
				       MIN(mm->brk_limit, MAX(LOW_BASE, PAGE_ALIGN(mm->brk))));
	addr = vma_find_gap_down(&mm->vmas, len, PAGE_SIZE, GUEST_MIN_ADDR, mm->mmap_base, mm->start_brk, mm->brk_limit);
	if (addr)
		return addr;
	return vma_find_gap_up(&mm->vmas, len, PAGE_SIZE, BOTTOM_UP_BASE, GUEST_TASK_SIZE, mm->start_brk, mm->brk_limit);
}

int64_t mm_get_unmapped_area(struct mm *mm, uaddr_t addr, uint64_t len, unsigned flags)
{
	uaddr_t end = flags & LINUX_MAP_32BIT ? LOW_END : GUEST_TASK_SIZE;

	if (len > GUEST_TASK_SIZE)
		return -LINUX_ENOMEM;
	if (flags & LINUX_MAP_FIXED) {
		if (addr > GUEST_TASK_SIZE - len)
			return -LINUX_ENOMEM;
		if (PAGE_OFFSET(addr))
			return -LINUX_EINVAL;
		/* Below vm.mmap_min_addr; no privilege helps, the platform has nothing there. */
		return addr < GUEST_MIN_ADDR ? -LINUX_EPERM : (int64_t)addr;
	}
	if (len > end)
		return -LINUX_ENOMEM;
	addr = PAGE_DOWN(addr);
	if (addr && addr >= GUEST_MIN_ADDR && addr <= end - len && range_is_free(mm, addr, len))
		return addr;
	addr = search(mm, len, flags & LINUX_MAP_32BIT);
	return addr ? (int64_t)addr : -LINUX_ENOMEM;
}

/* A hint that is not null but too low is moved up to the lowest address (round_hint_to_min). */
static uaddr_t round_hint(uaddr_t hint)
{
	hint = PAGE_DOWN(hint);
	return hint && hint < GUEST_MIN_ADDR ? GUEST_MIN_ADDR : hint;
}

/* --- mmap --- */

static int check_file(const struct mmap_args *a, unsigned *vm_flags)
{
	switch (a->flags & LINUX_MAP_TYPE) {
	case LINUX_MAP_SHARED:
	case LINUX_MAP_SHARED_VALIDATE:
		if ((a->flags & LINUX_MAP_TYPE) == LINUX_MAP_SHARED_VALIDATE &&
		    (a->flags & ~(LEGACY_MAP_MASK | LINUX_MAP_TYPE)))
			return -LINUX_EOPNOTSUPP;
		if ((a->prot & LINUX_PROT_WRITE) && !a->may_write)
			return -LINUX_EACCES;
		*vm_flags |= VM_SHARED;
		if (!a->may_write)
			*vm_flags &= ~VM_MAYWRITE;
		break;
	case LINUX_MAP_PRIVATE:
		break;
	default:
		return -LINUX_EINVAL;
	}
	if (a->noread)
		return -LINUX_EACCES;
	if (a->noexec) {
		if (*vm_flags & VM_EXEC)
			return -LINUX_EPERM;
		*vm_flags &= ~VM_MAYEXEC;
	}
	if (!a->file->backing && (*vm_flags & VM_SHARED))
		return -LINUX_ENODEV;
	return a->flags & LINUX_MAP_GROWSDOWN ? -LINUX_EINVAL : 0;
}

static int check_anon(const struct mmap_args *a, unsigned *vm_flags)
{
	unsigned type = a->flags & LINUX_MAP_TYPE;

	if (type != LINUX_MAP_PRIVATE)
		return -LINUX_EINVAL;
	if (a->flags & LINUX_MAP_GROWSDOWN)
		*vm_flags |= VM_GROWSDOWN;
	return 0;
}

/* The vma flags for a mapping, or -errno. */
static int mmap_flags(struct mm *mm, const struct mmap_args *a, uint64_t len, unsigned *ret_flags)
{
	unsigned vm_flags = (a->prot & VM_ACCESS_FLAGS) | mm->def_flags | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC | a->vm_flags;
	int err;

	if (READ_ONCE(mm->mdwe) && (vm_flags & VM_EXEC) && (vm_flags & VM_WRITE))
		return -LINUX_EACCES;
	if (a->flags & LINUX_MAP_LOCKED) {
		if (!READ_ONCE(mm->cap_ipc_lock) && !READ_ONCE(mm->rlim_memlock))
			return -LINUX_EPERM;
		vm_flags |= VM_LOCKED;
	}
	if ((vm_flags & VM_LOCKED) && !mm_may_lock(mm, len >> PAGE_SHIFT))
		return -LINUX_EAGAIN;
	err = a->file ? check_file(a, &vm_flags) : check_anon(a, &vm_flags);
	if (err)
		return err;
	if (a->flags & LINUX_MAP_NORESERVE)
		vm_flags |= VM_NORESERVE;
	if (a->file && (a->flags & LINUX_MAP_DENYWRITE) && !(vm_flags & VM_SHARED))
		vm_flags |= VM_IMAGE;
	if (vm_flags & VM_SPECIAL)
		vm_flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
	*ret_flags = vm_flags;
	return 0;
}

/* Pages of [start, end) that are mapped. */
static uint64_t mapped_pages(struct mm *mm, uaddr_t start, uaddr_t end)
{
	uint64_t pages = 0;

	for (struct vma *v = vma_find_intersection(&mm->vmas, start, end); v && v->start < end; v = vma_next(v))
		pages += (MIN(v->end, end) - MAX(v->start, start)) >> PAGE_SHIFT;
	return pages;
}

/* Puts the mapping in place of whatever is there (mmap_region in Linux). */
static int mmap_region(struct mm *mm, const struct mmap_args *a, uaddr_t addr, uint64_t len, unsigned vm_flags,
		       struct vma_gc *gc)
{
	uint64_t pages = len >> PAGE_SHIFT;
	struct vma *v;
	int err;

	if (!mm_may_expand(mm, vm_flags, pages)) {
		if (!(a->flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE)) ||
		    !mm_may_expand(mm, vm_flags, pages - mapped_pages(mm, addr, addr + len)))
			return -LINUX_ENOMEM;
	}
	if (is_accountable(vm_flags) && !mm_enough_memory(pages))
		return -LINUX_ENOMEM;
	v = mm_vma_new(mm, addr, addr + len, vm_flags, a->file ? a->off >> PAGE_SHIFT : addr >> PAGE_SHIFT, a->file);
	if (!v)
		return -LINUX_ENOMEM;
	v->name = a->name;
	err = mm_unmap_range(mm, addr, addr + len, gc);
	if (err) {
		mm_vma_free(v);
		return err;
	}
	mm_vma_link(mm, v, NULL);
	mm_vma_merge_range(mm, addr, addr + len);
	/* Stacks are used from the other end. */
	if (!(a->flags & LINUX_MAP_STACK))
		mm_anon_ahead(mm, vma_find(&mm->vmas, addr), addr, addr + len);
	return 0;
}

static int64_t mmap_locked(struct mm *mm, const struct mmap_args *a, uint64_t len, struct vma_gc *gc, unsigned *ret_flags)
{
	bool fixed = a->flags & (LINUX_MAP_FIXED | LINUX_MAP_FIXED_NOREPLACE);
	unsigned map_flags = a->flags | (fixed ? LINUX_MAP_FIXED : 0);
	int64_t addr;
	int err;

	if (mm->vmas.nr > max_map_count())
		return -LINUX_ENOMEM;
	addr = mm_get_unmapped_area(mm, fixed ? a->addr : round_hint(a->addr), len, map_flags);
	if (addr < 0)
		return addr;
	if ((a->flags & LINUX_MAP_FIXED_NOREPLACE) && vma_find_intersection(&mm->vmas, addr, addr + len))
		return -LINUX_EEXIST;
	err = mmap_flags(mm, a, len, ret_flags);
	if (err)
		return err;
	err = mmap_region(mm, a, addr, len, *ret_flags, gc);
	return err ? err : addr;
}

int64_t mm_mmap(struct mm *mm, const struct mmap_args *a)
{
	struct vma_gc gc = { NULL };
	uint64_t len = PAGE_ALIGN(a->len);
	unsigned vm_flags = 0;
	int64_t addr;

	if (!a->len)
		return -LINUX_EINVAL;
	if (!len)
		return -LINUX_ENOMEM;
	if ((a->off >> PAGE_SHIFT) + (len >> PAGE_SHIFT) < (a->off >> PAGE_SHIFT))
		return -LINUX_EOVERFLOW;
	/* Beyond what a file can hold (file_mmap_ok). */
	if (a->file && (len > INT64_MAX || a->off > INT64_MAX - len))
		return -LINUX_EOVERFLOW;
	rwlock_write(&mm->lock);
	addr = mmap_locked(mm, a, len, &gc, &vm_flags);
	rwlock_unlock(&mm->lock);
	vma_gc_run(&gc);
	if (addr < 0)
		return addr;
	if (((vm_flags & VM_LOCKED) && !(vm_flags & VM_LOCKONFAULT)) ||
	    (a->flags & (LINUX_MAP_POPULATE | LINUX_MAP_NONBLOCK)) == LINUX_MAP_POPULATE)
		mm_populate(mm, addr, addr + len, (vm_flags & (VM_WRITE | VM_SHARED)) == VM_WRITE);
	else if (a->file && (vm_flags & VM_ACCESS_FLAGS))
		mm_prefault(mm, addr, addr + len, vm_flags);
	return addr;
}

/*
 * The pages [addr, addr + size) of a shared file mapping show other pages of the file from now on: emulated, as Linux does
 * since 4.0, by a mapping of their own.
 */
int mm_remap_file_pages(struct mm *mm, uaddr_t addr, uint64_t size, uint64_t pgoff, unsigned flags)
{
	struct mmap_args a = { .addr = PAGE_DOWN(addr), .len = PAGE_DOWN(size), .off = pgoff << PAGE_SHIFT };
	const struct vma *v;
	int64_t ret;

	if (a.addr + a.len <= a.addr || pgoff + (a.len >> PAGE_SHIFT) < pgoff || pgoff > INT64_MAX >> PAGE_SHIFT)
		return -LINUX_EINVAL;
	rwlock_read(&mm->lock);
	v = vma_find(&mm->vmas, a.addr);
	if (!v || !(v->flags & VM_SHARED) || !vma_backing(v) || a.addr + a.len > v->end) {
		rwlock_unlock(&mm->lock);
		return -LINUX_EINVAL;
	}
	a.prot = v->flags & VM_ACCESS_FLAGS;
	a.flags = (flags & LINUX_MAP_NONBLOCK) | LINUX_MAP_SHARED | LINUX_MAP_FIXED | LINUX_MAP_POPULATE |
		  (v->flags & VM_LOCKED ? LINUX_MAP_LOCKED : 0);
	a.may_write = v->flags & VM_MAYWRITE;
	a.noexec = !(v->flags & VM_MAYEXEC);
	a.file = v->file;
	a.file->ops->get(a.file);
	rwlock_unlock(&mm->lock);
	ret = mm_mmap(mm, &a);
	a.file->ops->put(a.file);
	return ret < 0 ? ret : 0;
}

/* --- munmap --- */

int mm_munmap_check(uaddr_t addr, uint64_t len)
{
	if (PAGE_OFFSET(addr) || addr > GUEST_TASK_SIZE || len > GUEST_TASK_SIZE - addr)
		return -LINUX_EINVAL;
	return PAGE_ALIGN(len) ? 0 : -LINUX_EINVAL;
}

int mm_munmap(struct mm *mm, uaddr_t addr, uint64_t len)
{
	struct vma_gc gc = { NULL };
	int err = mm_munmap_check(addr, len);

	if (err)
		return err;
	len = PAGE_ALIGN(len);
	rwlock_write(&mm->lock);
	err = mm_unmap_range(mm, addr, addr + len, &gc);
	rwlock_unlock(&mm->lock);
	vma_gc_run(&gc);
	return err;
}

/* --- stack --- */

/* acct_stack_growth and expand_downwards in Linux. */
static int expand_locked(struct mm *mm, struct vma *v, uaddr_t addr)
{
	uint64_t size = v->end - addr, grow = (v->start - addr) >> PAGE_SHIFT;
	struct vma *prev = vma_prev(v);

	if (addr < GUEST_MIN_ADDR)
		return -LINUX_EPERM;
	if (prev && prev->end > addr)
		return -LINUX_ENOMEM;
	if (prev && !(prev->flags & VM_GROWSDOWN) && (prev->flags & VM_ACCESS_FLAGS) && addr - prev->end < STACK_GUARD_GAP)
		return -LINUX_ENOMEM;
	if (!mm_may_expand(mm, v->flags, grow) || size > READ_ONCE(mm->rlim_stack))
		return -LINUX_ENOMEM;
	if ((v->flags & VM_LOCKED) && !mm_may_lock(mm, grow))
		return -LINUX_ENOMEM;
	if (!mm_enough_memory(grow))
		return -LINUX_ENOMEM;
	mm_vma_adjust(mm, v, addr, v->end);
	return 0;
}

int mm_expand_stack(struct mm *mm, uaddr_t addr)
{
	struct vma *v;
	int err = -LINUX_ENOMEM;

	addr = PAGE_DOWN(addr);
	rwlock_write(&mm->lock);
	v = vma_find_from(&mm->vmas, addr);
	if (v && v->start <= addr)
		err = 0; /* another thread did it */
	else if (v && (v->flags & VM_GROWSDOWN))
		err = expand_locked(mm, v, addr);
	rwlock_unlock(&mm->lock);
	return err;
}
