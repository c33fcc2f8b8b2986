/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a syscall site is replaced by a jump to a trampoline, and what the trampoline executes in place of the instructions that
 * the jump covers.  Pure functions: bytes in, bytes out.
 *
 * The jump starts where the syscall instruction starts, and the instructions behind it that it covers are *moved* into the
 * trampoline.  They are found by decoding forward from an address that was executed, so their boundaries are certain.
 * Nothing in front of the syscall is touched: what a program decodes to backwards is a guess.
 *
 *     form                bytes                       the slot, where the trampoline's address is
 *     PATCH_NEAR          ff 25 d0 d1 d2 d3           within 2 GB of the site
 *     PATCH_ABS           ff 24 e5 a0 a1 a2 a3        below 2 GB; the base-less SIB byte e5 instead of the usual 25
 *
 * Code may jump to a moved instruction, or return to it: the place behind a syscall is a likely label.  So the byte at every
 * boundary inside the jump must stop there, and the owner of the patch then continues in the trampoline
 * (patch_code_enter).  For that
 *
 *     e5, `in`, stops with #GP at offset 2 of PATCH_ABS;
 *     06, no instruction in 64-bit mode, stops with #UD at offset 5 of PATCH_ABS: the slots are at 0x0006xxxx;
 *     the other bytes are the slot's address or displacement: it is chosen so that they are no instruction (patch_fits).
 *
 * Refused: what can't be moved (enum patch_verdict), and boundaries where no such byte can be had.
 */
#ifndef SENTRY_PLATFORM_SYSTRAP_PATCH_PLAN_H
#define SENTRY_PLATFORM_SYSTRAP_PATCH_PLAN_H

#include "sentry/base/types.h"

#define PATCH_SYSCALL_LEN 2
#define PATCH_JUMP_MAX 7
#define PATCH_INSN_MAX PATCH_JUMP_MAX
#define PATCH_CODE_MAX 256 /* bytes that the moved instructions become at most */
#define PATCH_MAP_MAX 32

/* Where PATCH_ABS has its slots, so that byte 5 of the jump is 06. */
#define PATCH_ABS_SLOTS 0x60000U
#define PATCH_ABS_SLOTS_SIZE 0x10000U

enum patch_form { PATCH_NEAR, PATCH_ABS };

enum patch_verdict {
	PATCH_OK,
	PATCH_NO_SYSCALL, /* other bytes than 0f 05 */
	PATCH_END,	  /* the readable text ends too early */
	PATCH_UNKNOWN,	  /* the bytes behind are no instruction */
	PATCH_RELATIVE,	  /* an instruction that depends on its place and isn't rewritten */
	PATCH_SPECIAL,	  /* an instruction that enters the kernel or can't be moved for another reason */
	PATCH_SHORT,	  /* control never goes on, and what follows may not be code */
	PATCH_BOUNDARY,	  /* an instruction starts where no byte of the jump can stop */
	NR_PATCH_VERDICTS,
};
extern const char *const patch_verdict_name[NR_PATCH_VERDICTS];

enum patch_insn_kind {
	PATCH_INSN_COPY,   /* as it is */
	PATCH_INSN_END,	   /* as it is, and nothing behind it is reached: ret, jmp *reg */
	PATCH_INSN_JCC,	   /* jcc rel */
	PATCH_INSN_JMP,	   /* jmp rel */
	PATCH_INSN_CALL,   /* call rel */
	PATCH_INSN_LEA,	   /* lea x(%rip),%reg */
	PATCH_INSN_LOAD,   /* mov x(%rip),%reg */
};

struct patch_insn {
	uint8_t off; /* from the site */
	uint8_t len;
	uint8_t kind;
	uint8_t arg;	  /* JCC: the condition; LEA, LOAD: the register, and 16 with a 64-bit operand */
	uaddr_t target;	  /* of a branch or operand */
};

struct patch_plan {
	uaddr_t site;	/* the syscall instruction, and the jump */
	uaddr_t end;	/* behind the last moved instruction */
	enum patch_form form;
	unsigned boundaries; /* bit n: an instruction starts at offset n inside the jump, n > 0 */
	unsigned nr_insns;
	struct patch_insn insn[PATCH_INSN_MAX]; /* moved ones */
};

static inline unsigned patch_jump_len(enum patch_form form)
{
	return form == PATCH_NEAR ? 6 : 7;
}

/* Plans a jump at @site, which lies in the @len readable bytes @text at @addr.  *ret_plan is filled on PATCH_OK only. */
enum patch_verdict patch_plan(const uint8_t *text, size_t len, uaddr_t addr, uaddr_t site, enum patch_form form,
			      struct patch_plan *ret_plan);

/* Whether the jump can use a slot at @slot: it reaches it, and all boundaries stop. */
bool patch_fits(const struct patch_plan *plan, uaddr_t slot);
/* The jump's bytes, patch_jump_len(); @slot fits. */
void patch_jump(const struct patch_plan *plan, uaddr_t slot, uint8_t *ret_bytes);

/*
 * Where the guest is when it was stopped in a trampoline's moved instructions.  Entries are in the order of code_off; each holds
 * from its code_off to that of the next.
 */
struct patch_map {
	uint8_t code_off;  /* in the moved code */
	uint8_t guest_off; /* from the site: where the guest believes to be */
	uint8_t pushed;	   /* bytes on the stack that the guest's instruction has not yet pushed */
	bool first;	   /* the guest's instruction starts here */
};

struct patch_code {
	uint8_t bytes[PATCH_CODE_MAX];
	unsigned len;
	unsigned nr_map;
	struct patch_map map[PATCH_MAP_MAX];
};

/* The moved instructions and the way back.  @text: the bytes from plan->site on.  Position independent. */
void patch_code(const struct patch_plan *plan, const uint8_t *text, struct patch_code *ret_code);
/* The entry that @off bytes into the moved code belongs to; NULL outside. */
const struct patch_map *patch_code_find(const struct patch_code *code, unsigned off);
/* Where in the moved code the guest's instruction @guest_off bytes behind the site starts; negative: nowhere. */
int patch_code_enter(const struct patch_code *code, unsigned guest_off);

#endif
