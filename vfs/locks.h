/* SPDX-License-Identifier: Apache-2.0 */
/* Advisory file locks: flock(2), fcntl(2) record locks and open file description locks; leases. */
#ifndef SENTRY_VFS_LOCKS_H
#define SENTRY_VFS_LOCKS_H

#include "sentry/abi/fcntl.h"
#include "sentry/base/sysctl.h"
#include "vfs/vfs.h"

/* flock(2). */
int flock_file(struct file *f, int op);
/*
 * The F_{,OFD_}{GETLK,SETLK,SETLKW} commands of fcntl(2).  @fl is in/out for GETLK.  -LINUX_EAGAIN, -LINUX_EDEADLK,
 * -LINUX_ERESTARTSYS, -LINUX_EBADF, -LINUX_EINVAL, -LINUX_EOVERFLOW, -LINUX_ENOMEM.
 */
int fcntl_getlk(struct file *f, unsigned cmd, struct linux_flock *fl);
int fcntl_setlk(struct file *f, unsigned cmd, const struct linux_flock *fl);

/* F_SETLEASE and F_GETLEASE: LINUX_F_RDLCK, _WRLCK or _UNLCK.  -LINUX_EAGAIN, -LINUX_EACCES, -LINUX_EINVAL, -LINUX_ENOMEM. */
int fcntl_setlease(int fd, struct file *f, int type);
int fcntl_getlease(struct file *f);
extern struct sysctl_int lease_break_time, leases_enable;

/* Appends /proc/locks. */
void locks_show_all(struct strbuf *sb);
/* ... the leases in it, numbered from *@nr + 1. */
void leases_show_all(unsigned *nr, struct strbuf *sb);
/* Appends the locks that @f and process @pid have on its inode, as /proc/PID/fdinfo shows them. */
void locks_show_file(struct file *f, int32_t pid, struct strbuf *sb);

#endif
