/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame a signal handler runs on, exactly as arch/x86/kernel/signal_64.c builds it, on the guest's own stack: nothing
 * that is needed to return is kept in the sentry, so frames nest without limit and handlers may longjmp away.
 *
 *     high   128 bytes red zone of the interrupted code (or the top of the alternate stack)
 *            extended state in XSAVE format, 64-byte aligned, with FP_XSTATE_MAGIC2 behind it
 *            struct rt_sigframe: restorer's address, ucontext, siginfo      <- rsp of the handler, = 8 mod 16
 */
#ifndef SENTRY_KERNEL_SIGFRAME_H
#define SENTRY_KERNEL_SIGFRAME_H

#include "sentry/abi/signal.h"

/*
 * Makes current enter the handler @sa for @info when it next runs the guest, with @mask to be restored by the frame.  0, or
 * -LINUX_EFAULT when the frame doesn't fit (the caller forces SIGSEGV).
 */
int sigframe_setup(const struct linux_sigaction *sa, const struct linux_siginfo *info, linux_sigset_t mask);
/* rt_sigreturn(2): restores registers, mask, alternate stack and extended state.  0 or -LINUX_EFAULT. */
int sigframe_restore(void);
/* Whether @sp is on current's alternate stack; false while SS_AUTODISARM disarmed it. */
bool on_sigaltstack(uaddr_t sp);
/* sigaltstack(2): 0, -LINUX_EPERM while running on it, -LINUX_EINVAL, -LINUX_ENOMEM. */
int sigaltstack_set(const struct linux_stack *st);
/* Bytes of the largest frame: AT_MINSIGSTKSZ. */
size_t sigframe_max_size(void);

#endif
