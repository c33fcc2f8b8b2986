/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/insn.h"

#include <criterion/criterion.h>
#include <string.h>

TestSuite(insn, .timeout = 400);

#define R PLATFORM_READ
#define W PLATFORM_WRITE

static const struct guest_regs regs = {
	.rax = 0x1000, .rbx = 0x2000, .rcx = 2, .rdi = 0x3000, .rsi = 0x4000, .rsp = 0x5000, .r9 = 0x6000,
	.rip = 0x400000, .fs_base = 0x100000,
};

static int access_at(const char *bytes, size_t len, uaddr_t addr)
{
	return platform_decode_access(bytes, len, &regs, addr);
}
#define ACCESS(bytes, addr) access_at(bytes, sizeof(bytes) - 1, addr)

Test(insn, lengths)
{
	cr_assert_eq(platform_insn_length("\x90", 1), 1);
	cr_assert_eq(platform_insn_length("\x0f\x05\x90", 3), 2);
	cr_assert_eq(platform_insn_length("\x48\xb8\x01\x02\x03\x04", 6), 0); /* goes on */
	cr_assert_eq(platform_insn_length("\x48\xb8\x01\x02\x03\x04\x05\x06\x07\x08", 10), 10);
	cr_assert_lt(platform_insn_length("\x06", 1), 0); /* push %es: not in 64-bit mode */
	cr_assert_lt(platform_insn_length("\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x66\x90", 16), 0);
}

Test(insn, plain_operands)
{
	cr_assert_eq(ACCESS("\x48\x8b\x00", 0x1000), R);		    /* mov (%rax),%rax */
	cr_assert_eq(ACCESS("\x48\x8b\x00", 0x1007), R);
	cr_assert_eq(ACCESS("\x48\x8b\x00", 0x1008), 0);
	cr_assert_eq(ACCESS("\x48\x8b\x00", 0xfff), 0);
	cr_assert_eq(ACCESS("\x48\x89\x00", 0x1000), W);		    /* mov %rax,(%rax) */
	cr_assert_eq(ACCESS("\x48\x01\x00", 0x1000), R | W);		    /* add %rax,(%rax) */
	cr_assert_eq(ACCESS("\x88\x44\x8b\x10", 0x2018), W);		    /* mov %al,0x10(%rbx,%rcx,4) */
	cr_assert_eq(ACCESS("\xc6\x05\x01\x00\x00\x00\x00", 0x400008), W); /* movb $0,1(%rip) */
	cr_assert_eq(ACCESS("\x64\x48\x8b\x04\x25\x08\x00\x00\x00", 0x100008), R); /* mov %fs:8,%rax */
	cr_assert_eq(ACCESS("\x48\x8d\x00", 0x1000), 0);		    /* lea (%rax),%rax */
	cr_assert_eq(ACCESS("\xf0\x45\x0f\xb1\x01", 0x6000), R | W);	    /* lock cmpxchg %r8d,(%r9) */
	cr_assert_eq(ACCESS("\xc5\xfe\x6f\x00", 0x101f), R);		    /* vmovdqu (%rax),%ymm0 */
	cr_assert_eq(ACCESS("\xc5\xfe\x7f\x00", 0x101f), W);		    /* vmovdqu %ymm0,(%rax) */
}

Test(insn, implied_operands)
{
	cr_assert_eq(ACCESS("\x50", 0x4ff8), W);	 /* push %rax */
	cr_assert_eq(ACCESS("\x50", 0x5000), 0);
	cr_assert_eq(ACCESS("\x58", 0x5000), R);	 /* pop %rax */
	cr_assert_eq(ACCESS("\xff\x30", 0x1000), R);	 /* push (%rax) */
	cr_assert_eq(ACCESS("\xff\x30", 0x4fff), W);
	cr_assert_eq(ACCESS("\xe8\x00\x00\x00\x00", 0x4ff8), W); /* call */
	cr_assert_eq(ACCESS("\xc3", 0x5000), R);	 /* ret */
	cr_assert_eq(ACCESS("\xf3\xa4", 0x3000), W);	 /* rep movsb */
	cr_assert_eq(ACCESS("\xf3\xa4", 0x4000), R);
	cr_assert_eq(ACCESS("\xf3\x48\xab", 0x3000), W); /* rep stosq */
}

Test(insn, what_cannot_be_told_exactly)
{
	cr_assert_eq(ACCESS("\x48\x0f\xab\x18", 0x1400), R | W); /* bts %rbx,(%rax): far behind it */
	cr_assert(ACCESS("\x0f\xae\x20", 0x1900) & W);	 /* xsave (%rax) */
	cr_assert_lt(ACCESS("\x06", 0), 0);
	cr_assert_lt(ACCESS("\x48\x8b", 0x1000), 0); /* cut off */
}
