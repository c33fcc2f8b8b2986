/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vma maps other than anonymous memory, seen from mm: the page cache of an inode (struct backing, embedded in the
 * page cache's struct mapping) and the open file through which it was mapped (struct vm_file, embedded in struct file).
 * mm calls up only through these tables.
 */
#ifndef SENTRY_MM_BACKING_H
#define SENTRY_MM_BACKING_H

#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/base/strbuf.h"

struct backing;
struct vm_file;
struct vma;

struct backing_ops {
	/*
	 * Finds or reads the page at @pgoff.  Returns 0 with a referenced frame in *ret_pfn, -LINUX_EFAULT for SIGBUS (past the end,
	 * I/O error), or -LINUX_ENOMEM.  @write: the page is about to be written through a shared mapping: marks it dirty, allocates
	 * its block, updates times.  May sleep.  Called with mm->lock held for reading, no pt_lock.
	 */
	int (*fault)(struct backing *b, uint64_t pgoff, bool write, pfn_t *ret_pfn);
	/*
	 * Fills @pfns for [pgoff, pgoff+nr) with referenced frames of pages that are already cached, up to date and inside the file's size;
	 * PFN_NONE for others.  Never reads.  For @write only pages already dirty are given.
	 */
	void (*fault_around)(struct backing *b, uint64_t pgoff, unsigned nr, bool write, pfn_t *pfns);
};

struct backing {
	const struct backing_ops *ops;
	struct mutex i_mmap_lock;    /* taken inside mm->lock, outside pt_lock */
	struct list_head i_mmap;     /* vmas that map this, by vma->i_mmap; i_mmap_lock */
	atomic_int nr_writable;	     /* shared vmas that may become writable */
	/*
	 * Counts backing_unmap and backing_write_protect.  A fault that sees it change between its call of ops->fault and the
	 * installation of the page asks again.
	 */
	atomic_uint zap_seq;
	/*
	 * Shared memory (tmpfs): pages count as RssShmem, and a fault in a shared vma that may be written is a write whatever the
	 * access was: its pages have no clean state worth a second fault.  Set after backing_init.
	 */
	bool shmem;
};

void backing_init(struct backing *b, const struct backing_ops *ops);
/* No vma maps it any more. */
void backing_fini(struct backing *b);

/*
 * Removes pages [start, end) of @b from every mm that maps them; the next touch faults.  @cows: private copies too
 * (truncate(2)), else only pages of the cache itself.  When it returns no guest instruction uses the old mapping.  Takes
 * i_mmap_lock and each mm's pt_lock: the caller holds neither, nor anything that ops->fault takes.  What is unmapped must be
 * out of ops->fault's reach before the call: a fault that runs at the same time either has its page removed here or asks
 * ops->fault again.
 */
void backing_unmap(struct backing *b, uint64_t start, uint64_t end, bool cows);
/*
 * Write-protects shared mappings of [start, end) so that the next write calls ops->fault with write (write-back).  The pages
 * were marked clean before the call; their contents are taken after it.
 */
void backing_write_protect(struct backing *b, uint64_t start, uint64_t end);

struct vm_file_ops {
	void (*get)(struct vm_file *f);
	void (*put)(struct vm_file *f); /* may sleep; never called under pt_lock */
	/* Path as /proc/pid/maps shows it (with " (deleted)"), device and inode number. */
	void (*describe)(struct vm_file *f, struct strbuf *ret_path, uint64_t *ret_dev, uint64_t *ret_ino);
	/* madvise(MADV_REMOVE): a hole in the bytes [off, off+len), called without locks.  NULL: -LINUX_EOPNOTSUPP. */
	int (*punch)(struct vm_file *f, uint64_t off, uint64_t len);
};

struct vm_file {
	const struct vm_file_ops *ops;
	struct backing *backing; /* lives as long as the file; NULL: maps as zero pages (/dev/zero, private) */
};

#endif
