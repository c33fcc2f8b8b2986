/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: ioctl(2) numbers of files in general (terminals: tty.h). */
#ifndef SENTRY_ABI_IOCTL_H
#define SENTRY_ABI_IOCTL_H

#define LINUX_FIONCLEX 0x5450
#define LINUX_FIOCLEX 0x5451
#define LINUX_FIONBIO 0x5421
#define LINUX_FIOASYNC 0x5452
#define LINUX_FIONREAD 0x541B
#define LINUX_TIOCOUTQ 0x5411
#define LINUX_FIOQSIZE 0x5460

#endif
