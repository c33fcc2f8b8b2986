/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: which mapping calls wait for the stub, who makes them, and which thread of it runs a context.
 *
 * The queue is a cache of mappings to be (platform/mapping.h): one that overflows collapses to "unmap everything", and so
 * does one whose calls fail.
 *
 * Of the vDSO's data pages there is one instance per stub.  as->vvar is where they belong when all queued calls are made,
 * stub->vvar is where they are; when the guest maps over them they are lost, and the stub is not used again.
 */
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "platform/host/host.h"
#include "platform/ptrace/ptrace.h"
#include "platform/vdso.h"
#include "sentry/abi/errno.h"

#define ATTACH_TRIES 3

/* An address space that mapped more than this is emptied when it is left, not when its stub is used again. */
#define LAZY_CLEAN_MAX (128UL << 20)

static size_t vvar_size(void)
{
	return vdso_layout()->pub.vvar_size;
}

/* --- the calls --- */

#define RESET_MAX (1 + MAPPING_RESET_MAX)

/* The calls that turn a stub in whatever state into an empty one, with the shared page read-only.  At most RESET_MAX. */
static unsigned reset_make(const struct stub *stub, uaddr_t vvar, struct mapping_call *call)
{
	unsigned nr = 0;

	if (!stub->sealed)
		call[nr++] = mapping_protect(STUB_PAGE, STUB_PAGE_SIZE, PLATFORM_READ);
	return nr + mapping_reset(call + nr, stub->vvar, vvar, STUB_VVAR);
}

/* Replaces the queue by a reset. */
static void queue_collapse(struct ptrace_aspace *as)
{
	as->queue.nr = 0;
	if (!as->stub)
		return;
	if (as->vvar_lost)
		as->stub->vvar = 0; /* goes with the rest */
	as->queue.nr = reset_make(as->stub, as->vvar, as->queue.call);
}

/* --- making them --- */

/*
 * A protect that meets a hole, because mappings were dropped, is as well served by unmapping.  When the host has no more
 * mappings for us, dropping all of them helps.  What then still fails must not be.
 */
static int aspace_make_calls(struct ptrace_aspace *as, pid_t tid)
{
	unsigned i = 0, done;
	bool collapsed = false;
	int64_t result;

	while (i < as->queue.nr) {
		struct mapping_call *failed;

		if (tracee_call(as->stub, tid, as->queue.call + i, as->queue.nr - i, &done, &result))
			return stub_fail(as->stub);
		i += done;
		if (i == as->queue.nr)
			break;
		failed = &as->queue.call[i];
		if (failed->nr == SYS_mprotect) {
			*failed = mapping_unmap(failed->arg[0], failed->arg[0] + failed->arg[1]);
		} else if (!collapsed) {
			queue_collapse(as);
			collapsed = true;
			i = 0;
		} else {
			return stub_fail(as->stub);
		}
	}
	as->stub->vvar = as->vvar_lost ? 0 : as->vvar ? as->vvar : stubs_have_vvar() ? STUB_VVAR : 0;
	as->stub->sealed = true;
	return 0;
}

int aspace_drain_locked(struct ptrace_aspace *as, struct ptrace_ctx *ctx)
{
	int err = 0;

	if (as->stub->dead)
		err = -LINUX_ESRCH;
	else if (as->queue.nr)
		err = aspace_make_calls(as, ctx->tid);
	ctx->regs_valid = false;
	as->queue.nr = 0;
	as->drains++;
	if (as->nr_waiters)
		pthread_cond_broadcast(&as->changed);
	return err;
}

static void aspace_wait_locked(struct ptrace_aspace *as)
{
	as->nr_waiters++;
	as->lock.held = false;
	pthread_cond_wait(&as->changed, &as->lock.m);
	as->lock.owner = pthread_self();
	as->lock.held = true;
	as->nr_waiters--;
}

/* Any context in the guest will do. */
static void aspace_kick_one(struct ptrace_aspace *as)
{
	struct ptrace_ctx *ctx;

	list_for_each_entry(ctx, &as->ctxs, link) {
		if (atomic_load(&ctx->in_guest)) {
			ptrace_ctx_kick(ctx);
			return;
		}
	}
}

/* Returns when no guest instruction can miss the queued calls any more. */
static void queue_flush_locked(struct ptrace_aspace *as)
{
	struct ptrace_ctx *own;
	uint64_t drains = as->drains;

	if (!as->nr_in_guest)
		return;
	own = ptrace_ctx_own_locked(as);
	if (own) {
		aspace_drain_locked(as, own); /* a failure is found out by run */
		return;
	}
	while (as->nr_in_guest && as->drains == drains) {
		aspace_kick_one(as);
		aspace_wait_locked(as);
	}
}

/* --- the queue --- */

/* Room for @nr more, at the price of what is queued. */
static void queue_reserve_locked(struct ptrace_aspace *as, unsigned nr)
{
	struct ptrace_ctx *own;

	if (mapping_queue_has_room(&as->queue, nr))
		return;
	own = as->stub ? ptrace_ctx_own_locked(as) : NULL;
	if (own)
		aspace_drain_locked(as, own);
	else
		queue_collapse(as);
}

/* Stubs have the backings that were there when they were made. */
static bool call_is_possible(const struct ptrace_aspace *as, const struct mapping_call *call)
{
	return !as->stub || call->nr != SYS_mmap || call->arg[4] < STUB_FD_BACKING + as->stub->nr_backings;
}

static void queue_add_locked(struct ptrace_aspace *as, const struct mapping_call *call)
{
	if (mapping_queue_merge(&as->queue, call))
		return;
	queue_reserve_locked(as, 1);
	mapping_queue_add(&as->queue, call);
}

/* The guest maps over the vDSO data or changes it.  The host does not let it be split: it goes as a whole. */
static void vvar_lose_locked(struct ptrace_aspace *as)
{
	struct mapping_call call = mapping_unmap(as->vvar, as->vvar + vvar_size());

	as->vvar = 0;
	if (!as->stub)
		return;
	as->vvar_lost = true;
	queue_add_locked(as, &call);
}

static int aspace_queue(struct platform_aspace *pas, const struct mapping_call *call)
{
	struct ptrace_aspace *as = ptrace_aspace(pas);
	uaddr_t addr = call->arg[0], end = addr + call->arg[1];

	MUTEX_GUARD(&as->lock);
	if (!call_is_possible(as, call))
		return -LINUX_EBADF;
	if (call->nr == SYS_mmap)
		as->mapped += call->arg[1];
	if (as->vvar && addr < as->vvar + vvar_size() && end > as->vvar)
		vvar_lose_locked(as);
	queue_add_locked(as, call);
	queue_flush_locked(as);
	return 0;
}

int ptrace_map(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	struct mapping_call call;
	int fd = STUB_FD_MEMORY;

	if (!mapping_range_is_valid(addr, len) || PAGE_OFFSET(off) || off + len < off)
		return -LINUX_EINVAL;
	if (!prot)
		return ptrace_unmap(as, addr, len);
	if (backing != PLATFORM_MEMORY) {
		if (prot & PLATFORM_WRITE)
			return -LINUX_EACCES;
		if (!stubs_backing_exists(backing))
			return -LINUX_EBADF;
		fd = STUB_FD_BACKING + backing - 1;
	}
	call = mapping_map(addr, len, prot, fd, off);
	return aspace_queue(as, &call);
}

int ptrace_unmap(struct platform_aspace *as, uaddr_t addr, size_t len)
{
	struct mapping_call call = mapping_unmap(addr, addr + len);

	return mapping_range_is_valid(addr, len) ? aspace_queue(as, &call) : -LINUX_EINVAL;
}

int ptrace_protect(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot)
{
	struct mapping_call call = mapping_protect(addr, len, prot);

	if (!mapping_range_is_valid(addr, len))
		return -LINUX_EINVAL;
	return prot ? aspace_queue(as, &call) : ptrace_unmap(as, addr, len);
}

int ptrace_aspace_reset(struct platform_aspace *pas)
{
	struct ptrace_aspace *as = ptrace_aspace(pas);

	MUTEX_GUARD(&as->lock);
	queue_collapse(as);
	queue_flush_locked(as);
	return 0;
}

int ptrace_map_vvar(struct platform_aspace *pas, uaddr_t addr)
{
	struct ptrace_aspace *as = ptrace_aspace(pas);
	size_t size = vvar_size();

	if (!stubs_have_vvar())
		return -LINUX_EOPNOTSUPP;
	if (addr < size || !mapping_range_is_valid(addr - size, size))
		return -LINUX_EINVAL;
	addr -= size;
	MUTEX_GUARD(&as->lock);
	if (as->vvar_lost)
		return -LINUX_ENOMEM;
	if (as->vvar == addr)
		return 0;
	if (!as->stub) {
		as->queue.nr = 0; /* they would come after the move; nothing is mapped yet, so none of them is needed */
		as->vvar = addr;
		return 0;
	}
	queue_reserve_locked(as, MAPPING_VVAR_MAX);
	as->queue.nr += mapping_vvar_moves(as->queue.call + as->queue.nr, as->vvar ? as->vvar : STUB_VVAR, addr, STUB_VVAR);
	as->vvar = addr;
	queue_flush_locked(as);
	return 0;
}

/* --- threads --- */

static int stub_call_clone(struct stub *stub, pid_t by)
{
	static const struct mapping_call call = { SYS_clone, { STUB_CLONE_FLAGS } };
	unsigned done;
	int64_t tid;

	if (tracee_call(stub, by, &call, 1, &done, &tid))
		return stub_fail(stub);
	if (!done)
		return (int)tid;
	stub->parked[stub->nr_parked++] = (pid_t)tid;
	return 0;
}

void aspace_prepare_thread_locked(struct ptrace_aspace *as, struct ptrace_ctx *ctx)
{
	if (as->stub->dead || as->stub->nr_parked >= MIN(as->nr_new, STUB_MAX_PARKED))
		return;
	stub_call_clone(as->stub, ctx->tid);
	ctx->regs_valid = false;
}

/*
 * A thread for a context that nobody prepared one for: the leader is always there to make one.  (Should the stub be killed in
 * these microseconds, the leader's death is reported only when no other owner has one left to find out.)
 */
static int stub_spawn(struct stub *stub)
{
	int err;

	if (tracee_seize(stub->pid))
		return stub_fail(stub);
	err = stub_call_clone(stub, stub->pid);
	if (!stub->dead && tracee_park(stub->pid))
		return stub_fail(stub);
	return err;
}

/* Seizes a parked thread of the stub for @ctx. */
static int stub_attach(struct stub *stub, struct ptrace_ctx *ctx)
{
	int err = 0;
	pid_t tid;

	if (!stub->nr_parked)
		err = stub_spawn(stub);
	if (err)
		return err;
	tid = stub->parked[--stub->nr_parked];
	cpu_pair_start(&ctx->pair, tid, -1);
	err = tracee_seize(tid);
	if (!err)
		err = ptrace_ctx_load(ctx, tid);
	if (err) {
		cpu_pair_stop(&ctx->pair);
		stub_fail(stub);
		tracee_reap(tid);
		return -LINUX_ESRCH;
	}
	ctx->pid = stub->pid;
	ctx->tid = tid;
	stub->nr_attached++;
	return 0;
}

/* A stub is new to the aspace: before anything that is queued, what its last user left is taken away. */
static void queue_begin(struct ptrace_aspace *as)
{
	struct mapping_call call[RESET_MAX];

	mapping_queue_prepend(&as->queue, call, reset_make(as->stub, as->vvar, call));
}

int aspace_attach_locked(struct ptrace_aspace *as, struct ptrace_ctx *ctx)
{
	int err = -LINUX_ESRCH;

	/* An idle stub may have been killed by someone: then the next. */
	for (int i = 0; i < ATTACH_TRIES && err; i++) {
		if (!as->stub) {
			struct stub *stub = stub_get();

			if (IS_ERR(stub))
				return (int)PTR_ERR(stub);
			as->stub = stub;
		}
		if (as->stub->dead)
			return -LINUX_ESRCH;
		err = stub_attach(as->stub, ctx);
		if (err && as->stub->nr_attached)
			return err;
		if (err) {
			stub_destroy(as->stub);
			as->stub = NULL;
		}
	}
	if (err)
		return err;
	as->nr_new--;
	if (as->stub->nr_attached == 1) {
		cpu_clock_start(&as->cpu_clock, as->stub->pid);
		queue_begin(as);
	}
	return 0;
}

/* Empties the stub now; queue_begin does what is needed anyway, but a large one would keep much of the host's memory till then. */
static void aspace_clean(struct ptrace_aspace *as, struct ptrace_ctx *ctx)
{
	if (as->mapped <= LAZY_CLEAN_MAX || as->stub->dead)
		return;
	queue_collapse(as);
	aspace_drain_locked(as, ctx);
}

/* Lets the thread go: to sleep, or away when enough of them sleep. */
static void stub_release_thread(struct stub *stub, pid_t tid)
{
	bool keep = stub->nr_parked < STUB_MAX_PARKED;

	if (!stub->dead && (keep ? tracee_park(tid) : tracee_exit(tid)))
		stub_fail(stub);
	if (stub->dead)
		tracee_reap(tid);
	else if (keep)
		stub->parked[stub->nr_parked++] = tid;
}

void aspace_detach_locked(struct ptrace_aspace *as, struct ptrace_ctx *ctx)
{
	struct stub *stub = as->stub;
	bool last = --stub->nr_attached == 0;

	if (last) {
		aspace_clean(as, ctx);
		cpu_clock_stop(&as->cpu_clock);
	}
	cpu_pair_stop(&ctx->pair);
	stub_release_thread(stub, ctx->tid);
	ctx->tid = 0;
	if (!last)
		return;
	as->stub = NULL;
	as->queue.nr = 0;
	as->mapped = 0;
	as->vvar_lost = false;
	stub_put(stub);
}

uint64_t ptrace_cpu_time(struct platform_aspace *as)
{
	return cpu_clock_read(&ptrace_aspace(as)->cpu_clock);
}

/* --- life --- */

struct platform_aspace *ptrace_aspace_new(void)
{
	struct ptrace_aspace *as = calloc(1, sizeof(*as));

	if (!as)
		return ERR_PTR(-LINUX_ENOMEM);
	as->as.ops = &ptrace_platform;
	mutex_init(&as->lock);
	pthread_cond_init(&as->changed, NULL);
	list_init(&as->ctxs);
	return &as->as;
}

void ptrace_aspace_free(struct platform_aspace *pas)
{
	struct ptrace_aspace *as = ptrace_aspace(pas);

	BUG_ON(!list_empty(&as->ctxs) || as->stub);
	pthread_cond_destroy(&as->changed);
	mutex_fini(&as->lock);
	free(as);
}
