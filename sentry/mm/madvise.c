/* SPDX-License-Identifier: Apache-2.0 */
/*
 * madvise(2).  Checks in the order of mm/madvise.c in Linux: the advice, the range, then vma by vma; a hole is reported at the
 * end, after everything mapped was done.
 */
#include "sentry/base/waitq.h"
#include "sentry/mm/mm_internal.h"

static bool advice_known(int advice)
{
	switch (advice) {
	case LINUX_MADV_NORMAL ... LINUX_MADV_DONTNEED:
	case LINUX_MADV_FREE ... LINUX_MADV_DONTNEED_LOCKED:
		return true;
	default:
		return false;
	}
}

/* What @advice makes of a vma's flags, or -errno when it can't be given here. */
static int64_t advised_flags(const struct vma *v, int advice)
{
	int64_t flags = v->flags;

	switch (advice) {
	case LINUX_MADV_NORMAL:
		return flags & ~(VM_SEQ_READ | VM_RAND_READ);
	case LINUX_MADV_SEQUENTIAL:
		return (flags & ~VM_RAND_READ) | VM_SEQ_READ;
	case LINUX_MADV_RANDOM:
		return (flags & ~VM_SEQ_READ) | VM_RAND_READ;
	case LINUX_MADV_DONTFORK:
		return flags | VM_DONTFORK;
	case LINUX_MADV_DOFORK:
		return flags & ~VM_DONTFORK;
	case LINUX_MADV_WIPEONFORK:
		return v->file || (flags & VM_SHARED) ? -LINUX_EINVAL : flags | VM_WIPEONFORK;
	case LINUX_MADV_KEEPONFORK:
		return flags & ~VM_WIPEONFORK;
	case LINUX_MADV_DONTDUMP:
		return flags | VM_DONTDUMP;
	case LINUX_MADV_DODUMP:
		return flags & VM_SPECIAL ? -LINUX_EINVAL : flags & ~VM_DONTDUMP;
	default:
		return flags;
	}
}

static int advise_flags(struct mm *mm, struct vma *v, uaddr_t start, uaddr_t end, int advice)
{
	int64_t flags = advised_flags(v, advice);
	int err;

	if (flags < 0 || flags == v->flags)
		return flags < 0 ? flags : 0;
	err = mm_vma_split_range(mm, start, end);
	/* A lack of memory for the split is no lack of what the caller asked for (EAGAIN in Linux). */
	if (err)
		return -LINUX_EAGAIN;
	mm_vma_set_flags(mm, vma_find(&mm->vmas, start), flags);
	return 0;
}

static void zap(struct mm *mm, uaddr_t start, uaddr_t end)
{
	mutex_lock(&mm->pt_lock);
	mm_pt_zap_own(mm, start, end, false);
	mutex_unlock(&mm->pt_lock);
}

/* Lazily freed memory keeps its contents until memory is short: more than three quarters in use counts as that. */
static bool memory_is_short(void)
{
	struct frame_stats st;

	frame_get_stats(&st);
	return st.used > st.limit / 4 * 3;
}

static int advise_vma(struct mm *mm, struct vma *v, uaddr_t start, uaddr_t end, int advice)
{
	switch (advice) {
	case LINUX_MADV_DONTNEED:
		if (v->flags & VM_LOCKED)
			return -LINUX_EINVAL;
		/* fall through */
	case LINUX_MADV_DONTNEED_LOCKED:
		/* The vDSO's pages would come back as they are. */
		if (!(v->flags & VM_SPECIAL))
			zap(mm, start, end);
		return 0;
	case LINUX_MADV_FREE:
		if ((v->flags & (VM_LOCKED | VM_SPECIAL)) || v->file)
			return -LINUX_EINVAL;
		if (memory_is_short())
			zap(mm, start, end);
		return 0;
	case LINUX_MADV_COLD:
	case LINUX_MADV_PAGEOUT:
		/* There is no swap; nothing moves. */
		return v->flags & VM_LOCKED ? -LINUX_EINVAL : 0;
	case LINUX_MADV_WILLNEED:
	case LINUX_MADV_MERGEABLE:
	case LINUX_MADV_UNMERGEABLE:
	case LINUX_MADV_HUGEPAGE:
	case LINUX_MADV_NOHUGEPAGE:
		/* Hints that change nothing a program can see. */
		return 0;
	default:
		return advise_flags(mm, v, start, end, advice);
	}
}

static bool needs_write_lock(int advice)
{
	switch (advice) {
	case LINUX_MADV_NORMAL:
	case LINUX_MADV_SEQUENTIAL:
	case LINUX_MADV_RANDOM:
	case LINUX_MADV_DONTFORK:
	case LINUX_MADV_DOFORK:
	case LINUX_MADV_WIPEONFORK:
	case LINUX_MADV_KEEPONFORK:
	case LINUX_MADV_DONTDUMP:
	case LINUX_MADV_DODUMP:
		return true;
	default:
		return false;
	}
}

static int advise_locked(struct mm *mm, uaddr_t start, uaddr_t end, int advice)
{
	int hole = 0, err;

	while (start < end) {
		struct vma *v = vma_find_from(&mm->vmas, start);
		uaddr_t to;

		if (!v)
			return -LINUX_ENOMEM;
		if (v->start > start) {
			hole = -LINUX_ENOMEM;
			start = v->start;
			if (start >= end)
				break;
		}
		to = MIN(v->end, end);
		err = advise_vma(mm, v, start, to, advice);
		if (err)
			return err;
		start = to;
	}
	return hole;
}

/* MADV_POPULATE_READ and _WRITE: faults, but reports instead of a signal. */
static int advise_populate(struct mm *mm, uaddr_t start, uaddr_t end, bool write)
{
	for (; start < end; start += PAGE_SIZE) {
		struct mm_fault f = { .addr = start, .access = write ? ACCESS_WRITE : ACCESS_READ };
		const struct vma *v;
		bool allowed = false;

		/* It may be long, and nobody waits for the end of who is killed. */
		if (atomic_load_explicit(&sleeper_self()->killed, memory_order_relaxed))
			return -LINUX_EINTR;

		rwlock_read(&mm->lock);
		v = vma_find(&mm->vmas, start);
		if (v)
			allowed = (vma_prot(v->flags) & (write ? PTE_WRITE : PTE_READ)) && !(v->flags & VM_VVAR);
		rwlock_unlock(&mm->lock);
		if (!v)
			return -LINUX_ENOMEM;
		if (!allowed)
			return -LINUX_EINVAL;
		if (mm_handle_fault(mm, &f, FAULT_GUEST | FAULT_TOUCH))
			return f.signo ? -LINUX_EFAULT : -LINUX_ENOMEM;
	}
	return 0;
}

/* MADV_REMOVE of the part of one vma from *start on, below @end; *start moves behind it. */
static int remove_step(struct mm *mm, uaddr_t *start, uaddr_t end, int *hole)
{
	struct vm_file *file = NULL;
	uint64_t off = 0, len = 0;
	const struct vma *v;
	int err = 0;

	rwlock_read(&mm->lock);
	v = vma_find_from(&mm->vmas, *start);
	if (!v || v->start >= end) {
		*hole = -LINUX_ENOMEM;
		*start = end;
	} else {
		if (v->start > *start)
			*hole = -LINUX_ENOMEM;
		*start = MAX(*start, v->start);
		off = vma_pgoff(v, *start) << PAGE_SHIFT;
		len = MIN(v->end, end) - *start;
		*start += len;
		if ((v->flags & VM_LOCKED) || !vma_backing(v))
			err = -LINUX_EINVAL;
		else if ((v->flags & (VM_SHARED | VM_MAYWRITE)) != (VM_SHARED | VM_MAYWRITE))
			err = -LINUX_EACCES;
		else
			file = v->file;
	}
	if (file)
		file->ops->get(file);
	rwlock_unlock(&mm->lock);
	if (!file)
		return err;
	err = file->ops->punch ? file->ops->punch(file, off, len) : -LINUX_EOPNOTSUPP;
	file->ops->put(file);
	return err;
}

static int advise_remove(struct mm *mm, uaddr_t start, uaddr_t end)
{
	int hole = 0, err = 0;

	while (start < end && !err)
		err = remove_step(mm, &start, end, &hole);
	return err ? err : hole;
}

int mm_madvise(struct mm *mm, uaddr_t addr, uint64_t len, int advice)
{
	uaddr_t end = addr + PAGE_ALIGN(len);
	int err;

	if (!advice_known(advice) || PAGE_OFFSET(addr) || (len && !PAGE_ALIGN(len)) || end < addr)
		return -LINUX_EINVAL;
	if (end == addr)
		return 0;
	if (advice == LINUX_MADV_REMOVE)
		return advise_remove(mm, addr, end);
	if (advice == LINUX_MADV_POPULATE_READ || advice == LINUX_MADV_POPULATE_WRITE)
		return advise_populate(mm, addr, end, advice == LINUX_MADV_POPULATE_WRITE);
	if (!needs_write_lock(advice)) {
		rwlock_read(&mm->lock);
		err = advise_locked(mm, addr, end, advice);
		rwlock_unlock(&mm->lock);
		return err;
	}
	rwlock_write(&mm->lock);
	err = advise_locked(mm, addr, end, advice);
	mm_vma_merge_range(mm, addr, end);
	rwlock_unlock(&mm->lock);
	return err;
}
