/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The second page of a stub's text, where trampolines have their calls made (patch.h).  Part of stub_text.S, which includes
 * it; %gs is the thread's struct systrap_page, and everything here is the guest's to break, for itself.
 *
 * Signals are not blocked here as they are in the handler, and the sentry's interrupt may come between any two instructions.
 * What becomes of it:
 *
 *     from systrap_patch_entry    published like any other.  The sentry sees where the thread was and takes it as the system
 *          systrap_patch_code     call that was about to be answered (patch_stop.c).  So it is with a fault, when the answer
 *                                 is about the guest's memory.
 *     from systrap_patch_finish   everything is answered: the sentry does what is left, and the thread is in the trampoline behind it.
 *     from systrap_patch_slow     noted in the page (patch_interrupt), because the thread is about to stop, or has, or is told to go
 *                                 on and then looks at the note.
 *     from systrap_patch_leave    published: the sentry still has the registers that are being loaded.
 */

#define GUEST_END SYSTRAP_TEXT /* GUEST_TASK_SIZE */
#define CPUNODE_SEGMENT 0x7b
#define FUTEX_WAIT_PRIVATE 0x80
#define FUTEX_WAKE_PRIVATE 0x81
#define EAGAIN 11
#define SIG_UNBLOCK 1
#define SIG_SETMASK 2
#define SIGKILL 9
#define SIGSTOP 19

#define REG(off) (SYSTRAP_PAGE_REGS + (off))
#define R_R15 REG(0)
#define R_R14 REG(8)
#define R_R13 REG(16)
#define R_R12 REG(24)
#define R_RBP REG(32)
#define R_RBX REG(40)
#define R_R11 REG(48)
#define R_R10 REG(56)
#define R_R9 REG(64)
#define R_R8 REG(72)
#define R_RAX REG(80)
#define R_RCX REG(88)
#define R_RDX REG(96)
#define R_RSI REG(104)
#define R_RDI REG(112)
#define R_ORIG_RAX REG(120)
#define R_RIP REG(128)
#define R_EFLAGS REG(144)
#define R_RSP REG(152)

	/*
	 * A trampoline.  rax: the call; rcx: where to go on, and in front of it the address behind the guest's syscall instruction; r11 is
	 * free.  The flags are saved through the stack pointer, to their place below that of rsp.
	 */
	.globl systrap_patch_entry
	.hidden systrap_patch_entry
systrap_patch_entry:
	movq	%rsp, %gs:R_RSP
	.globl systrap_patch_stack
	.hidden systrap_patch_stack
systrap_patch_stack:
	movq	%gs:SYSTRAP_PAGE_SELF, %rsp
	leaq	R_RSP(%rsp), %rsp
	pushfq
	.globl systrap_patch_flags
	.hidden systrap_patch_flags
systrap_patch_flags:
	movq	%rcx, %gs:PATCH_AREA_CONT
	.globl systrap_patch_cont
	.hidden systrap_patch_cont
systrap_patch_cont:
	cmpl	$PATCH_NR_CALLS, %eax
	jae	systrap_patch_slow
	movl	%eax, %ecx
	leaq	patch_answer(%rip), %r11
	movzbl	(%r11,%rcx), %r11d
	movl	%gs:PATCH_AREA_ANSWERS, %ecx
	btl	%r11d, %ecx
	jnc	systrap_patch_slow
	cmpl	$PATCH_ANSWER_OF_SELF, %r11d
	jae	systrap_patch_code
patch_give:
	movq	%gs:PATCH_AREA_VALUES(,%r11,8), %r11
	movq	%r11, %gs:PATCH_AREA_ANSWER
	/* The answer is given. */
	.globl systrap_patch_finish
	.hidden systrap_patch_finish
systrap_patch_finish:
	incq	%gs:PATCH_AREA_COUNT
	movq	%gs:PATCH_AREA_CONT, %rcx
	movq	-8(%rcx), %rcx
	movq	%gs:R_EFLAGS, %r11
	popfq
	movq	%gs:R_RSP, %rsp
	movq	%gs:PATCH_AREA_ANSWER, %rax
	.globl systrap_patch_jump
	.hidden systrap_patch_jump
systrap_patch_jump:
	jmp	*%gs:PATCH_AREA_CONT

	/* From here to the slow way: answers that take more.  Of the registers only rcx and r11 are changed. */
	.globl systrap_patch_code
	.hidden systrap_patch_code
systrap_patch_code:
	cmpl	$PATCH_ANSWER_CODE, %r11d
	jae	1f
	/* Calls whose argument 0 means the caller. */
	testl	%edi, %edi
	jz	patch_give
	jmp	systrap_patch_slow
1:	cmpl	$PATCH_ANSWER_FUTEX, %r11d
	je	patch_futex
	cmpl	$PATCH_ANSWER_SIGMASK, %r11d
	je	patch_sigmask
	cmpl	$PATCH_ANSWER_YIELD, %r11d
	je	patch_yield

	/* getcpu(rdi, rsi): as the vDSO has it, from the limit of a segment */
	movabsq	$(GUEST_END - 4), %r11
	cmpq	%r11, %rdi
	ja	systrap_patch_slow
	cmpq	%r11, %rsi
	ja	systrap_patch_slow
	movl	$CPUNODE_SEGMENT, %ecx
	lsl	%ecx, %ecx
	jnz	systrap_patch_slow
	movl	%ecx, %r11d
	andl	$0xfff, %r11d
	shrl	$12, %ecx
	testq	%rdi, %rdi
	jz	2f
	movl	%r11d, (%rdi)
2:	testq	%rsi, %rsi
	jz	patch_zero
	movl	%ecx, (%rsi)
patch_zero:
	movq	$0, %gs:PATCH_AREA_ANSWER
	jmp	systrap_patch_finish

	/*
	 * futex(rdi, esi, edx, r10).  The hash is that of systrap_futex_count.
	 */
patch_futex:
	testl	$3, %edi
	jnz	systrap_patch_slow
	movabsq	$(GUEST_END - 4), %r11
	cmpq	%r11, %rdi
	ja	systrap_patch_slow
	cmpl	$FUTEX_WAIT_PRIVATE, %esi
	je	3f
	cmpl	$FUTEX_WAKE_PRIVATE, %esi
	jne	systrap_patch_slow
	lock orl $0, %gs:PATCH_AREA_ANSWER
	movl	%edi, %ecx
	shrl	$2, %ecx
	andl	$(SYSTRAP_NR_FUTEX_COUNTS - 1), %ecx
	movabsq	$SYSTRAP_FUTEX_COUNTS, %r11
	cmpl	$0, (%r11,%rcx,4)
	je	patch_zero
	jmp	systrap_patch_slow
3:	testq	%r10, %r10
	jnz	systrap_patch_slow
	cmpl	(%rdi), %edx
	je	systrap_patch_slow
	movq	$-EAGAIN, %gs:PATCH_AREA_ANSWER
	jmp	systrap_patch_finish

	/*
	 * rt_sigprocmask(edi, rsi, rdx, r10).  Until the mask is changed the call can be begun anew; so sets that overlap, the new one
	 * overwritten by the old, are not for us.
	 */
patch_sigmask:
	cmpq	$8, %r10
	jne	systrap_patch_slow
	movabsq	$(GUEST_END - 8), %r11
	cmpq	%r11, %rsi
	ja	systrap_patch_slow
	cmpq	%r11, %rdx
	ja	systrap_patch_slow
	movq	%gs:PATCH_AREA_SIGMASK, %rcx
	movq	%rcx, %r11
	testq	%rsi, %rsi
	jz	5f
	movq	%rsi, %r11
	subq	%rdx, %r11
	addq	$7, %r11
	cmpq	$14, %r11
	jbe	systrap_patch_slow
	cmpl	$SIG_SETMASK, %edi
	ja	systrap_patch_slow
	movq	(%rsi), %r11
	je	5f
	cmpl	$SIG_UNBLOCK, %edi
	je	4f
	orq	%rcx, %r11
	jmp	5f
4:	notq	%r11
	andq	%rcx, %r11
5:	btrq	$(SIGKILL - 1), %r11
	btrq	$(SIGSTOP - 1), %r11
	movq	%r11, %gs:PATCH_AREA_NEW
	notq	%r11
	testq	%r11, %gs:PATCH_AREA_KNOWN
	jnz	systrap_patch_slow
	movq	$0, %gs:PATCH_AREA_ANSWER
	testq	%rdx, %rdx
	jz	6f
	movq	%rcx, (%rdx)
6:	movq	%gs:PATCH_AREA_NEW, %r11
	movq	%r11, %gs:PATCH_AREA_SIGMASK
	jmp	systrap_patch_finish

	.globl systrap_patch_slow
	.hidden systrap_patch_slow
systrap_patch_slow:
	movq	%rax, %gs:R_RAX
	movq	%rax, %gs:R_ORIG_RAX
	movq	%rbx, %gs:R_RBX
	movq	%gs:SYSTRAP_PAGE_SELF, %rbx
	movq	%r15, R_R15(%rbx)
	movq	%r14, R_R14(%rbx)
	movq	%r13, R_R13(%rbx)
	movq	%r12, R_R12(%rbx)
	movq	%rbp, R_RBP(%rbx)
	movq	%r10, R_R10(%rbx)
	movq	%r9, R_R9(%rbx)
	movq	%r8, R_R8(%rbx)
	movq	%rdx, R_RDX(%rbx)
	movq	%rsi, R_RSI(%rbx)
	movq	%rdi, R_RDI(%rbx)
	movq	PATCH_AREA_CONT(%rbx), %rcx
	movq	-8(%rcx), %rcx
	movq	%rcx, R_RIP(%rbx)
	movq	%rcx, R_RCX(%rbx)
	movq	R_EFLAGS(%rbx), %rax
	movq	%rax, R_R11(%rbx)
	movq	%rbx, SYSTRAP_PAGE_GS_BASE(%rbx)
	testl	$SYSTRAP_FLAG_XSAVE, SYSTRAP_PAGE_FLAGS(%rbx)
	jz	2f
	movl	PATCH_AREA_FEATURES(%rbx), %eax
	movl	PATCH_AREA_FEATURES+4(%rbx), %edx
	xsave64	-SYSTRAP_PAGE_OFF(%rbx)
2:	movl	$SYSTRAP_KIND_PATCH, SYSTRAP_PAGE_KIND(%rbx)
	testl	$SYSTRAP_FLAG_FSGSBASE, SYSTRAP_PAGE_FLAGS(%rbx)
	jz	1f
	rdfsbase %rax
	movq	%rax, SYSTRAP_PAGE_FS_BASE(%rbx)
1:	jmp	stop

	/* The turn is the guest's again; rbx: the page. */
patch_resume:
	testl	$SYSTRAP_FLAG_XRSTOR, SYSTRAP_PAGE_FLAGS(%rbx)
	jz	1f
	movl	PATCH_AREA_FEATURES(%rbx), %eax
	movl	PATCH_AREA_FEATURES+4(%rbx), %edx
	xrstor64 -SYSTRAP_PAGE_OFF(%rbx)
1:	xorl	%eax, %eax
	xchgl	%eax, PATCH_AREA_INTERRUPT(%rbx)
	.globl systrap_patch_leave
	.hidden systrap_patch_leave
systrap_patch_leave:
	testl	%eax, %eax
	jnz	trap
	movq	R_R15(%rbx), %r15
	movq	R_R14(%rbx), %r14
	movq	R_R13(%rbx), %r13
	movq	R_R12(%rbx), %r12
	movq	R_RBP(%rbx), %rbp
	movq	R_R11(%rbx), %r11
	movq	R_R10(%rbx), %r10
	movq	R_R9(%rbx), %r9
	movq	R_R8(%rbx), %r8
	movq	R_RAX(%rbx), %rax
	movq	R_RCX(%rbx), %rcx
	movq	R_RDX(%rbx), %rdx
	movq	R_RSI(%rbx), %rsi
	movq	R_RDI(%rbx), %rdi
	leaq	R_EFLAGS(%rbx), %rsp
	popfq
	movq	R_RSP(%rbx), %rsp
	movq	R_RBX(%rbx), %rbx
	jmp	*%gs:R_RIP
	.globl systrap_patch_left
	.hidden systrap_patch_left
systrap_patch_left:

	/* The handler, for the sentry's interrupt; rbx: the page, rsp: the frame. */
patch_interrupt:
	movq	SYSTRAP_FRAME_RIP(%rsp), %rax
	leaq	systrap_patch_slow(%rip), %rcx
	cmpq	%rcx, %rax
	jb	1f
	leaq	systrap_patch_leave(%rip), %rcx
	cmpq	%rcx, %rax
	jb	2f
1:	leaq	stop(%rip), %rcx
	cmpq	%rcx, %rax
	jb	handler_publish
	leaq	restorer(%rip), %rcx
	cmpq	%rcx, %rax
	jae	handler_publish
2:	movl	$1, PATCH_AREA_INTERRUPT(%rbx)
	jmp	sigreturn

	/* Which answer a call has; 0: none. */
	.balign 64, 0xcc
patch_answer:
	.fill	14, 1, 0
	.byte	PATCH_ANSWER_SIGMASK	/* 14 */
	.fill	9, 1, 0
	.byte	PATCH_ANSWER_YIELD	/* 24 */
	.fill	14, 1, 0
	.byte	PATCH_ANSWER_PID	/* 39 */
	.fill	62, 1, 0
	.byte	PATCH_ANSWER_UID, 0, PATCH_ANSWER_GID, 0, 0	/* 102 */
	.byte	PATCH_ANSWER_EUID, PATCH_ANSWER_EGID, 0		/* 107 */
	.byte	PATCH_ANSWER_PPID, PATCH_ANSWER_PGRP		/* 110 */
	.fill	9, 1, 0
	.byte	PATCH_ANSWER_PGID, 0, 0, PATCH_ANSWER_SID	/* 121 */
	.fill	61, 1, 0
	.byte	PATCH_ANSWER_TID	/* 186 */
	.fill	15, 1, 0
	.byte	PATCH_ANSWER_FUTEX	/* 202 */
	.fill	106, 1, 0
	.byte	PATCH_ANSWER_GETCPU	/* 309 */
	.org patch_answer + PATCH_NR_CALLS, 0
