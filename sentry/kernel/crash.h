/* SPDX-License-Identifier: Apache-2.0 */
/* What is said when a guest process dies by a signal (at log level INFO), and faults that make no progress. */
#ifndef SENTRY_KERNEL_CRASH_H
#define SENTRY_KERNEL_CRASH_H

#include "sentry/abi/signal.h"
#include "sentry/base/types.h"

/* current dies by @info's signal: signal, address and the vmas around it, registers, last syscalls.  No locks held. */
void crash_report(const struct linux_siginfo *info);

#endif
