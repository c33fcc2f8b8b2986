/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/xstate.h"

#include <string.h>

/* FXSAVE's layout. */
#define FCW_OFFSET 0
#define MXCSR_OFFSET 24
#define MXCSR_MASK_OFFSET 28

#define FCW_INIT 0x37f
#define MXCSR_INIT 0x1f80
#define MXCSR_MASK_DEFAULT 0xffbf /* what a mask of 0 stands for */

void xstate_init(void *buf, size_t size)
{
	struct xstate_header header = { .xfeatures = XFEATURE_MASK_FP | XFEATURE_MASK_SSE };
	uint16_t fcw = FCW_INIT;
	uint32_t mxcsr = MXCSR_INIT;

	memset(buf, 0, size);
	memcpy((char *)buf + FCW_OFFSET, &fcw, sizeof(fcw));
	memcpy((char *)buf + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
	memcpy((char *)buf + XSTATE_HEADER_OFFSET, &header, sizeof(header));
}

void xstate_to_frame(void *buf, size_t size, uint64_t features)
{
	struct xstate_sw_bytes sw = {
		.magic1 = XSTATE_FP_MAGIC1,
		.extended_size = (uint32_t)size + sizeof(uint32_t),
		.xfeatures = features,
		.xstate_size = (uint32_t)size,
	};

	memcpy((char *)buf + XSTATE_SW_OFFSET, &sw, sizeof(sw));
	*((uint8_t *)buf + XSTATE_HEADER_OFFSET) |= XFEATURE_MASK_FP | XFEATURE_MASK_SSE;
}

void xstate_sanitise(void *buf, uint64_t features, uint32_t mxcsr_mask)
{
	struct xstate_header header;
	uint32_t mxcsr;

	memcpy(&header, (char *)buf + XSTATE_HEADER_OFFSET, sizeof(header));
	header = (struct xstate_header){ .xfeatures = header.xfeatures & features };
	memcpy((char *)buf + XSTATE_HEADER_OFFSET, &header, sizeof(header));
	memcpy(&mxcsr, (char *)buf + MXCSR_OFFSET, sizeof(mxcsr));
	mxcsr &= mxcsr_mask;
	memcpy((char *)buf + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}

uint32_t xstate_mxcsr_mask(const void *buf)
{
	uint32_t mask;

	memcpy(&mask, (const char *)buf + MXCSR_MASK_OFFSET, sizeof(mask));
	return mask ? mask : MXCSR_MASK_DEFAULT;
}
