/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ptrace platform: guest code runs in stub processes (stub.h) under PTRACE_SYSEMU.
 *
 *     ptrace.c   the ops, contexts, run and interrupt
 *     aspace.c   the queue of mapping calls and who makes them when
 *     stop.c     what a wait status means for the guest
 *     tracee.c   one traced thread: stop, registers, calls made in it
 *     stub.c     stub processes: pooled, recycled, reaped
 *     stub_make.c     made, in the spawner
 *     stub_text.S     their code
 *
 * A stub belongs to an aspace while a context is attached, that is, from a context's first run until the last of the
 * running contexts is freed.  Then it is kept for the next one, which empties it first: no guest instruction can change
 * anything of a stub but its memory and registers, so an emptied one is as good as new.
 *
 * Which thread does what.  Linux takes ptrace requests for a tracee only from the thread that attached it, the context's
 * owner.  Calls in the stub (mmap, ...) are made by a stopped thread that its owner sends through the stub's loop:
 *
 *     map()            no context in the guest      queued; the next owner to enter has them made first
 *                      the caller owns a context    its own stub thread makes them now
 *                      otherwise                    a context in the guest is interrupted, its owner has them made and
 *                                                   goes back; the caller waits for that
 *
 * Locks:
 *     aspace->lock     queue, stub, contexts; held while calls are made and while a thread is attached
 *       stubs_lock     the idle stubs
 *
 * The sentry must not wait for unspecified children (waitpid(-1)), and SIGCHLD keeps its default action: init sets it, with
 * SA_NOCLDSTOP, since otherwise each stop of a tracee sends one.
 */
#ifndef SENTRY_PLATFORM_PTRACE_PTRACE_H
#define SENTRY_PLATFORM_PTRACE_PTRACE_H

#include "platform/cpu_clock.h"
#include "platform/mapping.h"
#include "platform/pairing.h"
#include "platform/platform.h"
#include "platform/ptrace/stub.h"
#include "platform/spawner.h"
#include "sentry/base/list.h"
#include "sentry/base/lock.h"

extern const struct platform_ops ptrace_platform;

/* -- stub.c ------------------------------------------------------------------------------------------------------------ */

#define STUB_MAX_PARKED 16

/* Guarded by the lock of the aspace it belongs to; an idle one by nobody (it is on a list, or in one function's hands). */
struct stub {
	struct list_head link; /* stubs_lock */
	pid_t pid;	       /* immutable; the leader */
	int pidfd;	       /* immutable; of it */
	struct stub_page *page;
	bool sealed;	       /* the stub's own mapping of the page is read-only */
	bool dead;	       /* killed by someone: only fit to be destroyed */
	unsigned nr_backings;  /* immutable; those it was made with */
	unsigned nr_attached;  /* threads that run contexts */
	unsigned nr_parked;
	pid_t parked[STUB_MAX_PARKED];
	uaddr_t vvar;	       /* where the vDSO data pages are: STUB_VVAR, a guest address, or 0 when they are lost */
};

/* Borrows @memory_fd until stubs_fini.  *ret_why only on failure; static storage. */
int stubs_init(int memory_fd, const char **ret_why);
void stubs_fini(void);
/* The id of a further backing; stubs made before do not have it. */
int stubs_backing_add(int fd);
bool stubs_have_vvar(void);
bool stubs_backing_exists(int id);

/* A stub with at least one parked thread, and whatever memory its last user had; or ERR_PTR. */
struct stub *stub_get(void);
/* Takes a stub without attached threads, and keeps or destroys it. */
void stub_put(struct stub *stub);
/*
 * The stub is dead, or can't be trusted to have what we think it has: sees to it that no guest code runs in it any more.
 * Always -LINUX_ESRCH.
 */
int stub_fail(struct stub *stub);
/* Takes a stub in any state; kills and reaps it. */
void stub_destroy(struct stub *stub);

/* -- stub_make.c, in the spawner ------------------------------------------------------------------------------------------ */

#define STUB_MAX_BACKINGS 8

/* A request is one of these; a backing comes with its descriptor. */
#define STUB_REQUEST_NEW 1U
#define STUB_REQUEST_BACKING 2U
#define STUB_REQUEST_NO_SPARE 3U /* nothing that nobody asked for is to be left */

/* A new stub comes with the descriptors of its page and of the process. */
struct stub_reply {
	int32_t err;	   /* negative errno */
	int32_t pid;	   /* the sentry reaps it when err is set */
	int32_t tid;	   /* the first parked thread */
	uint32_t have_vvar;
};

/* Before the spawner is started, which takes a copy; then the sentry's own is given back.  Borrows both descriptors. */
int stub_make_init(int memory_fd, int lifeline, const char **ret_why);
void stub_make_fini(void);
extern const struct spawner_ops stub_make_ops;

/* -- tracee.c ---------------------------------------------------------------------------------------------------------- */

/*
 * Each returns -LINUX_ESRCH when the thread is dead or dying, whatever the host call said; the caller then marks the stub
 * dead.  All but seize are for the thread that seized.
 */
int tracee_seize(pid_t tid);
/* Waits for the next stop. */
int tracee_wait(pid_t tid, int *ret_status);
int tracee_get_regs(pid_t tid, struct guest_regs *ret_regs);
int tracee_set_regs(pid_t tid, const struct guest_regs *regs);
/* All but the segment registers and bases. */
int tracee_set_gprs(pid_t tid, const struct guest_regs *regs);
int tracee_get_xstate(pid_t tid, void *buf, size_t *inout_size);
int tracee_set_xstate(pid_t tid, const void *buf, size_t size);
/*
 * Has the stopped thread make the calls of @call in order, up to the first that fails (and may not).  *ret_done: how many
 * succeeded; *ret_result: the last call's result.  Its registers are the stub's afterwards.
 */
int tracee_call(struct stub *stub, pid_t tid, const struct mapping_call *call, unsigned nr, unsigned *ret_done,
		int64_t *ret_result);
/* Lets a stopped thread go to sleep on the lifeline, untraced. */
int tracee_park(pid_t tid);
/* Lets a stopped thread end, untraced. */
int tracee_exit(pid_t tid);
/* The thread is dead or dying: takes its zombie. */
void tracee_reap(pid_t tid);

/* -- aspace.c ---------------------------------------------------------------------------------------------------------- */

static_assert(MAPPING_QUEUE_MAX <= STUB_NR_OPS, "a batch fits the page");

struct ptrace_ctx;

/* Fields are guarded by lock unless marked. */
struct ptrace_aspace {
	struct platform_aspace as;
	struct mutex lock;
	struct list_head ctxs;
	struct stub *stub;	/* while nr_attached > 0 */
	unsigned nr_in_guest;	/* contexts between enter and leave */
	unsigned nr_waiters;	/* threads asleep in queue_flush */
	uint64_t drains;	/* counts emptyings of the queue */
	pthread_cond_t changed; /* drains went up or nr_in_guest went to 0 */
	unsigned nr_new;	/* contexts that never ran */
	struct cpu_clock cpu_clock; /* read by anyone */
	uaddr_t vvar;		/* where the vDSO data pages belong; 0: nowhere */
	bool vvar_lost;		/* something was mapped over those of this stub */
	size_t mapped;		/* bytes that map was asked for since the stub came */
	struct mapping_queue queue;
};

static inline struct ptrace_aspace *ptrace_aspace(struct platform_aspace *as)
{
	return container_of(as, struct ptrace_aspace, as);
}

struct platform_aspace *ptrace_aspace_new(void);
void ptrace_aspace_free(struct platform_aspace *as);
int ptrace_map(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off);
int ptrace_unmap(struct platform_aspace *as, uaddr_t addr, size_t len);
int ptrace_protect(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot);
int ptrace_aspace_reset(struct platform_aspace *as);
uint64_t ptrace_cpu_time(struct platform_aspace *as);
int ptrace_map_vvar(struct platform_aspace *as, uaddr_t addr);

/* Makes the queued calls in @ctx's stopped thread and wakes who waits for it.  On failure the stub is dead. */
int aspace_drain_locked(struct ptrace_aspace *as, struct ptrace_ctx *ctx);
/* Gives @ctx a thread of the aspace's stub, with a new stub when it has none.  On failure the context is dead. */
int aspace_attach_locked(struct ptrace_aspace *as, struct ptrace_ctx *ctx);
/* Takes @ctx's thread away, and with the last one the stub. */
void aspace_detach_locked(struct ptrace_aspace *as, struct ptrace_ctx *ctx);
/* Sees to it that a context made by the thread of @ctx finds a parked thread at its first run. */
void aspace_prepare_thread_locked(struct ptrace_aspace *as, struct ptrace_ctx *ctx);

/* -- ptrace.c ---------------------------------------------------------------------------------------------------------- */

/* The owner's, unless marked. */
struct ptrace_ctx {
	struct platform_ctx ctx;
	struct list_head link;	 /* as->lock */
	_Atomic(const void *) owner; /* names the thread that ran it; read by anyone */
	pid_t tid;		 /* the stub thread, 0 before the first run; as->lock to change */
	pid_t pid;		 /* its stub; the same */
	bool regs_valid;	 /* the stub thread's registers are ctx.regs as of the last stop */
	bool segs_valid;	 /* and segs is right */
	bool dead;
	atomic_bool in_guest;	 /* set and cleared under as->lock; read by anyone */
	atomic_bool interrupted; /* anyone; taken by run */
	uint64_t segs[6];	 /* fs_base, gs_base, ds, es, fs, gs as the stub thread has them */
	struct cpu_pair pair;	 /* while attached */
	uaddr_t exec_fault_rip;	 /* stop.c: the last fault was reported as ACCESS_EXEC at this address */
	void *xstate;		 /* set before the first run; NULL: initial state */
};

static inline struct ptrace_ctx *ptrace_ctx(struct platform_ctx *ctx)
{
	return container_of(ctx, struct ptrace_ctx, ctx);
}

/* The calling thread's own attached context in @as, or NULL. */
struct ptrace_ctx *ptrace_ctx_own_locked(struct ptrace_aspace *as);
/* Makes @ctx stop if it is in the guest. */
void ptrace_ctx_kick(struct ptrace_ctx *ctx);
/* The registers and extended state for the first run on a just seized thread. */
int ptrace_ctx_load(struct ptrace_ctx *ctx, pid_t tid);

/* The signal that kick sends.  Its default action is to do nothing, should it reach a parked thread. */
#define PTRACE_KICK_SIGNAL 23 /* SIGURG */

/* -- stop.c ------------------------------------------------------------------------------------------------------------- */

/*
 * What @status of a stopped thread means: fills *stop and ctx->regs.  STOP_INTERRUPTED stands for a stop that means nothing to
 * the guest (a kick, a signal sent by a stranger): the registers are current and the signal is dropped.
 */
void ptrace_stop_decode(struct ptrace_ctx *ctx, int status, struct platform_stop *stop);

#endif
