/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: which mapping calls wait for the stub, who makes them, and which thread of it runs a context.
 *
 * The queue holds calls as the stub makes them.  It is bounded and needs no memory when a call is added: since a mapping is a
 * cache entry, a queue that overflows collapses to "unmap everything", and so does one whose calls fail.
 *
 * The vDSO's data pages are the exception, there is one instance of them per stub.  as->vvar is where they belong when
 * all queued calls are made, stub->vvar is where they are; when the guest maps over them they are lost, and the stub is
 * not used again.
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

/*
 * Ranges up to these are mapped with their pages: filling in a page table entry costs a fraction of the fault it saves.  Larger
 * ones are probably not used whole.  For reading, one fault brings in 16 pages anyway (fault_around_bytes).
 */
#define POPULATE_MAX_READ (16 * PAGE_SIZE)
#define POPULATE_MAX_WRITE (512 * PAGE_SIZE)

/* An address space that mapped more than this is emptied when it is left, not when its stub is used again. */
#define LAZY_CLEAN_MAX (128UL << 20)

static size_t vvar_size(void)
{
	return vdso_layout()->pub.vvar_size;
}

/* --- the calls --- */

static int host_prot(unsigned prot)
{
	/* Never write or execute without read: stop.c relies on it. */
	return PROT_READ | (prot & PLATFORM_WRITE ? PROT_WRITE : 0) | (prot & PLATFORM_EXEC ? PROT_EXEC : 0);
}

static struct stub_op op_unmap(uaddr_t from, uaddr_t to)
{
	return (struct stub_op){ .nr = SYS_munmap, .arg = { from, to - from } };
}

/* Appends the moves of the vDSO data from one place to another; returns the new number. */
static unsigned add_vvar_moves(struct stub_op *op, unsigned nr, uaddr_t from, uaddr_t to)
{
	const struct vdso_layout *vdso = vdso_layout();

	for (unsigned i = 0; i < vdso->nr_pieces; i++) {
		const struct vdso_piece *p = &vdso->piece[i];
		uint64_t off = vdso->pub.vvar_size - p->below;

		op[nr++] = (struct stub_op){ .nr = SYS_mremap,
					     .arg = { from + off, p->size, p->size, MREMAP_MAYMOVE | MREMAP_FIXED,
						      to + off } };
	}
	return nr;
}

/* The most calls that reset_make makes: the page, two moves of the vDSO data, two ranges. */
#define RESET_MAX (3 + 2 * VDSO_MAX_PIECES)

/*
 * The calls that turn a stub in whatever state into an empty one, with the vDSO data where @vvar says (0: at home), and the
 * shared page read-only.  Their number.  The data goes home first when it has to go elsewhere: pieces must not overlap.
 */
static unsigned reset_make(const struct stub *stub, uaddr_t vvar, struct stub_op *op)
{
	uaddr_t now = stub->vvar, to = vvar ? vvar : STUB_VVAR;
	unsigned nr = 0;

	if (!stub->sealed)
		op[nr++] = (struct stub_op){ .nr = SYS_mprotect, .arg = { STUB_PAGE, STUB_PAGE_SIZE, PROT_READ } };
	if (now && now != STUB_VVAR && now != to) {
		nr = add_vvar_moves(op, nr, now, STUB_VVAR);
		now = STUB_VVAR;
	}
	if (!now || now == STUB_VVAR) {
		op[nr++] = op_unmap(0, GUEST_TASK_SIZE);
	} else {
		op[nr++] = op_unmap(0, now);
		if (now + vvar_size() < GUEST_TASK_SIZE)
			op[nr++] = op_unmap(now + vvar_size(), GUEST_TASK_SIZE);
	}
	if (now && now != to)
		nr = add_vvar_moves(op, nr, now, to);
	return nr;
}

/* Replaces the queue by a reset. */
static void queue_collapse(struct ptrace_aspace *as)
{
	as->nr_ops = 0;
	if (!as->stub)
		return;
	if (as->vvar_lost)
		as->stub->vvar = 0; /* goes with the rest */
	as->nr_ops = reset_make(as->stub, as->vvar, as->op);
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

	while (i < as->nr_ops) {
		struct stub_op *failed;

		if (tracee_call(as->stub, tid, as->op + i, as->nr_ops - i, &done, &result))
			return stub_fail(as->stub);
		i += done;
		if (i == as->nr_ops)
			break;
		failed = &as->op[i];
		if (failed->nr == SYS_mprotect) {
			*failed = op_unmap(failed->arg[0], failed->arg[0] + failed->arg[1]);
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
	else if (as->nr_ops)
		err = aspace_make_calls(as, ctx->tid);
	ctx->regs_valid = false;
	as->nr_ops = 0;
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

static bool op_is_map(const struct stub_op *op)
{
	return op->nr == SYS_mmap;
}

/* Makes one call of two when @op continues the last one in address (and offset). */
static bool queue_merge(struct ptrace_aspace *as, const struct stub_op *op)
{
	struct stub_op *last = as->nr_ops ? &as->op[as->nr_ops - 1] : NULL;

	if (!last || last->nr != op->nr || op->nr == SYS_mremap || last->arg[0] + last->arg[1] != op->arg[0])
		return false;
	if (op->nr != SYS_munmap && last->arg[2] != op->arg[2])
		return false;
	if (op_is_map(op) && (last->arg[3] != op->arg[3] || last->arg[4] != op->arg[4] ||
			      last->arg[5] + last->arg[1] != op->arg[5]))
		return false;
	last->arg[1] += op->arg[1];
	return true;
}

/* Room for @nr more, at the price of what is queued. */
static void queue_reserve_locked(struct ptrace_aspace *as, unsigned nr)
{
	struct ptrace_ctx *own;

	if (as->nr_ops + nr <= ASPACE_MAX_OPS)
		return;
	own = as->stub ? ptrace_ctx_own_locked(as) : NULL;
	if (own)
		aspace_drain_locked(as, own);
	else
		queue_collapse(as);
}

static bool range_is_valid(uaddr_t addr, size_t len)
{
	return !PAGE_OFFSET(addr | len) && len && addr < GUEST_TASK_SIZE && len <= GUEST_TASK_SIZE - addr;
}

/* Stubs have the backings that were there when they were made. */
static bool op_is_possible(const struct ptrace_aspace *as, const struct stub_op *op)
{
	return !as->stub || !op_is_map(op) || op->arg[4] < STUB_FD_BACKING + as->stub->nr_backings;
}

static void queue_add_locked(struct ptrace_aspace *as, const struct stub_op *op)
{
	if (queue_merge(as, op))
		return;
	queue_reserve_locked(as, 1);
	as->op[as->nr_ops++] = *op;
}

/* The guest maps over the vDSO data or changes it.  The host does not let it be split: it goes as a whole. */
static void vvar_lose_locked(struct ptrace_aspace *as)
{
	struct stub_op op = op_unmap(as->vvar, as->vvar + vvar_size());

	as->vvar = 0;
	if (!as->stub)
		return;
	as->vvar_lost = true;
	queue_add_locked(as, &op);
}

static int aspace_queue(struct platform_aspace *pas, const struct stub_op *op)
{
	struct ptrace_aspace *as = ptrace_aspace(pas);
	uaddr_t addr = op->arg[0], end = addr + op->arg[1];

	MUTEX_GUARD(&as->lock);
	if (!op_is_possible(as, op))
		return -LINUX_EBADF;
	if (op_is_map(op))
		as->mapped += op->arg[1];
	if (as->vvar && addr < as->vvar + vvar_size() && end > as->vvar)
		vvar_lose_locked(as);
	queue_add_locked(as, op);
	queue_flush_locked(as);
	return 0;
}

int ptrace_map(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	struct stub_op op = {
		.nr = SYS_mmap,
		.arg = { addr, len, (uint64_t)host_prot(prot), MAP_SHARED | MAP_FIXED, STUB_FD_MEMORY, off },
	};

	if (!range_is_valid(addr, len) || PAGE_OFFSET(off) || off + len < off)
		return -LINUX_EINVAL;
	if (!prot)
		return ptrace_unmap(as, addr, len);
	if (backing != PLATFORM_MEMORY) {
		if (prot & PLATFORM_WRITE)
			return -LINUX_EACCES;
		if (!stubs_backing_exists(backing))
			return -LINUX_EBADF;
		op.arg[4] = (uint64_t)(STUB_FD_BACKING + backing - 1);
	}
	if (!(prot & PLATFORM_LAZY) && len <= (prot & PLATFORM_WRITE ? POPULATE_MAX_WRITE : POPULATE_MAX_READ))
		op.arg[3] |= MAP_POPULATE;
	return aspace_queue(as, &op);
}

int ptrace_unmap(struct platform_aspace *as, uaddr_t addr, size_t len)
{
	struct stub_op op = op_unmap(addr, addr + len);

	return range_is_valid(addr, len) ? aspace_queue(as, &op) : -LINUX_EINVAL;
}

int ptrace_protect(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot)
{
	struct stub_op op = { .nr = SYS_mprotect, .arg = { addr, len, (uint64_t)host_prot(prot) } };

	if (!range_is_valid(addr, len))
		return -LINUX_EINVAL;
	return prot ? aspace_queue(as, &op) : ptrace_unmap(as, addr, len);
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
	if (addr < size || !range_is_valid(addr - size, size))
		return -LINUX_EINVAL;
	addr -= size;
	MUTEX_GUARD(&as->lock);
	if (as->vvar_lost)
		return -LINUX_ENOMEM;
	if (as->vvar == addr)
		return 0;
	if (!as->stub) {
		as->nr_ops = 0; /* they would come after the move; nothing is mapped yet, so none of them is needed */
		as->vvar = addr;
		return 0;
	}
	queue_reserve_locked(as, 2 * VDSO_MAX_PIECES);
	if (as->vvar)
		as->nr_ops = add_vvar_moves(as->op, as->nr_ops, as->vvar, STUB_VVAR);
	as->nr_ops = add_vvar_moves(as->op, as->nr_ops, STUB_VVAR, addr);
	as->vvar = addr;
	queue_flush_locked(as);
	return 0;
}

/* --- threads --- */

static int stub_call_clone(struct stub *stub, pid_t by)
{
	static const struct stub_op op = { .nr = SYS_clone, .arg = { STUB_CLONE_FLAGS } };
	unsigned done;
	int64_t tid;

	if (tracee_call(stub, by, &op, 1, &done, &tid))
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
	cpu_pair_start(&ctx->pair, tid);
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

/*
 * A stub is new to the aspace: before anything that is queued, what its last user left is taken away.  A full queue makes
 * room by being forgotten, as nothing of it is mapped yet.
 */
static void queue_begin(struct ptrace_aspace *as)
{
	struct stub_op op[RESET_MAX];
	unsigned nr = reset_make(as->stub, as->vvar, op);

	if (as->nr_ops + nr > ASPACE_MAX_OPS)
		as->nr_ops = 0;
	memmove(as->op + nr, as->op, as->nr_ops * sizeof(*op));
	memcpy(as->op, op, nr * sizeof(*op));
	as->nr_ops += nr;
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
	if (as->stub->nr_attached == 1)
		queue_begin(as);
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

	if (last)
		aspace_clean(as, ctx);
	cpu_pair_stop(&ctx->pair);
	stub_release_thread(stub, ctx->tid);
	ctx->tid = 0;
	if (!last)
		return;
	as->stub = NULL;
	as->nr_ops = 0;
	as->mapped = 0;
	as->vvar_lost = false;
	stub_put(stub);
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
