/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The platform contract: how guest code runs and how its memory is mapped.
 *
 * A platform executes guest code in a *context* (one guest thread) inside an *address space* (one guest mm) and returns
 * to the sentry whenever the guest makes a syscall, faults, or is interrupted.  It knows nothing of tasks, vmas or files.
 *
 *     sentry thread                               platform
 *     for (;;) {
 *             platform_run(ctx, &stop)      ---->  applies queued map operations, enters the guest ...
 *             handle(stop)                  <----  ... until it stops
 *     }
 *
 * Guest memory is one memfd (platform_memory).  The host mappings of an address space are a cache of the mm's page table:
 * a page that is not mapped on the host faults, and mm decides.  So a platform may drop mappings at any time
 * (aspace_reset), but must never keep one that was ordered away.
 *
 * Mapping operations.  map, unmap and protect may be called by any thread.  When the calling thread owns a context of that
 * address space they are applied at once, for all threads of it.  Otherwise they are queued in order, are applied
 * before any context of the address space enters the guest again, and, when a context is inside the guest at that time, the
 * call interrupts it and waits until it has applied them.  So in every case: when the call returns, no guest instruction will
 * use the old mapping.  A platform with a sync operation queues them in any case, and does the waiting there.  Nothing here
 * may be called with a lock held that handling a stop takes, except mm's pt_lock.
 *
 * Threads.  A context belongs to the sentry thread that first ran it (its owner): only the owner calls run, ctx_free and the
 * register and xstate functions; any thread calls interrupt.
 *
 * Locks: a platform's own locks are below mm's pt_lock.
 *
 * Errors are negative guest errno values.
 */
#ifndef SENTRY_PLATFORM_PLATFORM_H
#define SENTRY_PLATFORM_PLATFORM_H

#include "sentry/base/types.h"

/*
 * The guest's addresses are [GUEST_MIN_ADDR, GUEST_TASK_SIZE).  What lies above, to the end of the host's user half, is
 * the stub's; no guest mapping is ever ordered there.
 */
#define GUEST_MIN_ADDR 0x10000UL
#define GUEST_TASK_SIZE 0x7fffe0000000UL

/* The user-visible integer registers, laid out as Linux's struct user_regs_struct. */
struct guest_regs {
	uint64_t r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
	uint64_t orig_rax; /* syscall number at STOP_SYSCALL; ignored on entry to the guest */
	uint64_t rip, cs, eflags, rsp, ss;
	uint64_t fs_base, gs_base;
	uint64_t ds, es, fs, gs;
};
static_assert(sizeof(struct guest_regs) == 27 * 8, "user_regs_struct");

enum platform_prot { PLATFORM_READ = 1, PLATFORM_WRITE = 2, PLATFORM_EXEC = 4 }; /* 0: inaccessible */

/*
 * A hint beside the access bits of map: the memfd has no memory for these pages yet, and gets it when the guest touches them.  The
 * platform must not populate such a mapping: what is never touched would be paid for and would count as used.
 */
#define PLATFORM_LAZY 8

/*
 * Another: the guest may write these pages as far as others are concerned, whatever its own protection says at the moment.  Only
 * what was mapped so may be made writable by protect, and a guest that owns its stub may do that by itself.
 */
#define PLATFORM_OWNED 16

enum platform_stop_kind {
	STOP_SYSCALL,	  /* regs: number in orig_rax, rip behind the instruction, rax still the number */
	STOP_FAULT,	  /* a page fault: addr, access, present */
	STOP_SIGNAL,	  /* another hardware exception, as the signal Linux would send */
	STOP_INTERRUPTED, /* interrupt() or nothing in particular: look for work and run again */
	STOP_DEAD,	  /* the host killed the context's execution vehicle; it can only be freed */
};

enum platform_access {
	ACCESS_READ,	/* also "read or write, not known": resolve as a read; a write faults again with `present` set */
	ACCESS_WRITE,
	ACCESS_EXEC,
};

struct platform_stop {
	enum platform_stop_kind kind;
	/* STOP_FAULT */
	uaddr_t addr;		     /* faulting address */
	enum platform_access access;
	bool present;		     /* the host had the page mapped: a protection fault */
	/* STOP_SIGNAL; also filled for STOP_FAULT with what Linux's signal frame shows */
	int signo;		     /* SIGILL, SIGFPE, SIGTRAP, SIGBUS, SIGSEGV (general protection) */
	int si_code;
	uint64_t trapno, err;	     /* x86 exception number and page fault error bits, best knowledge */
	/* STOP_SYSCALL */
	bool patch;		     /* the site is worth platform_ops.patch */
};

/*
 * Addresses of the guest's where the platform may map something of its own, read-only, while no vma is there.  Programs are
 * linked above, and the kernel chooses others.
 */
#define PLATFORM_LOW_START 0x60000UL
#define PLATFORM_LOW_END 0x70000UL

/* A page of private program text that the guest can't write, as the platform has it mapped, and a syscall instruction in it. */
struct platform_text {
	uaddr_t site;
	const void *page; /* its bytes */
	unsigned prot;
	int backing;
	uint64_t off;
	bool low_free;	  /* no vma at PLATFORM_LOW_START... */
};

/*
 * System calls that a platform may answer by itself: those that return a value which the sentry has told it, and some that need
 * nothing else than the guest's own memory.
 */
enum platform_answer {
	ANSWER_NONE, /* no call */
	ANSWER_PID,
	ANSWER_TID,
	ANSWER_PPID,
	ANSWER_UID,
	ANSWER_EUID,
	ANSWER_GID,
	ANSWER_EGID,
	ANSWER_PGRP,
	ANSWER_PGID, /* getpgid(0) */
	ANSWER_SID,  /* getsid(0) */
	ANSWER_YIELD,	/* no value: the host's own sched_yield */
	ANSWER_GETCPU,	/* no value */
	ANSWER_SIGMASK, /* rt_sigprocmask; the value is the mask.  Nothing in it is unblocked, see answered_sigmask */
	ANSWER_FUTEX,	/* no value: private FUTEX_WAKE that finds no waiter (futex_count), FUTEX_WAIT that finds another word */
	NR_PLATFORM_ANSWERS,
};

struct platform_ops;

/* Embedded by a backend's own structure. */
struct platform_aspace {
	const struct platform_ops *ops;
};

struct platform_ctx {
	const struct platform_ops *ops;
	struct platform_aspace *as; /* immutable; exec makes a new context */
	/*
	 * The integer registers; the owner's.  Valid after run; to change them, write here and set regs_dirty.  New contexts
	 * start with all zero, dirty.
	 */
	struct guest_regs regs;
	bool regs_dirty;
};

/* Whether guest thread and sentry thread may wait for each other without sleeping. */
enum platform_spin {
	PLATFORM_SPIN_AUTO,   /* where a core is idle, and it pays */
	PLATFORM_SPIN_NEVER,
	PLATFORM_SPIN_ALWAYS, /* without asking whether a core is idle: for measurements */
};

struct platform_params {
	int memory_fd;	      /* the memfd of guest memory: backing 0; borrowed for the life of the platform */
	bool debug;
	bool no_patch;	      /* program text stays as it is */
	enum platform_spin spin;
};

#define PLATFORM_MEMORY 0 /* the backing id of guest memory */

struct platform_ops {
	const char *name;
	const char *summary; /* one line for --help */
	bool uses_ptrace;    /* the sentry keeps ptrace(2) for it */

	/*
	 * Whether this host lets the platform work: 0, or -errno with *ret_why set to one sentence naming what is missing and
	 * how to get it.  Must leave nothing behind.
	 */
	int (*probe)(const char **ret_why);
	/*
	 * Once per process, before any other call; main thread, before there are others.  Everything that needs a name, a new
	 * process or a privilege is done here: later the sentry has given that up (confine/confine.h).  *ret_why as for probe.
	 */
	int (*init)(const struct platform_params *params, const char **ret_why);
	void (*fini)(void);

	/*
	 * Optional: makes @fd (borrowed for the life of the platform) mappable by aspaces under the returned id > 0.  Only
	 * PLATFORM_READ and PLATFORM_EXEC mappings of it are allowed.  Platforms without it have NULL here.
	 */
	int (*backing_add)(int fd);

	/*
	 * An empty address space.  The execution vehicle (stub process) may be made here or at the first run; failure then is
	 * STOP_DEAD.  Returns it or ERR_PTR.
	 */
	struct platform_aspace *(*aspace_new)(void);
	/* All its contexts were freed. */
	void (*aspace_free)(struct platform_aspace *as);

	/*
	 * Maps [addr, addr+len) to @backing at byte offset @off, replacing what was there.  All page aligned and inside the
	 * guest's range.  @prot may have PLATFORM_LAZY and PLATFORM_OWNED.  -LINUX_ENOMEM when the host refuses (too many
	 * mappings): the caller may aspace_reset and go on.
	 */
	int (*map)(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off);
	/* Removes all mappings in the range; holes are fine. */
	int (*unmap)(struct platform_aspace *as, uaddr_t addr, size_t len);
	/* Changes protection of a range that is entirely mapped. */
	int (*protect)(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot);
	/*
	 * Optional.  Makes a range that is entirely mapped with PLATFORM_OWNED inaccessible, so that protect brings it back, which is
	 * cheaper than mapping it anew.  Its frames stay mapped until it is unmapped, mapped over or reset.
	 */
	int (*park)(struct platform_aspace *as, uaddr_t addr, size_t len);
	/* Drops every guest mapping, the special ones of map_vvar excepted. */
	int (*aspace_reset)(struct platform_aspace *as);

	/*
	 * Returns when no guest instruction can use a mapping that map, unmap, protect or aspace_reset took away before.  NULL:
	 * they see to that themselves.  With @frames memory is about to be let go that was mapped, which no address space may
	 * see any more; without it the mappings only have to be right for the guest's other threads.  0, or -LINUX_ESRCH: the
	 * execution vehicle is gone.
	 */
	int (*sync)(struct platform_aspace *as, bool frames);

	/*
	 * Optional, all or none: calls made from hot places may be made cheaper by mapping changed text, which is never seen through
	 * the page table.  patch: by the owner between two runs, with mm's pt_lock held.
	 * unpatch: the bytes of the range are about to change behind the platform's back (ptrace, /proc/pid/mem), or its text must
	 * be genuine; pt_lock held.  With @len SIZE_MAX: everywhere, and for ever.
	 * low_taken: a vma is about to be at PLATFORM_LOW_START...
	 */
	void (*patch)(struct platform_ctx *ctx, const struct platform_text *text);
	void (*unpatch)(struct platform_aspace *as, uaddr_t addr, size_t len);
	void (*low_taken)(struct platform_aspace *as);
	/*
	 * Optional, all or none: calls that the platform answers.
	 *
	 * set_answers: from the next run on it may answer those whose bits (enum platform_answer) are in @mask with
	 * @values[answer].  Owner only.  False: not yet, none is answered, ask again before the next run.
	 *
	 * drop_answers: none is answered any more until set_answers is called again.  Any thread, at any time while the context
	 * lives; a call that the guest begins after it has returned comes to the sentry.
	 *
	 * answered_sigmask: the guest's signal mask, while ANSWER_SIGMASK is answered.  It is the one that was set with more signals
	 * blocked, perhaps: what the sentry believes blocked only the sentry unblocks.  Any thread.
	 *
	 * futex_count: @delta more waiters sleep, or are about to look at the word before they do, on the private futex at
	 * @addr.  Some context of the address space has run, and is not freed.  A full memory barrier.
	 */
	bool (*set_answers)(struct platform_ctx *ctx, unsigned mask, const uint64_t *values);
	void (*drop_answers)(struct platform_ctx *ctx);
	uint64_t (*answered_sigmask)(struct platform_ctx *ctx);
	void (*futex_count)(struct platform_aspace *as, uaddr_t addr, int delta);

	/* Optional: logs what it has counted (LOG_LEVEL_INFO), when all contexts are freed. */
	void (*report)(void);

	/*
	 * Places the host's vDSO data pages so that they end at @addr, where the caller puts a copy of the vDSO's text;
	 * platform_vdso() gives the sizes.  Optional: NULL where the host has none.
	 */
	int (*map_vvar)(struct platform_aspace *as, uaddr_t addr);

	/* A context for a new guest thread in @as.  May be called by a thread other than the later owner. */
	struct platform_ctx *(*ctx_new)(struct platform_aspace *as);
	/* Owner only (or any thread when it never ran). */
	void (*ctx_free)(struct platform_ctx *ctx);

	/* Runs guest code until it stops.  Fills *stop and ctx->regs. */
	void (*run)(struct platform_ctx *ctx, struct platform_stop *stop);
	/*
	 * Makes @ctx's current or next run return STOP_INTERRUPTED soon.  Spurious ones are allowed, lost ones are not: an
	 * interrupt that comes at any time after the last run returned makes the next run return without entering the guest
	 * or very soon after.  Does not sleep.
	 */
	void (*interrupt)(struct platform_ctx *ctx);

	/*
	 * Extended state in the standard (non-compacted) XSAVE format with Linux's software bytes at 464.. as in a signal
	 * frame; @buf is xstate_size() bytes, 64-byte aligned.  Owner only; set before the first run gives the initial state.
	 * The default for a new context is the processor's initial state (x87 control word 0x37f, MXCSR 0x1f80).
	 */
	int (*get_xstate)(struct platform_ctx *ctx, void *buf);
	int (*set_xstate)(struct platform_ctx *ctx, const void *buf);
	size_t (*xstate_size)(void);

	/*
	 * CPU time, ns, that the host has spent on @as so far: its guest code and what the platform does for that in the stub.
	 * Any thread, with any locks held: it takes none and waits for nobody.
	 */
	uint64_t (*cpu_time)(struct platform_aspace *as);

	/*
	 * Optional: the processors the guest thread may run on, a bit array of @size bytes; those the sentry itself may not use
	 * don't count.  Owner only, or any thread before the first run.
	 */
	void (*set_affinity)(struct platform_ctx *ctx, const void *mask, size_t size);
};

/* All platforms in order of preference, NULL-terminated. */
extern const struct platform_ops *const platforms[];
/* The one in use, set by platform_select. */
extern const struct platform_ops *platform;

/*
 * Selects by name, or "auto": the first that can be initialised; a line in the log says why an earlier one could not.  0, or
 * -errno with *ret_why (static storage).  @params NULL: selects without starting, by probe alone.
 */
int platform_select(const char *name, const struct platform_params *params, const char **ret_why);

/* The host's vDSO as mapped in the sentry itself; text NULL when there is none. */
struct platform_vdso {
	const void *text;  /* page aligned ELF image */
	size_t text_size;  /* page multiple */
	size_t vvar_size;  /* bytes of data pages directly below the text */
};
const struct platform_vdso *platform_vdso(void);

#endif
