/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contexts and their patched sites: what a stop in a trampoline or in the code behind it means, and how a thread that stopped there
 * goes on.
 *
 * The registers that the sentry sees are always those the guest believes to have.  On the way in, an address in a trampoline
 * becomes the one of the instruction that was moved there; on the way out, an address inside a jump becomes that of the moved
 * instruction (patch_enter_rip).
 *
 * A thread that stopped by a trampoline has no signal frame: its registers are in its page, its extended state is live.  When
 * something else than its general registers is needed it is told to trap, which makes a frame.
 */
#include <signal.h>
#include <string.h>

#include "platform/systrap/systrap.h"
#include "platform/systrap/patch_area.h"
#include "platform/systrap/patch_memory.h"
#include "sentry/abi/errno.h"
#include "sentry/base/log.h"

#define TRAP_GP 13

/*
 * How often a site stops by a signal before it is patched: a patch costs a copied page and a mapping, about as much as this many
 * signals more than by a trampoline.
 */
#ifndef PATCH_HITS /* a test build patches at once, with CPPFLAGS=-DPATCH_HITS=1 */
#define PATCH_HITS 12
#endif

#define PATCH_HITS_KNOWN 4 /* where it has paid before */
#define NR_KNOWN_SITES 4096

/* For how many stops a thread whose extended state was read saves it by itself. */
#define XSAVE_STOPS 16

bool systrap_patch_enabled;

static_assert(PATCH_ABS_SLOTS == PLATFORM_LOW_START && PATCH_ABS_SLOTS + PATCH_ABS_SLOTS_SIZE == PLATFORM_LOW_END, "");

static struct patch_area *area(const struct systrap_ctx *ctx)
{
	return (void *)ctx->page->patch;
}

static struct patch_set *set_of(const struct systrap_ctx *ctx)
{
	return &systrap_aspace(ctx->ctx.as)->patch;
}

static uaddr_t text_addr(const uint8_t *label)
{
	return SYSTRAP_TEXT + (uaddr_t)(label - systrap_text);
}

static bool within(uaddr_t rip, const uint8_t *from, const uint8_t *to)
{
	return rip >= text_addr(from) && rip < text_addr(to);
}

/* --- mapping for the set --- */

static int patch_map(void *arg, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	return systrap_map_own(arg, addr, len, prot, backing, off);
}

static int patch_sync(void *arg)
{
	return systrap_sync(arg, true);
}

static const struct patch_host patch_host = { .map = patch_map, .sync = patch_sync };

void systrap_patch_aspace_init(struct systrap_aspace *as)
{
	patch_set_init(&as->patch, &patch_host, &as->as);
}

void systrap_patch_new_thread(struct systrap_ctx *ctx)
{
	*area(ctx) = (struct patch_area){ .features = xstate_layout.features };
	ctx->by_patch = false;
	atomic_store(&ctx->area, area(ctx));
}

int systrap_patch_init(void)
{
	int fd, backing, err = patch_memory_init(&fd);

	if (err)
		return err;
	backing = systrap_pool_backing_add(fd);
	if (backing < 0)
		return backing;
	patch_init(backing, text_addr(systrap_patch_entry));
	systrap_patch_enabled = true;
	return 0;
}

void systrap_patch_begin(struct systrap_aspace *as)
{
	/* Whoever is first finds that there is no stub; for those behind the set is in use. */
	MUTEX_GUARD(&as->patch.lock);
	MUTEX_GUARD(&as->lock);
	if (!as->stub)
		patch_set_lost_locked(&as->patch);
}

/* --- going on --- */

static bool needs_frame(const struct systrap_ctx *ctx)
{
	const struct guest_regs *r = &ctx->ctx.regs;

	/* The way back goes through %gs, and loads no other segments. */
	return r->gs_base || r->cs != SYSTRAP_USER_CS;
}

uint64_t systrap_patch_gs(const struct systrap_ctx *ctx, uint64_t gs_base)
{
	return gs_base || !systrap_patch_enabled ? gs_base : ctx->block_addr + SYSTRAP_PAGE_OFF;
}

void systrap_patch_put_regs(struct systrap_ctx *ctx)
{
	if (!ctx->by_patch)
		return;
	ctx->patch_regs = ctx->ctx.regs;
	ctx->page->regs = ctx->ctx.regs;
	ctx->page->regs.rip = ctx->rip;
}

int systrap_patch_prepare(struct systrap_ctx *ctx)
{
	if (unlikely(ctx->ctx.regs.gs_base) && systrap_patch_enabled && !set_of(ctx)->off)
		patch_set_off(set_of(ctx));
	/* Here, because the set's lock comes before the aspace's. */
	ctx->rip = patch_enter_rip(set_of(ctx), ctx->ctx.regs.rip);
	return ctx->by_patch && unlikely(needs_frame(ctx)) ? systrap_patch_make_frame(ctx) : 0;
}

int systrap_patch_make_frame(struct systrap_ctx *ctx)
{
	struct guest_regs regs = ctx->ctx.regs;
	bool ok, xrstor;

	if (!ctx->by_patch)
		return 0;
	xrstor = ctx->xrstor;
	ok = systrap_trap(ctx);
	ctx->by_patch = false;
	ctx->ctx.regs = regs;
	ctx->ctx.regs_dirty = true;
	if (ok && xrstor)
		return systrap_frame_set_xstate(ctx, ctx->block);
	return ok ? 0 : -LINUX_EIO;
}

int systrap_patch_get_xstate(struct systrap_ctx *ctx, void *buf)
{
	if (ctx->by_patch && (ctx->xsaved || ctx->xrstor)) {
		systrap_xstate_load(buf, ctx->block);
		ctx->xsaves = XSAVE_STOPS;
		return 0;
	}
	/* Where it was wanted once it will be wanted again: a signal to itself, a thread that is made. */
	if (ctx->by_patch)
		ctx->xsaves = XSAVE_STOPS;
	return systrap_patch_make_frame(ctx) ? -LINUX_EIO : systrap_frame_get_xstate(ctx, buf);
}

int systrap_patch_set_xstate(struct systrap_ctx *ctx, const void *buf)
{
	if (!ctx->by_patch)
		return systrap_frame_set_xstate(ctx, buf);
	systrap_xstate_load(ctx->block, buf);
	ctx->xrstor = true;
	ctx->ctx.regs_dirty = true;
	return 0;
}

/* --- stopping --- */

static void take_syscall(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	struct guest_regs *r = &ctx->ctx.regs;

	r->rcx = r->rip;
	r->r11 = r->eflags;
	r->orig_rax = r->rax = (uint64_t)(int64_t)(int32_t)r->rax;
	*stop = (struct platform_stop){ .kind = STOP_SYSCALL };
}

void systrap_patch_get_regs(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	struct guest_regs *r = &ctx->ctx.regs;

	memcpy(r, &ctx->page->regs, sizeof(*r));
	r->cs = SYSTRAP_USER_CS;
	r->ss = SYSTRAP_USER_SS;
	r->ds = r->es = r->fs = r->gs = 0;
	if (xstate_layout.fsgsbase)
		ctx->fs_base = READ_ONCE(ctx->page->fs_base);
	r->fs_base = ctx->fs_base;
	r->gs_base = 0;
	ctx->by_patch = true;
	ctx->set_bases = ctx->xrstor = false;
	ctx->xsaved = ctx->xsave_asked;
	ctx->xsaves -= ctx->xsaves > 0;
	ctx->nr_by_patch++;
	take_syscall(ctx, stop);
}

/* Everything is answered, and the thread is about to go on. */
static void stop_behind_answer(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	struct guest_regs *r = &ctx->ctx.regs;
	uaddr_t cont = READ_ONCE(area(ctx)->cont);

	if (!patch_is_cont(set_of(ctx), cont, &r->rcx))
		return; /* the guest has come here on its own */
	r->rip = cont;
	r->rax = READ_ONCE(area(ctx)->answer);
	r->rsp = READ_ONCE(ctx->page->regs.rsp);
	r->r11 = r->eflags = READ_ONCE(ctx->page->regs.eflags);
	*stop = (struct platform_stop){ .kind = STOP_INTERRUPTED };
	ctx->ctx.regs_dirty = true;
}

static bool in_yield(uaddr_t rip)
{
	return rip >= SYSTRAP_TEXT + SYSTRAP_YIELD_OFF && rip < SYSTRAP_TEXT + SYSTRAP_YIELD_RET_OFF;
}

/* In front of an answer or in the middle of giving it: it becomes a call that the sentry serves. */
static void stop_in_answer(struct systrap_ctx *ctx, struct platform_stop *stop, uaddr_t rip)
{
	struct guest_regs *r = &ctx->ctx.regs;
	uaddr_t cont;

	if (in_yield(rip))
		rip = text_addr(systrap_patch_code);
	cont = rip > text_addr(systrap_patch_flags) ? READ_ONCE(area(ctx)->cont) : r->rcx;
	if (!patch_is_cont(set_of(ctx), cont, &r->rip))
		return; /* the guest has come here on its own */
	if (rip >= text_addr(systrap_patch_flags))
		r->eflags = READ_ONCE(ctx->page->regs.eflags);
	if (rip >= text_addr(systrap_patch_stack))
		r->rsp = READ_ONCE(ctx->page->regs.rsp);
	take_syscall(ctx, stop);
	ctx->ctx.regs_dirty = true;
}

/* True when the thread was in the stub's text and that is all there is to say. */
static bool stop_in_text(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	struct guest_regs *r = &ctx->ctx.regs;
	uaddr_t rip = r->rip;

	if (rip - SYSTRAP_TEXT >= SYSTRAP_TEXT_SIZE)
		return false;
	if (ctx->by_patch && (within(rip, systrap_patch_leave, systrap_patch_left) ||
			      rip == SYSTRAP_TEXT + SYSTRAP_TRAP_RET_OFF)) {
		/* Not yet gone on. */
		*r = ctx->patch_regs;
		ctx->ctx.regs_dirty = true;
		*stop = (struct platform_stop){ .kind = STOP_INTERRUPTED };
		return true;
	}
	if (stop->kind == STOP_SYSCALL)
		return false;
	if (within(rip, systrap_patch_finish, systrap_patch_code) || rip == SYSTRAP_TEXT + SYSTRAP_YIELD_RET_OFF) {
		/* At the jump, too: all is done but for that. */
		stop_behind_answer(ctx, stop);
		return false;
	}
	if (within(rip, systrap_patch_entry, systrap_patch_slow) || in_yield(rip)) {
		stop_in_answer(ctx, stop, rip);
		return true;
	}
	return false;
}

/* A byte inside a jump that stopped code which goes to an instruction that was moved. */
static bool stop_is_boundary(struct systrap_ctx *ctx, const struct platform_stop *stop)
{
	uaddr_t rip = ctx->ctx.regs.rip;

	if (stop->kind != STOP_SIGNAL || (stop->signo != SIGILL && (stop->signo != SIGSEGV || stop->trapno != TRAP_GP)))
		return false;
	return patch_enter_rip(set_of(ctx), rip) != rip;
}

/* The thread goes on, from the address that it believes to be at, and nobody is told. */
static void stop_again(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	*stop = (struct platform_stop){ .kind = STOP_INTERRUPTED };
	ctx->ctx.regs_dirty = true;
}

/*
 * Where sites were patched, in any address space: a child has its text where its parent has it, and what was hot there will be
 * hot again.  A hint, and so without a lock.
 */
static _Atomic(uaddr_t) known_sites[NR_KNOWN_SITES];

static _Atomic(uaddr_t) *known_site(uaddr_t rip)
{
	return &known_sites[(rip ^ rip >> 10) % NR_KNOWN_SITES];
}

/* How many stops it takes. */
static unsigned hits_needed(uaddr_t rip)
{
	return atomic_load_explicit(known_site(rip), memory_order_relaxed) == rip ? MIN(PATCH_HITS, PATCH_HITS_KNOWN)
										     : PATCH_HITS;
}

/*
 * Whether it is time to patch the site of a call that came by a signal.  All threads count together: most of what a short thread calls
 * it calls once.
 */
static bool site_is_hot(struct systrap_ctx *ctx)
{
	uaddr_t rip = ctx->ctx.regs.rip;
	struct systrap_hits *h = &systrap_aspace(ctx->ctx.as)->hits[(rip ^ rip >> 8) % SYSTRAP_NR_HITS];
	unsigned nr = atomic_load_explicit(&h->nr, memory_order_relaxed) + 1;
	bool hot;

	if (atomic_load_explicit(&h->rip, memory_order_relaxed) != rip) {
		atomic_store_explicit(&h->rip, rip, memory_order_relaxed);
		nr = 1;
	}
	/* Once, whatever comes of it. */
	if (nr > PATCH_HITS)
		return false;
	hot = nr >= hits_needed(rip);
	atomic_store_explicit(&h->nr, hot ? PATCH_HITS : nr, memory_order_relaxed);
	return hot;
}

void systrap_patch_stop(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	struct guest_regs *r = &ctx->ctx.regs;
	unsigned pushed;

	if (!systrap_patch_enabled)
		return;
	if (!stop_in_text(ctx, stop)) {
		if (patch_tramp_rip(set_of(ctx), r->rip, &r->rip, &pushed) != PATCH_AT_NOTHING) {
			r->rsp += pushed;
			ctx->ctx.regs_dirty = true;
		} else if (stop_is_boundary(ctx, stop)) {
			stop_again(ctx, stop);
		} else if (stop->kind == STOP_SYSCALL) {
			stop->patch = site_is_hot(ctx);
		}
		if (stop->kind == STOP_FAULT && patch_fault(set_of(ctx), stop->addr))
			stop_again(ctx, stop);
	}
	/* Where it goes on may be a moved instruction. */
	ctx->by_patch = false;
}

void systrap_patch(struct platform_ctx *pctx, const struct platform_text *text)
{
	struct systrap_ctx *ctx = systrap_ctx(pctx);
	struct patch_set *set = set_of(ctx);

	if (!systrap_patch_enabled || pctx->regs.gs_base)
		return;
	if (!text->low_free)
		patch_low_taken(set);
	if (patch_site(set, text->site, text->page, text->prot, text->backing, text->off) == PATCH_OK) {
		uaddr_t behind = text->site + PATCH_SYSCALL_LEN;

		if (atomic_exchange_explicit(known_site(behind), behind, memory_order_relaxed) == behind)
			atomic_fetch_add_explicit(&patch_stats.inherited, 1, memory_order_relaxed);
	}
	/* rip may be inside the jump now. */
	pctx->regs_dirty = true;
}

void systrap_unpatch(struct platform_aspace *pas, uaddr_t addr, size_t len)
{
	struct systrap_aspace *as = systrap_aspace(pas);

	if (len == SIZE_MAX)
		patch_set_off(&as->patch);
	else
		patch_restore(&as->patch, addr, len);
}

void systrap_low_taken(struct platform_aspace *pas)
{
	patch_low_taken(&systrap_aspace(pas)->patch);
}
