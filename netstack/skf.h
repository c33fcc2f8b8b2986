/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF as packet filters have it (SO_ATTACH_FILTER): checked once, then run on hostile frames.
 */
#ifndef SENTRY_NETSTACK_SKF_H
#define SENTRY_NETSTACK_SKF_H

#include "sentry/base/types.h"

struct skf_insn {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};
static_assert(sizeof(struct skf_insn) == 8, "struct sock_filter");

#define SKF_INSNS_MAX 4096

struct skf_prog {
	unsigned nr;
	struct skf_insn insns[];
};

/* A checked copy, or ERR_PTR: -EINVAL, -ENOMEM. */
struct skf_prog *skf_new(const struct skf_insn *insns, unsigned nr);
void skf_free(struct skf_prog *prog);
/* How many bytes of the packet are wanted; 0: none.  @protocol, @type: what the ancillary loads give. */
size_t skf_run(const struct skf_prog *prog, const uint8_t *p, size_t len, uint16_t protocol, uint8_t type);

#endif
