/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vDSO in a guest: the host's data pages, placed by the platform, and a copy of the host's text behind them, so that
 * clock_gettime(2) and others need no system call.
 */
#include "platform/host/host.h"
#include "sentry/mm/mm_internal.h"
#include "sentry/mm/uaccess.h"

/* How far above the stack it may lie. */
#define VDSO_RANDOM_PAGES (1UL << 18)
/* Host mappings made again after the data pages were placed. */
#define REMAP_MAX_CALLS 16

/* Above the stack, at random, as vdso_addr() of Linux; or 0 for anywhere. */
static uaddr_t vdso_hint(struct mm *mm, uint64_t len)
{
	const struct vma *top = vma_last(&mm->vmas);
	uint64_t room, rnd;

	if (!top || top->end + len >= GUEST_TASK_SIZE || host_getrandom(&rnd, sizeof(rnd)) < 0)
		return 0;
	room = MIN((GUEST_TASK_SIZE - len - top->end) >> PAGE_SHIFT, VDSO_RANDOM_PAGES);
	return top->end + (rnd % (room + 1) << PAGE_SHIFT);
}

static int vdso_link(struct mm *mm, uaddr_t start, uint64_t len, unsigned flags, const char *name)
{
	struct vma *v;

	if (!len)
		return 0;
	v = mm_vma_new(mm, start, start + len, flags | VM_SPECIAL | VM_DONTDUMP | VM_READ | VM_MAYREAD, 0, NULL);
	if (!v)
		return -LINUX_ENOMEM;
	v->name = name;
	mm_vma_link(mm, v, NULL);
	return 0;
}

/* Makes the two vmas.  Returns the text's address, or -errno. */
static int64_t vdso_place(struct mm *mm, const struct platform_vdso *vdso)
{
	uint64_t len = vdso->vvar_size + vdso->text_size;
	int64_t addr = mm_get_unmapped_area(mm, vdso_hint(mm, len), len, 0);
	uaddr_t text;
	int err;

	if (addr < 0)
		return addr;
	text = addr + vdso->vvar_size;
	err = vdso_link(mm, text, vdso->text_size, VM_EXEC | VM_MAYEXEC | VM_MAYWRITE, "[vdso]");
	if (!err)
		err = vdso_link(mm, addr, vdso->vvar_size, VM_VVAR, "[vvar]");
	return err ? err : (int64_t)text;
}

uaddr_t mm_map_vdso(struct mm *mm)
{
	const struct platform_vdso *vdso = platform_vdso();
	int64_t text;

	if (!vdso || !vdso->text || !platform->map_vvar)
		return 0;
	rwlock_write(&mm->lock);
	text = vdso_place(mm, vdso);
	rwlock_unlock(&mm->lock);
	if (text < 0)
		return 0;
	if (mm_copy_to(mm, text, vdso->text, vdso->text_size, true) != vdso->text_size ||
	    platform->map_vvar(mm->as, text) < 0) {
		mm_munmap(mm, text - vdso->vvar_size, vdso->vvar_size + vdso->text_size);
		return 0;
	}
	/* What was mapped before, a platform may have forgotten. */
	mutex_lock(&mm->pt_lock);
	mm_pt_remap_all(mm, REMAP_MAX_CALLS);
	mutex_unlock(&mm->pt_lock);
	return text;
}
