/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A hash of file names that starts from a secret of this process: names chosen to collide must not make a directory slow.
 */
#ifndef SENTRY_VFS_NAME_HASH_H
#define SENTRY_VFS_NAME_HASH_H

#include "sentry/base/types.h"

uint32_t name_hash(const char *name, size_t len);

#endif
