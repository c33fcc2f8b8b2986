/* SPDX-License-Identifier: Apache-2.0 */
/* Memory files: memfd_create(2), its seals, and the files behind shared anonymous memory. */
#ifndef SENTRY_VFS_SHMEM_H
#define SENTRY_VFS_SHMEM_H

#include "vfs/vfs.h"

/* memfd_create(2): @name without prefix, @flags LINUX_MFD_*.  A file or ERR_PTR. */
struct file *memfd_file_new(const char *name, unsigned flags);
/* F_GET_SEALS and F_ADD_SEALS. */
int memfd_get_seals(struct file *f);
int memfd_add_seals(struct file *f, unsigned seals);

#endif
