/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of crashes: what is written to an image, and when it is flushed.
 */
#ifndef SENTRY_VFS_EXT4_EXT4_TRACE_H
#define SENTRY_VFS_EXT4_EXT4_TRACE_H

#include "sentry/base/types.h"

/* Whose: what an overlay holds is written to it, and to the image when it is committed. */
enum ext4_traced { EXT4_TRACED_IMAGE, EXT4_TRACED_OVERLAY };
/* Called before each write, and before each flush with @len 0.  NULL. */
extern void (*ext4_image_trace)(enum ext4_traced file, uint64_t off, const void *buf, size_t len);

/* The same of a failing host: NULL, or asked before each transfer; what it returns but 0 is the error of the host. */
enum ext4_io { EXT4_IO_READ, EXT4_IO_WRITE, EXT4_IO_FLUSH };
extern int (*ext4_image_fault)(enum ext4_io what, uint64_t off, size_t len);

#endif
