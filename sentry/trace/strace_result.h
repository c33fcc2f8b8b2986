/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of a strace line that are neither name nor argument. */
#ifndef SENTRY_TRACE_STRACE_RESULT_H
#define SENTRY_TRACE_STRACE_RESULT_H

#include "sentry/trace/decode.h"

/* "= 3", "= -1 ENOENT (No such file or directory)", "= 1 ([{fd=0, revents=POLLIN}])".  @desc may be NULL. */
void print_result(struct decode *d, const struct syscall_desc *desc);

/* Whether an argument that goes both ways is shown only when the call is over. */
bool decode_waits(const struct decode_arg *a);
/* Keeps what such arguments point to on entry. */
void decode_save(const struct decode_arg *a, unsigned nr, const uint64_t *args, uint64_t *ret_saved);

#endif
