/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the host's vDSO lies in the sentry, for platform_vdso() and for backends that move its data pages: these are
 * several host mappings ([vvar], [vvar_vclock]), and older kernels' mremap moves only one at a time.
 */
#ifndef SENTRY_PLATFORM_VDSO_H
#define SENTRY_PLATFORM_VDSO_H

#include "platform/platform.h"

#define VDSO_MAX_PIECES 4

struct vdso_layout {
	struct platform_vdso pub;
	unsigned nr_pieces; /* ascending; together they are the vvar_size bytes below the text */
	struct vdso_piece {
		size_t below; /* the piece starts this many bytes below the text */
		size_t size;
	} piece[VDSO_MAX_PIECES];
};

/* Read once; never NULL.  All zero when the host has no vDSO or an unknown arrangement of it.  Any thread. */
const struct vdso_layout *vdso_layout(void);

#endif
