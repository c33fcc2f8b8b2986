/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/fake_platform.h"

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
	BUG_ON(!len || PAGE_OFFSET(addr) || PAGE_OFFSET(len));
	BUG_ON(addr < GUEST_MIN_ADDR || addr + len > GUEST_TASK_SIZE);
}

static int fake_map(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	struct fake_aspace *fa = container_of(as, struct fake_aspace, as);
	unsigned owned = prot & PLATFORM_OWNED ? PTE_OWNED : 0;

	check_range(addr, len);
	prot &= ~(PLATFORM_LAZY | PLATFORM_OWNED);
	BUG_ON((prot & PLATFORM_WRITE) && !owned);
	BUG_ON(!prot || (prot & ~PTE_PROT) || backing != PLATFORM_MEMORY || PAGE_OFFSET(off));
	MUTEX_GUARD(&fa->lock);
	fa->nr_calls++;
	if (fake_options.max_pages && fa->nr_pages >= fake_options.max_pages)
		return -LINUX_ENOMEM;
	for (size_t i = 0; i < len; i += PAGE_SIZE) {
		struct pt_leaf *leaf = page_table_leaf_make(fa->pt, addr + i);

		fa->nr_pages += !leaf->pte[pte_index(addr + i)];
		/* Frames that are mapped are held. */
		BUG_ON(frame_refs((off + i) >> PAGE_SHIFT) <= 0);
		pte_set(leaf, pte_index(addr + i), PTE_MAKE((off + i) >> PAGE_SHIFT, PTE_PRESENT | prot | owned));
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

		BUG_ON(!pte); /* the range is mapped whole */
		BUG_ON((prot & PLATFORM_WRITE) && !(pte & PTE_OWNED));
		leaf->pte[pte_index(addr + i)] = (pte & ~(pte_t)PTE_PROT) | prot;
	}
	return 0;
}

static int fake_park(struct platform_aspace *as, uaddr_t addr, size_t len)
{
	struct fake_aspace *fa = container_of(as, struct fake_aspace, as);

	for (size_t i = 0; i < len; i += PAGE_SIZE)
		BUG_ON(!(page_table_get(fa->pt, addr + i) & PTE_OWNED));
	return fake_protect(as, addr, len, 0);
}

static uint64_t fake_cpu_time(struct platform_aspace *as __unused)
{
	return 0;
}

static int fake_aspace_reset(struct platform_aspace *as)
{
	struct fake_aspace *fa = container_of(as, struct fake_aspace, as);

	MUTEX_GUARD(&fa->lock);
	drop_locked(fa, 0, GUEST_TASK_SIZE);
	return 0;
}

/* What is unmapped is gone at once; that there is something to wait for lets mm put frames off. */
static int fake_sync(struct platform_aspace *as __unused, bool frames __unused)
{
	return 0;
}

static const struct platform_ops fake_ops = {
	.name = "fake",
	.aspace_new = fake_aspace_new,
	.aspace_free = fake_aspace_free,
	.map = fake_map,
	.unmap = fake_unmap,
	.protect = fake_protect,
	.park = fake_park,
	.aspace_reset = fake_aspace_reset,
	.cpu_time = fake_cpu_time,
	.sync = fake_sync,
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
	BUG(); /* the access faults for ever */
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

	BUG_ON(!v);
	BUG_ON(!(pte & PTE_PRESENT));
	BUG_ON((pte & PTE_PROT) != pte_prot(pte, v->flags));
	if (v->flags & VM_SHARED)
		BUG_ON(pte & PTE_ANON);
	else if (!(pte & PTE_ANON))
		BUG_ON(pte & PTE_OWNED); /* the cache would be written through a private mapping */
	if (!vma_backing(v))
		BUG_ON(!(pte & PTE_ANON));
	if (pte & PTE_ANON && pte & PTE_OWNED)
		BUG_ON(frame_refs(PTE_PFN(pte)) != 1);
	if (pte & PTE_MAPPED) {
		BUG_ON(PTE_PFN(host) != PTE_PFN(pte));
		BUG_ON((host ^ pte) & (PTE_PROT | PTE_OWNED));
	} else {
		BUG_ON(host & PTE_PROT);
	}
	if (pte & PTE_AHEAD) {
		BUG_ON(!(pte & PTE_ANON) || frame_refs(PTE_PFN(pte)) != 1);
		return;
	}
	BUG_ON(!frame_is_resident(PTE_PFN(pte)));
	rss[pte & PTE_ANON ? MM_ANONPAGES : pte & PTE_SHMEM ? MM_SHMEMPAGES : MM_FILEPAGES]++;
}

static void check_vmas(struct mm *mm)
{
	uint64_t data = 0, stack = 0, exec = 0, locked = 0;

	vma_set_check(&mm->vmas);
	for (const struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v)) {
		BUG_ON(v->mm != mm);
		BUG_ON(v->start < GUEST_MIN_ADDR || v->end > GUEST_TASK_SIZE);
		if (v->flags & (VM_STACK | VM_GROWSDOWN))
			stack += vma_pages(v);
		else if ((v->flags & (VM_EXEC | VM_WRITE)) == VM_EXEC)
			exec += vma_pages(v);
		else if (is_data_mapping(v->flags))
			data += vma_pages(v);
		locked += v->flags & VM_LOCKED ? vma_pages(v) : 0;
	}
	BUG_ON(mm->total_vm != mm->vmas.pages);
	BUG_ON(mm->data_vm != data);
	BUG_ON(mm->stack_vm != stack);
	BUG_ON(mm->exec_vm != exec);
	BUG_ON(mm->locked_vm != locked);
}

void fake_check(struct mm *mm, int *refs, unsigned nr_refs)
{
	long rss[NR_MM_COUNTERS] = { 0 };
	unsigned nr_parked = 0;
	struct pt_leaf *leaf;
	uaddr_t addr;

	check_vmas(mm);
	page_table_for_each(mm->pt, leaf, addr, 0, GUEST_TASK_SIZE) {
		pte_t pte = leaf->pte[pte_index(addr)];

		check_pte(mm, addr, pte, rss);
		if (refs) {
			BUG_ON(PTE_PFN(pte) >= nr_refs);
			refs[PTE_PFN(pte)]++;
		}
	}
	for (unsigned i = 0; refs && i < mm->nr_limbo; i++)
		refs[mm->limbo[i]]++;
	for (unsigned i = 0; i < mm->nr_parked; i++) {
		const struct mm_parked *p = &mm->parked[i];

		for (unsigned n = 0; n < p->nr; n++) {
			pte_t host = page_table_get(fake_of(mm)->pt, p->start + n * PAGE_SIZE);

			BUG_ON(PTE_PFN(host) != p->pfn + n || !(host & PTE_OWNED) || (host & PTE_PROT));
			if (refs)
				refs[p->pfn + n]++;
		}
		nr_parked += p->nr;
	}
	page_table_for_each(fake_of(mm)->pt, leaf, addr, 0, GUEST_TASK_SIZE) {
		bool mapped = page_table_get(mm->pt, addr) & PTE_MAPPED;

		BUG_ON(mapped != !!(leaf->pte[pte_index(addr)] & PTE_PROT));
		nr_parked -= !mapped;
	}
	BUG_ON(nr_parked);
	for (unsigned i = 0; i < NR_MM_COUNTERS; i++)
		BUG_ON(rss[i] != mm->rss[i]);
}
