/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest address space: vma set, page table, brk.
 *
 * The truth about guest memory is here; the platform's host mappings are a cache of the page table.
 *
 * Lock order:
 *     inode->i_rwsem
 *       mm->lock                 the vma set, brk, limits: read to fault, write to change
 *         backing->i_mmap_lock   which vmas map a file
 *           mm->pt_lock          PTEs and the platform mappings that follow them
 *             page cache locks, frame_lock, platform locks
 * Two mms (fork, remote copies): the parent's mm->lock before the child's.
 */
#ifndef SENTRY_MM_MM_H
#define SENTRY_MM_MM_H

#include "platform/platform.h"
#include "sentry/base/lock.h"
#include "sentry/base/rbtree.h"
#include "sentry/base/ref.h"
#include "sentry/mm/backing.h"
#include "sentry/mm/frame.h"
#include "sentry/mm/vma.h"

struct page_table;

/* RSS counters, as in /proc/pid/status; pages.  pt_lock. */
enum mm_counter { MM_ANONPAGES, MM_FILEPAGES, MM_SHMEMPAGES, NR_MM_COUNTERS };

#define MM_LIMBO_MAX 64
#define MM_PARKED_MAX 4

/* Frames that an unmapped range has kept, see limbo.c. */
struct mm_parked {
	uaddr_t start;
	pfn_t pfn;
	unsigned nr;
};

struct aio_table;

struct mm {
	struct ref users;	 /* tasks and others that use the address space; last put tears it down */
	struct list_head all_link; /* mm.c's list of all; leaves it first when the mm ends */
	struct rwlock lock;
	struct vma_set vmas;	 /* lock */
	struct mutex pt_lock;
	struct page_table *pt;	 /* pt_lock */
	struct platform_aspace *as;
	long rss[NR_MM_COUNTERS]; /* pt_lock */
	atomic_long rss_peak;	 /* pt_lock to change, read without */
	atomic_ullong guest_time; /* ns that its tasks were in the guest; kernel/acct.c */
	atomic_bool many_tgroups; /* tasks of several processes have used it; never cleared */
	unsigned nr_limbo;	 /* pt_lock, as limbo */
	pfn_t limbo[MM_LIMBO_MAX]; /* references to frames that the host may still map here (limbo.c) */
	unsigned nr_parked;	 /* pt_lock, as parked */
	struct mm_parked parked[MM_PARKED_MAX]; /* the oldest first */
	uint64_t nr_ahead;	 /* pt_lock; PTEs with PTE_AHEAD, which rss does not count */
	unsigned copy_credit;	 /* pt_lock; pages that may still be copied ahead of being written, since the last fork */

	/* Layout; lock.  brk is its own pair of fields with its own reserved range, never inferred from a vma. */
	uaddr_t start_code, end_code, start_data, end_data;
	uaddr_t start_brk, brk, brk_limit; /* [start_brk, brk_limit) is never returned by the search for free space */
	uaddr_t mmap_base;	 /* top of the top-down search */
	uaddr_t start_stack, arg_start, arg_end, env_start, env_end;
	uaddr_t vdso;		 /* AT_SYSINFO_EHDR, 0 when there is none */
	uint64_t saved_auxv[64]; /* for /proc/pid/auxv */
	struct vm_file *exe;	 /* reference; NULL before exec is done */

	/* pages; lock */
	uint64_t total_vm, peak_vm, locked_vm, data_vm, stack_vm, exec_vm;
	unsigned def_flags;	 /* VM_LOCKED after mlockall(MCL_FUTURE) */
	bool dumpable; /* READ_ONCE, WRITE_ONCE: its threads change it */
	uint8_t mdwe;  /* PR_SET_MDWE; the same */
	atomic_bool patch_off; /* mm_patch_off was called */
	atomic_bool membarrier_private; /* MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED was called */

	/* Limits, kept current by the kernel layer (setrlimit); bytes, UINT64_MAX = none.  Read without lock. */
	uint64_t rlim_as, rlim_data, rlim_stack, rlim_memlock;
	bool cap_ipc_lock;

	_Atomic(struct aio_table *) aio; /* kernel/aio.c; NULL until the first context */
};
/* Frees mm->aio; set by who makes such tables. */
extern void (*mm_aio_free)(struct aio_table *table);

/* The address space of the calling sentry thread's task.  Set by the kernel layer; NULL in service threads. */
extern _Thread_local struct mm *current_mm;
/* The calling thread's platform context (NULL before its first run): where its own map operations are applied. */

/* A new, empty mm with one user, or ERR_PTR. */
struct mm *mm_new(void);
/*
 * fork: the vmas of @old (but VM_DONTFORK), frames shared copy-on-write by write-protecting both sides.  Returns a mm with one
 * user or ERR_PTR(-LINUX_ENOMEM).
 */
struct mm *mm_fork(struct mm *old);
static inline struct mm *mm_get(struct mm *mm)
{
	ref_get(&mm->users);
	return mm;
}
/* The last put unmaps everything (shared file pages stay dirty in the page cache).  All contexts of mm->as were freed. */
void mm_put(struct mm *mm);

/* --- mmap family: bodies of the syscalls, on any mm.  Arguments as the syscall's; results 0/address or -errno. --- */

struct mmap_args {
	uaddr_t addr;
	uint64_t len;
	unsigned prot;	/* LINUX_PROT_* */
	unsigned flags; /* LINUX_MAP_* */
	uint64_t off;	/* bytes, page aligned */
	struct vm_file *file; /* borrowed; NULL for anonymous.  Shared anonymous memory is a tmpfs file made by the caller */
	bool file_taken; /* file_ops.mmap put another file here, with a reference that the caller of mm_mmap puts afterwards */
	bool may_write; /* a shared mapping may become writable (file open for writing) */
	bool noread;	/* the file is not open for reading: -LINUX_EACCES, in the right order of checks */
	bool noexec;	/* VM_MAYEXEC not given (mount noexec) */
	unsigned vm_flags; /* extra VM_* for special mappings (loader: VM_STACK, VM_SPECIAL) */
	const char *name;  /* "[stack]", "[vdso]": static storage; NULL */
};

int64_t mm_mmap(struct mm *mm, const struct mmap_args *a);
int mm_munmap(struct mm *mm, uaddr_t addr, uint64_t len);
int mm_mprotect(struct mm *mm, uaddr_t addr, uint64_t len, unsigned prot);
int64_t mm_mremap(struct mm *mm, uaddr_t addr, uint64_t old_len, uint64_t new_len, unsigned flags, uaddr_t new_addr);
/* Returns the new (or, on failure, unchanged) break, as the raw syscall does. */
uaddr_t mm_brk(struct mm *mm, uaddr_t brk);
/* The loader: declares the heap's start; reserves up to brk_limit. */
int mm_set_brk_start(struct mm *mm, uaddr_t start);
int mm_madvise(struct mm *mm, uaddr_t addr, uint64_t len, int advice);
/* @sync: called for each shared file range of MS_SYNC, without locks, to write it back. */
int mm_msync(struct mm *mm, uaddr_t addr, uint64_t len, unsigned flags,
	     int (*sync)(struct vm_file *f, uint64_t off, uint64_t len, void *arg), void *arg);
/* remap_file_pages(2), whose prot is 0, as an ordinary mapping. */
int mm_remap_file_pages(struct mm *mm, uaddr_t addr, uint64_t size, uint64_t pgoff, unsigned flags);
int mm_mincore(struct mm *mm, uaddr_t addr, uint64_t len, uaddr_t vec);
/* The NUMA policy of whole pages, which is kept and told: 0, -LINUX_EFAULT for a hole, -LINUX_ENOMEM. */
int mm_set_policy(struct mm *mm, uaddr_t start, uaddr_t end, uint32_t policy);
int mm_get_policy(struct mm *mm, uaddr_t addr, uint32_t *ret);
/* For /proc/PID/pagemap: @ret[i] says MM_PAGE_* of the page @i behind @start. */
enum mm_page_state {
	MM_PAGE_MAPPED = 1,	/* a vma is there */
	MM_PAGE_PRESENT = 2, MM_PAGE_FILE = 4,
	MM_PAGE_EXCLUSIVE = 8,	/* mapped once, by whoever it may be */
};
void mm_page_states(struct mm *mm, uaddr_t start, unsigned nr, uint8_t *ret);
int mm_mlock(struct mm *mm, uaddr_t addr, uint64_t len, unsigned flags);
int mm_munlock(struct mm *mm, uaddr_t addr, uint64_t len);
int mm_mlockall(struct mm *mm, unsigned flags);
int mm_munlockall(struct mm *mm);
/* PR_SET_VMA_ANON_NAME; @name NULL: none.  -LINUX_EINVAL, -LINUX_ENOMEM (a hole), -LINUX_EBADF (not anonymous). */
int mm_set_anon_name(struct mm *mm, uaddr_t start, uint64_t len, const char *name);

/*
 * Copies of the host's vDSO text with its data pages in front; returns the text's address or 0 when the platform has none.
 */
uaddr_t mm_map_vdso(struct mm *mm);

/* --- faults --- */

struct mm_fault {
	uaddr_t addr;
	enum platform_access access;
	bool present;	/* as in struct platform_stop */
	uaddr_t ip, sp;	/* the guest's, for stack growth and the trace; 0 when the sentry itself touches */
	const struct guest_regs *regs; /* the guest's at the fault, to tell writes from reads where the platform can't; NULL */
	/* out, when the result is < 0: */
	int signo;	/* LINUX_SIGSEGV, LINUX_SIGBUS; 0: out of memory, the task is to be killed */
	int si_code;
	const char *what; /* what was done, for the trace: "anon", "cow", "file", "spurious", ... */
};

/*
 * Resolves a fault of the calling task or of the sentry on its behalf: 0 when the page is there with that access (in the page
 * table and, for a guest fault, in the platform), or -LINUX_EFAULT with signo and si_code filled.
 */
int mm_fault(struct mm *mm, struct mm_fault *f);
/* The calling thread serves another task from now on: its last fault is no sign of a loop. */
void mm_fault_forget(void);

/* --- program text that a platform changes for itself --- */

/* The call that @ctx of the calling thread has stopped for came from a place worth it: lets the platform patch it, if it may. */
void mm_patch(struct mm *mm, struct platform_ctx *ctx);
/* Text is to be genuine from now on: a tracer looks at it. */
void mm_patch_off(struct mm *mm);

/* --- for /proc and others --- */
/* Appends /proc/pid/maps (or, with @smaps, smaps). */
void mm_show_maps(struct mm *mm, struct strbuf *sb, bool smaps);
void mm_show_smaps_rollup(struct mm *mm, struct strbuf *sb);
/* Appends a description of the vma around @addr, for crash reports. */
void mm_describe_addr(struct mm *mm, uaddr_t addr, struct strbuf *sb);
uint64_t mm_rss(struct mm *mm); /* pages */
/* Makes rss and rss_peak exact: counts pages given ahead that were touched since somebody last asked.  Takes pt_lock. */
void mm_settle(struct mm *mm);

/*
 * A key that names a futex word (futex(2)): private ones by mm and address, shared ones by backing and offset, so that processes
 * that map the same file meet.  *ret_file is a reference for the caller to put when the key is shared, else NULL.
 */
struct futex_key {
	const void *obj;
	uint64_t off;
	struct vm_file *file;
};
int mm_futex_key(struct mm *mm, uaddr_t addr, bool shared, bool write, struct futex_key *ret);

#endif
