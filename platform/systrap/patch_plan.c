/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/systrap/patch_plan.h"

#include <Zydis/Zydis.h>

#define REG_WIDE 16
#define REG_RSP 4

const char *const patch_verdict_name[] = {
	[PATCH_OK] = "patched",
	[PATCH_NO_SYSCALL] = "not a syscall instruction",
	[PATCH_END] = "at the end of its page",
	[PATCH_UNKNOWN] = "unknown instruction behind",
	[PATCH_RELATIVE] = "instruction behind depends on its place",
	[PATCH_SPECIAL] = "instruction behind can't be moved",
	[PATCH_SHORT] = "not enough code behind",
	[PATCH_BOUNDARY] = "instruction boundary inside the jump",
};
static_assert(ARRAY_SIZE(patch_verdict_name) == NR_PATCH_VERDICTS, "patch_verdict_name");

/* --- classes of instructions --- */

/* What compilers and assemblers put between functions. */
static bool is_pad(const ZydisDecodedInstruction *in)
{
	return in->meta.category == ZYDIS_CATEGORY_NOP || in->meta.category == ZYDIS_CATEGORY_WIDENOP ||
	       in->mnemonic == ZYDIS_MNEMONIC_INT3;
}

static bool is_special(const ZydisDecodedInstruction *in)
{
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_SYSTEM:
	case ZYDIS_CATEGORY_IO:
	case ZYDIS_CATEGORY_IOSTRINGOP:
	case ZYDIS_CATEGORY_CET: /* endbr64 is where an indirect branch goes: leave it in its place */
	case ZYDIS_CATEGORY_RDWRFSGS:
	case ZYDIS_CATEGORY_VTX:
		return true;
	default:
		break;
	}
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
	case ZYDIS_MNEMONIC_HLT:
	case ZYDIS_MNEMONIC_XBEGIN:
	case ZYDIS_MNEMONIC_IRET:
	case ZYDIS_MNEMONIC_IRETD:
	case ZYDIS_MNEMONIC_IRETQ:
		return true;
	default:
		break;
	}
	/* Code is known to jump behind a lock prefix. */
	return in->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR ||
	       (in->attributes & (ZYDIS_ATTRIB_HAS_LOCK | ZYDIS_ATTRIB_IS_PRIVILEGED));
}

static bool is_jcc(const ZydisDecodedInstruction *in)
{
	return (in->opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (in->opcode & 0xf0) == 0x70) ||
	       (in->opcode_map == ZYDIS_OPCODE_MAP_0F && (in->opcode & 0xf0) == 0x80);
}

/* A relative operand: 0 when the instruction can be rewritten, and then its kind, arg and target are filled. */
static enum patch_verdict classify_relative(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops,
					    uaddr_t ip, struct patch_insn *insn)
{
	ZydisRegister reg = ops[0].type == ZYDIS_OPERAND_TYPE_REGISTER ? ops[0].reg.value : ZYDIS_REGISTER_NONE;
	ZyanU64 target;

	for (unsigned i = 0; i < in->operand_count_visible; i++) {
		if (!ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(in, &ops[i], ip, &target)))
			continue;
		insn->target = target;
		if (ops[i].type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
			/* With an operand size prefix the processors differ. */
			if (in->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)
				return PATCH_RELATIVE;
			insn->kind = in->mnemonic == ZYDIS_MNEMONIC_JMP ? PATCH_INSN_JMP :
				     in->mnemonic == ZYDIS_MNEMONIC_CALL ? PATCH_INSN_CALL : PATCH_INSN_JCC;
			insn->arg = in->opcode & 0xf;
			return insn->kind == PATCH_INSN_JCC && !is_jcc(in) ? PATCH_RELATIVE : PATCH_OK;
		}
		if (i != 1 || in->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || in->operand_count_visible != 2 ||
		    in->address_width != 64 || (in->attributes & ZYDIS_ATTRIB_HAS_SEGMENT))
			return PATCH_RELATIVE;
		if (reg >= ZYDIS_REGISTER_RAX && reg <= ZYDIS_REGISTER_R15)
			insn->arg = (uint8_t)(reg - ZYDIS_REGISTER_RAX) | REG_WIDE;
		else if (reg >= ZYDIS_REGISTER_EAX && reg <= ZYDIS_REGISTER_R15D)
			insn->arg = (uint8_t)(reg - ZYDIS_REGISTER_EAX);
		else
			return PATCH_RELATIVE;
		insn->kind = in->opcode == 0x8d ? PATCH_INSN_LEA : PATCH_INSN_LOAD;
		return (in->opcode == 0x8d || in->opcode == 0x8b) && (insn->arg & 15) != REG_RSP ? PATCH_OK :
												    PATCH_RELATIVE;
	}
	return PATCH_RELATIVE;
}

static enum patch_verdict classify(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *ops, uaddr_t ip,
				   struct patch_insn *insn)
{
	if (is_special(in))
		return PATCH_SPECIAL;
	if (in->attributes & ZYDIS_ATTRIB_IS_RELATIVE)
		return classify_relative(in, ops, ip, insn);
	if (in->meta.category == ZYDIS_CATEGORY_CALL)
		return PATCH_SPECIAL; /* it would push an address in the trampoline */
	if (in->meta.category == ZYDIS_CATEGORY_RET || in->meta.category == ZYDIS_CATEGORY_UNCOND_BR)
		insn->kind = PATCH_INSN_END;
	return PATCH_OK;
}

static bool insn_ends(const struct patch_insn *insn)
{
	return insn->kind == PATCH_INSN_END || insn->kind == PATCH_INSN_JMP;
}

/* --- the plan --- */

/*
 * The offsets of the jump whose byte can be made to stop, as far as can be told before the slot is known: not the last one of
 * PATCH_ABS, which is 0.
 */
#define STOPPABLE (1U << 2 | 1U << 3 | 1U << 4 | 1U << 5)

enum patch_verdict patch_plan(const uint8_t *text, size_t len, uaddr_t addr, uaddr_t site, enum patch_form form,
			      struct patch_plan *ret_plan)
{
	struct patch_plan plan = { .site = site, .form = form };
	unsigned off = PATCH_SYSCALL_LEN, jump_len = patch_jump_len(form);
	bool ended = false;
	ZydisDecoder decoder;

	if (site < addr || site - addr >= len)
		return PATCH_END;
	text += site - addr;
	len -= site - addr;
	if (len < jump_len)
		return PATCH_END;
	if (text[0] != 0x0f || text[1] != 0x05)
		return PATCH_NO_SYSCALL;
	if (!ZYAN_SUCCESS(ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)))
		return PATCH_UNKNOWN;
	while (off < jump_len) {
		struct patch_insn *insn = &plan.insn[plan.nr_insns];
		ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction in;
		ZyanStatus status = ZydisDecoderDecodeFull(&decoder, text + off, len - off, &in, ops);
		enum patch_verdict verdict;

		if (!ZYAN_SUCCESS(status))
			return status == ZYDIS_STATUS_NO_MORE_DATA ? PATCH_END : ended ? PATCH_SHORT : PATCH_UNKNOWN;
		if (ended && !is_pad(&in))
			return PATCH_SHORT;
		*insn = (struct patch_insn){ .off = (uint8_t)off, .len = in.length };
		verdict = ended ? PATCH_OK : classify(&in, ops, site + off, insn);
		if (verdict != PATCH_OK)
			return verdict;
		plan.boundaries |= 1U << off;
		plan.nr_insns++;
		ended |= insn_ends(insn);
		off += in.length;
	}
	if (plan.boundaries & ~STOPPABLE)
		return PATCH_BOUNDARY;
	plan.end = site + off;
	*ret_plan = plan;
	return PATCH_OK;
}

/* --- the jump --- */

/* No instruction of 64-bit mode starts with it, on any processor and for all that is announced. */
static bool byte_stops(uint8_t byte)
{
	switch (byte) {
	case 0x06: case 0x07: case 0x0e: case 0x16: case 0x17: case 0x1e: case 0x1f:
	case 0x27: case 0x2f: case 0x37: case 0x3f: case 0x60: case 0x61:
		return true;
	default:
		return false;
	}
}

void patch_jump(const struct patch_plan *plan, uaddr_t slot, uint8_t *ret_bytes)
{
	uint32_t operand;

	*ret_bytes++ = 0xff;
	if (plan->form == PATCH_NEAR) {
		operand = (uint32_t)(slot - (plan->site + 6));
		*ret_bytes++ = 0x25;
	} else {
		operand = (uint32_t)slot;
		*ret_bytes++ = 0x24;
		*ret_bytes++ = 0xe5;
	}
	for (unsigned i = 0; i < 4; i++)
		*ret_bytes++ = (uint8_t)(operand >> 8 * i);
}

bool patch_fits(const struct patch_plan *plan, uaddr_t slot)
{
	int64_t disp = (int64_t)(slot - (plan->site + 6));
	uint8_t bytes[PATCH_JUMP_MAX];

	if (plan->form == PATCH_NEAR ? disp != (int32_t)disp : slot > INT32_MAX)
		return false;
	patch_jump(plan, slot, bytes);
	for (unsigned off = PATCH_SYSCALL_LEN; off < patch_jump_len(plan->form); off++) {
		bool is_in = plan->form == PATCH_ABS && off == 2;

		if ((plan->boundaries & 1U << off) && !is_in && !byte_stops(bytes[off]))
			return false;
	}
	return true;
}

/* --- the moved code --- */

static void emit(struct patch_code *code, const void *bytes, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		code->bytes[code->len++] = ((const uint8_t *)bytes)[i];
}

static void emit_u64(struct patch_code *code, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		code->bytes[code->len++] = (uint8_t)(value >> 8 * i);
}

static void emit_map(struct patch_code *code, unsigned guest_off, unsigned pushed, bool first)
{
	code->map[code->nr_map++] = (struct patch_map){
		.code_off = (uint8_t)code->len, .guest_off = (uint8_t)guest_off, .pushed = (uint8_t)pushed, .first = first,
	};
}

/* jmp *0(%rip), and the address: 14 bytes. */
static void emit_jump(struct patch_code *code, uaddr_t target)
{
	emit(code, "\xff\x25\0\0\0\0", 6);
	emit_u64(code, target);
}

/* Neither flags nor registers may change on the way: push the low half, store the high half over its sign, jump. */
static void emit_call(struct patch_code *code, const struct patch_insn *insn, uaddr_t ret_addr)
{
	uint32_t low = (uint32_t)ret_addr, high = (uint32_t)(ret_addr >> 32);

	emit(code, "\x68", 1);
	emit(code, &low, 4);
	emit_map(code, insn->off, 8, false);
	emit(code, "\xc7\x44\x24\x04", 4); /* movl $high,4(%rsp) */
	emit(code, &high, 4);
	emit_jump(code, insn->target);
}

static void emit_movabs(struct patch_code *code, unsigned reg, uint64_t value)
{
	uint8_t op[2] = { (uint8_t)(0x48 | reg >> 3), (uint8_t)(0xb8 | (reg & 7)) };

	emit(code, op, 2);
	emit_u64(code, value);
}

/* mov (%reg),%reg */
static void emit_load(struct patch_code *code, unsigned reg, bool wide)
{
	uint8_t low = reg & 7, rex = (uint8_t)(0x40 | (wide ? 8 : 0) | (reg > 7 ? 5 : 0));
	uint8_t op[5] = { rex, 0x8b, (uint8_t)(low << 3 | low) };

	if (low == 4) { /* r12: with a SIB byte */
		op[3] = 0x24;
		emit(code, op, 4);
	} else if (low == 5) { /* rbp, r13: with a displacement of 0 */
		op[2] |= 0x40;
		emit(code, op, 4);
	} else {
		emit(code, op, 3);
	}
}

static void emit_insn(struct patch_code *code, const struct patch_plan *plan, const struct patch_insn *insn,
		      const uint8_t *text)
{
	uint8_t skip[2] = { (uint8_t)(0x70 | (insn->arg ^ 1)), 14 };

	emit_map(code, insn->off, 0, true);
	switch (insn->kind) {
	case PATCH_INSN_COPY:
	case PATCH_INSN_END:
		emit(code, text + insn->off, insn->len);
		break;
	case PATCH_INSN_JCC:
		emit(code, skip, 2);
		emit_jump(code, insn->target);
		break;
	case PATCH_INSN_JMP:
		emit_jump(code, insn->target);
		break;
	case PATCH_INSN_CALL:
		emit_call(code, insn, plan->site + insn->off + insn->len);
		break;
	case PATCH_INSN_LEA:
		emit_movabs(code, insn->arg & 15, insn->arg & REG_WIDE ? insn->target : (uint32_t)insn->target);
		break;
	case PATCH_INSN_LOAD:
		emit_movabs(code, insn->arg & 15, insn->target);
		emit_load(code, insn->arg & 15, insn->arg & REG_WIDE);
		break;
	}
}

void patch_code(const struct patch_plan *plan, const uint8_t *text, struct patch_code *ret_code)
{
	ret_code->len = ret_code->nr_map = 0;
	for (unsigned i = 0; i < plan->nr_insns; i++)
		emit_insn(ret_code, plan, &plan->insn[i], text);
	emit_map(ret_code, (unsigned)(plan->end - plan->site), 0, true);
	emit_jump(ret_code, plan->end);
}

const struct patch_map *patch_code_find(const struct patch_code *code, unsigned off)
{
	const struct patch_map *found = NULL;

	if (off >= code->len)
		return NULL;
	for (unsigned i = 0; i < code->nr_map && code->map[i].code_off <= off; i++)
		found = &code->map[i];
	return found;
}

int patch_code_enter(const struct patch_code *code, unsigned guest_off)
{
	for (unsigned i = 0; i < code->nr_map; i++)
		if (code->map[i].first && code->map[i].guest_off == guest_off)
			return code->map[i].code_off;
	return -1;
}
