/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The signal frame on a guest thread's signal stack: the host's kernel writes it when the thread stops, and loads it when the
 * thread goes on.  In between the sentry reads and writes it in place.
 *
 * The guest's other threads can write it, too.  So each address taken from it is checked to be inside the block, and each value is
 * read once; whatever nonsense goes back, the host's kernel checks it as it does any program's.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "platform/systrap/systrap.h"
#include "platform/xstate.h"
#include "sentry/abi/errno.h"

#define USER32_CS 0x23
#define USER_HALF_END 0x7ffffffff000UL
#define EFLAGS_NEUTRAL 0x202 /* IF and the bit that is always set */

#define AT_HWCAP2 26
#define HWCAP2_FSGSBASE 2
#define XFEATURES_DYNAMIC (3UL << 17) /* AMX: a process must ask for it */

struct xstate_layout xstate_layout;

/* --- once --- */

static void cpuid(unsigned leaf, unsigned subleaf, unsigned *a, unsigned *b, unsigned *c, unsigned *d)
{
	asm volatile("cpuid" : "=a"(*a), "=b"(*b), "=c"(*c), "=d"(*d) : "a"(leaf), "c"(subleaf));
}

static uint64_t xgetbv0(void)
{
	uint32_t low, high;

	asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return low | (uint64_t)high << 32;
}

static uint32_t mxcsr_mask(void)
{
	static uint8_t area[XSTATE_LEGACY_SIZE] __attribute__((aligned(64)));

	asm volatile("fxsave64 %0" : "=m"(area));
	return xstate_mxcsr_mask(area);
}

/* Where the last of the components ends in the standard format. */
static size_t components_size(uint64_t features)
{
	size_t size = XSTATE_MIN_SIZE;

	for (unsigned i = 2; i < 63; i++) {
		unsigned a, b, c, d;

		if (!(features & BIT(i)))
			continue;
		cpuid(13, i, &a, &b, &c, &d);
		size = MAX(size, (size_t)a + b);
	}
	return size;
}

int systrap_frame_init(const char **ret_why)
{
	unsigned a, b, c, d;

	cpuid(1, 0, &a, &b, &c, &d);
	*ret_why = "the processor or its hypervisor has no XSAVE";
	if (!(c & BIT(27))) /* OSXSAVE */
		return -LINUX_ENODEV;
	xstate_layout.features = xgetbv0() & ~XFEATURES_DYNAMIC;
	xstate_layout.size = components_size(xstate_layout.features);
	xstate_layout.mxcsr_mask = mxcsr_mask();
	xstate_layout.fsgsbase = host_getauxval(AT_HWCAP2) & HWCAP2_FSGSBASE;
	*ret_why = "the processor's extended state does not fit a stub's signal stack";
	/* A frame at the top, and what a thread saves itself at the bottom. */
	if (2 * xstate_layout.size + 3 * PAGE_SIZE > SYSTRAP_STACK_SIZE)
		return -LINUX_ENODEV;
	*ret_why = "out of memory";
	xstate_layout.init = aligned_alloc(64, ALIGN_UP(xstate_layout.size, 64));
	if (!xstate_layout.init)
		return -LINUX_ENOMEM;
	xstate_init(xstate_layout.init, xstate_layout.size);
	return 0;
}

void systrap_frame_fini(void)
{
	free(xstate_layout.init);
	xstate_layout.init = NULL;
}

/* --- where things are --- */

/* The sentry's view of [addr, addr + len) of the signal stack, or NULL. */
static void *stack_at(const struct systrap_ctx *ctx, uint64_t addr, size_t len)
{
	uint64_t off = addr - ctx->block_addr;

	return off < SYSTRAP_STACK_SIZE && len <= SYSTRAP_STACK_SIZE - off ? ctx->block + off : NULL;
}

/* The extended state with what the kernel puts behind it. */
void *systrap_frame_raw_xstate(const struct systrap_ctx *ctx)
{
	uint64_t addr = READ_ONCE(ctx->frame->uc.uc_mcontext.fpstate);

	return addr % 64 ? NULL : stack_at(ctx, addr, xstate_layout.size + sizeof(uint32_t));
}

void systrap_xstate_load(void *buf, const void *from)
{
	memcpy(buf, from, xstate_layout.size);
	xstate_sanitise(buf, xstate_layout.features, xstate_layout.mxcsr_mask);
	xstate_to_frame(buf, xstate_layout.size, xstate_layout.features);
}

static void xstate_store(void *to, const void *from)
{
	static const uint32_t magic2 = XSTATE_FP_MAGIC2;

	systrap_xstate_load(to, from);
	memcpy((char *)to + xstate_layout.size, &magic2, sizeof(magic2));
}

static uint32_t page_flags(void)
{
	return xstate_layout.fsgsbase ? SYSTRAP_FLAG_FSGSBASE : 0;
}

void systrap_frame_put_flags(struct systrap_ctx *ctx)
{
	ctx->xsave_asked = ctx->xsaves > 0;
	ctx->page->flags = page_flags() | (ctx->set_bases ? SYSTRAP_FLAG_SET_BASES : 0) |
			   (ctx->xsave_asked ? SYSTRAP_FLAG_XSAVE : 0) | (ctx->xrstor ? SYSTRAP_FLAG_XRSTOR : 0);
}

/* Laid out as the kernel does it. */
void systrap_frame_new(struct systrap_ctx *ctx)
{
	uint64_t fpstate = ALIGN_DOWN(SYSTRAP_STACK_SIZE - xstate_layout.size - sizeof(uint32_t), 64);
	uint64_t off = ALIGN_DOWN(fpstate - sizeof(struct linux_rt_sigframe), 16) - 8;
	struct linux_rt_sigframe *frame = (void *)(ctx->block + off);

	memset(frame, 0, sizeof(*frame));
	frame->uc.uc_flags = LINUX_UC_FP_XSTATE | LINUX_UC_SIGCONTEXT_SS | LINUX_UC_STRICT_RESTORE_SS;
	frame->uc.uc_stack.ss_sp = ctx->block_addr;
	frame->uc.uc_stack.ss_size = SYSTRAP_STACK_SIZE;
	frame->uc.uc_mcontext.fpstate = ctx->block_addr + fpstate;
	frame->uc.uc_mcontext.cs = SYSTRAP_USER_CS;
	frame->uc.uc_mcontext.ss = SYSTRAP_USER_SS;
	frame->uc.uc_mcontext.flags = EFLAGS_NEUTRAL;
	xstate_store(ctx->block + fpstate, ctx->xstate ? ctx->xstate : xstate_layout.init);
	free(ctx->xstate);
	ctx->xstate = NULL;

	ctx->frame = frame;
	ctx->page->frame = ctx->block_addr + off;
	ctx->page->kind = SYSTRAP_KIND_SIGNAL;
	ctx->set_bases = ctx->xsave_asked = ctx->xsaved = ctx->xrstor = false;
	ctx->xsaves = 0;
	systrap_frame_put_flags(ctx);
	ctx->page->spin = 0;
	ctx->page->nr_calls = ctx->page->calls_failed = 0;
	ctx->ctx.regs_dirty = true;
	/* The thread may have been another context's. */
	ctx->fs_base = ctx->gs_base = ~0ULL;
	systrap_spin_new_thread(ctx);
	systrap_patch_new_thread(ctx);
}

/* --- registers --- */

bool systrap_frame_get_regs(struct systrap_ctx *ctx)
{
	struct guest_regs *regs = &ctx->ctx.regs;
	uint64_t addr = READ_ONCE(ctx->page->frame);
	struct linux_rt_sigframe *frame = stack_at(ctx, addr, sizeof(*frame));
	struct linux_sigcontext sc;

	ctx->set_bases = ctx->xrstor = false;
	if (!frame || addr % 16 != 8)
		return false;
	ctx->frame = frame;
	memcpy(&sc, &frame->uc.uc_mcontext, sizeof(sc));
	*regs = (struct guest_regs){
		.r15 = sc.r15, .r14 = sc.r14, .r13 = sc.r13, .r12 = sc.r12, .rbp = sc.bp, .rbx = sc.bx, .r11 = sc.r11,
		.r10 = sc.r10, .r9 = sc.r9, .r8 = sc.r8, .rax = sc.ax, .rcx = sc.cx, .rdx = sc.dx, .rsi = sc.si,
		.rdi = sc.di, .orig_rax = ~0ULL, .rip = sc.ip, .cs = sc.cs, .eflags = sc.flags, .rsp = sc.sp,
		.ss = sc.ss,
	};
	if (xstate_layout.fsgsbase) {
		ctx->fs_base = READ_ONCE(ctx->page->fs_base);
		ctx->gs_base = READ_ONCE(ctx->page->gs_base);
	}
	regs->fs_base = ctx->fs_base;
	regs->gs_base = ctx->gs_base == systrap_patch_gs(ctx, 0) ? 0 : ctx->gs_base;
	ctx->ctx.regs_dirty = false;
	return true;
}

/* The instructions that load a base fault on what is no address. */
static uint64_t sane_base(uint64_t base)
{
	return base < USER_HALF_END ? base : 0;
}

static void put_bases(struct systrap_ctx *ctx)
{
	uint64_t fs_base = sane_base(ctx->ctx.regs.fs_base);
	uint64_t gs_base = systrap_patch_gs(ctx, sane_base(ctx->ctx.regs.gs_base));

	if (fs_base != ctx->fs_base || gs_base != ctx->gs_base) {
		ctx->page->fs_base = ctx->fs_base = fs_base;
		ctx->page->gs_base = ctx->gs_base = gs_base;
		/* Until the next stop: this entry may be given up. */
		ctx->set_bases = true;
	}
}

void systrap_frame_put_regs(struct systrap_ctx *ctx)
{
	const struct guest_regs *regs = &ctx->ctx.regs;
	struct linux_sigcontext *sc = &ctx->frame->uc.uc_mcontext;

	if (!ctx->ctx.regs_dirty)
		return;
	put_bases(ctx);
	systrap_frame_put_flags(ctx);
	systrap_patch_put_regs(ctx);
	if (ctx->by_patch) {
		ctx->ctx.regs_dirty = false;
		return;
	}
	sc->r15 = regs->r15, sc->r14 = regs->r14, sc->r13 = regs->r13, sc->r12 = regs->r12;
	sc->bp = regs->rbp, sc->bx = regs->rbx, sc->r11 = regs->r11, sc->r10 = regs->r10;
	sc->r9 = regs->r9, sc->r8 = regs->r8, sc->ax = regs->rax, sc->cx = regs->rcx;
	sc->dx = regs->rdx, sc->si = regs->rsi, sc->di = regs->rdi, sc->sp = regs->rsp;
	sc->ip = ctx->rip, sc->flags = regs->eflags;
	sc->cs = regs->cs == USER32_CS ? USER32_CS : SYSTRAP_USER_CS;
	sc->ss = SYSTRAP_USER_SS;
	ctx->ctx.regs_dirty = false;
}

/* --- extended state --- */

int systrap_frame_get_xstate(struct systrap_ctx *ctx, void *buf)
{
	const void *xstate = systrap_frame_raw_xstate(ctx);

	if (!xstate)
		return -LINUX_EIO;
	systrap_xstate_load(buf, xstate);
	return 0;
}

int systrap_frame_set_xstate(struct systrap_ctx *ctx, const void *buf)
{
	void *xstate = systrap_frame_raw_xstate(ctx);

	if (!xstate)
		return -LINUX_EIO;
	xstate_store(xstate, buf);
	return 0;
}
