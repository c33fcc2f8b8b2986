/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The code of a stub process; layout.h tells what it is for.  The bytes are data here: start.c puts them behind an ELF header
 * in a memfd, mapped at SYSTRAP_TEXT.
 */
#include "platform/systrap/patch_area.h"

#define SYS_mmap 9
#define SYS_munmap 11
#define SYS_rt_sigreturn 15
#define SYS_sched_yield 24
#define SYS_exit 60
#define SYS_arch_prctl 158
#define SYS_futex 202
#define SYS_exit_group 231
#define SYS_seccomp 317

#define ARCH_SET_GS 0x1001
#define ARCH_SET_FS 0x1002
#define FUTEX_WAIT 0
#define FUTEX_WAKE 1
#define PROT_READ 1
#define MAP_SHARED_FIXED 0x11
#define AT_SYSINFO_EHDR 33
#define SECCOMP_SET_MODE_FILTER 1
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#define MAX_WAKE 0x7fffffff

	.section .rodata
	.balign 64
	.globl systrap_text
	.hidden systrap_text
	.type systrap_text, @object
systrap_text:
	/* 0: room for the ELF header. */
	.org systrap_text + SYSTRAP_ENTRY_OFF, 0xcc

	/*
	 * The program's entry.  argv[0] is six letters, 'a' to 'p', each a hexadecimal digit of the number of the stub's unit in the
	 * file of blocks.  Finds the vDSO in the auxiliary vector, maps the orders, and takes them from the first.
	 * r12: the orders; ebp: the next order; r14: blame; r15: the vDSO or 0
	 */
entry:
	cld
	xorl	%r15d, %r15d
	xorl	%r14d, %r14d
	xorl	%ebp, %ebp
	movq	8(%rsp), %rsi
	xorl	%r9d, %r9d
	movl	$6, %ecx
1:	lodsb
	movzbl	%al, %eax
	subl	$'a', %eax
	shlq	$4, %r9
	addq	%rax, %r9
	decl	%ecx
	jnz	1b
	imulq	$SYSTRAP_UNIT_SIZE, %r9, %r9
	movq	(%rsp), %rcx
	leaq	16(%rsp,%rcx,8), %rsi
2:	lodsq				/* the environment */
	testq	%rax, %rax
	jnz	2b
3:	lodsq				/* the auxiliary vector */
	movq	%rax, %rdx
	lodsq
	cmpq	$AT_SYSINFO_EHDR, %rdx
	cmoveq	%rax, %r15
	testq	%rdx, %rdx
	jnz	3b
	movabsq	$SYSTRAP_ORDERS, %rdi
	movl	$SYSTRAP_ORDERS_SIZE, %esi
	movl	$PROT_READ, %edx
	movl	$MAP_SHARED_FIXED, %r10d
	movl	$SYSTRAP_FD_BLOCKS, %r8d
	movl	$SYS_mmap, %eax
	syscall
	cmpq	$-4095, %rax
	jae	die
	movq	%rax, %r12

	/* The mapper. */
mapper:
	movl	SYSTRAP_ORDERS_HEAD(%r12), %eax
	cmpl	%eax, %ebp
	je	mapper_sleep
	movl	%ebp, %ebx
	andl	$(SYSTRAP_NR_ORDERS - 1), %ebx
	shll	$SYSTRAP_ORDER_SHIFT, %ebx
	leaq	SYSTRAP_ORDERS_RING(%r12,%rbx), %rbx
	movl	SYSTRAP_ORDER_FLAGS(%rbx), %r13d
	movq	SYSTRAP_ORDER_ARGS(%rbx), %rdi
	movq	SYSTRAP_ORDER_ARGS+8(%rbx), %rsi
	movq	SYSTRAP_ORDER_ARGS+16(%rbx), %rdx
	movq	SYSTRAP_ORDER_ARGS+24(%rbx), %r10
	movq	SYSTRAP_ORDER_ARGS+32(%rbx), %r8
	movq	SYSTRAP_ORDER_ARGS+40(%rbx), %r9
	movl	(%rbx), %eax
	testl	%r13d, %r13d
	jz	mapper_call
	testl	$SYSTRAP_ORDER_VDSO, %r13d
	jz	1f
	addq	%r15, %rdi
1:	testl	$SYSTRAP_ORDER_ACK, %r13d
	jz	2f
	leaq	SYSTRAP_ORDERS_ACKS(%r12,%r14,8), %rsi
	xorl	%r14d, %r14d
2:	testl	$SYSTRAP_ORDER_RUN, %r13d
	jz	mapper_call
	movl	$SYSTRAP_TURN_RUN, %ecx
	xchgl	%ecx, SYSTRAP_PAGE_TURN(%rdi)
	cmpl	$0, SYSTRAP_PAGE_STUB_SLEEPS(%rdi)
	je	mapper_next
	jmp	mapper_call

	.org systrap_text + SYSTRAP_LOOP_RET_OFF - 2, 0x90
mapper_call:
	syscall
	testl	$SYSTRAP_ORDER_CLONE, %r13d
	jz	1f
	testq	%rax, %rax
	jz	guest_thread
1:	cmpq	$-4095, %rax
	jae	mapper_failed
mapper_next:
	incl	%ebp
	jmp	mapper
mapper_failed:
	testl	$SYSTRAP_ORDER_PROTECT, %r13d
	jz	1f
	xorl	%r13d, %r13d
	movl	$SYS_munmap, %eax
	jmp	mapper_call
1:	movl	SYSTRAP_ORDER_BLAME(%rbx), %ecx
	orl	%ecx, %r14d
	testl	$SYSTRAP_BLAME_ORDER, %ecx
	jz	mapper_next
	movabsq	$(SYSTRAP_BLOCKS + SYSTRAP_MAPPER_PAGE), %rcx
	movl	$1, SYSTRAP_MAPPER_FAILED(%rcx)
	jmp	mapper_next

mapper_sleep:
	leaq	SYSTRAP_ORDERS_HEAD(%r12), %rdi
	movl	$FUTEX_WAIT, %esi
	movl	%ebp, %edx
	xorl	%r10d, %r10d
	movl	$SYS_futex, %eax
	.org systrap_text + SYSTRAP_SLEEP_RET_OFF - 2, 0x90
	syscall
	jmp	mapper

die:
	xorl	%edi, %edi
	movl	$SYS_exit_group, %eax
	.org systrap_text + SYSTRAP_DIE_RET_OFF - 2, 0x90
	syscall
	ud2

	/* A new thread, with all signals blocked and its page in rsp. */
guest_thread:
	movq	%rsp, %rbx
	leaq	SYSTRAP_ORDERS_GUEST_FILTER(%r12), %rdx
	movl	$SECCOMP_SET_MODE_FILTER, %edi
	movl	$SECCOMP_FILTER_FLAG_SPEC_ALLOW, %esi
	movl	$SYS_seccomp, %eax
	.org systrap_text + SYSTRAP_CONFINE_RET_OFF - 2, 0x90
	syscall
	testq	%rax, %rax
	jnz	die
	jmp	wait

	/* A signal.  All are blocked; rsp is in the block of the thread. */
	.org systrap_text + SYSTRAP_HANDLER_OFF, 0xcc
handler:
	movq	%rsp, %rbx
	orq	$(SYSTRAP_BLOCK_SIZE - 1), %rbx
	subq	$(SYSTRAP_PAGE_SIZE - 1), %rbx
	cmpl	$SYSTRAP_INTERRUPT_SIGNAL, %edi
	je	patch_interrupt
handler_publish:
	movq	%rsp, SYSTRAP_PAGE_FRAME(%rbx)
	movl	$SYSTRAP_KIND_SIGNAL, SYSTRAP_PAGE_KIND(%rbx)
	testl	$SYSTRAP_FLAG_FSGSBASE, SYSTRAP_PAGE_FLAGS(%rbx)
	jz	stop
	rdfsbase %rax
	movq	%rax, SYSTRAP_PAGE_FS_BASE(%rbx)
	rdgsbase %rax
	movq	%rax, SYSTRAP_PAGE_GS_BASE(%rbx)

	.org systrap_text + SYSTRAP_STOP_OFF, 0x90
stop:
	movl	$SYSTRAP_TURN_STOPPED, SYSTRAP_PAGE_TURN(%rbx)
	lock incl SYSTRAP_PAGE_STOPS(%rbx)
	cmpl	$0, SYSTRAP_PAGE_SENTRY_SLEEPS(%rbx)
	je	wait
	leaq	SYSTRAP_PAGE_STOPS(%rbx), %rdi
	movl	$FUTEX_WAKE, %esi
	movl	$MAX_WAKE, %edx
	movl	$SYS_futex, %eax
	.org systrap_text + SYSTRAP_WAKE_RET_OFF - 2, 0x90
	syscall

wait:
	movl	SYSTRAP_PAGE_SPIN(%rbx), %ebp
wait_look:
	cmpl	$SYSTRAP_TURN_STOPPED, SYSTRAP_PAGE_TURN(%rbx)
	jne	go
	testl	%ebp, %ebp
	js	wait_yield
	jz	wait_sleep
	pause
	decl	%ebp
	cmpl	$0, SYSTRAP_PAGE_SPIN(%rbx)
	jge	wait_look
	jmp	wait			/* it is not worth while any more */
wait_sleep:
	movl	$1, %eax
	xchgl	%eax, SYSTRAP_PAGE_STUB_SLEEPS(%rbx)
	cmpl	$SYSTRAP_TURN_STOPPED, SYSTRAP_PAGE_TURN(%rbx)
	jne	go
	leaq	SYSTRAP_PAGE_TURN(%rbx), %rdi
	movl	$FUTEX_WAIT, %esi
	movl	$SYSTRAP_TURN_STOPPED, %edx
	xorl	%r10d, %r10d
	movl	$SYS_futex, %eax
	.org systrap_text + SYSTRAP_WAIT_RET_OFF - 2, 0x90
	syscall
	movq	%rdi, %rbx		/* the page, for sure: see thread.c */
	jmp	wait
go:
	movl	$0, SYSTRAP_PAGE_STUB_SLEEPS(%rbx)
	movl	SYSTRAP_PAGE_TURN(%rbx), %eax
	cmpl	$SYSTRAP_TURN_RUN, %eax
	jne	other
	cmpl	$0, SYSTRAP_PAGE_NR_CALLS(%rbx)
	jne	calls
called:
	testl	$SYSTRAP_FLAG_SET_BASES, SYSTRAP_PAGE_FLAGS(%rbx)
	jnz	bases
resume:
	cmpl	$SYSTRAP_KIND_PATCH, SYSTRAP_PAGE_KIND(%rbx)
	je	patch_resume
	movq	SYSTRAP_PAGE_FRAME(%rbx), %rsp
sigreturn:
	addq	$8, %rsp		/* as if the handler had returned */
	movl	$SYS_rt_sigreturn, %eax
	.org systrap_text + SYSTRAP_SIGRETURN_RET_OFF - 2, 0x90
	syscall
	ud2

other:
	cmpl	$SYSTRAP_TURN_EXIT, %eax
	jne	trap
	xorl	%edi, %edi
	movl	$SYS_exit, %eax
	.org systrap_text + SYSTRAP_EXIT_RET_OFF - 2, 0x90
	syscall
	ud2

trap:
	movl	$-1, %eax
	.org systrap_text + SYSTRAP_TRAP_RET_OFF - 2, 0x90
	syscall
	ud2

wait_yield:
	movl	$SYS_sched_yield, %eax
	.org systrap_text + SYSTRAP_WAIT_YIELD_RET_OFF - 2, 0x90
	syscall
	incl	%ebp
	jmp	wait_look

	.org systrap_text + SYSTRAP_BASES_OFF, 0xcc
bases:
	testl	$SYSTRAP_FLAG_FSGSBASE, SYSTRAP_PAGE_FLAGS(%rbx)
	jz	1f
	movq	SYSTRAP_PAGE_FS_BASE(%rbx), %rax
	wrfsbase %rax
	movq	SYSTRAP_PAGE_GS_BASE(%rbx), %rax
	wrgsbase %rax
	jmp	resume
1:	movl	$ARCH_SET_FS, %edi
	movq	SYSTRAP_PAGE_FS_BASE(%rbx), %rsi
	movl	$2, %ebp
2:	movl	$SYS_arch_prctl, %eax
	jmp	3f
	.org systrap_text + SYSTRAP_BASES_RET_OFF - 2, 0x90
3:	syscall
	decl	%ebp
	jz	resume
	movl	$ARCH_SET_GS, %edi
	movq	SYSTRAP_PAGE_GS_BASE(%rbx), %rsi
	jmp	2b

	/* Its own memory; what can't be protected goes, as the mapper has it. */
calls:
	movl	SYSTRAP_PAGE_NR_CALLS(%rbx), %ebp
	leaq	SYSTRAP_PAGE_CALLS(%rbx), %r12
1:	movl	(%r12), %eax
	movq	8(%r12), %rdi
	movq	16(%r12), %rsi
	movq	24(%r12), %rdx
	jmp	2f
	.org systrap_text + SYSTRAP_CALLS_RET_OFF - 2, 0x90
2:	syscall
	cmpq	$-4095, %rax
	jb	3f
	movl	$SYS_munmap, %eax
	cmpl	%eax, (%r12)
	movl	%eax, (%r12)
	jne	2b
	movl	$1, SYSTRAP_PAGE_CALLS_FAILED(%rbx)
3:	addq	$SYSTRAP_CALL_SIZE, %r12
	decl	%ebp
	jnz	1b
	movl	$0, SYSTRAP_PAGE_NR_CALLS(%rbx)
	jmp	called

	.org systrap_text + SYSTRAP_RESTORER_OFF, 0xcc
restorer:
	ud2

	/* An answer of patch_text.S that is a call of the host's. */
	.org systrap_text + SYSTRAP_YIELD_OFF, 0xcc
patch_yield:
	movq	$0, %gs:PATCH_AREA_ANSWER
	movl	$SYS_sched_yield, %eax
	.org systrap_text + SYSTRAP_YIELD_RET_OFF - 2, 0x90
	syscall
	jmp	systrap_patch_finish

	.org systrap_text + SYSTRAP_PATCH_OFF, 0xcc
#include "platform/systrap/patch_text.S"
	.org systrap_text + SYSTRAP_END_OFF, 0xcc
	.size systrap_text, . - systrap_text

	.section .note.GNU-stack, "", @progbits
