/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an instruction that faulted was doing, for backends whose host does not say and for the error bits of signal
 * frames.  Pure functions.
 */
#ifndef SENTRY_PLATFORM_INSN_H
#define SENTRY_PLATFORM_INSN_H

#include "platform/platform.h"

#define INSN_MAX_LEN 15

/*
 * The length of the instruction whose first @len bytes are at @insn: 1..15; 0 when it goes on behind them; negative when
 * it is none.
 */
int platform_insn_length(const void *insn, size_t len);

/*
 * How the instruction at regs->rip, of which @len bytes are at @insn, accesses the byte at @addr: PLATFORM_READ,
 * PLATFORM_WRITE or both; 0 when it does not touch it; negative when that can't be told.
 */
int platform_decode_access(const void *insn, size_t len, const struct guest_regs *regs, uaddr_t addr);

#endif
