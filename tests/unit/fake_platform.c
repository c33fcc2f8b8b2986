/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_platform.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "sentry/abi/signal.h"

#define MAX_FAULTS 50 /* of one access, before it's called a loop */

struct fake_options fake_options;

static struct fake_aspace *fake_of(struct mm *mm)
{
	return container_of(mm->as, struct fake_aspace, as);
}

static struct platform_aspace *fake_aspace_new(void)
{
	struct fake_aspace *fa = calloc(1, sizeof(*fa));

	mutex_init(&fa->lock);
	fa->pt = page_table_new();
	fa->as.ops = platform;
	return &fa->as;
}

static void fake_aspace_free(struct platform_aspace *as)
{
	struct fake_aspace *fa = container_of(as, struct fake_aspace, as);

	page_table_free(fa->pt);
	mutex_fini(&fa->lock);
	free(fa);
}

static void check_range(uaddr_t addr, size_t len)
{
	cr_assert(len && !PAGE_OFFSET(addr) && !PAGE_OFFSET(len));
	cr_assert(addr >= GUEST_MIN_ADDR && addr + len <= GUEST_TASK_SIZE);
}

static int fake_map(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	struct fake_aspace *fa = container_of(as, struct fake_aspace, as);

	check_range(addr, len);
	cr_assert(prot && !(prot & ~PTE_PROT) && backing == PLATFORM_MEMORY && !PAGE_OFFSET(off));
	MUTEX_GUARD(&fa->lock);
	fa->nr_calls++;
	if (fake_options.max_pages && fa->nr_pages >= fake_options.max_pages)
		return -LINUX_ENOMEM;
	for (size_t i = 0; i < len; i += PAGE_SIZE) {
		struct pt_leaf *leaf = page_table_leaf_make(fa->pt, addr + i);

		fa->nr_pages += !leaf->pte[pte_index(addr + i)];
		/* Frames that are mapped are held. */
		cr_assert_gt(frame_refs((off + i) >> PAGE_SHIFT), 0);
		pte_set(leaf, pte_index(addr + i), PTE_MAKE((off + i) >> PAGE_SHIFT, PTE_PRESENT | prot));
	}
	return 0;
}

static void drop_locked(struct fake_aspace *fa, uaddr_t start, uaddr_t end)
{
	struct pt_leaf *leaf;
	uaddr_t addr;

	page_table_for_each(fa->pt, leaf, addr, start, end) {
		pte_set(leaf, pte_index(addr), 0);
		fa->nr_pages--;
	}
}

static int fake_unmap(struct platform_aspace *as, uaddr_t addr, size_t len)
{
	struct fake_aspace *fa = container_of(as, struct fake_aspace, as);

	check_range(addr, len);
	MUTEX_GUARD(&fa->lock);
	fa->nr_calls++;
	drop_locked(fa, addr, addr + len);
	return 0;
}

static int fake_protect(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot)
{
	struct fake_aspace *fa = container_of(as, struct fake_aspace, as);

	check_range(addr, len);
	MUTEX_GUARD(&fa->lock);
	fa->nr_calls++;
	for (size_t i = 0; i < len; i += PAGE_SIZE) {
		struct pt_leaf *leaf = page_table_leaf(fa->pt, addr + i);
		pte_t pte = leaf ? leaf->pte[pte_index(addr + i)] : 0;

		cr_assert(pte, "protect of a range that is not mapped whole");
		leaf->pte[pte_index(addr + i)] = (pte & ~(pte_t)PTE_PROT) | prot;
	}
	return 0;
}

static int fake_aspace_reset(struct platform_aspace *as)
{
	struct fake_aspace *fa = container_of(as, struct fake_aspace, as);

	MUTEX_GUARD(&fa->lock);
	drop_locked(fa, 0, GUEST_TASK_SIZE);
	return 0;
}

static const struct platform_ops fake_ops = {
	.name = "fake",
	.aspace_new = fake_aspace_new,
	.aspace_free = fake_aspace_free,
	.map = fake_map,
	.unmap = fake_unmap,
	.protect = fake_protect,
	.aspace_reset = fake_aspace_reset,
};

void fake_platform_init(void)
{
	platform = &fake_ops;
}

/* One attempt.  True when it succeeded; *ret_present: the host had the page, without that access. */
static bool try_access(struct fake_aspace *fa, uaddr_t addr, enum platform_access access, uint64_t *val, bool *ret_present)
{
	unsigned want = access == ACCESS_WRITE ? PTE_WRITE : access == ACCESS_EXEC ? PTE_EXEC : PTE_READ;
	uint64_t *word;
	pte_t pte;

	/* Held across the access: an unmapping that has returned is not raced by an instruction under way. */
	MUTEX_GUARD(&fa->lock);
	pte = page_table_get(fa->pt, addr);
	*ret_present = pte;
	if (!(pte & want))
		return false;
	word = (uint64_t *)((char *)frame_ptr(PTE_PFN(pte)) + PAGE_OFFSET(addr));
	if (access == ACCESS_WRITE)
		__atomic_store_n(word, *val, __ATOMIC_RELAXED);
	else
		*val = __atomic_load_n(word, __ATOMIC_RELAXED);
	return true;
}

int fake_guest_access(struct mm *mm, uaddr_t addr, enum platform_access access, uint64_t *val, struct mm_fault *f)
{
	struct fake_aspace *fa = fake_of(mm);
	bool present;

	for (int i = 0; i < MAX_FAULTS; i++) {
		if (try_access(fa, addr, access, val, &present))
			return 0;
		*f = (struct mm_fault){ .addr = addr, .present = present, .access = access };
		/* An instruction fetch faults at its own address. */
		f->ip = access == ACCESS_EXEC ? addr : 0x400000;
		if (!fake_options.knows_access)
			f->access = ACCESS_READ;
		if (mm_fault(mm, f))
			return -1;
	}
	cr_assert(false, "an access to %#lx faults for ever", (unsigned long)addr);
	return -1;
}

bool fake_mapped(struct mm *mm, uaddr_t addr, unsigned prot)
{
	struct fake_aspace *fa = fake_of(mm);

	MUTEX_GUARD(&fa->lock);
	return page_table_get(fa->pt, addr) & prot;
}

/* Every PTE against its vma; the host's page against the PTE. */
static void check_pte(struct mm *mm, uaddr_t addr, pte_t pte, long rss[NR_MM_COUNTERS])
{
	const struct vma *v = vma_find(&mm->vmas, addr);
	pte_t host = page_table_get(fake_of(mm)->pt, addr);

	cr_assert(v, "a PTE at %#lx outside every vma", (unsigned long)addr);
	cr_assert(pte & PTE_PRESENT);
	cr_assert_eq(pte & PTE_PROT, pte_prot(pte, v->flags), "a PTE's access is not the vma's");
	if (v->flags & VM_SHARED)
		cr_assert_not(pte & PTE_ANON);
	else if (!(pte & PTE_ANON))
		cr_assert_not(pte & PTE_OWNED, "a page of the cache is writable through a private mapping");
	if (!vma_backing(v))
		cr_assert(pte & PTE_ANON);
	if (pte & PTE_ANON && pte & PTE_OWNED)
		cr_assert_eq(frame_refs(PTE_PFN(pte)), 1, "an owned page is shared");
	if (pte & PTE_MAPPED) {
		cr_assert_eq(PTE_PFN(host), PTE_PFN(pte));
		cr_assert_eq(host & PTE_PROT, pte & PTE_PROT);
	} else {
		cr_assert_not(host, "the host maps %#lx, which the PTE doesn't know", (unsigned long)addr);
	}
	rss[pte & PTE_ANON ? MM_ANONPAGES : pte & PTE_SHMEM ? MM_SHMEMPAGES : MM_FILEPAGES]++;
}

static void check_vmas(struct mm *mm)
{
	uint64_t data = 0, stack = 0, exec = 0, locked = 0;

	vma_set_check(&mm->vmas);
	for (const struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v)) {
		cr_assert_eq(v->mm, mm);
		cr_assert(v->start >= GUEST_MIN_ADDR && v->end <= GUEST_TASK_SIZE);
		if (v->flags & (VM_STACK | VM_GROWSDOWN))
			stack += vma_pages(v);
		else if ((v->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
			exec += vma_pages(v);
		else if (is_data_mapping(v->flags))
			data += vma_pages(v);
		locked += v->flags & VM_LOCKED ? vma_pages(v) : 0;
	}
	cr_assert_eq(mm->total_vm, mm->vmas.pages);
	cr_assert_eq(mm->data_vm, data);
	cr_assert_eq(mm->stack_vm, stack);
	cr_assert_eq(mm->exec_vm, exec);
	cr_assert_eq(mm->locked_vm, locked);
}

void fake_check(struct mm *mm, int *refs, unsigned nr_refs)
{
	long rss[NR_MM_COUNTERS] = { 0 };
	struct pt_leaf *leaf;
	uaddr_t addr;

	check_vmas(mm);
	page_table_for_each(mm->pt, leaf, addr, 0, GUEST_TASK_SIZE) {
		pte_t pte = leaf->pte[pte_index(addr)];

		check_pte(mm, addr, pte, rss);
		if (refs) {
			cr_assert_lt(PTE_PFN(pte), nr_refs);
			refs[PTE_PFN(pte)]++;
		}
	}
	page_table_for_each(fake_of(mm)->pt, leaf, addr, 0, GUEST_TASK_SIZE)
		cr_assert(page_table_get(mm->pt, addr) & PTE_MAPPED, "the host maps %#lx, which has no PTE",
			  (unsigned long)addr);
	for (unsigned i = 0; i < NR_MM_COUNTERS; i++)
		cr_assert_eq(rss[i], mm->rss[i]);
}
