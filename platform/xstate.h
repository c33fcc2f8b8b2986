/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extended state (x87, SSE, AVX, ...) in the standard XSAVE format, as it stands in a signal frame: 512 bytes of FXSAVE
 * with Linux's software bytes at 464, the 64-byte XSAVE header, then the components at the offsets that cpuid tells.
 * Pure functions for all backends.
 */
#ifndef SENTRY_PLATFORM_XSTATE_H
#define SENTRY_PLATFORM_XSTATE_H

#include "sentry/base/types.h"

#define XSTATE_LEGACY_SIZE 512
#define XSTATE_SW_OFFSET 464
#define XSTATE_HEADER_OFFSET 512
#define XSTATE_MIN_SIZE 576

#define XFEATURE_MASK_FP 1
#define XFEATURE_MASK_SSE 2

#define XSTATE_FP_MAGIC1 0x46505853U
#define XSTATE_FP_MAGIC2 0x46505845U /* what the signal code puts behind the state */

/* arch/x86/include/uapi/asm/sigcontext.h: struct _fpx_sw_bytes. */
struct xstate_sw_bytes {
	uint32_t magic1;
	uint32_t extended_size; /* xstate_size and MAGIC2 */
	uint64_t xfeatures;
	uint32_t xstate_size;
	uint32_t padding[7];
};
static_assert(sizeof(struct xstate_sw_bytes) == 48, "struct _fpx_sw_bytes");

struct xstate_header {
	uint64_t xfeatures, xcomp_bv, reserved[6];
};
static_assert(sizeof(struct xstate_header) == 64, "struct xstate_header");

/* The processor's state after reset, as Linux gives it to a new program. */
void xstate_init(void *buf, size_t size);
/*
 * Completes a state that the processor saved to what a signal frame holds: the software bytes for @features (XCR0) and @size,
 * and x87 and SSE marked as present, so that a handler's changes to them count.
 */
void xstate_to_frame(void *buf, size_t size, uint64_t features);
/*
 * Makes what a guest supplied acceptable to XRSTOR and to the host's checks: unknown components off, reserved fields 0,
 * standard format, MXCSR within @mxcsr_mask.
 */
void xstate_sanitise(void *buf, uint64_t features, uint32_t mxcsr_mask);
/* The MXCSR bits the processor knows, from a state it saved. */
uint32_t xstate_mxcsr_mask(const void *buf);

#endif
