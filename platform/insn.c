/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/insn.h"

#include <Zydis/Zydis.h>

#include "sentry/abi/errno.h"

static ZyanStatus insn_decode(const void *insn, size_t len, ZydisDecodedInstruction *ret_insn,
			      ZydisDecodedOperand *ret_operands)
{
	ZydisDecoder decoder;
	ZyanStatus status = ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);

	if (!ZYAN_SUCCESS(status))
		return status;
	len = MIN(len, (size_t)INSN_MAX_LEN);
	if (!ret_operands)
		return ZydisDecoderDecodeInstruction(&decoder, NULL, insn, len, ret_insn);
	return ZydisDecoderDecodeFull(&decoder, insn, len, ret_insn, ret_operands);
}

int platform_insn_length(const void *insn, size_t len)
{
	ZydisDecodedInstruction decoded;
	ZyanStatus status = insn_decode(insn, len, &decoded, NULL);

	if (ZYAN_SUCCESS(status))
		return decoded.length;
	return status == ZYDIS_STATUS_NO_MORE_DATA && len < INSN_MAX_LEN ? 0 : -LINUX_EINVAL;
}

/* The value of a 64, 32 or 16 bit general register. */
static uint64_t reg_value(const struct guest_regs *r, ZydisRegister reg)
{
	const uint64_t gpr[16] = { r->rax, r->rcx, r->rdx, r->rbx, r->rsp, r->rbp, r->rsi, r->rdi,
				   r->r8,  r->r9,  r->r10, r->r11, r->r12, r->r13, r->r14, r->r15 };
	ZydisRegister wide = ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg);

	if (wide < ZYDIS_REGISTER_RAX || wide > ZYDIS_REGISTER_R15)
		return 0;
	return gpr[wide - ZYDIS_REGISTER_RAX];
}

static uint64_t segment_base(const struct guest_regs *r, ZydisRegister seg)
{
	return seg == ZYDIS_REGISTER_FS ? r->fs_base : seg == ZYDIS_REGISTER_GS ? r->gs_base : 0;
}

static uint64_t operand_addr(const ZydisDecodedInstruction *insn, const ZydisDecodedOperandMem *mem,
			     const struct guest_regs *r)
{
	uint64_t addr = mem->disp.has_displacement ? (uint64_t)mem->disp.value : 0;

	if (mem->base == ZYDIS_REGISTER_RIP || mem->base == ZYDIS_REGISTER_EIP)
		addr += r->rip + insn->length;
	else if (mem->base != ZYDIS_REGISTER_NONE)
		addr += reg_value(r, mem->base);
	if (mem->index != ZYDIS_REGISTER_NONE)
		addr += reg_value(r, mem->index) * mem->scale;
	if (insn->address_width == 32)
		addr = (uint32_t)addr;
	return addr + segment_base(r, mem->segment);
}

/*
 * Operands whose address the registers here do not tell: vector indices, bit offsets that reach beyond the operand, and
 * states whose size depends on what is enabled.
 */
static bool operand_is_vague(const ZydisDecodedInstruction *insn, const ZydisDecodedOperand *op)
{
	switch (insn->mnemonic) {
	case ZYDIS_MNEMONIC_BT:
	case ZYDIS_MNEMONIC_BTC:
	case ZYDIS_MNEMONIC_BTR:
	case ZYDIS_MNEMONIC_BTS:
	case ZYDIS_MNEMONIC_ENTER:
		return true;
	default:
		return op->mem.type == ZYDIS_MEMOP_TYPE_VSIB || op->size == 0 ||
		       insn->meta.category == ZYDIS_CATEGORY_XSAVE || insn->meta.category == ZYDIS_CATEGORY_XSAVEOPT;
	}
}

static int operand_access(const ZydisDecodedOperand *op)
{
	return (op->actions & ZYDIS_OPERAND_ACTION_MASK_READ ? PLATFORM_READ : 0) |
	       (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE ? PLATFORM_WRITE : 0);
}

int platform_decode_access(const void *bytes, size_t len, const struct guest_regs *regs, uaddr_t addr)
{
	ZydisDecodedOperand operands[ZYDIS_MAX_OPERAND_COUNT];
	ZydisDecodedInstruction insn;
	int access = 0, vague = 0;

	if (!ZYAN_SUCCESS(insn_decode(bytes, len, &insn, operands)))
		return -LINUX_EINVAL;
	for (unsigned i = 0; i < insn.operand_count; i++) {
		const ZydisDecodedOperand *op = &operands[i];
		uint64_t start, size = op->size / 8;

		if (op->type != ZYDIS_OPERAND_TYPE_MEMORY || op->mem.type == ZYDIS_MEMOP_TYPE_AGEN)
			continue;
		if (operand_is_vague(&insn, op)) {
			vague |= operand_access(op);
			continue;
		}
		start = operand_addr(&insn, &op->mem, regs);
		/* What a push or call writes lies below the stack pointer that it starts with. */
		if (op->visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN && op->mem.base == ZYDIS_REGISTER_RSP &&
		    operand_access(op) == PLATFORM_WRITE)
			start -= size;
		if (addr - start < size)
			access |= operand_access(op);
	}
	return access ? access : vague;
}
