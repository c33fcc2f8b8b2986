/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The systrap platform: guest threads trap on themselves (layout.h tells how), and are served by their sentry threads through
 * shared memory.  No ptrace, no privileges, no namespaces.
 *
 *     systrap.c  the ops, contexts, run and interrupt
 *     aspace.c   the queue of mapping calls, the mapper's orders, and which thread of the stub runs a context
 *     frame.c    the signal frame: registers and extended state in place
 *     stop.c     what a signal means for the guest
 *     pool.c     stub processes: made ahead, recycled
 *     stub.c     one of them: its orders, how it begins and ends
 *     thread.c   its guest threads
 *     blocks.c   the memory that it shares with the sentry
 *     start.c    how a stub comes to be: its image, its first orders
 *     filter.c   the seccomp filters
 *     patch_stop.c    patched sites: what stops there, and how it goes on; patch*.c what a patch is
 *     answer.c   calls answered in the stub
 *     spin.c     when the two threads of a pair wait without sleeping
 *     watch.c    stubs that die, and those that do not answer
 *     stub_text.S     their code
 *
 * Mapping operations.  map, unmap and protect are queued.  The queue goes to the mapper, which works through it in order:
 *
 *     run      with other contexts about: is acknowledged before the guest goes on.  Else the mapper itself lets it go on behind
 *              the last of them, and nobody waits.  Or, where the queue only takes away or protects, the mapper does not hear of
 *              it: the guest thread makes the calls itself before it goes on (layout.h), and aspace.loose remembers them.
 *     sync     is acknowledged, the loose ones too.  mm calls it before it lets go of a frame, since that a guest thread has
 *              stopped, or made a call, is only what it says itself.
 *
 * Who can be believed.  A context that has stopped may be a thread that says so and goes on in guest code.  That is its
 * process's own affair while its mappings are what they should be; so sync waits for the mapper, never for a stop.  A stub is
 * given to another address space only when its memory was emptied and the host says that its guest threads are gone.
 *
 * Locks:
 *     patch_set->lock  patched sites
 *     aspace->lock     queue, stub, contexts; held while orders are acknowledged
 *       stubs_lock     the idle stubs
 *       units_lock     which units are used
 *       watch_lock     the stubs and contexts that are watched
 */
#ifndef SENTRY_PLATFORM_SYSTRAP_SYSTRAP_H
#define SENTRY_PLATFORM_SYSTRAP_SYSTRAP_H

#include "platform/cpu_clock.h"
#include "platform/mapping.h"
#include "platform/pairing.h"
#include "platform/platform.h"
#include "platform/spawner.h"
#include "platform/systrap/patch.h"
#include "platform/systrap/patch_area.h"
#include "sentry/abi/signal.h"
#include "sentry/base/list.h"
#include "sentry/base/lock.h"

extern const struct platform_ops systrap_platform;

struct stub_thread {
	pid_t tid;
	unsigned slot;
	int cpu; /* that it was last pinned to; -1: not known */
};

#define STUB_MAX_PARKED 16

/* Guarded by the lock of the aspace it belongs to; an idle one by nobody (it is on a list, or in one function's hands). */
struct systrap_stub {
	struct list_head link;	/* stubs_lock */
	struct list_head watch; /* watch_lock */
	pid_t pid;		/* immutable; the mapper */
	int pidfd, ack_fd;	/* immutable */
	atomic_bool dead;	/* anyone; never cleared */
	bool used;		/* by an address space that is gone */
	struct systrap_orders *orders;
	unsigned head;		/* orders given */
	unsigned acked;		/* of them are surely carried out */
	unsigned run;		/* and so many before the guest thread that was let go with the last of them */
	int mapper_cpu;		/* where it is pinned to; -1 */
	unsigned nr_backings;	/* immutable; those it was made with */
	unsigned nr_attached;	/* threads that run contexts */
	uaddr_t vvar;		/* where the vDSO data pages are: SYSTRAP_VVAR, a guest address, or 0 when they are lost */
	/* Slots 1, 2, ... are blocks; slot 0 holds the orders. */
	unsigned *units, nr_units; /* numbers in the file; nr_units also read by watch.c, under watch_lock to change */
	atomic_uint nr_slots;	   /* those that were ever used, and slot 0; watch.c reads it */
	unsigned *free_slots, nr_free;
	struct stub_thread parked[STUB_MAX_PARKED];
	unsigned nr_parked;
	struct stub_thread kept; /* of the last address space, until it is proven to wait; tid 0: none */
	/* Told to end.  What they leave can be used again when the host says that they are gone. */
	struct stub_thread *leaving;
	unsigned nr_leaving, max_leaving;
};

/* -- pool.c -------------------------------------------------------------------------------------------------------- */

/* Borrows @memory_fd until systrap_pool_fini.  *ret_why only on failure; static storage. */
int systrap_pool_init(int memory_fd, const char **ret_why);
/* Whether the host lets there be a stub; makes the first one, which has the backings that were added until now. */
int systrap_pool_check(const char **ret_why);
void systrap_pool_fini(void);
int systrap_pool_backing_add(int fd);
bool systrap_pool_have_vvar(void);
bool systrap_pool_backing_exists(int id);
/* Whether what a guest may not write is mapped so that it can't be made writable; constant after systrap_pool_init. */
bool systrap_pool_have_ro(void);

/* An idle stub, perhaps with memory of its last user; or ERR_PTR. */
struct systrap_stub *systrap_stub_get(void);
/* Takes a stub without attached threads, whose memory is empty, and keeps or destroys it. */
void systrap_stub_put(struct systrap_stub *stub);

/* -- stub.c -------------------------------------------------------------------------------------------------------- */

struct stub_start;

/* A new one, or ERR_PTR.  The maker's: the calling thread's end is the stub's end. */
struct systrap_stub *systrap_stub_new(const struct stub_start *start);
/* Sees to it that no guest code runs in it any more.  Always -LINUX_ESRCH. */
int systrap_stub_fail(struct systrap_stub *stub);
/* Takes a stub in any state; kills and reaps it. */
void systrap_stub_destroy(struct systrap_stub *stub);

/* Gives an order; it is carried out some time after the next systrap_stub_order_wake, or before.  May wait for room: -LINUX_ESRCH. */
int systrap_stub_order(struct systrap_stub *stub, const struct systrap_order *order);
void systrap_stub_order_wake(struct systrap_stub *stub);
/* Waits until all orders are carried out.  *ret_blame: SYSTRAP_BLAME_* of those since the last time.  -LINUX_ESRCH: dead. */
int systrap_stub_order_wait(struct systrap_stub *stub, unsigned *ret_blame);
/* Takes an acknowledgement that was ordered before. */
int systrap_stub_ack_read(struct systrap_stub *stub, unsigned *ret_blame);
/* Brings the mapper to the core that will wait for it. */
void systrap_stub_mapper_near(struct systrap_stub *stub);

/* -- thread.c ------------------------------------------------------------------------------------------------------ */

/* A thread that waits for its turn on a slot of its own, or -errno. */
int systrap_stub_thread_get(struct systrap_stub *stub, struct stub_thread *ret_thread);
/* The thread has stopped, so it says: keeps it for another context of the same aspace, or lets it end. */
void systrap_stub_thread_put(struct systrap_stub *stub, const struct stub_thread *thread, bool keep);
/*
 * Whether no guest thread of the last address space is left that could go on; one may be parked by now for the next, and what they
 * left in memory is wiped.  Does not wait.
 */
bool systrap_stub_is_clean(struct systrap_stub *stub);
/* Slots for more threads; the first ones before there is a process. */
int systrap_stub_unit_add(struct systrap_stub *stub);

/* -- blocks.c ------------------------------------------------------------------------------------------------------ */

/* The file's descriptor (borrowed), or -errno. */
int systrap_blocks_init(void);
void systrap_blocks_fini(void);
/* The number of a free unit, whose memory is zero; or -LINUX_ENOMEM. */
int systrap_unit_get(void);
void systrap_unit_put(unsigned unit);
void *systrap_unit_memory(unsigned unit);
/*
 * Of what guest threads left in the blocks of an empty stub, registers in their signal frames above all, the next address space
 * sees nothing.  @kept: the slot of a thread that waits, whose page is not touched; or 0.
 */
void systrap_stub_blocks_wipe(const struct systrap_stub *stub, unsigned kept);
/* The block of a slot as the sentry has it. */
void *systrap_stub_block(const struct systrap_stub *stub, unsigned slot);
static inline uaddr_t systrap_stub_block_addr(unsigned slot)
{
	return SYSTRAP_BLOCKS + (uaddr_t)slot * SYSTRAP_BLOCK_SIZE;
}

/* -- start.c ----------------------------------------------------------------------------------------------------------- */

#define STUB_MAX_BACKINGS 8

/* What every stub starts with; set by systrap_pool_init. */
struct stub_start {
	int image_fd, memory_fd, blocks_fd;
	int memory_ro_fd; /* opened for reading; -1: the host can't */
	int backing_fd[STUB_MAX_BACKINGS]; /* the spawner's */
	unsigned nr_backings;
	size_t vvar_size; /* 0: the stubs have no vDSO data */
	void *child_stack;
};

/* A memfd of the program; -errno with *ret_why. */
int systrap_start_image(const char **ret_why);
/* Starts the spawner, which keeps a copy of @start. */
int systrap_start_init(struct stub_start *start);
/* Stubs made from now on have it. */
int systrap_start_backing(int fd);
void systrap_start_fini(struct stub_start *start);
/* Makes a process for @stub, whose orders, unit and ack_fd are there.  The calling thread's end is the stub's end. */
int systrap_start_stub(const struct stub_start *start, struct systrap_stub *stub, unsigned *ret_blame);

/* -- filter.c ---------------------------------------------------------------------------------------------------------- */

struct sock_filter;
#define FILTER_MAX 128
/* Fills in the instructions, at most FILTER_MAX; their number.  @calls: guest threads munmap and mprotect. */
unsigned systrap_filter_build_stub(struct sock_filter *insn, bool calls);
unsigned systrap_filter_build_guest(struct sock_filter *insn, bool calls);
/* Calls they allow, one for each instruction that may make it. */
void systrap_filter_count(struct host_filter_count *ret_stub, struct host_filter_count *ret_guest);

/* -- watch.c ----------------------------------------------------------------------------------------------------------- */

struct systrap_ctx;

int systrap_watch_init(void);
void systrap_watch_fini(void);
int systrap_watch_stub_add(struct systrap_stub *stub);
void systrap_watch_stub_del(struct systrap_stub *stub);
/* Gives the stub a list of units that is one longer; returns the old one. */
unsigned *systrap_watch_stub_units(struct systrap_stub *stub, unsigned *units);
/* A context was told to stop, and is to be seen doing it. */
void systrap_watch_ctx_add(struct systrap_ctx *ctx);
void systrap_watch_ctx_del(struct systrap_ctx *ctx);

/* -- aspace.c ---------------------------------------------------------------------------------------------------------- */

static_assert(MAPPING_QUEUE_MAX <= SYSTRAP_NR_ORDERS / 2, "a batch fits the ring");

#define SYSTRAP_NR_HITS 256

/* Stops at a syscall instruction that isn't patched.  Counted without a lock: now and then one is lost. */
struct systrap_hits {
	_Atomic(uaddr_t) rip;
	atomic_uint nr;
};

/* Fields are guarded by lock unless marked. */
struct systrap_aspace {
	struct platform_aspace as;
	struct mutex lock;
	struct list_head ctxs;
	struct systrap_stub *stub; /* while contexts are attached */
	struct cpu_clock cpu_clock; /* read by anyone */
	uaddr_t vvar;		   /* where the vDSO data pages belong; 0: nowhere */
	bool vvar_lost;		   /* something was mapped over those of this stub */
	struct mapping_queue queue;
	struct mapping_queue loose; /* munmaps older than the queue, which a guest thread was told to make */
	unsigned nr_ctxs;
	struct patch_set patch; /* its own */
	struct systrap_hits hits[SYSTRAP_NR_HITS];
	_Atomic(atomic_uint *) futex_counts; /* while contexts are attached; read by anyone who knows that */
};

static inline struct systrap_aspace *systrap_aspace(struct platform_aspace *as)
{
	return container_of(as, struct systrap_aspace, as);
}

struct platform_aspace *systrap_aspace_new(void);
void systrap_aspace_free(struct platform_aspace *as);
int systrap_map(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off);
/* The same for what the platform itself maps anywhere in the stub. */
int systrap_map_own(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off);
int systrap_unmap(struct platform_aspace *as, uaddr_t addr, size_t len);
int systrap_protect(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot);
int systrap_park(struct platform_aspace *as, uaddr_t addr, size_t len);
int systrap_aspace_reset(struct platform_aspace *as);
int systrap_map_vvar(struct platform_aspace *as, uaddr_t addr);
int systrap_sync(struct platform_aspace *as, bool frames);
uint64_t systrap_cpu_time(struct platform_aspace *as);

/*
 * A context for a thread of a process that runs: takes its thread of the stub now, while who makes it can still be told that there may
 * be no more.  0, also when it is too early for that, or -errno.
 */
int systrap_aspace_reserve_locked(struct systrap_aspace *as, struct systrap_ctx *ctx);
/* Gives @ctx a thread of the aspace's stub, with a new stub when it has none. */
int systrap_aspace_attach_locked(struct systrap_aspace *as, struct systrap_ctx *ctx);
/* Takes @ctx's thread away, and with the last one the stub. */
void systrap_aspace_detach_locked(struct systrap_aspace *as, struct systrap_ctx *ctx);
/*
 * The queued calls, then @ctx's turn.  The guest runs when it returns, or soon after.
 */
int systrap_aspace_enter_locked(struct systrap_aspace *as, struct systrap_ctx *ctx);

/* -- systrap.c --------------------------------------------------------------------------------------------------------- */

/* spin.c's; the owner's. */
struct systrap_spin {
	bool split;
	bool mapper;		/* it is who lets the guest go on, this time */
	unsigned credit;	/* how much the last stops are worth being split for */
	unsigned run;		/* stops since credit or, when split, room was looked at */
	unsigned heavy, answers; /* not split: how many of those weren't dense; and short sleeps meanwhile */
	unsigned quiet;		/* looks in a row that found room */
	unsigned backoff, wait;	/* runs to let pass, and how many of them are left */
	unsigned arrivals;
	unsigned long stops;	/* since it was split */
	uint64_t last;		/* pairing_clock of the last stop, or of the end of the sleep that came after */
	uint64_t asleep;	/* of the beginning of a sleep */
	bool yields;
	unsigned yielded, late;	/* stops since it yields; of the last ones, those that came late in a row */
	unsigned prompt, patience; /* else: stops in a row that did not, and how many it takes */
};

/* The owner's, unless marked. */
struct systrap_ctx {
	struct platform_ctx ctx;
	struct list_head link;	    /* as->lock */
	struct list_head watch;	    /* watch_lock */
	struct systrap_stub *stub;  /* NULL before the first run; as->lock to change */
	bool reserved;		    /* @thread waits, though the context was never attached */
	struct stub_thread thread;  /* as stub */
	uint8_t *block;		    /* the thread's, in the sentry */
	uaddr_t block_addr;	    /* and in the stub */
	struct systrap_page *page;
	struct linux_rt_sigframe *frame; /* of the last stop, inside the block */
	unsigned stops;		    /* page->stops before the guest was let go */
	uint64_t fs_base, gs_base;  /* as the thread has them */
	bool set_bases;		    /* and others are to be set */
	bool dead;
	atomic_bool in_guest;	    /* read by anyone */
	atomic_bool trapping;	    /* the same: systrap_trap has waited long */
	atomic_bool interrupted;    /* anyone; taken by run */
	atomic_bool watched;	    /* anyone sets it; watch_lock to clear */
	atomic_uint nr_runs;	    /* counts; read by watch.c */
	unsigned watch_runs;	    /* watch_lock: nr_runs when it was last looked at */
	int64_t watch_since;	    /* watch_lock: and when */
	struct cpu_pair pair;	    /* while attached */
	struct systrap_spin spin;
	void *xstate;		    /* set before the first run; NULL: initial state */
	/* patch_stop.c */
	uaddr_t rip;		    /* where the guest goes on: regs.rip or an instruction that was moved */
	unsigned long nr_by_patch, nr_by_signal; /* calls */
	unsigned xsaves;	    /* patched stops at which the thread is still to save its extended state */
	bool xsave_asked, xsaved;   /* it was told to; it has, at the last stop, by_patch */
	bool xrstor;		    /* it is to load what is there, when it goes on by_patch */
	bool by_patch;		    /* the last stop came without a signal: there is no frame */
	_Atomic(struct patch_area *) area; /* the thread's, from its start to its end; read by anyone */
	struct guest_regs patch_regs; /* what the thread was let go with, when by_patch */
};

static inline struct systrap_ctx *systrap_ctx(struct platform_ctx *ctx)
{
	return container_of(ctx, struct systrap_ctx, ctx);
}

/* Has the stopped thread make a signal frame.  False when it doesn't. */
bool systrap_trap(struct systrap_ctx *ctx);

/* -- frame.c ----------------------------------------------------------------------------------------------------------- */

/* The processor's extended state; set by systrap_frame_init. */
struct xstate_layout {
	size_t size;
	uint64_t features;
	uint32_t mxcsr_mask;
	bool fsgsbase;
	void *init; /* the state of a new context */
};
extern struct xstate_layout xstate_layout;

/* 0, or -LINUX_ENODEV with *ret_why. */
int systrap_frame_init(const char **ret_why);
void systrap_frame_fini(void);
/* A frame to start from, in a block that is new to the context. */
void systrap_frame_new(struct systrap_ctx *ctx);
/* Finds the frame of a stop and reads the registers; false when it is not where it can be. */
bool systrap_frame_get_regs(struct systrap_ctx *ctx);
/* Writes ctx.regs to the frame, if they are dirty. */
void systrap_frame_put_regs(struct systrap_ctx *ctx);
/* As the host's kernel wrote it; NULL when the guest has spoilt its frame. */
void *systrap_frame_raw_xstate(const struct systrap_ctx *ctx);
/* -LINUX_EIO: spoilt. */
int systrap_frame_get_xstate(struct systrap_ctx *ctx, void *buf);
int systrap_frame_set_xstate(struct systrap_ctx *ctx, const void *buf);
/* Copies a state, and makes it one that the processor and the host accept. */
void systrap_xstate_load(void *to, const void *from);
/* Tells the thread what to do with its registers. */
void systrap_frame_put_flags(struct systrap_ctx *ctx);

#define SYSTRAP_USER_CS 0x33
#define SYSTRAP_USER_SS 0x2b

/* -- patch_stop.c ------------------------------------------------------------------------------------------------------ */

/* Constant after systrap_patch_init: %gs of each thread is its page, unless the guest has set it. */
extern bool systrap_patch_enabled;
int systrap_patch_init(void);
void systrap_patch_aspace_init(struct systrap_aspace *as);
/* Before a context gets a thread.  No locks. */
void systrap_patch_begin(struct systrap_aspace *as);
/* The thread is new to the context. */
void systrap_patch_new_thread(struct systrap_ctx *ctx);

/* Before @ctx goes on; without locks.  -LINUX_EIO: its thread does not what it is told. */
int systrap_patch_prepare(struct systrap_ctx *ctx);
void systrap_patch_put_regs(struct systrap_ctx *ctx);
/* What the thread's %gs is to be, for the one that the guest believes in. */
uint64_t systrap_patch_gs(const struct systrap_ctx *ctx, uint64_t gs_base);

/* A stop by a trampoline (SYSTRAP_KIND_PATCH). */
void systrap_patch_get_regs(struct systrap_ctx *ctx, struct platform_stop *stop);
/* Corrects a decoded stop by a signal. */
void systrap_patch_stop(struct systrap_ctx *ctx, struct platform_stop *stop);
/* Makes sure that there is a frame.  0 or -LINUX_EIO. */
int systrap_patch_make_frame(struct systrap_ctx *ctx);
/* The extended state of a thread that stopped, from and to where it is. */
int systrap_patch_get_xstate(struct systrap_ctx *ctx, void *buf);
int systrap_patch_set_xstate(struct systrap_ctx *ctx, const void *buf);

void systrap_patch(struct platform_ctx *ctx, const struct platform_text *text);
void systrap_unpatch(struct platform_aspace *as, uaddr_t addr, size_t len);
void systrap_low_taken(struct platform_aspace *as);

/* -- stop.c ------------------------------------------------------------------------------------------------------------- */

/* What the signal in ctx->frame means: fills *stop, and completes ctx->regs. */
void systrap_stop_decode(struct systrap_ctx *ctx, struct platform_stop *stop);

/* -- spin.c ------------------------------------------------------------------------------------------------------------ */

/* Once.  Takes a fraction of a millisecond. */
void systrap_spin_init(enum platform_spin mode);
void systrap_spin_new_thread(struct systrap_ctx *ctx);
void systrap_spin_lost_thread(struct systrap_ctx *ctx);
/* Looks for the stop that @ctx waits for.  True: it is there; false: sleep. */
bool systrap_spin_wait(struct systrap_ctx *ctx);
/* The guest has stopped. */
void systrap_spin_stopped(struct systrap_ctx *ctx);
void systrap_spin_report(void);

/* -- answer.c ---------------------------------------------------------------------------------------------------------- */

bool systrap_set_answers(struct platform_ctx *ctx, unsigned mask, const uint64_t *values);
void systrap_drop_answers(struct platform_ctx *ctx);
uint64_t systrap_answered_sigmask(struct platform_ctx *ctx);
void systrap_futex_count(struct platform_aspace *as, uaddr_t addr, int delta);
/* A thread is not the context's any more. */
void systrap_answer_lost_thread(struct systrap_ctx *ctx);
/* The aspace has a stub. */
void systrap_answer_new_stub(struct systrap_aspace *as);
void systrap_report(void);

#endif
