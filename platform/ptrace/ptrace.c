/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts: how a guest thread enters the stub and comes back. */
#include "platform/ptrace/ptrace.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>

#include "platform/host/host.h"
#include "platform/stub_exec.h"
#include "platform/xstate.h"
#include "sentry/abi/errno.h"

#define USER_CS 0x33
#define USER32_CS 0x23
#define USER_SS 0x2b
#define USER_HALF_END 0x7ffffffff000UL
#define XSTATE_PROBE_SIZE (64 * 1024)

/* What the host's extended state looks like; set by init. */
static struct {
	size_t size;
	uint64_t features;
	uint32_t mxcsr_mask;
	void *init; /* the state of a new context */
} xstate;

static bool initialised;

/* Its address names the thread. */
static _Thread_local char self;
/* The context that the calling thread ran last. */
static _Thread_local struct ptrace_ctx *last_ctx;

/* --- registers --- */

/* Selectors that the host accepts; what it does not find in its tables reads as a null segment to the guest. */
static uint64_t sane_selector(uint64_t sel)
{
	return (sel & 3) == 3 ? sel & 0xffff : 0;
}

static uint64_t sane_base(uint64_t base)
{
	return base < USER_HALF_END ? base : 0;
}

/*
 * Loads ctx.regs into the thread.  The host keeps privileged flags to itself.  orig_rax says "no call", lest the host take a
 * value in rax for a call of its own to restart.
 */
static int ctx_put_regs(struct ptrace_ctx *ctx)
{
	struct guest_regs regs = ctx->ctx.regs;
	int err;

	regs.orig_rax = ~0ULL;
	regs.cs = regs.cs == USER32_CS ? USER32_CS : USER_CS;
	regs.ss = USER_SS;
	if (ctx->segs_valid && !memcmp(&regs.fs_base, ctx->segs, sizeof(ctx->segs))) {
		err = tracee_set_gprs(ctx->tid, &regs);
	} else {
		regs.fs_base = sane_base(regs.fs_base);
		regs.gs_base = sane_base(regs.gs_base);
		regs.ds = sane_selector(regs.ds);
		regs.es = sane_selector(regs.es);
		regs.fs = sane_selector(regs.fs);
		regs.gs = sane_selector(regs.gs);
		err = tracee_set_regs(ctx->tid, &regs);
		memcpy(ctx->segs, &regs.fs_base, sizeof(ctx->segs));
		ctx->segs_valid = true;
	}
	ctx->ctx.regs_dirty = false;
	ctx->regs_valid = !err;
	return err;
}

static int ctx_get_regs(struct ptrace_ctx *ctx)
{
	struct guest_regs *regs = &ctx->ctx.regs;
	int err = tracee_get_regs(ctx->tid, regs);

	if (err)
		return err;
	memcpy(ctx->segs, &regs->fs_base, sizeof(ctx->segs));
	ctx->ctx.regs_dirty = false;
	ctx->regs_valid = true;
	if (likely(regs->cs == USER_CS))
		return 0;
	/*
	 * A far jump into compatibility mode.  The host would then read register sets from us in the 32-bit layout, so a
	 * stopped thread is always put back; ctx_put_regs restores the guest's choice.
	 */
	{
		struct guest_regs normal = *regs;

		normal.cs = USER_CS;
		normal.ss = USER_SS;
		normal.orig_rax = ~0ULL;
		normal.fs_base = sane_base(normal.fs_base);
		normal.gs_base = sane_base(normal.gs_base);
		ctx->regs_valid = ctx->segs_valid = false;
		return tracee_set_regs(ctx->tid, &normal);
	}
}

int ptrace_ctx_load(struct ptrace_ctx *ctx, pid_t tid)
{
	int err = tracee_set_xstate(tid, ctx->xstate ? ctx->xstate : xstate.init, xstate.size);

	ctx->regs_valid = ctx->segs_valid = false;
	free(ctx->xstate);
	ctx->xstate = NULL;
	return err;
}

/* --- running --- */

struct ptrace_ctx *ptrace_ctx_own_locked(struct ptrace_aspace *as)
{
	struct ptrace_ctx *ctx = last_ctx;

	if (ctx && ctx->ctx.as == &as->as)
		return ctx->tid && !ctx->dead ? ctx : NULL;
	list_for_each_entry(ctx, &as->ctxs, link)
		if (atomic_load_explicit(&ctx->owner, memory_order_relaxed) == &self && ctx->tid && !ctx->dead)
			return ctx;
	return NULL;
}

void ptrace_ctx_kick(struct ptrace_ctx *ctx)
{
	if (atomic_load(&ctx->in_guest))
		host_tgkill(ctx->pid, ctx->tid, PTRACE_KICK_SIGNAL);
}

/*
 * interrupt                               run
 *     interrupted = true                      in_guest = true
 *     if (in_guest)                           if (interrupted)
 *             kick                                    do not enter
 *
 * Both orders are total, so one of the two sees the other.  A kick that comes too late finds the thread stopped, and stops
 * its next run once for nothing.
 */
static void ptrace_interrupt(struct platform_ctx *pctx)
{
	struct ptrace_ctx *ctx = ptrace_ctx(pctx);

	atomic_store(&ctx->interrupted, true);
	ptrace_ctx_kick(ctx);
}

/* Attaches, makes the queued calls, and declares the context to be in the guest. */
static int ctx_enter(struct ptrace_ctx *ctx)
{
	struct ptrace_aspace *as = ptrace_aspace(ctx->ctx.as);
	int err = 0;

	MUTEX_GUARD(&as->lock);
	if (ctx->dead)
		return -LINUX_ESRCH;
	if (unlikely(!ctx->tid))
		err = aspace_attach_locked(as, ctx);
	if (!err && as->queue.nr)
		err = aspace_drain_locked(as, ctx);
	if (err)
		return err;
	as->nr_in_guest++;
	atomic_store(&ctx->in_guest, true);
	return 0;
}

/* Whoever waits for a call to be made has it made here, unless nobody is left who could notice that it was not. */
static void ctx_leave(struct ptrace_ctx *ctx)
{
	struct ptrace_aspace *as = ptrace_aspace(ctx->ctx.as);

	MUTEX_GUARD(&as->lock);
	atomic_store(&ctx->in_guest, false);
	as->nr_in_guest--;
	if (unlikely(ctx->dead))
		stub_fail(as->stub);
	if (likely(!as->nr_waiters))
		return;
	if (as->nr_in_guest && as->queue.nr && !ctx->dead)
		aspace_drain_locked(as, ctx);
	pthread_cond_broadcast(&as->changed);
}

/* Lets the guest run until its thread stops. */
static int ctx_resume(struct ptrace_ctx *ctx, int *ret_status)
{
	int err;

	if ((ctx->ctx.regs_dirty || !ctx->regs_valid) && ctx_put_regs(ctx))
		return -LINUX_ESRCH;
	cpu_pair_enter(&ctx->pair);
	err = host_ptrace(PTRACE_SYSEMU, ctx->tid, 0, NULL) < 0 ? -LINUX_ESRCH : tracee_wait(ctx->tid, ret_status);
	cpu_pair_leave(&ctx->pair);
	return err;
}

static void ctx_die(struct ptrace_ctx *ctx, struct platform_stop *stop)
{
	ctx->dead = true;
	*stop = (struct platform_stop){ .kind = STOP_DEAD };
}

static void ptrace_run(struct platform_ctx *pctx, struct platform_stop *stop)
{
	struct ptrace_ctx *ctx = ptrace_ctx(pctx);
	int err, status;

	atomic_store_explicit(&ctx->owner, &self, memory_order_relaxed);
	last_ctx = ctx;
	do {
		if (ctx_enter(ctx)) {
			ctx_die(ctx, stop);
			return;
		}
		if (atomic_exchange(&ctx->interrupted, false)) {
			ctx_leave(ctx);
			*stop = (struct platform_stop){ .kind = STOP_INTERRUPTED };
			return;
		}
		err = ctx_resume(ctx, &status);
		if (!err)
			err = ctx_get_regs(ctx);
		if (err)
			ctx_die(ctx, stop);
		else
			ptrace_stop_decode(ctx, status, stop);
		ctx_leave(ctx);
	} while (stop->kind == STOP_INTERRUPTED && !atomic_exchange(&ctx->interrupted, false));
}

/* --- life --- */

static struct platform_ctx *ptrace_ctx_new(struct platform_aspace *pas)
{
	struct ptrace_aspace *as = ptrace_aspace(pas);
	struct ptrace_ctx *ctx = calloc(1, sizeof(*ctx)), *own;

	if (!ctx)
		return ERR_PTR(-LINUX_ENOMEM);
	ctx->ctx.ops = &ptrace_platform;
	ctx->ctx.as = pas;
	ctx->ctx.regs_dirty = true;
	MUTEX_GUARD(&as->lock);
	list_add_tail(&ctx->link, &as->ctxs);
	as->nr_new++;
	own = ptrace_ctx_own_locked(as);
	if (own)
		aspace_prepare_thread_locked(as, own);
	return &ctx->ctx;
}

static void ptrace_ctx_free(struct platform_ctx *pctx)
{
	struct ptrace_ctx *ctx = ptrace_ctx(pctx);
	struct ptrace_aspace *as = ptrace_aspace(pctx->as);

	mutex_lock(&as->lock);
	if (ctx->tid)
		aspace_detach_locked(as, ctx);
	else
		as->nr_new--;
	list_del(&ctx->link);
	mutex_unlock(&as->lock);
	if (last_ctx == ctx)
		last_ctx = NULL;
	free(ctx->xstate);
	free(ctx);
}

/* --- extended state --- */

static int ptrace_get_xstate(struct platform_ctx *pctx, void *buf)
{
	struct ptrace_ctx *ctx = ptrace_ctx(pctx);
	size_t size = xstate.size;
	int err = 0;

	if (ctx->dead)
		return -LINUX_ESRCH;
	if (ctx->tid)
		err = tracee_get_xstate(ctx->tid, buf, &size);
	else
		memcpy(buf, ctx->xstate ? ctx->xstate : xstate.init, size);
	if (err || size != xstate.size)
		return -LINUX_EIO;
	xstate_to_frame(buf, size, xstate.features);
	return 0;
}

static int ptrace_set_xstate(struct platform_ctx *pctx, const void *buf)
{
	struct ptrace_ctx *ctx = ptrace_ctx(pctx);
	void *copy;
	int err;

	if (ctx->dead)
		return -LINUX_ESRCH;
	copy = malloc(xstate.size);
	if (!copy)
		return -LINUX_ENOMEM;
	memcpy(copy, buf, xstate.size);
	xstate_sanitise(copy, xstate.features, xstate.mxcsr_mask);
	if (!ctx->tid) {
		free(ctx->xstate);
		ctx->xstate = copy;
		return 0;
	}
	err = tracee_set_xstate(ctx->tid, copy, xstate.size);
	free(copy);
	return err;
}

static size_t ptrace_xstate_size(void)
{
	return xstate.size;
}

/* The layout as the host's register set interface has it, from a parked thread. */
static int xstate_probe(pid_t tid)
{
	size_t size = XSTATE_PROBE_SIZE;
	void *buf = calloc(1, size);
	int err;

	if (!buf)
		return -LINUX_ENOMEM;
	err = tracee_get_xstate(tid, buf, &size);
	if (!err && size < XSTATE_MIN_SIZE)
		err = -LINUX_ENODEV;
	if (!err) {
		xstate.size = size;
		/* The host shows XCR0 in the first of the software bytes. */
		memcpy(&xstate.features, (char *)buf + XSTATE_SW_OFFSET, sizeof(xstate.features));
		xstate.mxcsr_mask = xstate_mxcsr_mask(buf);
		xstate_init(buf, size);
		err = tracee_set_xstate(tid, buf, size);
	}
	if (err) {
		free(buf);
		return err;
	}
	xstate.init = buf;
	return 0;
}

/* --- the platform --- */

static void ptrace_fini(void)
{
	if (!initialised)
		return;
	pairing_fini();
	stubs_fini();
	free(xstate.init);
	xstate.init = NULL;
	initialised = false;
}

/* Attaches to a stub once, which tells whether the host allows it. */
static int stub_check(const char **ret_why)
{
	struct stub *stub = stub_get();
	pid_t tid;
	int err;

	if (IS_ERR(stub))
		return (int)PTR_ERR(stub);
	*ret_why = "the host forbids ptrace here (a container's seccomp profile, or kernel.yama.ptrace_scope above 1)";
	tid = stub->parked[0];
	err = tracee_seize(tid);
	if (err) {
		stub_destroy(stub);
		return -LINUX_EPERM;
	}
	*ret_why = "the host does not show the processor's extended state to a tracer";
	err = xstate_probe(tid);
	if (tracee_park(tid))
		tracee_reap(tid);
	stub_put(stub);
	return err;
}

static int init_with_reason(int memory_fd, const char **ret_why)
{
	int err;

	/* An ignored SIGCHLD would reap stubs by itself; one per stop would be noise. */
	host_sigaction(SIGCHLD, NULL, SA_NOCLDSTOP);
	err = stub_exec_check(ret_why);
	if (!err)
		err = stubs_init(memory_fd, ret_why);
	if (err)
		return err;
	err = stub_check(ret_why);
	if (err) {
		stubs_fini();
		return err;
	}
	initialised = true;
	return 0;
}

static int ptrace_init(const struct platform_params *params, const char **ret_why)
{
	int err = init_with_reason(params->memory_fd, ret_why);

	if (!err)
		pairing_init(); /* without it the host places the threads */
	return err;
}

static int ptrace_probe(const char **ret_why)
{
	int fd, err;

	if (initialised)
		return 0;
	fd = host_memfd_create("sentry-probe", 0);
	if (fd < 0) {
		*ret_why = "the host refuses memfd_create";
		return fd;
	}
	err = init_with_reason(fd, ret_why);
	if (!err)
		ptrace_fini();
	host_close(fd);
	return err;
}

static void ptrace_set_affinity(struct platform_ctx *ctx, const void *mask, size_t size)
{
	cpu_pair_set_cpus(&ptrace_ctx(ctx)->pair, mask, size);
}

const struct platform_ops ptrace_platform = {
	.name = "ptrace",
	.summary = "PTRACE_SYSEMU; works wherever ptrace is allowed",
	.uses_ptrace = true,
	.probe = ptrace_probe,
	.init = ptrace_init,
	.fini = ptrace_fini,
	.backing_add = stubs_backing_add,
	.aspace_new = ptrace_aspace_new,
	.aspace_free = ptrace_aspace_free,
	.map = ptrace_map,
	.unmap = ptrace_unmap,
	.protect = ptrace_protect,
	.aspace_reset = ptrace_aspace_reset,
	.map_vvar = ptrace_map_vvar,
	.ctx_new = ptrace_ctx_new,
	.ctx_free = ptrace_ctx_free,
	.run = ptrace_run,
	.interrupt = ptrace_interrupt,
	.get_xstate = ptrace_get_xstate,
	.set_xstate = ptrace_set_xstate,
	.xstate_size = ptrace_xstate_size,
	.cpu_time = ptrace_cpu_time,
	.set_affinity = ptrace_set_affinity,
};
