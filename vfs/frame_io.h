/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transfers between a file of the host and frames: neighbouring frames are joined, so that a run of pages is one segment
 * of one host call.  A frame vector is the array mapping_ops.readpages gets; positions in it are bytes from its start.
 *
 * No locks; the caller holds the frames.
 */
#ifndef SENTRY_VFS_FRAME_IO_H
#define SENTRY_VFS_FRAME_IO_H

#include "sentry/mm/frame.h"

/* Fills [start, start + len) of the vector from @fd at @off.  Bytes read (short only at the end of the file) or -errno. */
int64_t frame_io_pread(int fd, uint64_t off, const pfn_t *pfns, size_t start, size_t len);
/* Writes [start, start + len) of the vector to @fd at @off: 0 or -errno. */
int frame_io_pwrite(int fd, uint64_t off, const pfn_t *pfns, size_t start, size_t len);
/* Zeroes [start, start + len) of the vector. */
void frame_io_zero(const pfn_t *pfns, size_t start, size_t len);
/* Copies @src over [start, start + len) of the vector. */
void frame_io_copy(const pfn_t *pfns, size_t start, const void *src, size_t len);

#endif
