/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: which mapping calls wait for the mapper, when it gets them, and which thread of the stub runs a context.
 *
 * The queue holds orders as the mapper takes them.  It is bounded and needs no memory when a call is added: since a mapping is a
 * cache entry, a queue that overflows collapses to "unmap everything", and so does one whose orders fail.
 *
 * The vDSO's data pages are the exception, there is one instance of them per stub.  as->vvar is where they belong when
 * all queued calls are made, stub->vvar is where they are; when the guest maps over them they are lost, and the stub is
 * not used again.
 */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "platform/host/host.h"
#include "platform/systrap/systrap.h"
#include "platform/vdso.h"
#include "sentry/abi/errno.h"

#define ATTACH_TRIES 3

/*
 * Ranges up to these are mapped with their pages: filling in a page table entry costs a fraction of the fault it saves.  Larger
 * ones are probably not used whole.  For reading, one fault brings in 16 pages anyway (fault_around_bytes).
 */
#define POPULATE_MAX_READ (16 * PAGE_SIZE)
#define POPULATE_MAX_WRITE (512 * PAGE_SIZE)

static size_t vvar_size(void)
{
	return vdso_layout()->pub.vvar_size;
}

/* --- the calls --- */

static int host_prot(unsigned prot)
{
	return PROT_READ | (prot & PLATFORM_WRITE ? PROT_WRITE : 0) | (prot & PLATFORM_EXEC ? PROT_EXEC : 0);
}

static struct systrap_order op_unmap(uaddr_t from, uaddr_t to)
{
	return (struct systrap_order){ .nr = SYS_munmap, .arg = { from, to - from }, .blame = SYSTRAP_BLAME_ORDER };
}

/* Appends the moves of the vDSO data from one place to another; returns the new number. */
static unsigned add_vvar_moves(struct systrap_order *op, unsigned nr, uaddr_t from, uaddr_t to)
{
	const struct vdso_layout *vdso = vdso_layout();

	for (unsigned i = 0; i < vdso->nr_pieces; i++) {
		const struct vdso_piece *p = &vdso->piece[i];
		uint64_t off = vdso->pub.vvar_size - p->below;

		op[nr++] = (struct systrap_order){ .nr = SYS_mremap,
						   .arg = { from + off, p->size, p->size,
							    MREMAP_MAYMOVE | MREMAP_FIXED, to + off },
						   .blame = SYSTRAP_BLAME_ORDER };
	}
	return nr;
}

/* The most calls that reset_make makes: two moves of the vDSO data, two ranges of the guest's and one of patches. */
#define RESET_MAX (3 + 2 * VDSO_MAX_PIECES)

/*
 * The calls that turn a stub in whatever state into an empty one, with the vDSO data where @vvar says (0: at home).  Their
 * number.  The data goes home first when it has to go elsewhere: pieces must not overlap.
 */
static unsigned reset_make(const struct systrap_stub *stub, uaddr_t vvar, struct systrap_order *op)
{
	uaddr_t now = stub->vvar, to = vvar ? vvar : SYSTRAP_VVAR;
	unsigned nr = 0;

	if (systrap_patch_enabled)
		op[nr++] = op_unmap(PATCH_TRAMPS, PATCH_NEAR_SLOTS + PATCH_SLOTS_SIZE);
	if (now && now != SYSTRAP_VVAR && now != to) {
		nr = add_vvar_moves(op, nr, now, SYSTRAP_VVAR);
		now = SYSTRAP_VVAR;
	}
	if (!now || now == SYSTRAP_VVAR) {
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
static void queue_collapse(struct systrap_aspace *as)
{
	as->nr_ops = 0;
	if (!as->stub)
		return;
	if (as->vvar_lost)
		as->stub->vvar = 0; /* goes with the rest */
	as->nr_ops = reset_make(as->stub, as->vvar, as->op);
}

/* --- giving them to the mapper --- */

static atomic_uint *mapper_failed(const struct systrap_stub *stub)
{
	return (void *)((char *)stub->orders + SYSTRAP_MAPPER_PAGE + SYSTRAP_MAPPER_FAILED);
}

/* Hands the queue over; the mapper is not woken yet. */
static int queue_give(struct systrap_aspace *as)
{
	struct systrap_stub *stub = as->stub;

	for (unsigned i = 0; i < as->nr_ops; i++)
		if (systrap_stub_order(stub, &as->op[i]))
			return -LINUX_ESRCH;
	as->nr_ops = 0;
	stub->vvar = as->vvar_lost ? 0 : as->vvar ? as->vvar : systrap_pool_have_vvar() ? SYSTRAP_VVAR : 0;
	return 0;
}

/*
 * Has the queue carried out.  When the host has no more mappings for us, dropping all of them helps.  What then still
 * fails must not be.
 */
static int queue_flush(struct systrap_aspace *as)
{
	struct systrap_stub *stub = as->stub;
	unsigned blame = 0;

	systrap_stub_mapper_near(stub);
	for (int try = 0; try < 2; try++) {
		if (queue_give(as) || systrap_stub_order_wait(stub, &blame))
			return -LINUX_ESRCH;
		if (likely(!(blame & SYSTRAP_BLAME_ORDER)))
			return 0;
		atomic_store(mapper_failed(stub), 0);
		queue_collapse(as);
	}
	return systrap_stub_fail(stub);
}

/* Orders that nobody waited for have failed: whatever they were, the queue begins anew. */
static void queue_check_failed(struct systrap_aspace *as)
{
	atomic_uint *failed = mapper_failed(as->stub);

	if (likely(!atomic_load_explicit(failed, memory_order_relaxed)))
		return;
	atomic_store(failed, 0);
	queue_collapse(as);
}

/* Whether orders may not be carried out yet. */
static bool stub_is_busy(const struct systrap_stub *stub)
{
	return stub->head != stub->acked;
}

int systrap_aspace_enter_locked(struct systrap_aspace *as, struct systrap_ctx *ctx)
{
	struct systrap_stub *stub = as->stub;
	struct systrap_page *page = ctx->page;
	struct systrap_order run = {
		.nr = SYS_futex,
		.arg = { ctx->block_addr + SYSTRAP_PAGE_OFF, 1 /* FUTEX_WAKE */, INT32_MAX },
		.flags = SYSTRAP_ORDER_RUN,
	};

	if (unlikely(atomic_load_explicit(&stub->dead, memory_order_relaxed)))
		return -LINUX_ESRCH;
	queue_check_failed(as);
	ctx->stops = atomic_load(&page->stops);
	if (as->nr_ops && stub->nr_attached == 1) {
		systrap_stub_mapper_near(stub);
		if (queue_give(as) || systrap_stub_order(stub, &run))
			return -LINUX_ESRCH;
		systrap_stub_order_wake(stub);
		return 0;
	}
	if ((as->nr_ops || (stub->nr_attached > 1 && stub_is_busy(stub))) && queue_flush(as))
		return -LINUX_ESRCH;
	atomic_store(&page->turn, SYSTRAP_TURN_RUN);
	if (atomic_load(&page->stub_sleeps))
		host_shared_futex_wake(&page->turn);
	return 0;
}

int systrap_sync(struct platform_aspace *pas, bool frames)
{
	struct systrap_aspace *as = systrap_aspace(pas);

	MUTEX_GUARD(&as->lock);
	if (!as->stub || (!as->nr_ops && !stub_is_busy(as->stub)))
		return 0;
	if (!frames && as->stub->nr_attached < 2)
		return 0;
	return queue_flush(as);
}

/* --- the queue --- */

/* Makes one call of two when @op continues the last one in address (and offset). */
static bool queue_merge(struct systrap_aspace *as, const struct systrap_order *op)
{
	struct systrap_order *last = as->nr_ops ? &as->op[as->nr_ops - 1] : NULL;

	if (!last || last->nr != op->nr || op->nr == SYS_mremap || last->arg[0] + last->arg[1] != op->arg[0])
		return false;
	if (op->nr != SYS_munmap && last->arg[2] != op->arg[2])
		return false;
	if (op->nr == SYS_mmap && (last->arg[3] != op->arg[3] || last->arg[4] != op->arg[4] ||
				   last->arg[5] + last->arg[1] != op->arg[5]))
		return false;
	last->arg[1] += op->arg[1];
	return true;
}

/* Room for @nr more: what is queued goes to the mapper, or, before there is one, is forgotten. */
static void queue_reserve_locked(struct systrap_aspace *as, unsigned nr)
{
	if (as->nr_ops + nr <= ASPACE_MAX_OPS)
		return;
	if (!as->stub) {
		as->nr_ops = 0;
		return;
	}
	queue_check_failed(as);
	if (as->nr_ops + nr <= ASPACE_MAX_OPS)
		return;
	systrap_stub_mapper_near(as->stub);
	if (queue_give(as))
		as->nr_ops = 0; /* dead, which run finds out */
	else
		systrap_stub_order_wake(as->stub);
}

static bool range_is_valid(uaddr_t addr, size_t len)
{
	return !PAGE_OFFSET(addr | len) && len && addr < GUEST_TASK_SIZE && len <= GUEST_TASK_SIZE - addr;
}

/* Stubs have the backings that were there when they were made. */
static bool op_is_possible(const struct systrap_aspace *as, const struct systrap_order *op)
{
	return !as->stub || op->nr != SYS_mmap || op->arg[4] < SYSTRAP_FD_BACKING + as->stub->nr_backings;
}

static void queue_add_locked(struct systrap_aspace *as, const struct systrap_order *op)
{
	if (queue_merge(as, op))
		return;
	queue_reserve_locked(as, 1);
	as->op[as->nr_ops++] = *op;
}

/* The guest maps over the vDSO data or changes it.  The host does not let it be split: it goes as a whole. */
static void vvar_lose_locked(struct systrap_aspace *as)
{
	struct systrap_order op = op_unmap(as->vvar, as->vvar + vvar_size());

	as->vvar = 0;
	if (!as->stub)
		return;
	as->vvar_lost = true;
	queue_add_locked(as, &op);
}

static int aspace_queue(struct platform_aspace *pas, const struct systrap_order *op)
{
	struct systrap_aspace *as = systrap_aspace(pas);
	uaddr_t addr = op->arg[0], end = addr + op->arg[1];

	MUTEX_GUARD(&as->lock);
	if (!op_is_possible(as, op))
		return -LINUX_EBADF;
	if (as->vvar && addr < as->vvar + vvar_size() && end > as->vvar)
		vvar_lose_locked(as);
	queue_add_locked(as, op);
	return 0;
}

/* A change of what is patched in the range goes with the call that makes it. */
static int aspace_queue_over_patches(struct platform_aspace *pas, const struct systrap_order *op)
{
	struct patch_set *set = &systrap_aspace(pas)->patch;
	bool any = patch_drop_begin(set);
	int err = aspace_queue(pas, op);

	if (any)
		patch_drop_end(set, op->arg[0], op->arg[1]);
	return err;
}

static int map_make(struct systrap_order *op, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	*op = (struct systrap_order){
		.nr = SYS_mmap,
		.arg = { addr, len, (uint64_t)host_prot(prot), MAP_SHARED | MAP_FIXED, SYSTRAP_FD_MEMORY, off },
		.blame = SYSTRAP_BLAME_ORDER,
	};
	if (backing != PLATFORM_MEMORY) {
		if (prot & PLATFORM_WRITE)
			return -LINUX_EACCES;
		if (!systrap_pool_backing_exists(backing))
			return -LINUX_EBADF;
		op->arg[4] = (uint64_t)(SYSTRAP_FD_BACKING + backing - 1);
	}
	if (!(prot & PLATFORM_LAZY) && len <= (prot & PLATFORM_WRITE ? POPULATE_MAX_WRITE : POPULATE_MAX_READ))
		op->arg[3] |= MAP_POPULATE;
	return 0;
}

int systrap_map(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	struct systrap_order op;
	int err;

	if (!range_is_valid(addr, len) || PAGE_OFFSET(off) || off + len < off)
		return -LINUX_EINVAL;
	if (!prot)
		return systrap_unmap(as, addr, len);
	err = map_make(&op, addr, len, prot, backing, off);
	return err ? err : aspace_queue_over_patches(as, &op);
}

int systrap_map_own(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	struct systrap_order op;
	int err = map_make(&op, addr, len, prot, backing, off);

	return err ? err : aspace_queue(as, &op);
}

int systrap_unmap(struct platform_aspace *as, uaddr_t addr, size_t len)
{
	struct systrap_order op = op_unmap(addr, addr + len);

	return range_is_valid(addr, len) ? aspace_queue_over_patches(as, &op) : -LINUX_EINVAL;
}

int systrap_protect(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot)
{
	struct systrap_order op = {
		.nr = SYS_mprotect,
		.arg = { addr, len, (uint64_t)host_prot(prot) },
		.flags = SYSTRAP_ORDER_PROTECT,
		.blame = SYSTRAP_BLAME_ORDER,
	};

	if (!range_is_valid(addr, len))
		return -LINUX_EINVAL;
	if (!prot)
		return systrap_unmap(as, addr, len);
	patch_restore(&systrap_aspace(as)->patch, addr, len);
	return aspace_queue(as, &op);
}

int systrap_aspace_reset(struct platform_aspace *pas)
{
	struct systrap_aspace *as = systrap_aspace(pas);
	bool any = patch_drop_begin(&as->patch);

	mutex_lock(&as->lock);
	queue_collapse(as);
	mutex_unlock(&as->lock);
	if (any)
		patch_drop_end(&as->patch, 0, GUEST_TASK_SIZE);
	return 0;
}

int systrap_map_vvar(struct platform_aspace *pas, uaddr_t addr)
{
	struct systrap_aspace *as = systrap_aspace(pas);
	size_t size = vvar_size();

	if (!systrap_pool_have_vvar())
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
		as->nr_ops = add_vvar_moves(as->op, as->nr_ops, as->vvar, SYSTRAP_VVAR);
	as->nr_ops = add_vvar_moves(as->op, as->nr_ops, SYSTRAP_VVAR, addr);
	as->vvar = addr;
	return 0;
}

/* --- threads --- */

/*
 * A stub is new to the aspace: before anything that is queued, what its last user left is taken away.  A full queue makes
 * room by being forgotten, as nothing of it is mapped yet.
 */
static void queue_begin(struct systrap_aspace *as)
{
	struct systrap_order op[RESET_MAX];
	unsigned nr = 0;

	if (as->stub->used)
		nr = reset_make(as->stub, as->vvar, op);
	else if (as->vvar && as->stub->vvar)
		nr = add_vvar_moves(op, 0, as->stub->vvar, as->vvar);
	as->stub->used = true;
	if (as->nr_ops + nr > ASPACE_MAX_OPS)
		as->nr_ops = 0;
	memmove(as->op + nr, as->op, as->nr_ops * sizeof(*op));
	memcpy(as->op, op, nr * sizeof(*op));
	as->nr_ops += nr;
}

static void ctx_set_thread(struct systrap_ctx *ctx, struct systrap_stub *stub)
{
	ctx->stub = stub;
	ctx->block = systrap_stub_block(stub, ctx->thread.slot);
	ctx->block_addr = systrap_stub_block_addr(ctx->thread.slot);
	ctx->page = (void *)(ctx->block + SYSTRAP_PAGE_OFF);
	systrap_frame_new(ctx);
	cpu_pair_start(&ctx->pair, ctx->thread.tid);
}

int systrap_aspace_attach_locked(struct systrap_aspace *as, struct systrap_ctx *ctx)
{
	int err = -LINUX_ESRCH;

	/* An idle stub may have been killed by someone: then the next. */
	for (int i = 0; i < ATTACH_TRIES && err; i++) {
		if (!as->stub) {
			struct systrap_stub *stub = systrap_stub_get();

			if (IS_ERR(stub))
				return (int)PTR_ERR(stub);
			as->stub = stub;
		}
		systrap_stub_mapper_near(as->stub);
		err = systrap_stub_thread_get(as->stub, &ctx->thread);
		if (err && as->stub->nr_attached)
			return err;
		if (err) {
			systrap_stub_destroy(as->stub);
			as->stub = NULL;
		}
	}
	if (err)
		return err;
	if (as->stub->nr_attached == 1)
		queue_begin(as);
	ctx_set_thread(ctx, as->stub);
	return 0;
}

void systrap_aspace_detach_locked(struct systrap_aspace *as, struct systrap_ctx *ctx)
{
	struct systrap_stub *stub = as->stub;

	cpu_pair_stop(&ctx->pair);
	systrap_stub_thread_put(stub, &ctx->thread, true);
	ctx->stub = NULL;
	if (stub->nr_attached)
		return;
	/*
	 * Now, not when the stub is used again: a thread that has not stopped, although it says so, must find nothing to go on
	 * with, before the frames are somebody else's.
	 */
	queue_collapse(as);
	if (!atomic_load(&stub->dead))
		queue_flush(as);
	as->stub = NULL;
	as->nr_ops = 0;
	as->vvar_lost = false;
	systrap_stub_put(stub);
}

/* --- life --- */

struct platform_aspace *systrap_aspace_new(void)
{
	struct systrap_aspace *as = calloc(1, sizeof(*as));

	if (!as)
		return ERR_PTR(-LINUX_ENOMEM);
	as->as.ops = &systrap_platform;
	mutex_init(&as->lock);
	list_init(&as->ctxs);
	systrap_patch_aspace_init(as);
	return &as->as;
}

void systrap_aspace_free(struct platform_aspace *pas)
{
	struct systrap_aspace *as = systrap_aspace(pas);

	BUG_ON(!list_empty(&as->ctxs) || as->stub);
	patch_set_fini(&as->patch);
	mutex_fini(&as->lock);
	free(as);
}
