/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF for packets: McCanne and Jacobson's machine, with the few of Linux's ancillary loads that filters use.
 */
#include "netstack/skf.h"

#include <stdlib.h>
#include <string.h>

#include "sentry/abi/errno.h"

#define MEMWORDS 16
#define ANC_OFF 0xfffff000U /* SKF_AD_OFF */
#define ANC_PROTOCOL 0
#define ANC_PKTTYPE 4
#define ANC_VLAN_TAG 44
#define ANC_VLAN_TAG_PRESENT 48

enum { LD = 0, LDX = 1, ST = 2, STX = 3, ALU = 4, JMP = 5, RET = 6, MISC = 7 };

static bool load_ok(const struct skf_insn *i)
{
	unsigned size = i->code & 0x18, mode = i->code & 0xe0;

	if ((i->code & 7) == LDX)
		return mode == 0x60 ? i->k < MEMWORDS && !size : mode == 0xa0 ? size == 0x10 : (mode == 0 || mode == 0x80) && !size;
	switch (mode) {
	case 0x00: /* immediate */
	case 0x80: /* length */
		return !size;
	case 0x60: /* memory */
		return !size && i->k < MEMWORDS;
	case 0x20: /* absolute */
	case 0x40: /* indirect */
		return size == 0 || size == 0x08 || size == 0x10;
	default:
		return false;
	}
}

static bool insn_ok(const struct skf_insn *i, unsigned left)
{
	unsigned op = i->code & 0xf0;

	switch (i->code & 7) {
	case LD:
	case LDX:
		return i->code < 0x100 && load_ok(i);
	case ST:
	case STX:
		return i->code <= STX && i->k < MEMWORDS;
	case ALU:
		if ((op == 0x30 || op == 0x90) && !(i->code & 8) && !i->k)
			return false;
		if ((op == 0x60 || op == 0x70) && !(i->code & 8) && i->k > 31)
			return false;
		return op <= 0xa0 && i->code < 0x100;
	case JMP:
		if (op == 0)
			return i->k < left;
		return op <= 0x40 && i->jt < left && i->jf < left && i->code < 0x100;
	case RET:
		return i->code == 0x06 || i->code == 0x16;
	default:
		return i->code == 0x07 || i->code == 0x87;
	}
}

struct skf_prog *skf_new(const struct skf_insn *insns, unsigned nr)
{
	struct skf_prog *prog;

	if (!nr || nr > SKF_INSNS_MAX || (insns[nr - 1].code & 7) != RET)
		return ERR_PTR(-LINUX_EINVAL);
	for (unsigned i = 0; i < nr; i++)
		if (!insn_ok(&insns[i], nr - i - 1))
			return ERR_PTR(-LINUX_EINVAL);
	prog = malloc(sizeof(*prog) + nr * sizeof(*insns));
	if (!prog)
		return ERR_PTR(-LINUX_ENOMEM);
	prog->nr = nr;
	memcpy(prog->insns, insns, nr * sizeof(*insns));
	return prog;
}

void skf_free(struct skf_prog *prog)
{
	free(prog);
}

struct skf_packet {
	const uint8_t *p;
	size_t len;
	uint16_t protocol;
	uint8_t type;
};

/* False: outside the packet, which is not wanted then. */
static bool load(const struct skf_packet *pkt, unsigned size, uint32_t off, uint32_t *ret)
{
	unsigned n = size == 0 ? 4 : size == 0x08 ? 2 : 1;
	uint32_t v = 0;

	if (off >= ANC_OFF) {
		switch (off - ANC_OFF) {
		case ANC_PROTOCOL:
			*ret = pkt->protocol;
			return true;
		case ANC_PKTTYPE:
			*ret = pkt->type;
			return true;
		case ANC_VLAN_TAG:
		case ANC_VLAN_TAG_PRESENT:
			*ret = 0;
			return true;
		default:
			return false;
		}
	}
	if (off > pkt->len || n > pkt->len - off)
		return false;
	for (unsigned i = 0; i < n; i++)
		v = v << 8 | pkt->p[off + i];
	*ret = v;
	return true;
}

static bool alu(unsigned op, uint32_t *a, uint32_t v)
{
	switch (op) {
	case 0x00: *a += v; return true;
	case 0x10: *a -= v; return true;
	case 0x20: *a *= v; return true;
	case 0x30: *a = v ? *a / v : 0; return v;
	case 0x40: *a |= v; return true;
	case 0x50: *a &= v; return true;
	case 0x60: *a = v < 32 ? *a << v : 0; return true;
	case 0x70: *a = v < 32 ? *a >> v : 0; return true;
	case 0x80: *a = -*a; return true;
	case 0x90: *a = v ? *a % v : 0; return v;
	default: *a ^= v; return true;
	}
}

static bool taken(unsigned op, uint32_t a, uint32_t v)
{
	return op == 0x10 ? a == v : op == 0x20 ? a > v : op == 0x30 ? a >= v : a & v;
}

size_t skf_run(const struct skf_prog *prog, const uint8_t *p, size_t len, uint16_t protocol, uint8_t type)
{
	const struct skf_packet pkt = { p, len, protocol, type };
	uint32_t a = 0, x = 0, v, mem[MEMWORDS] = { 0 };

	/* Jumps go forward only, so this ends. */
	for (unsigned pc = 0; pc < prog->nr; pc++) {
		const struct skf_insn *i = &prog->insns[pc];
		unsigned op = i->code & 0xf0, mode = i->code & 0xe0;

		v = i->code & 8 ? x : i->k;
		switch (i->code & 7) {
		case LD:
			if (mode == 0x00)
				a = i->k;
			else if (mode == 0x80)
				a = (uint32_t)len;
			else if (mode == 0x60)
				a = mem[i->k];
			else if (!load(&pkt, i->code & 0x18, mode == 0x40 ? x + i->k : i->k, &a))
				return 0;
			break;
		case LDX:
			if (mode == 0x00)
				x = i->k;
			else if (mode == 0x80)
				x = (uint32_t)len;
			else if (mode == 0x60)
				x = mem[i->k];
			else if (load(&pkt, 0x10, i->k, &v))
				x = (v & 15) * 4;
			else
				return 0;
			break;
		case ST:
			mem[i->k] = a;
			break;
		case STX:
			mem[i->k] = x;
			break;
		case ALU:
			if (!alu(op, &a, v))
				return 0;
			break;
		case JMP:
			pc += op == 0 ? i->k : taken(op, a, v) ? i->jt : i->jf;
			break;
		case RET:
			return i->code == 0x16 ? a : i->k;
		default:
			if (i->code == 0x07)
				x = a;
			else
				a = x;
		}
	}
	return 0;
}
