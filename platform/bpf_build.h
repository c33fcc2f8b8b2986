/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing seccomp filters by hand, where libseccomp can't help: it knows nothing of instruction pointers, and a process that
 * is about to become a stub has no use for it.
 */
#ifndef SENTRY_PLATFORM_BPF_BUILD_H
#define SENTRY_PLATFORM_BPF_BUILD_H

#include <linux/filter.h>
#include <linux/seccomp.h>

#include "sentry/base/bug.h"

struct bpf_build {
	struct sock_filter *insn; /* the caller's, of @max instructions */
	unsigned nr, max;
};

static inline void bpf_add(struct bpf_build *b, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	BUG_ON(b->nr == b->max);
	b->insn[b->nr++] = (struct sock_filter){ code, jt, jf, k };
}

/* The word at @off in struct seccomp_data. */
static inline void bpf_load(struct bpf_build *b, size_t off)
{
	bpf_add(b, BPF_LD | BPF_W | BPF_ABS, 0, 0, (uint32_t)off);
}

static inline void bpf_jump_equal(struct bpf_build *b, uint32_t value, uint8_t jt, uint8_t jf)
{
	bpf_add(b, BPF_JMP | BPF_JEQ | BPF_K, jt, jf, value);
}

static inline void bpf_return(struct bpf_build *b, uint32_t action)
{
	bpf_add(b, BPF_RET | BPF_K, 0, 0, action);
}

#endif
