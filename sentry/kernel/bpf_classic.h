/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF programs over a small block of words, as seccomp filters are.  A pure core: a program that passes bpf_check runs to
 * its end, forwards only, and touches nothing but its scratch memory and the block.
 */
#ifndef SENTRY_KERNEL_BPF_CLASSIC_H
#define SENTRY_KERNEL_BPF_CLASSIC_H

#include "sentry/abi/seccomp.h"

/* 0 or -LINUX_EINVAL: an unknown instruction, a jump out of the program, a bad constant, a word read before it was written. */
int bpf_check(const struct linux_sock_filter *prog, unsigned len, unsigned data_size);
/* Runs a checked program; loads are of aligned 32-bit words of @data. */
uint32_t bpf_run(const struct linux_sock_filter *prog, const uint32_t *data, unsigned data_size);

#endif
