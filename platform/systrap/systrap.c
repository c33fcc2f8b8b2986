/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: how a guest thread gets its turn and the sentry gets it back. */
#include "platform/systrap/systrap.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "platform/stub_exec.h"
#include "platform/xstate.h"
#include "sentry/abi/errno.h"
#include "sentry/base/log.h"

/* A thread that was told to do something little has done it by then, unless the machine is loaded. */
#define SOON_NS 50000000

static bool initialised;

/* --- the turn --- */

/*
 * stub                                    sentry
 *     stops++                                 sentry_sleeps = 1
 *     if (sentry_sleeps)                      if (stops is the old one)
 *             wake                                    sleep unless stops changes
 *
 * Each does the first before the second, so one of them sees the other.  Should a guest break the rule, its sentry thread
 * sleeps until it is interrupted, and then until watch.c has lost patience.
 */
static void wait_for_stop(struct systrap_ctx *ctx)
{
	struct systrap_page *page = ctx->page;

	if (atomic_load(&page->stops) != ctx->stops || systrap_spin_wait(ctx))
		return;
	atomic_store(&page->sentry_sleeps, 1);
	while (atomic_load(&page->stops) == ctx->stops && !atomic_load(&ctx->stub->dead))
		host_shared_futex_wait(&page->stops, ctx->stops, -1);
	atomic_store_explicit(&page->sentry_sleeps, 0, memory_order_relaxed);
}

/* The same for a stop that comes at once, unless the guest sees to it that it does not; which watch.c is to find out then. */
static void wait_for_stop_soon(struct systrap_ctx *ctx)
{
	struct systrap_page *page = ctx->page;

	if (systrap_spin_wait(ctx))
		return;
	atomic_store(&page->sentry_sleeps, 1);
	if (atomic_load(&page->stops) == ctx->stops)
		host_shared_futex_wait(&page->stops, ctx->stops, SOON_NS);
	atomic_store_explicit(&page->sentry_sleeps, 0, memory_order_relaxed);
	if (likely(atomic_load(&page->stops) != ctx->stops))
		return;
	atomic_store(&ctx->trapping, true);
	systrap_watch_ctx_add(ctx);
	wait_for_stop(ctx);
	atomic_store(&ctx->trapping, false);
}

/*
 * interrupt                               run
 *     interrupted = true                      in_guest = true
 *     if (in_guest)                           if (interrupted)
 *             signal                                  do not enter
 *
 * Both orders are total, so one of the two sees the other.  All signals are blocked while the thread waits for its turn, so
 * one that comes early stops the guest before its first instruction; and one that comes late stops its next run once for
 * nothing.
 */
static void systrap_interrupt(struct platform_ctx *pctx)
{
	struct systrap_ctx *ctx = systrap_ctx(pctx);

	atomic_store(&ctx->interrupted, true);
	if (!atomic_load(&ctx->in_guest))
		return;
	/* A thread that is gone without leave: the guest has made it end. */
	if (host_tgkill(ctx->stub->pid, ctx->thread.tid, SYSTRAP_INTERRUPT_SIGNAL) == -LINUX_ESRCH)
		systrap_stub_fail(ctx->stub);
	systrap_watch_ctx_add(ctx);
}

enum enter { ENTERED, ENTER_INTERRUPTED, ENTER_DEAD };

static int ctx_attach_locked(struct systrap_aspace *as, struct systrap_ctx *ctx)
{
	int err = systrap_aspace_attach_locked(as, ctx);

	if (err && err != -LINUX_ESRCH)
		log_error("no thread of the host for one of the guest: %s", host_why(err));
	return err;
}

/* Attaches, and lets the guest go on behind the queued calls. */
static enum enter ctx_enter(struct systrap_ctx *ctx)
{
	struct systrap_aspace *as = systrap_aspace(ctx->ctx.as);

	if (unlikely(!ctx->stub))
		systrap_patch_begin(as);
	if (unlikely(systrap_patch_prepare(ctx)))
		return ENTER_DEAD;
	MUTEX_GUARD(&as->lock);
	if (ctx->dead || (unlikely(!ctx->stub) && ctx_attach_locked(as, ctx)))
		return ENTER_DEAD;
	systrap_frame_put_regs(ctx);
	atomic_store(&ctx->in_guest, true);
	if (atomic_exchange(&ctx->interrupted, false)) {
		atomic_store(&ctx->in_guest, false);
		return ENTER_INTERRUPTED;
	}
	if (!systrap_aspace_enter_locked(as, ctx))
		return ENTERED;
	atomic_store(&ctx->in_guest, false);
	return ENTER_DEAD;
}

static void ctx_die(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	ctx->dead = true;
	*stop = (struct platform_stop){ .kind = STOP_DEAD };
}

/* Waits for the stop and reads it. */
static void ctx_stop(struct systrap_ctx *ctx, struct platform_stop *stop)
{
	cpu_pair_enter(&ctx->pair);
	wait_for_stop(ctx);
	cpu_pair_leave(&ctx->pair);
	systrap_spin_stopped(ctx);
	atomic_store_explicit(&ctx->nr_runs, atomic_load_explicit(&ctx->nr_runs, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	atomic_store(&ctx->in_guest, false);
	if (unlikely(atomic_load_explicit(&ctx->stub->dead, memory_order_relaxed))) {
		ctx_die(ctx, stop);
	} else if (READ_ONCE(ctx->page->kind) == SYSTRAP_KIND_PATCH && systrap_patch_enabled) {
		systrap_patch_get_regs(ctx, stop);
	} else if (unlikely(!systrap_frame_get_regs(ctx))) {
		log_error("stub %d: a guest has spoilt its signal frame", ctx->stub->pid);
		systrap_stub_fail(ctx->stub);
		ctx_die(ctx, stop);
	} else {
		systrap_stop_decode(ctx, stop);
		ctx->nr_by_signal += stop->kind == STOP_SYSCALL;
		systrap_patch_stop(ctx, stop);
	}
}

bool systrap_trap(struct systrap_ctx *ctx)
{
	struct systrap_page *page = ctx->page;
	bool ok;

	ctx->stops = atomic_load(&page->stops);
	atomic_store(&page->turn, SYSTRAP_TURN_TRAP);
	if (atomic_load(&page->stub_sleeps))
		host_shared_futex_wake(&page->turn);
	wait_for_stop_soon(ctx);
	atomic_store_explicit(&ctx->nr_runs, atomic_load_explicit(&ctx->nr_runs, memory_order_relaxed) + 1,
			      memory_order_relaxed);
	ok = !atomic_load(&ctx->stub->dead) && READ_ONCE(page->kind) == SYSTRAP_KIND_SIGNAL && systrap_frame_get_regs(ctx);
	if (!ok)
		systrap_stub_fail(ctx->stub);
	return ok;
}

static void systrap_run(struct platform_ctx *pctx, struct platform_stop *stop)
{
	struct systrap_ctx *ctx = systrap_ctx(pctx);

	do {
		switch (ctx_enter(ctx)) {
		case ENTERED:
			break;
		case ENTER_INTERRUPTED:
			*stop = (struct platform_stop){ .kind = STOP_INTERRUPTED };
			return;
		case ENTER_DEAD:
			ctx_die(ctx, stop);
			return;
		}
		ctx_stop(ctx, stop);
	} while (stop->kind == STOP_INTERRUPTED && !atomic_exchange(&ctx->interrupted, false));
}

/* --- life --- */

static struct platform_ctx *systrap_ctx_new(struct platform_aspace *pas)
{
	struct systrap_aspace *as = systrap_aspace(pas);
	struct systrap_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return ERR_PTR(-LINUX_ENOMEM);
	ctx->ctx.ops = &systrap_platform;
	ctx->ctx.as = pas;
	ctx->ctx.regs_dirty = true;
	list_init(&ctx->watch);
	MUTEX_GUARD(&as->lock);
	if (systrap_aspace_reserve_locked(as, ctx)) {
		free(ctx);
		return ERR_PTR(-LINUX_EAGAIN);
	}
	list_add_tail(&ctx->link, &as->ctxs);
	as->nr_ctxs++;
	return &ctx->ctx;
}

static void systrap_ctx_free(struct platform_ctx *pctx)
{
	struct systrap_ctx *ctx = systrap_ctx(pctx);
	struct systrap_aspace *as = systrap_aspace(pctx->as);

	mutex_lock(&as->lock);
	if (ctx->reserved)
		systrap_aspace_attach_locked(as, ctx);
	if (ctx->stub)
		systrap_aspace_detach_locked(as, ctx);
	list_del(&ctx->link);
	as->nr_ctxs--;
	mutex_unlock(&as->lock);
	systrap_watch_ctx_del(ctx);
	free(ctx->xstate);
	free(ctx);
}

/* --- extended state --- */

static int systrap_get_xstate(struct platform_ctx *pctx, void *buf)
{
	struct systrap_ctx *ctx = systrap_ctx(pctx);

	if (ctx->dead)
		return -LINUX_ESRCH;
	if (ctx->stub)
		return systrap_patch_get_xstate(ctx, buf);
	memcpy(buf, ctx->xstate ? ctx->xstate : xstate_layout.init, xstate_layout.size);
	xstate_to_frame(buf, xstate_layout.size, xstate_layout.features);
	return 0;
}

static int systrap_set_xstate(struct platform_ctx *pctx, const void *buf)
{
	struct systrap_ctx *ctx = systrap_ctx(pctx);

	if (ctx->dead)
		return -LINUX_ESRCH;
	if (ctx->stub)
		return systrap_patch_set_xstate(ctx, buf);
	if (!ctx->xstate)
		ctx->xstate = malloc(xstate_layout.size);
	if (!ctx->xstate)
		return -LINUX_ENOMEM;
	memcpy(ctx->xstate, buf, xstate_layout.size);
	return 0;
}

static size_t systrap_xstate_size(void)
{
	return xstate_layout.size;
}

/* --- the platform --- */

static void platform_down(void)
{
	systrap_patch_enabled = false;
	systrap_pool_fini();
	systrap_watch_fini();
	systrap_frame_fini();
}

static void systrap_fini(void)
{
	if (!initialised)
		return;
	pairing_fini();
	platform_down();
	initialised = false;
}

/*
 * A guest thread that makes one call: shows that filter, handler and hand-over work here, and what the host's kernel puts into a
 * frame.
 */
static int guest_check(const char **ret_why)
{
	struct platform_aspace *as = systrap_aspace_new();
	struct platform_ctx *ctx = IS_ERR(as) ? NULL : systrap_ctx_new(as);
	struct platform_stop stop = { .kind = STOP_DEAD };
	struct xstate_sw_bytes sw = { 0 };
	void *xstate = NULL;
	int err = -LINUX_ENODEV;

	*ret_why = "out of memory";
	if (!ctx || IS_ERR(ctx)) {
		if (!IS_ERR(as))
			systrap_aspace_free(as);
		return -LINUX_ENOMEM;
	}
	ctx->regs.rip = SYSTRAP_TEXT + SYSTRAP_TRAP_RET_OFF - 2;
	systrap_run(ctx, &stop);
	*ret_why = "a guest thread does not trap: the host's seccomp does not do SECCOMP_RET_TRAP";
	if (stop.kind == STOP_SYSCALL) {
		*ret_why = "the host's signal frames have an unknown layout of the extended state";
		xstate = systrap_frame_raw_xstate(systrap_ctx(ctx));
	}
	if (xstate) {
		memcpy(&sw, (char *)xstate + XSTATE_SW_OFFSET, sizeof(sw));
		if (sw.magic1 == XSTATE_FP_MAGIC1 && sw.xstate_size == xstate_layout.size)
			err = 0;
	}
	systrap_ctx_free(ctx);
	systrap_aspace_free(as);
	return err;
}

static int init_with_reason(const struct platform_params *params, const char **ret_why)
{
	int err;

	systrap_spin_init(params->spin);
	/* An ignored SIGCHLD would reap stubs by itself. */
	host_sigaction(SIGCHLD, NULL, SA_NOCLDSTOP);
	err = systrap_frame_init(ret_why);
	if (!err)
		err = stub_exec_check(ret_why);
	if (err)
		return err;
	err = systrap_watch_init();
	*ret_why = host_why(err);
	if (!err)
		err = systrap_pool_init(params->memory_fd, ret_why);
	/* Before there are stubs, which would have to be made anew. */
	if (!err && !params->no_patch && systrap_patch_init())
		log_warn("system calls are not patched: out of memory or descriptors");
	if (!err)
		err = systrap_pool_check(ret_why);
	if (!err)
		err = guest_check(ret_why);
	if (err)
		platform_down();
	else
		initialised = true;
	return err;
}

static int systrap_init(const struct platform_params *params, const char **ret_why)
{
	int err = init_with_reason(params, ret_why);

	if (!err)
		pairing_init(); /* without it the host places the threads */
	return err;
}

static int systrap_probe(const char **ret_why)
{
	struct platform_params params = { .no_patch = true, .spin = PLATFORM_SPIN_NEVER };
	int err;

	if (initialised)
		return 0;
	params.memory_fd = host_memfd_create("sentry-probe", 0);
	if (params.memory_fd < 0) {
		*ret_why = "the host refuses memfd_create";
		return params.memory_fd;
	}
	err = init_with_reason(&params, ret_why);
	if (!err)
		systrap_fini();
	host_close(params.memory_fd);
	return err;
}

static void systrap_set_affinity(struct platform_ctx *ctx, const void *mask, size_t size)
{
	cpu_pair_set_cpus(&systrap_ctx(ctx)->pair, mask, size);
}

const struct platform_ops systrap_platform = {
	.name = "systrap",
	.summary = "guest threads trap on themselves by seccomp; needs no privileges",
	.probe = systrap_probe,
	.init = systrap_init,
	.fini = systrap_fini,
	.backing_add = systrap_pool_backing_add,
	.aspace_new = systrap_aspace_new,
	.aspace_free = systrap_aspace_free,
	.map = systrap_map,
	.unmap = systrap_unmap,
	.protect = systrap_protect,
	.park = systrap_park,
	.aspace_reset = systrap_aspace_reset,
	.sync = systrap_sync,
	.patch = systrap_patch,
	.unpatch = systrap_unpatch,
	.low_taken = systrap_low_taken,
	.set_answers = systrap_set_answers,
	.drop_answers = systrap_drop_answers,
	.answered_sigmask = systrap_answered_sigmask,
	.futex_count = systrap_futex_count,
	.report = systrap_report,
	.map_vvar = systrap_map_vvar,
	.ctx_new = systrap_ctx_new,
	.ctx_free = systrap_ctx_free,
	.run = systrap_run,
	.interrupt = systrap_interrupt,
	.get_xstate = systrap_get_xstate,
	.set_xstate = systrap_set_xstate,
	.xstate_size = systrap_xstate_size,
	.cpu_time = systrap_cpu_time,
	.set_affinity = systrap_set_affinity,
};
