/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentry's own terminal as the guest's console, device 5:1.
 *
 * The line discipline stays the host's: settings, size and input are passed through.  Job control is the guest's own: the
 * terminal has a session and a foreground group of guest processes, and what the host's terminal sends to the sentry (^C, ^Z, a
 * new size) goes to that group.
 */
#ifndef SENTRY_VFS_DEVPTS_HOSTTTY_H
#define SENTRY_VFS_DEVPTS_HOSTTTY_H

#include "vfs/vfs.h"

/* /dev/tty, device 5:0: the caller's controlling terminal, whatever it is.  Once. */
int tty_device_init(void);
/* Makes the host's terminal @fd (borrowed for ever) the console.  Once. */
int hosttty_init(int fd);
/*
 * The calling task's open file on /dev/console, which then belongs to @uid; or ERR_PTR.  A session leader without a terminal
 * gets it as its controlling one.
 */
struct file *hosttty_open(uint32_t flags, uint32_t uid);
/* The process group in the foreground of the console; 0: none, or no console. */
int hosttty_foreground(void);
/* The host's terminal has a new size: SIGWINCH to the foreground group. */
void hosttty_resized(void);
/* The host's terminal is gone: SIGHUP to the session leader and the foreground group. */
void hosttty_hangup(void);

#endif
