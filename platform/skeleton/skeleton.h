/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A platform to copy: it compiles, and says that it does not work.
 *
 *     cp -r platform/skeleton platform/NAME      rename files, functions and the name; list them in Makefile.am
 *     platform/platform.c                        one line in platforms[], by preference
 *     tests/unit/platform_*_test.c               run on every platform that works: make them pass first
 *
 * platform/platform.h is the contract; the comments in skeleton.c say what is easy to get wrong.  What can be shared is in
 * platform/: vdso.h (the host's vDSO), xstate.h (extended state as signal frames have it), insn.h (what a faulting
 * instruction did), pairing.h (a guest thread and its sentry thread on one core), host/ (the calls to the host).
 */
#ifndef SENTRY_PLATFORM_SKELETON_SKELETON_H
#define SENTRY_PLATFORM_SKELETON_SKELETON_H

#include "platform/platform.h"
#include "sentry/base/lock.h"

extern const struct platform_ops skeleton_platform;

struct skeleton_aspace {
	struct platform_aspace as; /* first to be filled: as.ops */
	struct mutex lock;
};

/* The owner's, unless marked. */
struct skeleton_ctx {
	struct platform_ctx ctx;
	atomic_bool interrupted; /* anyone; taken by run */
	atomic_bool in_guest;	 /* read by anyone */
};

static inline struct skeleton_aspace *skeleton_aspace(struct platform_aspace *as)
{
	return container_of(as, struct skeleton_aspace, as);
}

static inline struct skeleton_ctx *skeleton_ctx(struct platform_ctx *ctx)
{
	return container_of(ctx, struct skeleton_ctx, ctx);
}

#endif
