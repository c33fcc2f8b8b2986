/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of crashes: what is written to an image, and when it is flushed.
 */
#ifndef SENTRY_VFS_EXT4_EXT4_TRACE_H
#define SENTRY_VFS_EXT4_EXT4_TRACE_H

#include "sentry/base/types.h"

/* Called before each write, and before each flush with @len 0.  NULL. */
extern void (*ext4_image_trace)(uint64_t off, const void *buf, size_t len);

#endif
