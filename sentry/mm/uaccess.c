/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentry's access to guest memory: a PTE that allows the access gives the frame, and the copy is a memcpy.  pt_lock is held
 * meanwhile, so that no page changes hands under the copy: a write-protecting fork comes wholly before or after it.
 */
#include "sentry/mm/uaccess.h"

#include <string.h>

#include "sentry/mm/mm_internal.h"

/* pt_lock is let go after this many bytes, for others that fault meanwhile. */
#define COPY_CHUNK (64UL << 10)

struct user_access {
	struct mm *mm;
	bool write, force;
};

bool (*mm_out_of_memory)(unsigned tries);

/* The PTE allows the access without a fault. */
static bool access_ready(const struct user_access *ua, pte_t pte)
{
	if (!(pte & PTE_PRESENT))
		return false;
	if (!ua->force)
		return pte & (ua->write ? PTE_WRITE : PTE_READ);
	return !ua->write || (pte & PTE_WRITE) || (pte & (PTE_ANON | PTE_OWNED)) == (PTE_ANON | PTE_OWNED);
}

/* The sentry's address of @addr with pt_lock held, or NULL without it. */
static void *user_lock(const struct user_access *ua, uaddr_t addr)
{
	struct mm_fault f = { .addr = addr, .access = ua->write ? ACCESS_WRITE : ACCESS_READ };
	unsigned tries = 0;
	pte_t pte;

	if (addr >= GUEST_TASK_SIZE)
		return NULL;
	for (;;) {
		mutex_lock(&ua->mm->pt_lock);
		pte = page_table_get(ua->mm->pt, addr);
		if (access_ready(ua, pte))
			return (char *)frame_ptr(PTE_PFN(pte)) + PAGE_OFFSET(addr);
		mutex_unlock(&ua->mm->pt_lock);
		if (mm_handle_fault(ua->mm, &f, ua->force ? FAULT_FORCE : 0) &&
		    (f.signo || !mm_out_of_memory || !mm_out_of_memory(tries++)))
			return NULL;
	}
}

/* The same for a following page while pt_lock is held, without a fault: NULL, still locked. */
static void *user_next(const struct user_access *ua, uaddr_t addr)
{
	pte_t pte = addr < GUEST_TASK_SIZE ? page_table_get(ua->mm->pt, addr) : 0;

	return access_ready(ua, pte) ? (char *)frame_ptr(PTE_PFN(pte)) + PAGE_OFFSET(addr) : NULL;
}

enum copy_kind { COPY_FROM, COPY_TO, COPY_ZERO };

static void copy_piece(enum copy_kind kind, void *page, void *buf, size_t n)
{
	/* A file that is written from its own mapping: the two may overlap. */
	if (kind == COPY_FROM)
		memmove(buf, page, n);
	else if (kind == COPY_TO)
		memmove(page, buf, n);
	else
		memset(page, 0, n);
}

/* Copies page by page.  Returns the bytes done before the first bad page. */
static size_t user_copy(struct mm *mm, enum copy_kind kind, void *buf, uaddr_t addr, size_t len, bool force)
{
	struct user_access ua = { mm, kind != COPY_FROM, force };
	size_t done = 0, locked = 0;
	char *page = NULL;

	while (done < len) {
		size_t n = MIN(len - done, PAGE_SIZE - PAGE_OFFSET(addr + done));

		if (addr + done < addr)
			break;
		if (page) {
			page = locked < COPY_CHUNK ? user_next(&ua, addr + done) : NULL;
			if (!page)
				mutex_unlock(&mm->pt_lock);
		}
		if (!page) {
			page = user_lock(&ua, addr + done);
			locked = 0;
			if (!page)
				break;
		}
		if (unlikely(force && kind != COPY_FROM) && platform->unpatch && mm->as)
			platform->unpatch(mm->as, addr + done, n);
		copy_piece(kind, page, buf ? (char *)buf + done : NULL, n);
		done += n;
		locked += n;
	}
	if (page)
		mutex_unlock(&mm->pt_lock);
	return done;
}

size_t copy_from_user_partial(void *dst, uaddr_t src, size_t len)
{
	return user_copy(current_mm, COPY_FROM, dst, src, len, false);
}

size_t copy_to_user_partial(uaddr_t dst, const void *src, size_t len)
{
	return user_copy(current_mm, COPY_TO, (void *)src, dst, len, false);
}

int copy_from_user(void *dst, uaddr_t src, size_t len)
{
	return copy_from_user_partial(dst, src, len) == len ? 0 : -LINUX_EFAULT;
}

int copy_to_user(uaddr_t dst, const void *src, size_t len)
{
	return copy_to_user_partial(dst, src, len) == len ? 0 : -LINUX_EFAULT;
}

int clear_user(uaddr_t dst, size_t len)
{
	return user_copy(current_mm, COPY_ZERO, NULL, dst, len, false) == len ? 0 : -LINUX_EFAULT;
}

size_t clear_user_partial(uaddr_t dst, size_t len)
{
	return user_copy(current_mm, COPY_ZERO, NULL, dst, len, false);
}

size_t mm_copy_from(struct mm *mm, void *dst, uaddr_t src, size_t len, bool force)
{
	return user_copy(mm, COPY_FROM, dst, src, len, force);
}

size_t mm_copy_to(struct mm *mm, uaddr_t dst, const void *src, size_t len, bool force)
{
	return user_copy(mm, COPY_TO, (void *)src, dst, len, force);
}

size_t mm_clear(struct mm *mm, uaddr_t dst, size_t len)
{
	return user_copy(mm, COPY_ZERO, NULL, dst, len, false);
}

int64_t strncpy_from_user(char *dst, uaddr_t src, size_t size)
{
	struct user_access ua = { current_mm, false, false };
	size_t done = 0;

	while (done < size) {
		size_t n = MIN(size - done, PAGE_SIZE - PAGE_OFFSET(src + done));
		const char *page = src + done < src ? NULL : user_lock(&ua, src + done);
		const char *nul;

		if (!page)
			return -LINUX_EFAULT;
		/* The guest may write meanwhile: look for the end in our copy. */
		memcpy(dst + done, page, n);
		mutex_unlock(&ua.mm->pt_lock);
		nul = memchr(dst + done, 0, n);
		if (nul)
			return nul - dst;
		done += n;
	}
	return size;
}

int copy_struct_from_user(void *dst, size_t ksize, uaddr_t src, size_t usize)
{
	size_t size = MIN(ksize, usize);
	char rest[64];

	/* What this kernel does not know must be zero. */
	for (size_t done = size; done < usize;) {
		size_t n = MIN(usize - done, sizeof(rest));

		if (copy_from_user(rest, src + done, n))
			return -LINUX_EFAULT;
		for (size_t i = 0; i < n; i++)
			if (rest[i])
				return -LINUX_E2BIG;
		done += n;
	}
	memset((char *)dst + size, 0, ksize - size);
	return copy_from_user(dst, src, size);
}

/* --- atomic words --- */

int user_read_u32_mm(struct mm *mm, uaddr_t addr, uint32_t *ret)
{
	struct user_access ua = { mm, false, false };
	const uint32_t *word = addr & 3 ? NULL : user_lock(&ua, addr);

	if (!word)
		return -LINUX_EFAULT;
	*ret = __atomic_load_n(word, __ATOMIC_SEQ_CST);
	mutex_unlock(&mm->pt_lock);
	return 0;
}

int user_cmpxchg_u32_mm(struct mm *mm, uaddr_t addr, uint32_t old, uint32_t new, uint32_t *ret_prev)
{
	struct user_access ua = { mm, true, false };
	uint32_t *word = addr & 3 ? NULL : user_lock(&ua, addr);

	if (!word)
		return -LINUX_EFAULT;
	__atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	mutex_unlock(&mm->pt_lock);
	*ret_prev = old;
	return 0;
}

int user_read_u32(uaddr_t addr, uint32_t *ret)
{
	return user_read_u32_mm(current_mm, addr, ret);
}

int user_cmpxchg_u32(uaddr_t addr, uint32_t old, uint32_t new, uint32_t *ret_prev)
{
	return user_cmpxchg_u32_mm(current_mm, addr, old, new, ret_prev);
}
