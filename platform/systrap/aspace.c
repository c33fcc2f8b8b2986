/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Address spaces: which mapping calls wait for the mapper, when it gets them, and which thread of the stub runs a context.
 *
 * The queue is a cache of mappings to be (platform/mapping.h): one that overflows collapses to "unmap everything", and so
 * does one whose orders fail.
 *
 * What a guest thread was told to unmap by itself, it may not have, and nobody is to rely on it who lets go of frames.  So the mapper does
 * it again before it does anything else: because nothing was mapped in between, that changes nothing but for a guest that
 * has cheated.
 *
 * Of the vDSO's data pages there is one instance per stub.  as->vvar is where they belong when all queued calls are made,
 * stub->vvar is where they are; when the guest maps over them they are lost, and the stub is not used again.
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

static size_t vvar_size(void)
{
	return vdso_layout()->pub.vvar_size;
}

/* --- the calls --- */

#define RESET_MAX (1 + MAPPING_RESET_MAX)

/* The calls that turn a stub in whatever state into an empty one, patches too.  At most RESET_MAX. */
static unsigned reset_make(const struct systrap_stub *stub, uaddr_t vvar, struct mapping_call *call)
{
	unsigned nr = 0;

	if (systrap_patch_enabled)
		call[nr++] = mapping_unmap(PATCH_TRAMPS, PATCH_NEAR_SLOTS + PATCH_SLOTS_SIZE);
	return nr + mapping_reset(call + nr, stub->vvar, vvar, SYSTRAP_VVAR);
}

/* Replaces the queue by a reset. */
static void queue_collapse(struct systrap_aspace *as)
{
	as->queue.nr = as->loose.nr = 0;
	if (!as->stub)
		return;
	if (as->vvar_lost)
		as->stub->vvar = 0; /* goes with the rest */
	as->queue.nr = reset_make(as->stub, as->vvar, as->queue.call);
}

/* --- giving them to the mapper --- */

static atomic_uint *mapper_failed(const struct systrap_stub *stub)
{
	return (void *)((char *)stub->orders + SYSTRAP_MAPPER_PAGE + SYSTRAP_MAPPER_FAILED);
}

static int call_give(struct systrap_stub *stub, const struct mapping_call *call)
{
	struct systrap_order order = { .nr = call->nr, .blame = SYSTRAP_BLAME_ORDER };

	memcpy(order.arg, call->arg, sizeof(order.arg));
	if (call->nr == SYS_mprotect)
		order.flags = SYSTRAP_ORDER_PROTECT;
	return systrap_stub_order(stub, &order);
}

/* Hands the queue over, behind what is older; the mapper is not woken yet. */
static int queue_give(struct systrap_aspace *as)
{
	struct systrap_stub *stub = as->stub;
	uaddr_t vvar = as->vvar_lost ? 0 : as->vvar ? as->vvar : systrap_pool_have_vvar() ? SYSTRAP_VVAR : 0;

	for (unsigned i = 0; i < as->loose.nr; i++)
		if (call_give(stub, &as->loose.call[i]))
			return -LINUX_ESRCH;
	as->loose.nr = 0;
	for (unsigned i = 0; i < as->queue.nr; i++)
		if (call_give(stub, &as->queue.call[i]))
			return -LINUX_ESRCH;
	as->queue.nr = 0;
	stub->vvar = vvar;
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

/* --- or to the guest thread --- */

/*
 * Whether the guest thread itself may make the queued calls.  It can neither map, nor is it sure when it does what it is told: so
 * nobody else may order anything meanwhile, nor may the mapper have something left to do.
 */
static bool queue_is_guests(const struct systrap_aspace *as)
{
	const struct systrap_stub *stub = as->stub;

	if (as->nr_ctxs != 1 || as->queue.nr > SYSTRAP_MAX_CALLS || !mapping_queue_has_room(&as->loose, as->queue.nr) ||
	    (stub->head != stub->run && stub->head != stub->acked) || as->vvar_lost || !systrap_pool_have_ro())
		return false;
	for (unsigned i = 0; i < as->queue.nr; i++)
		if (as->queue.call[i].nr != SYS_munmap && as->queue.call[i].nr != SYS_mprotect)
			return false;
	return true;
}

static void queue_give_guest(struct systrap_aspace *as, struct systrap_page *page)
{
	for (unsigned i = 0; i < as->queue.nr; i++) {
		const struct mapping_call *call = &as->queue.call[i];

		page->call[i] = (struct systrap_call){ call->nr, { call->arg[0], call->arg[1], call->arg[2] } };
		if (call->nr == SYS_munmap && !mapping_queue_merge(&as->loose, call))
			mapping_queue_add(&as->loose, call);
	}
	page->nr_calls = as->queue.nr;
	as->queue.nr = 0;
}

/* The host did not let it. */
static void queue_check_guest(struct systrap_aspace *as, struct systrap_page *page)
{
	if (likely(!READ_ONCE(page->calls_failed)))
		return;
	page->calls_failed = 0;
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
	queue_check_guest(as, page);
	ctx->stops = atomic_load(&page->stops);
	if (as->queue.nr && queue_is_guests(as)) {
		queue_give_guest(as, page);
	} else if (as->queue.nr && stub->nr_attached == 1) {
		systrap_stub_mapper_near(stub);
		if (queue_give(as) || systrap_stub_order(stub, &run))
			return -LINUX_ESRCH;
		stub->run = stub->head;
		systrap_stub_order_wake(stub);
		ctx->spin.mapper = true;
		return 0;
	}
	if ((as->queue.nr || (stub->nr_attached > 1 && stub_is_busy(stub))) && queue_flush(as))
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
	if (!as->stub || (!as->queue.nr && !as->loose.nr && !stub_is_busy(as->stub)))
		return 0;
	if (!frames && as->stub->nr_attached < 2)
		return 0;
	return queue_flush(as);
}

/* --- the queue --- */

/* Room for @nr more: what is queued goes to the mapper, or, before there is one, is forgotten. */
static void queue_reserve_locked(struct systrap_aspace *as, unsigned nr)
{
	if (mapping_queue_has_room(&as->queue, nr))
		return;
	if (!as->stub) {
		as->queue.nr = 0;
		return;
	}
	queue_check_failed(as);
	if (mapping_queue_has_room(&as->queue, nr))
		return;
	systrap_stub_mapper_near(as->stub);
	if (queue_give(as))
		as->queue.nr = 0; /* dead, which run finds out */
	else
		systrap_stub_order_wake(as->stub);
}

/* Stubs have the backings that were there when they were made. */
static bool call_is_possible(const struct systrap_aspace *as, const struct mapping_call *call)
{
	return !as->stub || call->nr != SYS_mmap || call->arg[4] < SYSTRAP_FD_BACKING + as->stub->nr_backings;
}

static void queue_add_locked(struct systrap_aspace *as, const struct mapping_call *call)
{
	if (mapping_queue_merge(&as->queue, call))
		return;
	queue_reserve_locked(as, 1);
	mapping_queue_add(&as->queue, call);
}

/* The guest maps over the vDSO data or changes it.  The host does not let it be split: it goes as a whole. */
static void vvar_lose_locked(struct systrap_aspace *as)
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
	struct systrap_aspace *as = systrap_aspace(pas);
	uaddr_t addr = call->arg[0], end = addr + call->arg[1];

	MUTEX_GUARD(&as->lock);
	if (!call_is_possible(as, call))
		return -LINUX_EBADF;
	if (as->vvar && addr < as->vvar + vvar_size() && end > as->vvar)
		vvar_lose_locked(as);
	queue_add_locked(as, call);
	return 0;
}

/* A change of what is patched in the range goes with the call that makes it. */
static int aspace_queue_over_patches(struct platform_aspace *pas, const struct mapping_call *call)
{
	struct patch_set *set = &systrap_aspace(pas)->patch;
	bool any = patch_drop_begin(set);
	int err = aspace_queue(pas, call);

	if (any)
		patch_drop_end(set, call->arg[0], call->arg[1]);
	return err;
}

/* The stub's descriptor; -errno when @backing can't be mapped so. */
static int backing_fd(int backing, unsigned prot)
{
	if (backing == PLATFORM_MEMORY)
		return prot & (PLATFORM_WRITE | PLATFORM_OWNED) ? SYSTRAP_FD_MEMORY : SYSTRAP_FD_MEMORY_RO;
	if (prot & PLATFORM_WRITE)
		return -LINUX_EACCES;
	return systrap_pool_backing_exists(backing) ? SYSTRAP_FD_BACKING + backing - 1 : -LINUX_EBADF;
}

int systrap_map(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	struct mapping_call call;
	int fd = backing_fd(backing, prot);

	if (!mapping_range_is_valid(addr, len) || PAGE_OFFSET(off) || off + len < off)
		return -LINUX_EINVAL;
	if (!(prot & ~PLATFORM_OWNED))
		return systrap_unmap(as, addr, len);
	if (fd < 0)
		return fd;
	call = mapping_map(addr, len, prot, fd, off);
	return aspace_queue_over_patches(as, &call);
}

int systrap_map_own(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	struct mapping_call call;
	int fd = backing_fd(backing, prot);

	if (fd < 0)
		return fd;
	call = mapping_map(addr, len, prot, fd, off);
	return aspace_queue(as, &call);
}

int systrap_unmap(struct platform_aspace *as, uaddr_t addr, size_t len)
{
	struct mapping_call call = mapping_unmap(addr, addr + len);

	return mapping_range_is_valid(addr, len) ? aspace_queue_over_patches(as, &call) : -LINUX_EINVAL;
}

int systrap_protect(struct platform_aspace *as, uaddr_t addr, size_t len, unsigned prot)
{
	struct mapping_call call = mapping_protect(addr, len, prot);

	if (!mapping_range_is_valid(addr, len))
		return -LINUX_EINVAL;
	if (!prot)
		return systrap_unmap(as, addr, len);
	patch_restore(&systrap_aspace(as)->patch, addr, len);
	return aspace_queue(as, &call);
}

int systrap_park(struct platform_aspace *as, uaddr_t addr, size_t len)
{
	struct mapping_call call = { SYS_mprotect, { addr, len, PROT_NONE } };

	if (!mapping_range_is_valid(addr, len))
		return -LINUX_EINVAL;
	if (!systrap_pool_have_ro())
		return -LINUX_EOPNOTSUPP;
	patch_restore(&systrap_aspace(as)->patch, addr, len);
	return aspace_queue(as, &call);
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
	as->queue.nr += mapping_vvar_moves(as->queue.call + as->queue.nr, as->vvar ? as->vvar : SYSTRAP_VVAR, addr, SYSTRAP_VVAR);
	as->vvar = addr;
	return 0;
}

/* --- threads --- */

/* A stub is new to the aspace, and empty: before anything that is queued, the vDSO data goes where it belongs. */
static void queue_begin(struct systrap_aspace *as)
{
	struct mapping_call call[MAPPING_VVAR_MAX];
	uaddr_t now = as->stub->vvar;
	unsigned nr = now ? mapping_vvar_moves(call, now, as->vvar ? as->vvar : SYSTRAP_VVAR, SYSTRAP_VVAR) : 0;

	mapping_queue_prepend(&as->queue, call, nr);
}

/*
 * A stub that had another guest.  By the calls that a guest may make, until its last thread was gone, it could take away the vDSO data,
 * which is the only thing that the next one gets from it: so the mapper has to bring them before anybody relies on them.
 * -LINUX_ESRCH: it can't.
 */
static int stub_inherit(struct systrap_aspace *as)
{
	const struct vdso_layout *vdso = vdso_layout();
	struct systrap_stub *stub = as->stub;
	uaddr_t to = as->vvar ? as->vvar : SYSTRAP_VVAR;
	struct mapping_call call[MAPPING_VVAR_MAX + VDSO_MAX_PIECES];
	unsigned nr, blame = 0;

	if (!stub->used || !stub->vvar || !systrap_pool_have_ro())
		return 0;
	nr = mapping_vvar_moves(call, stub->vvar, to, SYSTRAP_VVAR);
	for (unsigned i = 0; i < vdso->nr_pieces; i++)
		call[nr++] = mapping_protect(to + vvar_size() - vdso->piece[i].below, vdso->piece[i].size, PLATFORM_READ);
	for (unsigned i = 0; i < nr; i++) {
		struct systrap_order order = { .nr = call[i].nr, .blame = SYSTRAP_BLAME_ORDER };

		memcpy(order.arg, call[i].arg, sizeof(order.arg));
		if (systrap_stub_order(stub, &order))
			return -LINUX_ESRCH;
	}
	if (systrap_stub_order_wait(stub, &blame) || (blame & SYSTRAP_BLAME_ORDER))
		return -LINUX_ESRCH;
	atomic_store(mapper_failed(stub), 0);
	stub->vvar = to;
	return 0;
}

static void ctx_set_thread(struct systrap_ctx *ctx, struct systrap_stub *stub)
{
	ctx->stub = stub;
	ctx->block = systrap_stub_block(stub, ctx->thread.slot);
	ctx->block_addr = systrap_stub_block_addr(ctx->thread.slot);
	ctx->page = (void *)(ctx->block + SYSTRAP_PAGE_OFF);
	systrap_frame_new(ctx);
	cpu_pair_start(&ctx->pair, ctx->thread.tid, ctx->thread.cpu);
}

int systrap_aspace_reserve_locked(struct systrap_aspace *as, struct systrap_ctx *ctx)
{
	int err;

	if (!as->stub || !as->stub->nr_attached || atomic_load(&as->stub->dead))
		return 0;
	systrap_stub_mapper_near(as->stub);
	err = systrap_stub_thread_get(as->stub, &ctx->thread);
	ctx->reserved = !err;
	/* A stub that died takes its process with it, as the thread will see. */
	return err == -LINUX_ESRCH ? 0 : err;
}

int systrap_aspace_attach_locked(struct systrap_aspace *as, struct systrap_ctx *ctx)
{
	int err = -LINUX_ESRCH;

	/* It counts as attached since then, so the stub is still the same. */
	if (ctx->reserved) {
		ctx->reserved = false;
		ctx_set_thread(ctx, as->stub);
		return 0;
	}
	/* An idle stub may have been killed by someone: then the next. */
	for (int i = 0; i < ATTACH_TRIES && err; i++) {
		if (!as->stub) {
			struct systrap_stub *stub = systrap_stub_get();

			if (IS_ERR(stub))
				return (int)PTR_ERR(stub);
			as->stub = stub;
		}
		systrap_stub_mapper_near(as->stub);
		err = as->stub->nr_attached ? 0 : stub_inherit(as);
		if (!err)
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
	if (as->stub->nr_attached == 1) {
		cpu_clock_start(&as->cpu_clock, as->stub->pid);
		queue_begin(as);
		systrap_answer_new_stub(as);
	}
	ctx_set_thread(ctx, as->stub);
	return 0;
}

void systrap_aspace_detach_locked(struct systrap_aspace *as, struct systrap_ctx *ctx)
{
	struct systrap_stub *stub = as->stub;

	/*
	 * A thread that came without a signal waits with the guest's signal mask.  An interrupt of its next context, before that has begun,
	 * would put its frame where the one to begin with is.  Where signals are blocked it comes behind the beginning.
	 */
	if (!atomic_load(&stub->dead))
		systrap_patch_make_frame(ctx);
	systrap_spin_lost_thread(ctx);
	ctx->thread.cpu = cpu_pair_stop(&ctx->pair);
	systrap_answer_lost_thread(ctx);
	systrap_stub_thread_put(stub, &ctx->thread, true);
	ctx->stub = NULL;
	if (stub->nr_attached)
		return;
	/*
	 * Now, not when the stub is used again: a thread that has not stopped, although it says so, must find nothing to go on
	 * with, before the frames are somebody else's.
	 */
	queue_collapse(as);
	if (!atomic_load(&stub->dead) && queue_flush(as))
		systrap_stub_fail(stub);
	cpu_clock_stop(&as->cpu_clock);
	as->stub = NULL;
	as->queue.nr = as->loose.nr = 0;
	as->vvar_lost = false;
	systrap_stub_put(stub);
}

uint64_t systrap_cpu_time(struct platform_aspace *as)
{
	return cpu_clock_read(&systrap_aspace(as)->cpu_clock);
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
