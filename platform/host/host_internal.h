/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by platform/host/ only. */
#ifndef SENTRY_PLATFORM_HOST_INTERNAL_H
#define SENTRY_PLATFORM_HOST_INTERNAL_H

#include <errno.h>

/* libc's -1 and errno as -errno; other values pass. */
#define ret_errno(call)                                                                                                \
	({                                                                                                             \
		__typeof__(call) r_ = (call);                                                                          \
                                                                                                                       \
		r_ == -1 ? -errno : r_;                                                                                \
	})

/* The same, repeated while a signal handler of the sentry interrupts it. */
#define retry_eintr(call)                                                                                              \
	({                                                                                                             \
		__typeof__(call) e_;                                                                                   \
                                                                                                                       \
		do                                                                                                     \
			e_ = (call);                                                                                   \
		while (e_ == -1 && errno == EINTR);                                                                    \
		e_ == -1 ? -errno : e_;                                                                                \
	})

#endif
