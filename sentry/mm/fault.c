/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Page faults, of guests and of the sentry's own copies.
 *
 * A fault takes mm->lock for reading, finds the vma, checks the access, and brings the PTE in order under pt_lock.  What may
 * sleep (ops->fault) comes before pt_lock and is checked again behind it.  Steps answer with an enum step:
 *
 *     no vma, access not allowed .......................... signal
 *     PTE allows the access ............................... map it on the host; nothing else to do
 *     no PTE, anonymous ................................... new zero pages
 *     no PTE, file ........................................ page of the cache, and those around it; private write: as next
 *     PTE without write, private, page is ours alone ...... own it, and others around it
 *     PTE without write, private, page is shared .......... copy
 *     PTE without write, shared mapping ................... tell the page cache, then allow writing
 */
#include <string.h>

#include "platform/insn.h"
#include "sentry/abi/signal.h"
#include "sentry/base/log.h"
#include "sentry/base/waitq.h"
#include "sentry/mm/fault.h"

#define MAP_AHEAD_CALLS 6      /* host mappings made for pages around a fault, besides the one that holds it */
#define MAP_AHEAD_PAGES 256    /* how far around */
#define NO_PROGRESS_LIMIT 1000 /* identical faults with nothing to do before it is called a loop */

enum step fault_signal(struct fault *ft, int signo, int si_code, const char *what)
{
	ft->f->signo = signo;
	ft->f->si_code = si_code;
	ft->f->what = what;
	return STEP_SIGNAL;
}

static bool fault_allowed(const struct fault *ft)
{
	unsigned flags = ft->vma->flags;

	if (flags & VM_VVAR)
		return false;
	if (!(ft->flags & FAULT_FORCE))
		return vma_prot(flags) & ft->want;
	/* As FOLL_FORCE: reads whatever was readable once, writes where that makes a private copy. */
	if (ft->want != PTE_WRITE)
		return flags & VM_MAYREAD;
	return (flags & VM_WRITE) || (flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

/* Whether @pte lets the access go ahead. */
static bool pte_allows(pte_t pte, unsigned want, unsigned flags)
{
	if (!(pte & PTE_PRESENT))
		return false;
	if (pte & want)
		return true;
	return (flags & FAULT_FORCE) && (want != PTE_WRITE || (pte & (PTE_ANON | PTE_OWNED)) == (PTE_ANON | PTE_OWNED));
}

/* The access is allowed by the PTE: only the host's mapping can be missing. */
static enum step fault_map(struct fault *ft)
{
	bool guest = ft->flags & FAULT_GUEST;
	uaddr_t low, high;

	/* Pages that the sentry writes are read by the guest next, so mapping them now saves a fault. */
	if (!guest && ft->want != PTE_WRITE)
		return STEP_DONE;
	if (!(fault_pte(ft, ft->page) & PTE_MAPPED)) {
		mm_pt_map(ft->mm, ft->page);
		low = MAX(ft->vma->start, ft->page - MIN(ft->page, MAP_AHEAD_PAGES * PAGE_SIZE));
		high = MIN(ft->vma->end, ft->page + MAP_AHEAD_PAGES * PAGE_SIZE);
		mm_pt_map_range(ft->mm, low, high, MAP_AHEAD_CALLS);
	}
	/* One too many, and the host has dropped all. */
	if (!(fault_pte(ft, ft->page) & PTE_MAPPED))
		mm_pt_map(ft->mm, ft->page);
	if (guest && ft->mm->as && !(fault_pte(ft, ft->page) & PTE_MAPPED))
		return fault_signal(ft, 0, 0, "the host refused the mapping");
	return STEP_DONE;
}

/* The guest's bytes at @addr that are present, without a fault. */
static size_t peek(const struct fault *ft, uaddr_t addr, uint8_t *buf, size_t len)
{
	size_t done = 0;

	while (done < len) {
		pte_t pte = fault_pte(ft, addr + done);
		size_t n = MIN(len - done, PAGE_SIZE - PAGE_OFFSET(addr + done));

		if (!(pte & PTE_EXEC))
			break;
		memcpy(buf + done, (char *)frame_ptr(PTE_PFN(pte)) + PAGE_OFFSET(addr + done), n);
		done += n;
	}
	return done;
}

bool fault_is_hidden_write(const struct fault *ft)
{
	uint8_t insn[INSN_MAX_LEN];
	int access;
	size_t len;

	if (ft->want != PTE_READ || ft->f->present || !ft->f->regs)
		return false;
	len = peek(ft, ft->f->ip, insn, sizeof(insn));
	access = len ? platform_decode_access(insn, len, ft->f->regs, ft->f->addr) : 0;
	return access > 0 && (access & PLATFORM_WRITE);
}

/* Whether that makes a difference: a read would bring in a page that can't be written, and the write would fault again. */
static bool write_differs(const struct fault *ft, pte_t pte)
{
	return (ft->vma->flags & VM_WRITE) && !(pte & PTE_WRITE) && (pte || vma_backing(ft->vma));
}

static enum step fault_page(struct fault *ft)
{
	pte_t pte = fault_pte(ft, ft->page);

	if (write_differs(ft, pte) && fault_is_hidden_write(ft)) {
		ft->want = PTE_WRITE;
		ft->f->access = ACCESS_WRITE;
	}
	if (pte_allows(pte, ft->want, ft->flags)) {
		ft->f->what = pte & PTE_MAPPED ? "spurious" : "map";
		/* The host had no mapping although we know one: another thread was faster, or the platform lost it. */
		if ((pte & PTE_MAPPED) && (ft->flags & FAULT_GUEST) && !ft->f->present)
			mm_pt_remap(ft->mm, ft->page);
		return STEP_DONE;
	}
	if (!pte && !vma_backing(ft->vma))
		return fault_anon(ft);
	if (pte && !(ft->vma->flags & VM_SHARED))
		return fault_private_write(ft, pte);
	mutex_unlock(&ft->mm->pt_lock);
	return fault_file(ft);
}

/* A page that was given ahead is wanted for good. */
static void fault_touch(struct fault *ft)
{
	pte_t pte = fault_pte(ft, ft->page);

	if (!(pte & PTE_AHEAD))
		return;
	frames_set_resident(PTE_PFN(pte), 1);
	mm_pt_touched(ft->mm, page_table_leaf(ft->mm->pt, ft->page), ft->page);
}

static enum step fault_try(struct fault *ft)
{
	enum step step;

	ft->vma = vma_find_from(&ft->mm->vmas, ft->page);
	if (!ft->vma)
		return fault_signal(ft, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, "no mapping");
	if (ft->vma->start > ft->page) {
		if (!(ft->vma->flags & VM_GROWSDOWN))
			return fault_signal(ft, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, "no mapping");
		return STEP_GROW;
	}
	if (!fault_allowed(ft))
		return fault_signal(ft, LINUX_SIGSEGV, LINUX_SEGV_ACCERR, "access");
	mutex_lock(&ft->mm->pt_lock);
	step = fault_page(ft);
	if (step == STEP_DONE && (ft->flags & FAULT_TOUCH))
		fault_touch(ft);
	if (step == STEP_DONE)
		step = fault_map(ft);
	mutex_unlock(&ft->mm->pt_lock);
	return step;
}

int mm_handle_fault(struct mm *mm, struct mm_fault *f, unsigned flags)
{
	struct fault ft = { .mm = mm, .f = f, .page = PAGE_DOWN(f->addr), .flags = flags };
	enum step step;

	ft.want = f->access == ACCESS_WRITE ? PTE_WRITE : f->access == ACCESS_EXEC ? PTE_EXEC : PTE_READ;
	f->signo = f->si_code = 0;
	for (;;) {
		rwlock_read(&mm->lock);
		step = fault_try(&ft);
		rwlock_unlock(&mm->lock);
		switch (step) {
		case STEP_DONE:
			return 0;
		case STEP_SIGNAL:
			return -LINUX_EFAULT;
		case STEP_RETRY:
			break;
		case STEP_GROW:
			if (mm_expand_stack(mm, ft.page) == 0)
				break;
			fault_signal(&ft, LINUX_SIGSEGV, LINUX_SEGV_MAPERR, "stack limit");
			return -LINUX_EFAULT;
		case STEP_NO_MEMORY:
			if (frame_make_room(1))
				break;
			f->signo = 0;
			f->what = "out of memory";
			return -LINUX_EFAULT;
		}
	}
}

/* --- entry points --- */

/* The calling thread's last guest fault that found nothing to do. */
static _Thread_local struct {
	struct mm *mm;
	uaddr_t addr, ip;
	enum platform_access access;
	unsigned count;
} idle_fault;

void mm_fault_forget(void)
{
	idle_fault.mm = NULL;
}

/* Counts a fault that found everything in order.  True when the same one came so often that it must be a loop. */
static bool no_progress(struct mm *mm, const struct mm_fault *f)
{
	if (idle_fault.mm != mm || idle_fault.addr != f->addr || idle_fault.ip != f->ip || idle_fault.access != f->access) {
		idle_fault.mm = mm;
		idle_fault.addr = f->addr;
		idle_fault.ip = f->ip;
		idle_fault.access = f->access;
		idle_fault.count = 0;
	}
	return ++idle_fault.count >= NO_PROGRESS_LIMIT;
}

/*
 * A platform that does not know whether an access reads or writes says "read".  When the page was mapped and readable, it
 * was something else: a write, or the fetch of an instruction.
 */
static void guess_access(struct mm *mm, struct mm_fault *f)
{
	pte_t pte;

	if (f->access != ACCESS_READ || !f->present)
		return;
	mutex_lock(&mm->pt_lock);
	pte = page_table_get(mm->pt, f->addr);
	mutex_unlock(&mm->pt_lock);
	if (!(pte & PTE_MAPPED) || !(pte & PTE_READ))
		return;
	if (!(pte & PTE_EXEC) && f->addr - f->ip < 16)
		f->access = ACCESS_EXEC;
	else if (!(pte & PTE_WRITE))
		f->access = ACCESS_WRITE;
}

int mm_fault(struct mm *mm, struct mm_fault *f)
{
	int err;

	f->what = "";
	if (!f->ip)
		return mm_handle_fault(mm, f, 0);
	guess_access(mm, f);
	err = mm_handle_fault(mm, f, FAULT_GUEST);
	if (err || strcmp(f->what, "spurious") != 0) {
		idle_fault.count = 0;
		return err;
	}
	if (!no_progress(mm, f))
		return 0;
	log_warn("a fault at %#lx by the instruction at %#lx makes no progress: the page is there", (unsigned long)f->addr,
		 (unsigned long)f->ip);
	idle_fault.count = 0;
	f->signo = LINUX_SIGSEGV;
	f->si_code = LINUX_SEGV_ACCERR;
	f->what = "no progress";
	return -LINUX_EFAULT;
}

void mm_prefault(struct mm *mm, uaddr_t addr, uaddr_t end, unsigned vm_flags)
{
	struct mm_fault f = { .addr = addr, .access = ACCESS_READ };

	/* The data of a program is relocated: write right away. */
	if ((vm_flags & (VM_IMAGE | VM_WRITE)) == (VM_IMAGE | VM_WRITE))
		f.access = ACCESS_WRITE;
	if (mm_handle_fault(mm, &f, FAULT_GUEST | FAULT_CACHED) || !(vm_flags & VM_EXEC))
		return;
	/* Text that goes on behind the end of a leaf, which a fault does not cross. */
	f.addr = pt_leaf_end(addr);
	if (f.addr < end)
		mm_handle_fault(mm, &f, FAULT_GUEST | FAULT_CACHED);
}

int mm_populate(struct mm *mm, uaddr_t start, uaddr_t end, bool write)
{
	int ret = 0, err;

	for (uaddr_t addr = start; addr < end; addr += PAGE_SIZE) {
		struct mm_fault f = { .addr = addr, .access = write ? ACCESS_WRITE : ACCESS_READ };

		/* What nobody will touch any more. */
		if (atomic_load_explicit(&sleeper_self()->killed, memory_order_relaxed))
			return -LINUX_EINTR;
		err = mm_handle_fault(mm, &f, FAULT_GUEST | FAULT_TOUCH);
		if (err && !f.signo)
			return -LINUX_ENOMEM;
		if (err && !ret)
			ret = err;
	}
	return ret;
}

int mm_populate_range(struct mm *mm, uaddr_t start, uaddr_t end)
{
	int ret = 0, err;

	while (start < end) {
		const struct vma *v;
		uaddr_t to;
		bool write;

		rwlock_read(&mm->lock);
		v = vma_find_intersection(&mm->vmas, start, end);
		if (v) {
			start = MAX(start, v->start);
			to = MIN(end, v->end);
			write = (v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE;
		}
		rwlock_unlock(&mm->lock);
		if (!v)
			break;
		err = mm_populate(mm, start, to, write);
		if (err && !ret)
			ret = err;
		start = to;
	}
	return ret;
}
