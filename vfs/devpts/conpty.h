/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminals of a booted machine, with a line discipline of the sentry's own: its console, which is /dev/console, /dev/ttyS0,
 * /dev/tty0 and /dev/tty1, and the other virtual terminals, at which nobody sits: what is written there is not kept.
 *
 * Each is a pseudo-terminal whose master is not a file; for the console two threads carry bytes between it and descriptors of the
 * host.  A hangup (the session leader ends, vhangup(2)) ends what is open, but for /dev/console; then the terminal may be opened
 * again.
 */
#ifndef SENTRY_VFS_DEVPTS_CONPTY_H
#define SENTRY_VFS_DEVPTS_CONPTY_H

#include "vfs/devpts/pty.h"

/* Registers the devices.  Once. */
int conpty_init(void);
/*
 * Bytes to print, up to @len: waits for some.  0 once conpty_close was called and nothing is left.
 */
size_t conpty_take_output(void *buf, size_t len);
/* Bytes that were typed; waits for room. */
void conpty_input(const void *buf, size_t len);
void conpty_resize(unsigned rows, unsigned cols);
/* The machine is off: conpty_take_output ends when all is printed. */
void conpty_close(void);
/* vhangup(2) of the calling task's terminal: 0, or -LINUX_EPERM without the right. */
int tty_vhangup_self(void);

#endif
