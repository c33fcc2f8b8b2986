/* SPDX-License-Identifier: Apache-2.0 */
/* One guest thread: stops, registers, mappings. */
#define _GNU_SOURCE 1
#include "tests/unit/platform_fixture.h"

#include <elf.h>
#include <sys/syscall.h>
#include <time.h>

#include "platform/ptrace/stub.h"
#include "platform/systrap/layout.h"
#include "platform/xstate.h"

TestSuite(platform, .init = fixture_init, .fini = fixture_fini, .timeout = 400);

GUEST_CODE(do_syscall, "1:\n" GUEST_SYSCALL "jmp 1b");
GUEST_CODE(do_read, "movq (%rdi), %rax\n" GUEST_SYSCALL);
GUEST_CODE(do_write, "movq %rsi, (%rdi)\n" GUEST_SYSCALL);
GUEST_CODE(do_jump, "jmp *%rdi");

/* --- syscalls and registers --- */

Test(platform, a_syscall_stops_with_number_and_arguments)
{
	struct guest g = guest_new();
	struct guest_regs *r = &g.ctx->regs;

	guest_goto(&g, CODE_LOAD(g.as, 0, do_syscall));
	r->rdi = 1, r->rsi = 2, r->rdx = 3, r->r10 = 4, r->r8 = 5, r->r9 = 6;
	r->rsp = 0x7000, r->rbp = 7, r->rbx = 8, r->r12 = 12, r->r13 = 13, r->r14 = 14, r->r15 = 15;
	assert_syscall(&g);
	cr_assert_eq(r->orig_rax, SYS_getpid);
	cr_assert_eq(r->rax, SYS_getpid);
	cr_assert_eq(r->rip, CODE + 7);
	cr_assert_eq(r->rcx, r->rip);
	cr_assert(r->rdi == 1 && r->rsi == 2 && r->rdx == 3 && r->r10 == 4 && r->r8 == 5 && r->r9 == 6);
	cr_assert(r->rsp == 0x7000 && r->rbp == 7 && r->rbx == 8);
	cr_assert(r->r12 == 12 && r->r13 == 13 && r->r14 == 14 && r->r15 == 15);
	cr_assert_eq(r->cs, 0x33);

	/* Registers change only when they are said to. */
	r->rbx = 99;
	g.ctx->regs_dirty = true;
	assert_syscall(&g);
	cr_assert_eq(r->rbx, 99);
	assert_syscall(&g);
	cr_assert_eq(r->rbx, 99);
	guest_free(&g);
}

GUEST_CODE(do_store_rax, GUEST_SYSCALL "movq %rax, %rbx\n" GUEST_SYSCALL);

Test(platform, a_result_arrives_whatever_its_value)
{
	struct guest g = guest_new();
	/* Among them those that the host's own kernel takes for a call to restart. */
	static const int64_t results[] = { 0, 1, -1, -4, -512, -513, -514, -516, INT64_MIN, INT64_MAX };
	uaddr_t code = CODE_LOAD(g.as, 0, do_store_rax);

	for (unsigned i = 0; i < ARRAY_SIZE(results); i++) {
		guest_goto(&g, code);
		assert_syscall(&g);
		g.ctx->regs.rax = (uint64_t)results[i];
		g.ctx->regs_dirty = true;
		platform->interrupt(g.ctx);
		cr_assert_eq(guest_run(&g), STOP_INTERRUPTED);
		assert_syscall(&g);
		cr_assert_eq(g.ctx->regs.rbx, (uint64_t)results[i]);
	}
	guest_free(&g);
}

GUEST_CODE(do_int80, "movl $20, %eax\nint $0x80\n");
GUEST_CODE(do_x32, "movl $0x40000027, %eax\nsyscall\n");

Test(platform, no_entry_but_syscall_reaches_the_host)
{
	struct guest g = guest_new();

	guest_goto(&g, CODE_LOAD(g.as, 0, do_int80));
	assert_signal(&g, SIGSEGV, SI_KERNEL);
	cr_assert_eq(g.ctx->regs.rip, CODE + 5);
	cr_assert_eq(g.ctx->regs.rax, 20);
	cr_assert_eq(g.stop.trapno, 13);
	assert_signal(&g, SIGSEGV, SI_KERNEL);

	guest_goto(&g, CODE_LOAD(g.as, 1, do_x32));
	assert_syscall(&g);
	cr_assert_eq(g.ctx->regs.orig_rax, 0x40000027);
	guest_free(&g);
}

/* A guest that goes through the stub's own code with calls of its making. */
Test(platform, the_stubs_code_is_of_no_use_to_the_guest)
{
	struct guest g = guest_new();
	struct stub_op *op = (struct stub_op *)frame(8);

	if (strcmp(platform->name, "ptrace"))
		cr_skip("this platform's stub is another");
	platform->map(g.as, DATA, PAGE_SIZE, R, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	*op = (struct stub_op){ .nr = SYS_mmap, .arg = { CODE, PAGE_SIZE, 7, MAP_SHARED | MAP_FIXED, 0, 0 } };
	guest_goto(&g, STUB_TEXT + STUB_LOOP_OFF);
	g.ctx->regs.rbx = DATA;
	g.ctx->regs.rbp = 1;
	g.ctx->regs.r14 = 1;
	assert_syscall(&g);
	cr_assert_eq(g.ctx->regs.orig_rax, SYS_mmap);
	cr_assert_eq(g.ctx->regs.rip, STUB_TEXT + STUB_LOOP_RET_OFF);
	g.ctx->regs.rax = 0;
	g.ctx->regs_dirty = true;
	assert_signal(&g, SIGTRAP, SI_KERNEL); /* its trap is an ordinary one */
	guest_goto(&g, CODE);
	assert_fault(&g, CODE, ACCESS_EXEC, false);

	/* Nor can it write there. */
	guest_goto(&g, CODE_LOAD(g.as, 0, do_write));
	g.ctx->regs.rdi = STUB_PAGE;
	assert_fault(&g, STUB_PAGE, ACCESS_WRITE, true);
	g.ctx->regs.rdi = STUB_TEXT;
	g.ctx->regs_dirty = true;
	assert_fault(&g, STUB_TEXT, ACCESS_WRITE, true);
	guest_free(&g);
}

GUEST_CODE(do_compat, "pushq $0x23\nleaq 1f(%rip), %rax\npushq %rax\nlretq\n"
		      "1: .code32\nmovl $20, %eax\nint $0x80\n.code64\n");

Test(platform, compatibility_mode_is_contained)
{
	struct guest g = guest_new();

	platform->map(g.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	guest_goto(&g, CODE_LOAD(g.as, 0, do_compat));
	g.ctx->regs.rsp = DATA + PAGE_SIZE;
	/* A host without 32-bit code faults at the far return, others at the call. */
	assert_signal(&g, SIGSEGV, SI_KERNEL);
	guest_goto(&g, CODE_LOAD(g.as, 1, do_syscall));
	g.ctx->regs.cs = 0;
	assert_syscall(&g);
	cr_assert_eq(g.ctx->regs.cs, 0x33);
	guest_free(&g);
}

GUEST_CODE(do_vsyscall, "movq $0xffffffffff600400, %rax\ncall *%rax\nmovq %rax, %rbx\n" GUEST_SYSCALL);

Test(platform, the_vsyscall_page_is_the_sentrys)
{
	struct guest g = guest_new();

	platform->map(g.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	guest_goto(&g, CODE_LOAD(g.as, 0, do_vsyscall));
	g.ctx->regs.rsp = DATA + PAGE_SIZE;
	if (guest_run(&g) == STOP_FAULT) /* vsyscall=none */
		cr_assert_eq(g.stop.addr, 0xffffffffff600400);
	else
		cr_assert_eq(g.stop.kind, STOP_SYSCALL);
	if (g.stop.kind == STOP_SYSCALL) {
		cr_assert_eq(g.ctx->regs.orig_rax, SYS_time);
		g.ctx->regs.rax = 42;
		g.ctx->regs_dirty = true;
		assert_syscall(&g);
		cr_assert_eq(g.ctx->regs.orig_rax, SYS_getpid);
		cr_assert_eq(g.ctx->regs.rbx, 42);
	}
	guest_free(&g);
}

GUEST_CODE(do_bases, "movq %fs:0, %rax\nmovq %gs:8, %rbx\n" GUEST_SYSCALL);

Test(platform, segment_bases)
{
	struct guest g = guest_new();
	uaddr_t code = CODE_LOAD(g.as, 0, do_bases);
	uint64_t *data = (uint64_t *)frame(8);

	platform->map(g.as, DATA, PAGE_SIZE, R, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	data[0] = 111, data[3] = 333;
	guest_goto(&g, code);
	g.ctx->regs.fs_base = DATA;
	g.ctx->regs.gs_base = DATA + 16;
	assert_syscall(&g);
	cr_assert_eq(g.ctx->regs.rbx, 333);
	cr_assert_eq(g.ctx->regs.fs_base, DATA);
	cr_assert_eq(g.ctx->regs.gs_base, DATA + 16);

	/* What no guest may have is not passed on, and does no lasting harm. */
	guest_goto(&g, code);
	g.ctx->regs.fs_base = 0xffff800000000000;
	g.ctx->regs.gs_base = 1UL << 63;
	g.ctx->regs.ds = g.ctx->regs.es = 0xfff8;
	g.ctx->regs.ss = 0;
	g.ctx->regs.eflags = ~0x100UL; /* all but TF, which would work */
	cr_assert_eq(guest_run(&g), STOP_FAULT);
	guest_goto(&g, code);
	g.ctx->regs.fs_base = DATA;
	g.ctx->regs.gs_base = DATA + 16;
	g.ctx->regs.eflags = 0;
	assert_syscall(&g);
	guest_free(&g);
}

/* --- faults --- */

Test(platform, faults_of_data)
{
	struct guest g = guest_new();
	uaddr_t rd = CODE_LOAD(g.as, 0, do_read), wr = CODE_LOAD(g.as, 1, do_write);

	g.ctx->regs.rdi = DATA + 0x123;
	g.ctx->regs.rsi = 77;
	guest_goto(&g, rd);
	assert_fault(&g, DATA + 0x123, ACCESS_READ, false);
	cr_assert_eq(g.stop.si_code, SEGV_MAPERR);
	cr_assert_eq(g.ctx->regs.rip, rd);
	platform->map(g.as, DATA, PAGE_SIZE, R | PLATFORM_OWNED, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	assert_syscall(&g);

	guest_goto(&g, wr);
	assert_fault(&g, DATA + 0x123, ACCESS_WRITE, true);
	cr_assert_eq(g.stop.si_code, SEGV_ACCERR);
	cr_assert_eq(g.stop.err, 7);
	platform->protect(g.as, DATA, PAGE_SIZE, R | W);
	assert_syscall(&g);
	cr_assert_eq(frame(8)[0x123], 77);

	platform->protect(g.as, DATA, PAGE_SIZE, R);
	guest_goto(&g, wr);
	assert_fault(&g, DATA + 0x123, ACCESS_WRITE, true);
	platform->unmap(g.as, DATA, PAGE_SIZE);
	assert_fault_absent(&g, DATA + 0x123, ACCESS_WRITE);

	/* Inaccessible is as good as absent, so that a protection fault is always a write or a fetch. */
	platform->map(g.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	platform->protect(g.as, DATA, PAGE_SIZE, 0);
	assert_fault_absent(&g, DATA + 0x123, ACCESS_WRITE);
	platform->map(g.as, DATA, PAGE_SIZE, 0, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	assert_fault_absent(&g, DATA + 0x123, ACCESS_WRITE);
	guest_free(&g);
}

Test(platform, faults_of_code)
{
	struct guest g = guest_new();
	uaddr_t jump = CODE_LOAD(g.as, 0, do_jump);

	g.ctx->regs.rdi = DATA + 4;
	guest_goto(&g, jump);
	assert_fault(&g, DATA + 4, ACCESS_EXEC, false);
	platform->map(g.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	memcpy(frame(8) + 4, do_syscall, (size_t)(do_syscall_end - do_syscall));
	for (int i = 0; i < 3; i++) /* and again, as often as it is not mended */
		assert_fault(&g, DATA + 4, ACCESS_EXEC, true);
	platform->protect(g.as, DATA, PAGE_SIZE, R | X);
	assert_syscall(&g);
	guest_free(&g);
}

/* Code at the very end of one page, with the next one special. */
static uaddr_t code_at_end(struct guest *g, const char *code, size_t before, size_t len)
{
	platform->map(g->as, DATA, PAGE_SIZE, R | X, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	memcpy(frame(8) + PAGE_SIZE - before, code, len);
	return DATA + PAGE_SIZE - before;
}

GUEST_CODE(do_store_ahead, "movl %esi, (%rdi)\n"); /* two bytes */
GUEST_CODE(do_long, "movabsq $0x1122334455667788, %rax\n" GUEST_SYSCALL);

Test(platform, faults_at_the_end_of_a_page)
{
	struct guest g = guest_new();
	size_t len = (size_t)(do_long_end - do_long);

	/* A store into the next page is not taken for a fetch from it. */
	guest_goto(&g, code_at_end(&g, do_store_ahead, 2, 2));
	platform->map(g.as, DATA + PAGE_SIZE, PAGE_SIZE, R, PLATFORM_MEMORY, 9 * PAGE_SIZE);
	g.ctx->regs.rdi = DATA + PAGE_SIZE;
	assert_fault(&g, DATA + PAGE_SIZE, ACCESS_WRITE, true);

	/* The second half of an instruction. */
	guest_goto(&g, code_at_end(&g, do_long, 3, len));
	memcpy(frame(9), do_long + 3, len - 3);
	assert_fault(&g, DATA + PAGE_SIZE, ACCESS_EXEC, true);
	platform->unmap(g.as, DATA + PAGE_SIZE, PAGE_SIZE);
	assert_fault_absent(&g, DATA + PAGE_SIZE, ACCESS_EXEC);
	platform->map(g.as, DATA + PAGE_SIZE, PAGE_SIZE, R | X, PLATFORM_MEMORY, 9 * PAGE_SIZE);
	assert_syscall(&g);
	guest_free(&g);
}

GUEST_CODE(do_store_self, "1: movb $0xc6, 1b(%rip)\n" GUEST_SYSCALL);

Test(platform, an_instruction_that_writes_itself)
{
	struct guest g = guest_new();
	uaddr_t code = CODE_LOAD(g.as, 0, do_store_self);

	platform->map(g.as, code, PAGE_SIZE, R | X | PLATFORM_OWNED, PLATFORM_MEMORY, 0);
	guest_goto(&g, code);
	if (!on_systrap()) /* which knows the access */
		assert_fault(&g, code, ACCESS_EXEC, true); /* the fetch comes first */
	assert_fault(&g, code, ACCESS_WRITE, true);
	platform->protect(g.as, code, PAGE_SIZE, R | W | X);
	assert_syscall(&g);
	guest_free(&g);
}

Test(platform, the_end_of_the_memory_is_a_bus_error)
{
	struct guest g = guest_new();

	platform->map(g.as, DATA, PAGE_SIZE, R, PLATFORM_MEMORY, MEMORY_PAGES * PAGE_SIZE);
	g.ctx->regs.rdi = DATA;
	guest_goto(&g, CODE_LOAD(g.as, 0, do_read));
	assert_signal(&g, SIGBUS, BUS_ADRERR);
	cr_assert_eq(g.stop.addr, DATA);
	guest_free(&g);
}

/* --- other exceptions --- */

GUEST_CODE(do_int3, "int3\n");
GUEST_CODE(do_ud2, "ud2\n");
GUEST_CODE(do_divide, "xorl %ecx, %ecx\nmovl $1, %eax\nxorl %edx, %edx\ndivl %ecx\n");
GUEST_CODE(do_hlt, "hlt\n");
GUEST_CODE(do_noncanonical, "movabsq $0x8000000000000000, %rax\nmovb (%rax), %al\n");
GUEST_CODE(do_step, "pushfq\norl $0x100, (%rsp)\npopfq\nnop\nnop\npushfq\nandl $~0x100, (%rsp)\npopfq\nnop\n" GUEST_SYSCALL);
GUEST_CODE(do_align, "pushfq\norl $0x40000, (%rsp)\npopfq\nmovl 1(%rsp), %eax\n");
GUEST_CODE(do_simd, "movl $0x1f00, -4(%rsp)\nldmxcsr -4(%rsp)\nxorps %xmm0, %xmm0\ndivps %xmm0, %xmm0\n");

Test(platform, exceptions)
{
	struct guest g = guest_new();

	platform->map(g.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	g.ctx->regs.rsp = DATA + PAGE_SIZE - 64;
	guest_goto(&g, CODE_LOAD(g.as, 0, do_int3));
	assert_signal(&g, SIGTRAP, SI_KERNEL);
	cr_assert_eq(g.ctx->regs.rip, CODE + 1);
	cr_assert_eq(g.stop.trapno, 3);
	guest_goto(&g, CODE_LOAD(g.as, 1, do_ud2));
	assert_signal(&g, SIGILL, ILL_ILLOPN);
	cr_assert_eq(g.stop.addr, g.ctx->regs.rip);
	cr_assert_eq(g.stop.trapno, 6);
	guest_goto(&g, CODE_LOAD(g.as, 2, do_divide));
	assert_signal(&g, SIGFPE, FPE_INTDIV);
	cr_assert_eq(g.stop.addr, g.ctx->regs.rip);
	cr_assert_eq(g.stop.trapno, 0);
	guest_goto(&g, CODE_LOAD(g.as, 3, do_hlt));
	assert_signal(&g, SIGSEGV, SI_KERNEL);
	cr_assert_eq(g.stop.trapno, 13);
	guest_goto(&g, CODE_LOAD(g.as, 4, do_noncanonical));
	assert_signal(&g, SIGSEGV, SI_KERNEL);
	guest_goto(&g, CODE_LOAD(g.as, 5, do_simd));
	assert_signal(&g, SIGFPE, FPE_FLTINV);
	cr_assert_eq(g.stop.trapno, 19);
	guest_goto(&g, 1UL << 62);
	cr_assert_eq(guest_run(&g), STOP_SIGNAL);
	cr_assert_eq(g.stop.signo, SIGSEGV);
	guest_goto(&g, CODE_LOAD(g.as, 6, do_align));
	assert_signal(&g, SIGBUS, BUS_ADRALN);
	cr_assert_eq(g.stop.trapno, 17);
	guest_free(&g);
}

Test(platform, single_steps_are_the_guests)
{
	struct guest g = guest_new();

	platform->map(g.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	g.ctx->regs.rsp = DATA + PAGE_SIZE - 64;
	guest_goto(&g, CODE_LOAD(g.as, 0, do_step));
	for (int i = 0; i < 5; i++) {
		assert_signal(&g, SIGTRAP, TRAP_TRACE);
		cr_assert_eq(g.stop.trapno, 1);
	}
	assert_syscall(&g);
	guest_free(&g);
}

/* --- extended state --- */

GUEST_CODE(do_xmm, "movq %rdi, %xmm0\nmovq %rdi, %xmm15\n" GUEST_SYSCALL
		   "movq %xmm0, %rbx\nmovq %xmm15, %r12\nstmxcsr -8(%rsp)\nmovl -8(%rsp), %r13d\n"
		   "fnstcw -8(%rsp)\nmovzwl -8(%rsp), %r14d\n" GUEST_SYSCALL);

static void *xstate_alloc(void)
{
	size_t size = platform->xstate_size();
	void *buf = aligned_alloc(64, ALIGN_UP(size, 64));

	cr_assert_geq(size, XSTATE_MIN_SIZE);
	memset(buf, 0, size);
	return buf;
}

#define XMM(buf, n) ((uint64_t *)((char *)(buf) + 160 + 16 * (n)))

Test(platform, extended_state)
{
	struct guest g = guest_new();
	char *state = xstate_alloc();
	struct xstate_sw_bytes sw;

	/* Before the first run it is the processor's initial state. */
	cr_assert_eq(platform->get_xstate(g.ctx, state), 0);
	cr_assert_eq(*(uint16_t *)state, 0x37f);
	cr_assert_eq(*(uint32_t *)(state + 24), 0x1f80);

	platform->map(g.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	guest_goto(&g, CODE_LOAD(g.as, 0, do_xmm));
	g.ctx->regs.rsp = DATA + PAGE_SIZE;
	g.ctx->regs.rdi = 0x1234567;
	assert_syscall(&g);
	cr_assert_eq(platform->get_xstate(g.ctx, state), 0);
	cr_assert_eq(XMM(state, 0)[0], 0x1234567);
	cr_assert_eq(XMM(state, 15)[0], 0x1234567);
	memcpy(&sw, state + XSTATE_SW_OFFSET, sizeof(sw));
	cr_assert_eq(sw.magic1, XSTATE_FP_MAGIC1);
	cr_assert_eq(sw.xstate_size, platform->xstate_size());
	cr_assert_eq(sw.extended_size, platform->xstate_size() + 4);
	cr_assert_eq(sw.xfeatures & 3, 3);

	XMM(state, 0)[0] = 89;
	*(uint32_t *)(state + 24) = 0x9fc0;
	*(uint16_t *)state = 0x27f;
	cr_assert_eq(platform->set_xstate(g.ctx, state), 0);
	assert_syscall(&g);
	cr_assert_eq(g.ctx->regs.rbx, 89);
	cr_assert_eq(g.ctx->regs.r12, 0x1234567);
	cr_assert_eq(g.ctx->regs.r13, 0x9fc0);
	cr_assert_eq(g.ctx->regs.r14, 0x27f);

	/* A hostile frame can't break anything. */
	memset(state, 0xff, platform->xstate_size());
	platform->set_xstate(g.ctx, state);
	guest_goto(&g, CODE);
	assert_syscall(&g);
	cr_assert_eq(platform->get_xstate(g.ctx, state), 0);
	cr_assert_eq(XMM(state, 0)[0], 0x1234567);
	free(state);
	guest_free(&g);
}

Test(platform, extended_state_set_before_the_first_run)
{
	struct guest parent = guest_new(), child = guest_new();
	void *state = xstate_alloc();

	platform->map(parent.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	guest_goto(&parent, CODE_LOAD(parent.as, 0, do_xmm));
	parent.ctx->regs.rsp = DATA + PAGE_SIZE;
	parent.ctx->regs.rdi = 4711;
	assert_syscall(&parent);

	/* As fork does it. */
	cr_assert_eq(platform->get_xstate(parent.ctx, state), 0);
	cr_assert_eq(platform->set_xstate(child.ctx, state), 0);
	CODE_LOAD(child.as, 0, do_xmm);
	platform->map(child.as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	child.ctx->regs = parent.ctx->regs;
	child.ctx->regs_dirty = true;
	assert_syscall(&child);
	cr_assert_eq(child.ctx->regs.rbx, 4711);
	guest_free(&parent);
	guest_free(&child);

	/* And nothing of it is left for the next one, who may get the same stub. */
	child = guest_new();
	CODE_LOAD(child.as, 0, do_syscall);
	guest_goto(&child, CODE);
	assert_syscall(&child);
	cr_assert_eq(platform->get_xstate(child.ctx, state), 0);
	cr_assert_eq(XMM(state, 0)[0], 0);
	cr_assert_eq(child.ctx->regs.fs_base, 0);
	guest_free(&child);
	free(state);
}

/* --- the address space --- */

Test(platform, a_new_address_space_is_empty)
{
	/* The second of them is a recycled one. */
	for (int round = 0; round < 2; round++) {
		struct guest g = guest_new();
		char path[64], line[512];
		pid_t pid = 0;
		FILE *f;

		guest_goto(&g, CODE_LOAD(g.as, 0, do_syscall));
		assert_syscall(&g);
		cr_assert_geq(count_children(&pid), 1);
		snprintf(path, sizeof(path), "/proc/%d/maps", pid);
		f = fopen(path, "re");
		cr_assert_not_null(f);
		while (fgets(line, sizeof(line), f)) {
			unsigned long from, to;
			char prot[8];

			cr_assert_eq(sscanf(line, "%lx-%lx %7s", &from, &to, prot), 3);
			cr_assert(from == CODE || from >= GUEST_TASK_SIZE, "%s", line);
			/* But for the stacks of its own signals. */
			cr_assert(prot[1] == '-' || (on_systrap() && from >= SYSTRAP_BLOCKS && prot[2] == '-'),
				  "writable: %s", line);
		}
		fclose(f);
		platform->map(g.as, DATA, 64 * PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
		guest_goto(&g, CODE);
		assert_syscall(&g);
		guest_free(&g);
	}
}

GUEST_CODE(do_sum, "xorl %ebx, %ebx\n1: addq (%rdi), %rbx\naddq $8192, %rdi\ndecl %esi\njnz 1b\n" GUEST_SYSCALL);

/* Runs, mapping what faults as page (addr - DATA) / 2 pages of the frames from 256. */
static void run_with_faults(struct guest *g)
{
	while (guest_run(g) == STOP_FAULT) {
		uaddr_t page = PAGE_DOWN(g->stop.addr);

		platform->map(g->as, page, PAGE_SIZE, R, PLATFORM_MEMORY, 256 * PAGE_SIZE + (page - DATA) / 2);
	}
	cr_assert_eq(g->stop.kind, STOP_SYSCALL);
}

Test(platform, more_calls_than_can_be_queued)
{
	struct guest g = guest_new();
	enum { NR = 1000 };
	uint64_t sum = 0;

	for (unsigned i = 0; i < NR; i++)
		sum += *(uint64_t *)frame(256 + i) = i * i + 1;
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < NR; i++)
			cr_assert_eq(platform->map(g.as, DATA + 2 * i * PAGE_SIZE, PAGE_SIZE, R, PLATFORM_MEMORY,
						   (256 + i) * PAGE_SIZE), 0);
		guest_goto(&g, CODE_LOAD(g.as, 0, do_sum));
		g.ctx->regs.rdi = DATA;
		g.ctx->regs.rsi = NR;
		run_with_faults(&g);
		cr_assert_eq(g.ctx->regs.rbx, sum);
		if (round == 1)
			platform->aspace_reset(g.as);
		else
			platform->unmap(g.as, DATA, 2 * NR * PAGE_SIZE);
		guest_goto(&g, CODE_LOAD(g.as, 0, do_sum));
		g.ctx->regs.rdi = DATA;
		assert_fault(&g, DATA, ACCESS_READ, false);
	}
	guest_free(&g);
}

/* The host has a limit to mappings, and the guest must not notice. */
Test(platform, more_mappings_than_the_host_allows)
{
	struct guest g = guest_new();
	enum { NR = 70000 };

	guest_goto(&g, CODE_LOAD(g.as, 0, do_sum));
	g.ctx->regs.rsi = 1;
	g.ctx->regs.rdi = DATA;
	assert_fault(&g, DATA, ACCESS_READ, false);
	for (unsigned i = 0; i < NR; i++)
		cr_assert_eq(platform->map(g.as, DATA + 2 * i * PAGE_SIZE, PAGE_SIZE, R, PLATFORM_MEMORY,
					   256 * PAGE_SIZE), 0);
	*(uint64_t *)frame(256) = 5;
	if (guest_run(&g) == STOP_FAULT) {
		CODE_LOAD(g.as, 0, do_sum);
		run_with_faults(&g);
	}
	cr_assert_eq(g.stop.kind, STOP_SYSCALL);
	cr_assert_eq(g.ctx->regs.rbx, 5);
	guest_free(&g);
}

Test(platform, nonsense_is_refused)
{
	struct guest g = guest_new();

	cr_assert_eq(platform->map(g.as, DATA + 1, PAGE_SIZE, R, PLATFORM_MEMORY, 0), -LINUX_EINVAL);
	cr_assert_eq(platform->map(g.as, DATA, 0, R, PLATFORM_MEMORY, 0), -LINUX_EINVAL);
	cr_assert_eq(platform->map(g.as, GUEST_TASK_SIZE, PAGE_SIZE, R, PLATFORM_MEMORY, 0), -LINUX_EINVAL);
	cr_assert_eq(platform->map(g.as, GUEST_TASK_SIZE - PAGE_SIZE, 2 * PAGE_SIZE, R, PLATFORM_MEMORY, 0), -LINUX_EINVAL);
	cr_assert_eq(platform->map(g.as, DATA, PAGE_SIZE, R, 77, 0), -LINUX_EBADF);
	cr_assert_eq(platform->unmap(g.as, -PAGE_SIZE, 2 * PAGE_SIZE), -LINUX_EINVAL);
	cr_assert_eq(platform->protect(g.as, DATA, 5, R), -LINUX_EINVAL);
	guest_free(&g);
}

Test(platform, another_backing)
{
	int fd = host_memfd_create("backing", 0), id;
	struct guest g;

	if (!platform->backing_add)
		cr_skip("this platform has only guest memory");
	cr_assert_eq(host_ftruncate(fd, 4 * PAGE_SIZE), 0);
	cr_assert_eq(host_pwrite_full(fd, do_syscall, (size_t)(do_syscall_end - do_syscall), PAGE_SIZE), 0);
	id = platform->backing_add(fd);
	cr_assert_gt(id, 0);
	g = guest_new();
	cr_assert_eq(platform->map(g.as, CODE, PAGE_SIZE, R | W, id, PAGE_SIZE), -LINUX_EACCES);
	cr_assert_eq(platform->map(g.as, CODE, PAGE_SIZE, R | X, id, PAGE_SIZE), 0);
	guest_goto(&g, CODE);
	assert_syscall(&g);
	guest_free(&g);
}

/* --- the vDSO --- */

/* The offset of a function in the host's vDSO, by its dynamic symbol table; 0 when it has none of that name. */
static uint64_t vdso_symbol(const char *vdso, const char *name)
{
	const Elf64_Ehdr *ehdr = (const void *)vdso;
	const Elf64_Shdr *shdr = (const void *)(vdso + ehdr->e_shoff);

	for (unsigned i = 0; i < ehdr->e_shnum; i++) {
		const Elf64_Sym *sym = (const void *)(vdso + shdr[i].sh_offset);
		const char *strings = vdso + shdr[shdr[i].sh_link].sh_offset;

		if (shdr[i].sh_type != SHT_DYNSYM)
			continue;
		for (unsigned n = 0; n < shdr[i].sh_size / sizeof(*sym); n++)
			if (!strcmp(strings + sym[n].st_name, name))
				return sym[n].st_value;
	}
	return 0;
}

GUEST_CODE(do_clock, "movl $1, %edi\nleaq -64(%rsp), %rsi\ncall *%rbx\n" GUEST_SYSCALL);

static void check_guest_clock(struct guest *g, uaddr_t text, uint64_t symbol)
{
	int64_t before = host_clock_ns(CLOCK_MONOTONIC), ns;
	struct timespec ts;

	guest_goto(g, CODE);
	g->ctx->regs.rsp = DATA + PAGE_SIZE;
	g->ctx->regs.rbx = text + symbol;
	assert_syscall(g);
	cr_assert_eq(g->ctx->regs.orig_rax, SYS_getpid); /* not clock_gettime's fallback */
	memcpy(&ts, frame(8) + PAGE_SIZE - 64, sizeof(ts));
	ns = ts.tv_sec * 1000000000L + ts.tv_nsec;
	cr_assert(ns >= before && ns <= host_clock_ns(CLOCK_MONOTONIC));
}

static void map_vdso(struct guest *g, uaddr_t text)
{
	const struct platform_vdso *vdso = platform_vdso();

	CODE_LOAD(g->as, 0, do_clock);
	platform->map(g->as, DATA, PAGE_SIZE, R | W, PLATFORM_MEMORY, 8 * PAGE_SIZE);
	memcpy(frame(16), vdso->text, vdso->text_size);
	platform->map(g->as, text, vdso->text_size, R | X, PLATFORM_MEMORY, 16 * PAGE_SIZE);
}

Test(platform, the_clock_needs_no_trap)
{
	const struct platform_vdso *vdso = platform_vdso();
	const uaddr_t text = 0x700000000000;
	uint64_t symbol;
	struct guest g;

	if (!vdso->text || !vdso->vvar_size || !platform->map_vvar)
		cr_skip("the host has no vDSO");
	symbol = vdso_symbol(vdso->text, "__vdso_clock_gettime");
	cr_assert_neq(symbol, 0);
	for (int round = 0; round < 2; round++) { /* recycled */
		g = guest_new();
		cr_assert_eq(platform->map_vvar(g.as, text), 0);
		map_vdso(&g, text);
		check_guest_clock(&g, text, symbol);
		platform->aspace_reset(g.as);
		map_vdso(&g, text);
		check_guest_clock(&g, text, symbol);
		guest_free(&g);
	}

	/* Placed when the guest already runs, moved by less than its size, and lost. */
	g = guest_new();
	map_vdso(&g, text);
	guest_goto(&g, CODE_LOAD(g.as, 1, do_syscall));
	assert_syscall(&g);
	cr_assert_eq(platform->map_vvar(g.as, text - PAGE_SIZE), 0);
	cr_assert_eq(platform->map_vvar(g.as, text), 0);
	map_vdso(&g, text);
	check_guest_clock(&g, text, symbol);
	platform->unmap(g.as, text - vdso->vvar_size, PAGE_SIZE);
	guest_goto(&g, CODE + PAGE_SIZE);
	assert_syscall(&g);
	guest_free(&g);
	g = guest_new();
	guest_goto(&g, CODE_LOAD(g.as, 1, do_syscall));
	assert_syscall(&g);
	guest_free(&g);
}
