/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/bpf_classic.h"

#include <stdlib.h>

#include "sentry/abi/errno.h"

/* --- checking --- */

static bool alu_valid(const struct linux_sock_filter *in)
{
	bool by_x = in->code & LINUX_BPF_X;

	switch (LINUX_BPF_OP(in->code)) {
	case LINUX_BPF_ADD:
	case LINUX_BPF_SUB:
	case LINUX_BPF_MUL:
	case LINUX_BPF_OR:
	case LINUX_BPF_AND:
	case LINUX_BPF_XOR:
		return true;
	case LINUX_BPF_DIV:
		return by_x || in->k;
	case LINUX_BPF_LSH:
	case LINUX_BPF_RSH:
		return by_x || in->k < 32;
	case LINUX_BPF_NEG:
		return !by_x;
	default:
		return false;
	}
}

static bool jump_valid(const struct linux_sock_filter *in, unsigned left)
{
	switch (LINUX_BPF_OP(in->code)) {
	case LINUX_BPF_JA:
		return !(in->code & LINUX_BPF_X) && in->k < left;
	case LINUX_BPF_JEQ:
	case LINUX_BPF_JGT:
	case LINUX_BPF_JGE:
	case LINUX_BPF_JSET:
		return in->jt < left && in->jf < left;
	default:
		return false;
	}
}

/* @left: instructions behind this one. */
static bool insn_valid(const struct linux_sock_filter *in, unsigned left, unsigned data_size)
{
	switch (in->code) {
	case LINUX_BPF_LD | LINUX_BPF_ABS:
		return in->k % 4 == 0 && in->k < data_size;
	case LINUX_BPF_LD | LINUX_BPF_LEN:
	case LINUX_BPF_LDX | LINUX_BPF_LEN:
	case LINUX_BPF_LD | LINUX_BPF_IMM:
	case LINUX_BPF_LDX | LINUX_BPF_IMM:
	case LINUX_BPF_MISC | LINUX_BPF_TAX:
	case LINUX_BPF_MISC | LINUX_BPF_TXA:
	case LINUX_BPF_RET:
	case LINUX_BPF_RET | LINUX_BPF_A:
		return true;
	case LINUX_BPF_LD | LINUX_BPF_MEM:
	case LINUX_BPF_LDX | LINUX_BPF_MEM:
	case LINUX_BPF_ST:
	case LINUX_BPF_STX:
		return in->k < LINUX_BPF_MEMWORDS;
	}
	if (in->code > 0xff)
		return false;
	if (LINUX_BPF_CLASS(in->code) == LINUX_BPF_ALU)
		return alu_valid(in);
	if (LINUX_BPF_CLASS(in->code) == LINUX_BPF_JMP)
		return jump_valid(in, left);
	return false;
}

static bool is_ret(const struct linux_sock_filter *in)
{
	return LINUX_BPF_CLASS(in->code) == LINUX_BPF_RET;
}

/*
 * Every way to a load from scratch memory has a store before it.  written[i] is the set of words that all ways to instruction
 * i have stored; jumps go forward only, so one pass is enough.
 */
static int check_scratch(const struct linux_sock_filter *prog, unsigned len)
{
	uint16_t *written = malloc(len * sizeof(*written)), now = 0;
	int err = 0;

	if (!written)
		return -LINUX_ENOMEM;
	for (unsigned i = 0; i < len; i++)
		written[i] = 0xffff;
	for (unsigned i = 0; i < len && !err; i++) {
		const struct linux_sock_filter *in = &prog[i];

		now &= written[i];
		switch (in->code) {
		case LINUX_BPF_ST:
		case LINUX_BPF_STX:
			now |= (uint16_t)(1U << in->k);
			break;
		case LINUX_BPF_LD | LINUX_BPF_MEM:
		case LINUX_BPF_LDX | LINUX_BPF_MEM:
			if (!(now & 1U << in->k))
				err = -LINUX_EINVAL;
			break;
		case LINUX_BPF_JMP | LINUX_BPF_JA:
			written[i + 1 + in->k] &= now;
			now = 0xffff;
			break;
		default:
			if (LINUX_BPF_CLASS(in->code) != LINUX_BPF_JMP)
				break;
			written[i + 1 + in->jt] &= now;
			written[i + 1 + in->jf] &= now;
			now = 0xffff;
			break;
		}
	}
	free(written);
	return err;
}

int bpf_check(const struct linux_sock_filter *prog, unsigned len, unsigned data_size)
{
	if (!len || len > LINUX_BPF_MAXINSNS || !is_ret(&prog[len - 1]))
		return -LINUX_EINVAL;
	for (unsigned i = 0; i < len; i++)
		if (!insn_valid(&prog[i], len - i - 1, data_size))
			return -LINUX_EINVAL;
	return check_scratch(prog, len);
}

/* --- running --- */

static uint32_t alu(unsigned op, uint32_t a, uint32_t b)
{
	switch (op) {
	case LINUX_BPF_ADD:
		return a + b;
	case LINUX_BPF_SUB:
		return a - b;
	case LINUX_BPF_MUL:
		return a * b;
	case LINUX_BPF_DIV:
		return a / b;
	case LINUX_BPF_OR:
		return a | b;
	case LINUX_BPF_AND:
		return a & b;
	case LINUX_BPF_LSH:
		return a << (b & 31);
	case LINUX_BPF_RSH:
		return a >> (b & 31);
	case LINUX_BPF_XOR:
		return a ^ b;
	default: /* NEG */
		return -a;
	}
}

static bool jump_taken(unsigned op, uint32_t a, uint32_t b)
{
	switch (op) {
	case LINUX_BPF_JEQ:
		return a == b;
	case LINUX_BPF_JGT:
		return a > b;
	case LINUX_BPF_JGE:
		return a >= b;
	default: /* JSET */
		return a & b;
	}
}

uint32_t bpf_run(const struct linux_sock_filter *in, const uint32_t *data, unsigned data_size)
{
	uint32_t a = 0, x = 0, mem[LINUX_BPF_MEMWORDS] = { 0 }, b;

	for (;; in++) {
		b = in->code & LINUX_BPF_X ? x : in->k;
		switch (in->code) {
		case LINUX_BPF_LD | LINUX_BPF_ABS:
			a = data[in->k / 4];
			continue;
		case LINUX_BPF_LD | LINUX_BPF_LEN:
			a = data_size;
			continue;
		case LINUX_BPF_LDX | LINUX_BPF_LEN:
			x = data_size;
			continue;
		case LINUX_BPF_LD | LINUX_BPF_IMM:
			a = in->k;
			continue;
		case LINUX_BPF_LDX | LINUX_BPF_IMM:
			x = in->k;
			continue;
		case LINUX_BPF_LD | LINUX_BPF_MEM:
			a = mem[in->k];
			continue;
		case LINUX_BPF_LDX | LINUX_BPF_MEM:
			x = mem[in->k];
			continue;
		case LINUX_BPF_ST:
			mem[in->k] = a;
			continue;
		case LINUX_BPF_STX:
			mem[in->k] = x;
			continue;
		case LINUX_BPF_MISC | LINUX_BPF_TAX:
			x = a;
			continue;
		case LINUX_BPF_MISC | LINUX_BPF_TXA:
			a = x;
			continue;
		case LINUX_BPF_RET:
			return in->k;
		case LINUX_BPF_RET | LINUX_BPF_A:
			return a;
		case LINUX_BPF_JMP | LINUX_BPF_JA:
			in += in->k;
			continue;
		}
		if (LINUX_BPF_CLASS(in->code) == LINUX_BPF_JMP) {
			in += jump_taken(LINUX_BPF_OP(in->code), a, b) ? in->jt : in->jf;
			continue;
		}
		/* A division by X that is 0 ends the program: 0, which kills. */
		if (LINUX_BPF_OP(in->code) == LINUX_BPF_DIV && !b)
			return 0;
		a = alu(LINUX_BPF_OP(in->code), a, b);
	}
}
