/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seccomp user notification (seccomp_unotify(2)): a filter has a listener, an open file, and whoever reads it decides what the calls
 * come to that the filter answers with SECCOMP_RET_USER_NOTIF.
 *
 *     INIT --received--> SENT --answered--> REPLIED
 *
 * The caller waits in all three; it alone puts descriptors into its table (SECCOMP_IOCTL_NOTIF_ADDFD), when it is woken for that.
 */
#ifndef SENTRY_KERNEL_SECCOMP_NOTIFY_H
#define SENTRY_KERNEL_SECCOMP_NOTIFY_H

#include "sentry/abi/seccomp.h"
#include "vfs/vfs.h"

struct seccomp_listener;

/* A listener with two references, one of them the file's in *@ret_file; or ERR_PTR. */
struct seccomp_listener *seccomp_listener_new(struct file **ret_file);
struct seccomp_listener *seccomp_listener_get(struct seccomp_listener *l);
void seccomp_listener_put(struct seccomp_listener *l);
/* The filter goes: nothing will be asked any more.  Takes its reference. */
void seccomp_listener_orphan(struct seccomp_listener *l);
/*
 * Asks about the call in @data.  True: it is to be made; else *@ret is its result.  @killable: once received, nothing but death
 * interrupts.
 */
bool seccomp_notify(struct seccomp_listener *l, const struct linux_seccomp_data *data, bool killable, int64_t *ret);

#endif
