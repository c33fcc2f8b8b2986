/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the socket calls share: descriptors and addresses between guest and sentry.
 */
#ifndef SENTRY_SYS_SOCK_USER_H
#define SENTRY_SYS_SOCK_USER_H

#include <string.h>

#include "netstack/socket.h"

/* The file of a socket descriptor with a reference, *ret_sk borrowed from it; NULL with *ret_err -EBADF or -ENOTSOCK. */
struct file *sock_fget(int fd, struct sock **ret_sk, int *ret_err);
/* -EINVAL for a bad length, -EFAULT. */
int sockaddr_from_user(uaddr_t uaddr, int len, struct linux_sockaddr *ret);
/* Writes what fits and the true length, as move_addr_to_user() in Linux. */
int sockaddr_to_user(const struct linux_sockaddr *addr, unsigned len, uaddr_t uaddr, uaddr_t ulen);

#endif
