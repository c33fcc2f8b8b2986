/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/bpf_classic.h"

#include <criterion/criterion.h>

#include "sentry/abi/errno.h"

TestSuite(bpf, .timeout = 400);

#define STMT(c, v) { (uint16_t)(c), 0, 0, (v) }
#define JUMP(c, v, t, f) { (uint16_t)(c), (t), (f), (v) }
#define RET(v) STMT(LINUX_BPF_RET, v)
#define LOAD(off) STMT(LINUX_BPF_LD | LINUX_BPF_ABS, off)
#define IMM(v) STMT(LINUX_BPF_LD | LINUX_BPF_IMM, v)
#define IMMX(v) STMT(LINUX_BPF_LDX | LINUX_BPF_IMM, v)
#define ALU(op, v) STMT(LINUX_BPF_ALU | (op), v)
#define ALUX(op) STMT(LINUX_BPF_ALU | (op) | LINUX_BPF_X, 0)
#define RETA STMT(LINUX_BPF_RET | LINUX_BPF_A, 0)

static const uint32_t data[4] = { 10, 20, 0xffffffff, 0x80000000 };

static uint32_t run(const struct linux_sock_filter *prog, unsigned len)
{
	cr_assert_eq(bpf_check(prog, len, sizeof(data)), 0);
	return bpf_run(prog, data, sizeof(data));
}
#define RUN(...)                                                                                                       \
	({                                                                                                             \
		const struct linux_sock_filter p_[] = { __VA_ARGS__ };                                                 \
		run(p_, ARRAY_SIZE(p_));                                                                               \
	})
#define CHECK(...)                                                                                                     \
	({                                                                                                             \
		const struct linux_sock_filter p_[] = { __VA_ARGS__ };                                                 \
		bpf_check(p_, ARRAY_SIZE(p_), sizeof(data));                                                           \
	})

Test(bpf, loads)
{
	cr_assert_eq(RUN(RET(7)), 7);
	cr_assert_eq(RUN(LOAD(4), RETA), 20);
	cr_assert_eq(RUN(STMT(LINUX_BPF_LD | LINUX_BPF_LEN, 0), RETA), 16);
	cr_assert_eq(RUN(STMT(LINUX_BPF_LDX | LINUX_BPF_LEN, 0), STMT(LINUX_BPF_MISC | LINUX_BPF_TXA, 0), RETA), 16);
	cr_assert_eq(RUN(IMM(3), STMT(LINUX_BPF_ST, 15), IMM(0), STMT(LINUX_BPF_LD | LINUX_BPF_MEM, 15), RETA), 3);
	cr_assert_eq(RUN(IMM(3), STMT(LINUX_BPF_MISC | LINUX_BPF_TAX, 0), STMT(LINUX_BPF_STX, 0),
			 STMT(LINUX_BPF_LD | LINUX_BPF_MEM, 0), RETA), 3);
	/* A and X are 0 at the start. */
	cr_assert_eq(RUN(RETA), 0);
}

Test(bpf, arithmetic)
{
	cr_assert_eq(RUN(IMM(7), ALU(LINUX_BPF_ADD, 0xffffffff), RETA), 6);
	cr_assert_eq(RUN(IMM(7), ALU(LINUX_BPF_SUB, 8), RETA), 0xffffffff);
	cr_assert_eq(RUN(IMM(7), ALU(LINUX_BPF_MUL, 6), RETA), 42);
	cr_assert_eq(RUN(IMM(0xffffffff), ALU(LINUX_BPF_DIV, 2), RETA), 0x7fffffff);
	cr_assert_eq(RUN(IMM(12), ALU(LINUX_BPF_AND, 10), ALU(LINUX_BPF_OR, 1), ALU(LINUX_BPF_XOR, 3), RETA), 10);
	cr_assert_eq(RUN(IMM(1), ALU(LINUX_BPF_LSH, 31), ALU(LINUX_BPF_RSH, 30), RETA), 2);
	cr_assert_eq(RUN(IMM(5), ALU(LINUX_BPF_NEG, 0), RETA), (uint32_t)-5);
	cr_assert_eq(RUN(IMM(20), IMMX(3), ALUX(LINUX_BPF_DIV), RETA), 6);
	cr_assert_eq(RUN(IMM(20), IMMX(0), ALUX(LINUX_BPF_DIV), RET(1)), 0);
	cr_assert_eq(RUN(IMM(1), IMMX(33), ALUX(LINUX_BPF_LSH), RETA), 2);
}

Test(bpf, jumps)
{
	cr_assert_eq(RUN(LOAD(0), JUMP(LINUX_BPF_JMP | LINUX_BPF_JEQ, 10, 0, 1), RET(1), RET(2)), 1);
	cr_assert_eq(RUN(LOAD(0), JUMP(LINUX_BPF_JMP | LINUX_BPF_JGT, 10, 0, 1), RET(1), RET(2)), 2);
	cr_assert_eq(RUN(LOAD(8), JUMP(LINUX_BPF_JMP | LINUX_BPF_JGE, 10, 0, 1), RET(1), RET(2)), 1);
	cr_assert_eq(RUN(LOAD(12), JUMP(LINUX_BPF_JMP | LINUX_BPF_JSET, 0x7fffffff, 0, 1), RET(1), RET(2)), 2);
	cr_assert_eq(RUN(LOAD(0), IMMX(10), JUMP(LINUX_BPF_JMP | LINUX_BPF_JEQ | LINUX_BPF_X, 0, 0, 1), RET(1), RET(2)), 1);
	cr_assert_eq(RUN(JUMP(LINUX_BPF_JMP | LINUX_BPF_JA, 1, 0, 0), RET(1), RET(2)), 2);
}

Test(bpf, what_is_refused)
{
	cr_assert_eq(bpf_check((const struct linux_sock_filter[]){ RET(0) }, 0, 16), -LINUX_EINVAL);
	cr_assert_eq(CHECK(IMM(1)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(LOAD(16), RET(0)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(LOAD(1), RET(0)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(JUMP(LINUX_BPF_JMP | LINUX_BPF_JA, 0xffffffff, 0, 0), RET(0)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(JUMP(LINUX_BPF_JMP | LINUX_BPF_JEQ, 0, 0, 1), RET(0)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(STMT(LINUX_BPF_JMP | 0x90, 0), RET(0)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(STMT(LINUX_BPF_ALU | 0xc0, 0), RET(0)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(STMT(LINUX_BPF_RET | LINUX_BPF_X, 0), RET(0)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(STMT(0x107, 0), RET(0)), -LINUX_EINVAL);
	cr_assert_eq(CHECK(STMT(LINUX_BPF_ST, LINUX_BPF_MEMWORDS), RET(0)), -LINUX_EINVAL);
}

Test(bpf, scratch_memory_is_written_on_every_way)
{
	struct linux_sock_filter stored = STMT(LINUX_BPF_ST, 1), load = STMT(LINUX_BPF_LD | LINUX_BPF_MEM, 1);
	struct linux_sock_filter other = STMT(LINUX_BPF_ST, 2);

	cr_assert_eq(CHECK(load, RETA), -LINUX_EINVAL);
	cr_assert_eq(CHECK(stored, load, RETA), 0);
	/* One way only. */
	cr_assert_eq(CHECK(JUMP(LINUX_BPF_JMP | LINUX_BPF_JEQ, 0, 0, 1), stored, load, RETA), -LINUX_EINVAL);
	/* Both ways. */
	cr_assert_eq(CHECK(JUMP(LINUX_BPF_JMP | LINUX_BPF_JEQ, 0, 0, 2), stored, JUMP(LINUX_BPF_JMP, 1, 0, 0), stored, load, RETA), 0);
	/* Another word on the other way. */
	cr_assert_eq(CHECK(JUMP(LINUX_BPF_JMP | LINUX_BPF_JEQ, 0, 0, 2), stored, JUMP(LINUX_BPF_JMP, 1, 0, 0), other, load, RETA),
		     -LINUX_EINVAL);
}
