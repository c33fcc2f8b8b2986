/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/skeleton/skeleton.h"

#include <stdlib.h>
#include <string.h>

#include "platform/xstate.h"
#include "sentry/abi/errno.h"

/*
 * Tries what init and run need, not what the host's version promises: containers forbid at will.  The sentence goes to the
 * user as it is: what is missing, and the command that mends it.
 */
static int skeleton_probe(const char **ret_why)
{
	*ret_why = "this platform is a skeleton, to be copied";
	return -LINUX_ENOSYS;
}

/* Everything that may need an open(), a fork() or a privilege: later the sentry has given that up. */
static int skeleton_init(const struct platform_params *params __unused, const char **ret_why)
{
	*ret_why = "this platform is a skeleton, to be copied";
	return -LINUX_ENOSYS;
}

static void skeleton_fini(void)
{
}

/* --- address spaces --- */

static struct platform_aspace *skeleton_aspace_new(void)
{
	struct skeleton_aspace *as = calloc(1, sizeof(*as));

	if (!as)
		return ERR_PTR(-LINUX_ENOMEM);
	as->as.ops = &skeleton_platform;
	mutex_init(&as->lock);
	return &as->as;
}

static void skeleton_aspace_free(struct platform_aspace *pas)
{
	struct skeleton_aspace *as = skeleton_aspace(pas);

	mutex_fini(&as->lock);
	free(as);
}

/*
 * The rule of all four: when the call returns, no guest instruction uses the old mapping.  If nothing of the aspace is in
 * the guest, noting the call down is enough; that is the common case, so batch.  If the caller's own context could make the
 * call, let it.  Otherwise somebody who is in the guest has to come out.  mm's pt_lock may be held here: coming out must not
 * need it.
 *
 * Mappings are a cache.  Out of host mappings, table memory or queue?  Drop everything, and the guest faults it in again.
 */
static int skeleton_map(struct platform_aspace *as __unused, uaddr_t addr __unused, size_t len __unused,
			unsigned prot __unused, int backing __unused, uint64_t off __unused)
{
	return -LINUX_ENOSYS;
}

static int skeleton_unmap(struct platform_aspace *as __unused, uaddr_t addr __unused, size_t len __unused)
{
	return -LINUX_ENOSYS;
}

/* Entirely mapped as far as mm knows; but what you dropped has holes. */
static int skeleton_protect(struct platform_aspace *as __unused, uaddr_t addr __unused, size_t len __unused,
			    unsigned prot __unused)
{
	return -LINUX_ENOSYS;
}

/* The stubs' own CPU clocks (cpu_clock.h). */
static uint64_t skeleton_cpu_time(struct platform_aspace *as __unused)
{
	return 0;
}

static int skeleton_aspace_reset(struct platform_aspace *as __unused)
{
	return -LINUX_ENOSYS;
}

/* --- contexts --- */

/* Often called by the thread that makes a guest thread, and first run by another. */
static struct platform_ctx *skeleton_ctx_new(struct platform_aspace *as)
{
	struct skeleton_ctx *ctx = calloc(1, sizeof(*ctx));

	if (!ctx)
		return ERR_PTR(-LINUX_ENOMEM);
	ctx->ctx.ops = &skeleton_platform;
	ctx->ctx.as = as;
	ctx->ctx.regs_dirty = true;
	return &ctx->ctx;
}

static void skeleton_ctx_free(struct platform_ctx *ctx)
{
	free(skeleton_ctx(ctx));
}

/*
 * 1. make the calls that are noted down;
 * 2. in_guest = true, then look at interrupted (interrupt does it in the other order);
 * 3. load ctx->regs if regs_dirty, forcing what a guest may not choose: cs, ss, privileged flags, bases that are no user
 *    addresses.  A value that the host refuses must not make every later run fail;
 * 4. enter; come back; fill ctx->regs and *stop.
 *
 * What the guest can write is read once and checked.  Never wait for a guest without a way to be woken.
 */
static void skeleton_run(struct platform_ctx *pctx, struct platform_stop *stop)
{
	struct skeleton_ctx *ctx = skeleton_ctx(pctx);

	*stop = (struct platform_stop){ .kind = STOP_DEAD };
	if (atomic_exchange(&ctx->interrupted, false))
		stop->kind = STOP_INTERRUPTED;
}

/* Any thread, any moment, no sleep: set the flag, then kick if in_guest. */
static void skeleton_interrupt(struct platform_ctx *pctx)
{
	struct skeleton_ctx *ctx = skeleton_ctx(pctx);

	atomic_store(&ctx->interrupted, true);
	if (atomic_load(&ctx->in_guest)) {
		/* kick */
	}
}

/* --- extended state --- */

static size_t skeleton_xstate_size(void)
{
	return XSTATE_MIN_SIZE;
}

static int skeleton_get_xstate(struct platform_ctx *ctx __unused, void *buf)
{
	xstate_init(buf, skeleton_xstate_size());
	xstate_to_frame(buf, skeleton_xstate_size(), XFEATURE_MASK_FP | XFEATURE_MASK_SSE);
	return 0;
}

/* From a signal frame that the guest wrote: xstate_sanitise() first. */
static int skeleton_set_xstate(struct platform_ctx *ctx __unused, const void *buf __unused)
{
	return -LINUX_ENOSYS;
}

const struct platform_ops skeleton_platform = {
	.name = "skeleton",
	.summary = "does nothing; copy it to write a platform",
	.probe = skeleton_probe,
	.init = skeleton_init,
	.fini = skeleton_fini,
	.backing_add = NULL, /* optional */
	.aspace_new = skeleton_aspace_new,
	.aspace_free = skeleton_aspace_free,
	.map = skeleton_map,
	.unmap = skeleton_unmap,
	.protect = skeleton_protect,
	.aspace_reset = skeleton_aspace_reset,
	.cpu_time = skeleton_cpu_time,
	.map_vvar = NULL, /* optional */
	.ctx_new = skeleton_ctx_new,
	.ctx_free = skeleton_ctx_free,
	.run = skeleton_run,
	.interrupt = skeleton_interrupt,
	.get_xstate = skeleton_get_xstate,
	.set_xstate = skeleton_set_xstate,
	.xstate_size = skeleton_xstate_size,
};
