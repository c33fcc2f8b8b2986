/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code of a stub process; stub.h tells what it is for.  It has no stack and touches no memory but the shared page.
 * The bytes are data here: stub.c puts them behind an ELF header in a memfd, mapped at STUB_TEXT.
 */
#include "platform/ptrace/stub.h"

#define SYS_mmap 9
#define SYS_recvfrom 45
#define SYS_clone 56
#define SYS_futex 202
#define SYS_exit_group 231

#define FUTEX_WAKE 1
#define PROT_READ_WRITE 3
#define MAP_SHARED_FIXED 0x11
#define AT_SYSINFO_EHDR 33
#define EINTR 4

	.section .rodata
	.balign 64
	.globl stub_text
	.hidden stub_text
	.type stub_text, @object
stub_text:
	/* 0: room for the ELF header. */
	.org stub_text + STUB_ENTRY_OFF, 0xcc

	/*
	 * The program's entry.  Finds the vDSO in the auxiliary vector, maps the page, and goes through its list.
	 * r15: the vDSO's address or 0; r14: 0, start-up.
	 */
entry:
	xorl	%r15d, %r15d
	xorl	%r14d, %r14d
	movq	(%rsp), %rcx
	leaq	16(%rsp,%rcx,8), %rsi
	cld
1:	lodsq				/* the environment */
	testq	%rax, %rax
	jnz	1b
2:	lodsq				/* the auxiliary vector */
	movq	%rax, %rdx
	lodsq
	cmpq	$AT_SYSINFO_EHDR, %rdx
	cmoveq	%rax, %r15
	testq	%rdx, %rdx
	jnz	2b
	movabsq	$STUB_PAGE, %rdi
	movl	$STUB_PAGE_SIZE, %esi
	movl	$PROT_READ_WRITE, %edx
	movl	$MAP_SHARED_FIXED, %r10d
	movl	$STUB_FD_PAGE, %r8d
	xorl	%r9d, %r9d
	movl	$SYS_mmap, %eax
	.org stub_text + STUB_MMAP_RET_OFF - 2, 0x90
	syscall
	cmpq	$-4095, %rax
	jae	die
	movq	%rax, %rbx
	movl	STUB_PAGE_NR_OPS(%rbx), %ebp
	addq	$STUB_PAGE_OPS, %rbx
	jmp	loop

	/*
	 * rbx: the next op; ebp: how many are left; r14: 1 when traced, 0 at start-up; r15: the vDSO at start-up.
	 * At the trap, ebp is 0 or counts the failed op and what follows; rax is the last call's result.
	 */
	.org stub_text + STUB_LOOP_OFF, 0xcc
loop:
	testl	%ebp, %ebp
	jz	done
	movl	(%rbx), %r12d
	movq	8(%rbx), %rdi
	movq	16(%rbx), %rsi
	movq	24(%rbx), %rdx
	movq	32(%rbx), %r10
	movq	40(%rbx), %r8
	movq	48(%rbx), %r9
	movl	STUB_OP_FLAGS(%rbx), %r13d
	testl	$STUB_OP_VDSO, %r13d
	jz	1f
	addq	%r15, %rdi
1:	movl	%r12d, %eax
	.org stub_text + STUB_LOOP_RET_OFF - 2, 0x90
	syscall
	cmpl	$SYS_clone, %r12d
	jne	2f
	testq	%rax, %rax
	jz	park			/* the new thread */
2:	testl	%r14d, %r14d
	jnz	3f
	movl	%eax, STUB_OP_RESULT(%rbx)
3:	cmpq	$-4095, %rax
	jb	4f
	testl	$STUB_OP_MAY_FAIL, %r13d
	jz	done
4:	addq	$STUB_OP_SIZE, %rbx
	decl	%ebp
	jmp	loop
done:
	testl	%r14d, %r14d
	jz	report
	.org stub_text + STUB_TRAP_RET_OFF - 1, 0x90
	int3

	/* The end of start-up: tell the sentry. */
report:
	movabsq	$STUB_PAGE, %rdi
	movl	$STUB_STATUS_READY, %ecx
	testl	%ebp, %ebp
	cmovzl	%ecx, %eax
	movl	%eax, STUB_PAGE_STATUS(%rdi)
	movl	$FUTEX_WAKE, %esi
	movl	$1, %edx
	movl	$SYS_futex, %eax
	.org stub_text + STUB_WAKE_RET_OFF - 2, 0x90
	syscall
	testl	%ebp, %ebp
	jnz	die

	.org stub_text + STUB_PARK_OFF, 0x90
park:
	movl	$STUB_FD_LIFELINE, %edi
	xorl	%esi, %esi
	xorl	%edx, %edx
	xorl	%r10d, %r10d
	xorl	%r8d, %r8d
	xorl	%r9d, %r9d
	movl	$SYS_recvfrom, %eax
	.org stub_text + STUB_PARK_RET_OFF - 2, 0x90
	syscall
	cmpq	$-EINTR, %rax
	je	park
die:
	xorl	%edi, %edi
	movl	$SYS_exit_group, %eax
	.org stub_text + STUB_EXIT_RET_OFF - 2, 0x90
	syscall
	ud2
	.org stub_text + STUB_END_OFF, 0xcc
	.size stub_text, . - stub_text

	.section .note.GNU-stack, "", @progbits
