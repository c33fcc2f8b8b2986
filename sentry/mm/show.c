/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What /proc/pid/maps, smaps and smaps_rollup show, in the formats of fs/proc/task_mmu.c in Linux.
 */
#include <string.h>

#include "sentry/mm/mm_internal.h"

/* Column at which names begin. */
#define NAME_COLUMN 73

static unsigned dev_major(uint64_t dev)
{
	return (dev >> 8) & 0xfff;
}

static unsigned dev_minor(uint64_t dev)
{
	return (dev & 0xff) | ((dev >> 12) & 0xfff00);
}

/* The name of memory that has no file, appended to @name; nothing for plain anonymous memory. */
static void anon_name(const struct mm *mm, const struct vma *v, struct strbuf *name)
{
	if (v->name)
		strbuf_adds(name, v->name);
	else if (v->start < mm->brk && v->end > mm->start_brk)
		strbuf_adds(name, "[heap]");
	else if (v->start <= mm->start_stack && v->end >= mm->start_stack)
		strbuf_adds(name, "[stack]");
	else if (v->anon_name)
		strbuf_addf(name, "[anon:%s]", v->anon_name);
}

static void pad_to(struct strbuf *sb, size_t line, size_t column)
{
	do
		strbuf_addc(sb, ' ');
	while (sb->len < line + column && !strbuf_err(sb));
}

static void show_vma(const struct mm *mm, const struct vma *v, struct strbuf *sb)
{
	_cleanup_strbuf_ struct strbuf name = STRBUF_INIT;
	uint64_t dev = 0, ino = 0;
	size_t line = sb->len;

	if (v->file)
		v->file->ops->describe(v->file, &name, &dev, &ino);
	else
		anon_name(mm, v, &name);
	strbuf_addf(sb, "%08lx-%08lx %c%c%c%c %08lx %02x:%02x %lu", (unsigned long)v->start, (unsigned long)v->end,
		    v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-', v->flags & VM_EXEC ? 'x' : '-',
		    v->flags & VM_SHARED ? 's' : 'p', v->file ? (unsigned long)v->pgoff << PAGE_SHIFT : 0UL, dev_major(dev),
		    dev_minor(dev), (unsigned long)ino);
	if (name.len) {
		pad_to(sb, line, NAME_COLUMN);
		strbuf_add_escaped(sb, strbuf_str(&name), "\n");
	} else {
		strbuf_addc(sb, ' ');
	}
	strbuf_addc(sb, '\n');
}

/* --- smaps --- */

/* Bytes, but for pss, which has PSS_SHIFT bits of fraction. */
struct mem_stats {
	uint64_t size, rss, anonymous, locked;
	uint64_t shared_clean, shared_dirty, private_clean, private_dirty;
	uint64_t pss, pss_dirty, pss_anon, pss_file, pss_shmem, pss_locked;
};
#define PSS_SHIFT 12

static void stats_add_page(struct mem_stats *st, pte_t pte, bool locked)
{
	/* The page cache holds its frames once itself. */
	int refs = frame_refs(PTE_PFN(pte)), maps = MAX(pte & PTE_ANON ? refs : refs - 1, 1);
	bool dirty = pte & (PTE_ANON | PTE_OWNED);
	uint64_t pss = (PAGE_SIZE << PSS_SHIFT) / maps;

	st->rss += PAGE_SIZE;
	st->pss += pss;
	if (dirty)
		st->pss_dirty += pss;
	if (locked)
		st->pss_locked += pss;
	if (pte & PTE_ANON) {
		st->anonymous += PAGE_SIZE;
		st->pss_anon += pss;
	} else if (pte & PTE_SHMEM) {
		st->pss_shmem += pss;
	} else {
		st->pss_file += pss;
	}
	*(maps > 1 ? (dirty ? &st->shared_dirty : &st->shared_clean) : dirty ? &st->private_dirty : &st->private_clean) +=
		PAGE_SIZE;
}

static void stats_add_vma(struct mm *mm, const struct vma *v, struct mem_stats *st)
{
	struct pt_leaf *leaf;
	uaddr_t addr;

	st->size += v->end - v->start;
	mutex_lock(&mm->pt_lock);
	mm_pt_limbo_end(mm);
	mm_pt_settle(mm, v->start, v->end);
	page_table_for_each(mm->pt, leaf, addr, v->start, v->end)
		if (!(leaf->pte[pte_index(addr)] & PTE_AHEAD))
			stats_add_page(st, leaf->pte[pte_index(addr)], v->flags & VM_LOCKED);
	mutex_unlock(&mm->pt_lock);
}

static void show_kb(struct strbuf *sb, const char *name, uint64_t bytes)
{
	int label = strlen(name) + 1;

	strbuf_addf(sb, "%s:%*s%8lu kB\n", name, 16 - label, "", (unsigned long)bytes >> 10);
}

static void show_stats(struct strbuf *sb, const struct mem_stats *st, bool rollup)
{
	show_kb(sb, "Rss", st->rss);
	show_kb(sb, "Pss", st->pss >> PSS_SHIFT);
	show_kb(sb, "Pss_Dirty", st->pss_dirty >> PSS_SHIFT);
	if (rollup) {
		show_kb(sb, "Pss_Anon", st->pss_anon >> PSS_SHIFT);
		show_kb(sb, "Pss_File", st->pss_file >> PSS_SHIFT);
		show_kb(sb, "Pss_Shmem", st->pss_shmem >> PSS_SHIFT);
	}
	show_kb(sb, "Shared_Clean", st->shared_clean);
	show_kb(sb, "Shared_Dirty", st->shared_dirty);
	show_kb(sb, "Private_Clean", st->private_clean);
	show_kb(sb, "Private_Dirty", st->private_dirty);
	show_kb(sb, "Referenced", st->rss);
	show_kb(sb, "Anonymous", st->anonymous);
	show_kb(sb, "KSM", 0);
	show_kb(sb, "LazyFree", 0);
	show_kb(sb, "AnonHugePages", 0);
	show_kb(sb, "ShmemPmdMapped", 0);
	show_kb(sb, "FilePmdMapped", 0);
	show_kb(sb, "Shared_Hugetlb", 0);
	show_kb(sb, "Private_Hugetlb", 0);
	show_kb(sb, "Swap", 0);
	show_kb(sb, "SwapPss", 0);
	show_kb(sb, "Locked", st->pss_locked >> PSS_SHIFT);
}

static void show_vm_flags(const struct vma *v, struct strbuf *sb)
{
	static const struct {
		unsigned flag;
		const char *name;
	} names[] = {
		{ VM_READ, "rd" },	 { VM_WRITE, "wr" },	  { VM_EXEC, "ex" },	    { VM_SHARED, "sh" },
		{ VM_MAYREAD, "mr" },	 { VM_MAYWRITE, "mw" },	  { VM_MAYEXEC, "me" },	    { VM_SHARED, "ms" },
		{ VM_GROWSDOWN, "gd" },	 { VM_LOCKED, "lo" },	  { VM_SEQ_READ, "sr" },    { VM_RAND_READ, "rr" },
		{ VM_DONTFORK, "dc" },	 { VM_SPECIAL, "de" },	  { VM_LOCKONFAULT, "lf" }, { VM_NORESERVE, "nr" },
		{ VM_WIPEONFORK, "wf" }, { VM_DONTDUMP, "dd" },
	};

	strbuf_adds(sb, "VmFlags: ");
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
		if (v->flags & names[i].flag)
			strbuf_addf(sb, "%s ", names[i].name);
	if (is_accountable(v->flags))
		strbuf_adds(sb, "ac ");
	strbuf_addc(sb, '\n');
}

static void show_smap(struct mm *mm, const struct vma *v, struct strbuf *sb)
{
	struct mem_stats st = { 0 };

	stats_add_vma(mm, v, &st);
	show_kb(sb, "Size", st.size);
	show_kb(sb, "KernelPageSize", PAGE_SIZE);
	show_kb(sb, "MMUPageSize", PAGE_SIZE);
	show_stats(sb, &st, false);
	strbuf_adds(sb, "THPeligible:           0\n");
	show_vm_flags(v, sb);
}

void mm_show_maps(struct mm *mm, struct strbuf *sb, bool smaps)
{
	rwlock_read(&mm->lock);
	for (const struct vma *v = vma_first(&mm->vmas); v; v = vma_next(v)) {
		show_vma(mm, v, sb);
		if (smaps)
			show_smap(mm, v, sb);
	}
	rwlock_unlock(&mm->lock);
}

void mm_show_smaps_rollup(struct mm *mm, struct strbuf *sb)
{
	const struct vma *first, *last;
	struct mem_stats st = { 0 };
	size_t line = sb->len;

	rwlock_read(&mm->lock);
	first = vma_first(&mm->vmas);
	last = vma_last(&mm->vmas);
	for (const struct vma *v = first; v; v = vma_next(v))
		stats_add_vma(mm, v, &st);
	strbuf_addf(sb, "%08lx-%08lx ---p 00000000 00:00 0", first ? (unsigned long)first->start : 0UL,
		    last ? (unsigned long)last->end : 0UL);
	rwlock_unlock(&mm->lock);
	pad_to(sb, line, NAME_COLUMN);
	strbuf_adds(sb, "[rollup]\n");
	show_stats(sb, &st, true);
}

void mm_describe_addr(struct mm *mm, uaddr_t addr, struct strbuf *sb)
{
	const struct vma *v;
	pte_t pte;

	rwlock_read(&mm->lock);
	v = vma_find_from(&mm->vmas, addr);
	if (v && v->start <= addr) {
		mutex_lock(&mm->pt_lock);
		pte = page_table_get(mm->pt, addr);
		mutex_unlock(&mm->pt_lock);
		strbuf_addf(sb, "%#lx is in (page %s):\n", (unsigned long)addr,
			    !pte ? "absent" : pte & PTE_WRITE ? "present, writable" : "present");
		show_vma(mm, v, sb);
	} else {
		const struct vma *below = v ? vma_prev(v) : vma_last(&mm->vmas);

		strbuf_addf(sb, "%#lx is not mapped; around it:\n", (unsigned long)addr);
		if (below)
			show_vma(mm, below, sb);
		if (v)
			show_vma(mm, v, sb);
	}
	rwlock_unlock(&mm->lock);
}
