/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Copying to and from guest memory, through the sentry's own page tables.  A page that is not present is faulted in, so
 * these may sleep and take mm->lock for reading: never call them with mm->lock, a page cache lock or anything a file's
 * fault takes.  inode->i_rwsem may be held.
 *
 * All work on current_mm; the _mm variants work on another (process_vm_readv, ptrace).
 */
#ifndef SENTRY_MM_UACCESS_H
#define SENTRY_MM_UACCESS_H

#include "sentry/base/types.h"
#include "sentry/mm/mm.h"

/*
 * Called without mm's locks when a copy finds no frame, for the @tries'th time: makes room (kills somebody) and returns true to try
 * again.  Set by the kernel layer; NULL: the copy fails.
 */
extern bool (*mm_out_of_memory)(unsigned tries);

/* 0 or -LINUX_EFAULT; on failure part may have been copied. */
int __must_check copy_from_user(void *dst, uaddr_t src, size_t len);
int __must_check copy_to_user(uaddr_t dst, const void *src, size_t len);
int __must_check clear_user(uaddr_t dst, size_t len);
/* Bytes copied before the first bad page. */
size_t copy_from_user_partial(void *dst, uaddr_t src, size_t len);
size_t copy_to_user_partial(uaddr_t dst, const void *src, size_t len);
size_t clear_user_partial(uaddr_t dst, size_t len);
/*
 * Copies a string with its NUL into @dst[@size].  Returns its length without NUL, -LINUX_EFAULT, or @size when it is not
 * terminated within @size bytes.
 */
int64_t __must_check strncpy_from_user(char *dst, uaddr_t src, size_t size);

/* Whether the range lies in the guest's half of the address space (access_ok in Linux); no page is looked at. */
static inline bool access_ok(uaddr_t addr, uint64_t len)
{
	return len <= GUEST_TASK_SIZE && addr <= GUEST_TASK_SIZE - len;
}

#define get_user(ret_val, uaddr) copy_from_user((ret_val), (uaddr), sizeof(*(ret_val)))
#define put_user(val, uaddr, type)                                                                                     \
	({                                                                                                             \
		type pu_ = (val);                                                                                      \
		copy_to_user((uaddr), &pu_, sizeof(pu_));                                                              \
	})

/* Copies a size-extensible structure (clone3, openat2, sched_setattr): copy_struct_from_user in Linux. -E2BIG, -EFAULT, 0. */
int __must_check copy_struct_from_user(void *dst, size_t ksize, uaddr_t src, size_t usize);

/* Another address space.  @force: as ptrace does (reads of PROT_NONE.., writes to read-only private pages by COW).  Bytes done. */
size_t mm_copy_from(struct mm *mm, void *dst, uaddr_t src, size_t len, bool force);
size_t mm_copy_to(struct mm *mm, uaddr_t dst, const void *src, size_t len, bool force);
size_t mm_clear(struct mm *mm, uaddr_t dst, size_t len);

/* Atomic access to aligned words of current_mm, with respect to the guest's own atomic instructions.  0 or -LINUX_EFAULT. */
int __must_check user_read_u32(uaddr_t addr, uint32_t *ret);
/* *ret_prev is what was there; it was replaced when it equalled @old. */
int __must_check user_cmpxchg_u32(uaddr_t addr, uint32_t old, uint32_t new, uint32_t *ret_prev);
int __must_check user_read_u32_mm(struct mm *mm, uaddr_t addr, uint32_t *ret);
int __must_check user_cmpxchg_u32_mm(struct mm *mm, uaddr_t addr, uint32_t old, uint32_t new, uint32_t *ret_prev);

/* --- scatter/gather --- */

struct linux_iovec {
	uint64_t base, len;
};

/*
 * A cursor over user segments or one kernel buffer.  File operations see only this.  It may point into itself (`one`): pass it by
 * pointer, never copy it.
 */
struct iov_iter {
	bool user;
	struct mm *mm;		 /* user segments are of this mm; borrowed (current_mm) */
	const struct linux_iovec *iov; /* borrowed; user */
	unsigned nr;
	size_t seg_off;		 /* bytes done of iov[0] */
	char *kbuf;		 /* kernel */
	size_t count;		 /* bytes left */
	struct linux_iovec one;	 /* storage for single user buffers */
};

void iov_iter_init_user(struct iov_iter *it, uaddr_t buf, size_t len);
void iov_iter_init_kernel(struct iov_iter *it, void *buf, size_t len);
/*
 * Imports a guest iovec array: checks count (<= LINUX_UIO_MAXIOV), lengths (sum <= MAX_RW_COUNT, clamped) and addresses, as
 * import_iovec does.  *ret_storage is to be freed by the caller (may be NULL).
 */
int iov_iter_import(struct iov_iter *it, uaddr_t uvec, uint64_t nr, struct linux_iovec **ret_storage);
/* Bytes copied and advanced over; fewer than @len only at a bad page or at the end. */
size_t iov_iter_copy_to(struct iov_iter *it, const void *src, size_t len);
size_t iov_iter_copy_from(struct iov_iter *it, void *dst, size_t len);
size_t iov_iter_zero(struct iov_iter *it, size_t len);
void iov_iter_advance(struct iov_iter *it, size_t len);
void iov_iter_truncate(struct iov_iter *it, size_t len);
/* Undoes the last advances by @len bytes. */
void iov_iter_revert(struct iov_iter *it, size_t len);

#define MAX_RW_COUNT 0x7ffff000UL
#define LINUX_UIO_MAXIOV 1024

#endif
