/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls from hot places.  A kernel that changes the text of such places must not be noticed: results, registers,
 * code that jumps behind the instruction, text that is read or written, signals, threads, children and filters.
 */
#include "tests/contract/contract.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <ucontext.h>

#define HOT 300
#define ARCH_SET_GS 0x1001

/* Each takes the call's number and an argument, and returns the result; its second entry is behind the instruction. */
__asm__(".pushsection .text\n"
	"shape_cmp: mov %rdi,%rax; mov %rsi,%rdi; jmp 1f\n"
	"shape_cmp_behind: mov %rdi,%rax; jmp 2f\n"
	"1: syscall\n2: cmp $-4095,%rax; jae 3f; ret\n3: neg %rax; ret\n"
	"shape_ret: mov %rdi,%rax; mov %rsi,%rdi; jmp 1f\n"
	"shape_ret_behind: mov %rdi,%rax; jmp 2f\n"
	"1: syscall\n2: ret\n.balign 16\n"
	"shape_jcc: mov %rdi,%rax; mov %rsi,%rdi; jmp 1f\n"
	"shape_jcc_behind: mov %rdi,%rax; jmp 2f\n"
	"1: syscall\n2: test %rax,%rax; js 3f; ret\n3: neg %rax; ret\n"
	"shape_call: mov %rdi,%rax; mov %rsi,%rdi; jmp 1f\n"
	"shape_call_behind: mov %rdi,%rax; jmp 2f\n"
	"1: syscall\n2: mov %rax,%rdi; call 3f; inc %rax; ret\n3: lea 5(%rdi),%rax; ret\n"
	"shape_lea: mov %rdi,%rax; mov %rsi,%rdi; jmp 1f\n"
	"shape_lea_behind: mov %rdi,%rax; jmp 2f\n"
	"1: syscall\n2: lea 3f(%rip),%rcx; movzbl (%rcx),%ecx; add %rcx,%rax; ret\n3: .byte 7\n"
	"shape_push: mov %rdi,%rax; mov %rsi,%rdi; jmp 1f\n"
	"shape_push_behind: mov %rdi,%rax; jmp 2f\n"
	"1: syscall\n2: push %rax; mov $3,%eax; pop %rcx; add %rcx,%rax; ret\n"
	".popsection");

#define DECLARE(name)                                                                                                  \
	long name(long nr, long arg);                                                                                  \
	long name##_behind(long result)
DECLARE(shape_cmp);
DECLARE(shape_ret);
DECLARE(shape_jcc);
DECLARE(shape_call);
DECLARE(shape_lea);
DECLARE(shape_push);

static void shape(const char *name, long (*fn)(long, long), long (*behind)(long))
{
	long first = fn(SYS_close, -1), last = first, odd = 0;

	for (int i = 0; i < HOT; i++) {
		long r = fn(SYS_close, -1);

		odd += r != first;
		last = r;
	}
	say("%s: %ld, %ld, %ld odd; umask %ld; no call %ld", name, first, last, odd, fn(SYS_umask, 022), fn(5000, 0));
	fn(SYS_umask, 022);
	say("%s from behind: %ld, %ld", name, behind(-9), behind(11));
}

/* Registers, flags, the red zone and xmm over a hot call: what differs, as bits. */
static unsigned long registers(long nr)
{
	unsigned long bad = 0;

	__asm__ volatile("lea -256(%%rsp),%%rsp; mov $0x5eed,%%rbx; mov %%rbx,-8(%%rsp); mov %%rbx,-120(%%rsp)\n"
			 "mov $2,%%r8; mov $3,%%r9; mov $4,%%r10; mov $5,%%r12; mov $6,%%r13; mov $7,%%r14; mov $8,%%r15\n"
			 "movq %%rbx,%%xmm3; mov %1,%%rax; mov $-1,%%rdi; mov $9,%%rsi; mov $10,%%rdx; xor %%r11,%%r11; stc\n"
			 "syscall\n1: pushfq; popq %%rax; jc 2f; orl $1,%0\n"
			 "2: lea 1b(%%rip),%%rbx; cmp %%rbx,%%rcx; je 2f; orl $2,%0\n"
			 "2: xor %%r11,%%rax; test $1,%%al; jz 2f; orl $4,%0\n"
			 "2: cmpq $0x5eed,-120(%%rsp); je 2f; orl $8,%0\n"
			 "2: cmp $2,%%r8; jne 3f; cmp $3,%%r9; jne 3f; cmp $4,%%r10; jne 3f; cmp $5,%%r12; jne 3f\n"
			 "cmp $6,%%r13; jne 3f; cmp $7,%%r14; jne 3f; cmp $8,%%r15; jne 3f; cmp $9,%%rsi; jne 3f\n"
			 "cmp $10,%%rdx; jne 3f; cmp $-1,%%rdi; je 2f\n3: orl $16,%0\n"
			 "2: movq %%xmm3,%%rbx; cmp $0x5eed,%%rbx; je 2f; orl $32,%0\n2: lea 256(%%rsp),%%rsp\n"
			 : "+m"(bad)
			 : "m"(nr)
			 : "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
			   "xmm3", "memory", "cc");
	return bad;
}

/* mov $nr,%eax; syscall; cmp $-4095,%rax; ret, in memory of its own. */
static unsigned char *code_new(int nr)
{
	unsigned char code[] = { 0xb8, (unsigned char)nr, 0, 0, 0, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff, 0xc3 };
	unsigned char *p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p, code, sizeof(code));
	mprotect(p, PAGE, PROT_READ | PROT_EXEC);
	return p;
}

static long code_run(unsigned char *p)
{
	long r = 0;

	for (int i = 0; i < HOT; i++)
		r = ((long (*)(void))p)();
	return r;
}

static void text(void)
{
	unsigned char *p = code_new(SYS_getpid), copy[16], before[16], *q;
	int fds[2], fd;

	memcpy(before, p, 14);
	YES(code_run(p) == getpid());
	/* The sentry's reads. */
	OK(pipe(fds));
	CALL(write(fds[1], p, 14));
	CALL(read(fds[0], copy, 14));
	YES(!memcmp(copy, before, 14));
	fd = open("/proc/self/mem", O_RDWR);
	CALL(pread(fd, copy, 14, (off_t)(uintptr_t)p));
	YES(!memcmp(copy, before, 14));
	/* Written behind the protection's back. */
	CALL(pwrite(fd, &(char){ SYS_getppid }, 1, (off_t)(uintptr_t)p + 1));
	YES(code_run(p) == getppid());
	CALL(pwrite(fd, &(char){ SYS_getpid }, 1, (off_t)(uintptr_t)p + 1));
	YES(code_run(p) == getpid());
	/* Made writable: all is as it was. */
	CALL(mprotect(p, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC));
	YES(!memcmp(p, before, 14));
	p[1] = SYS_getppid;
	YES(code_run(p) == getppid());
	CALL(mprotect(p, PAGE, PROT_READ | PROT_EXEC));
	YES(code_run(p) == getppid());
	/* Moved, and something else in its place. */
	q = mremap(p, PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, code_new(SYS_getpid));
	YES(code_run(q) == getppid());
	YES(mmap(p, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p);
	SHOW(p[5]);
	close(fd);
	close(fds[0]);
	close(fds[1]);
}

static void low(void)
{
	unsigned char *p = code_new(SYS_getpid);
	char *at = (char *)0x60000;

	YES(code_run(p) == getpid());
	YES(mmap(at, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == at);
	SHOW(at[8]);
	memset(at, 0x11, 16 * PAGE);
	YES(code_run(p) == getpid());
	SHOW(at[6]);
	CALL(munmap(at, 16 * PAGE));
}

static volatile sig_atomic_t ticks, strange;

static void on_tick(int sig, siginfo_t *info, void *arg)
{
	ucontext_t *uc = arg;

	(void)sig, (void)info;
	ticks++;
	strange += (uint64_t)uc->uc_mcontext.gregs[REG_RIP] >= 0x7fffe0000000UL;
}

static void signals(void)
{
	struct sigaction sa = { .sa_sigaction = on_tick, .sa_flags = SA_SIGINFO };
	struct itimerval it = { { 0, 1000 }, { 0, 1000 } };
	long me = getpid(), odd = 0;

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
	while (ticks < 100)
		for (int i = 0; i < 100; i++)
			odd += shape_ret(SYS_getpid, 0) != me || shape_cmp(SYS_close, -1) != EBADF;
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	SHOW(odd);
	SHOW(strange);
}

/* --- extended state over signals from a hot call --- */

static volatile unsigned long in_handler;

static void on_vector(int sig)
{
	uint64_t low, high;
	uint32_t mxcsr;

	(void)sig;
	__asm__ volatile("movq %%xmm9,%0; psrldq $8,%%xmm9; movq %%xmm9,%1; stmxcsr %2"
			 : "=r"(low), "=r"(high), "=m"(mxcsr)
			 :
			 : "xmm9");
	in_handler |= low | high | (mxcsr != 0x1f80) << 1;
	mxcsr = 0x1f80 | 0x6000;
	__asm__ volatile("pcmpeqd %%xmm9,%%xmm9; pcmpeqd %%xmm10,%%xmm10; ldmxcsr %0; fldpi" : : "m"(mxcsr) : "xmm9", "xmm10");
}

/* What of the state differs after a call that sends a signal to its caller, as bits. */
static unsigned long vector_round(long pid, long tid, uint64_t value)
{
	uint32_t before = 0x1f80 | 0x2000, after = 0;
	uint64_t one, two;
	uint16_t status;
	long r;

	__asm__ volatile("movq %6,%%xmm9; pshufd $0x44,%%xmm9,%%xmm10; ldmxcsr %7; fninit; fld1\n"
			 "mov %8,%%rdi; mov %9,%%rsi; mov %10,%%edx; mov %11,%%eax; syscall\n"
			 "mov %%rax,%0; movq %%xmm9,%1; psrldq $8,%%xmm10; movq %%xmm10,%2; stmxcsr %3; fnstsw %4; fstp %%st\n"
			 "mov $0x1f80,%%eax; mov %%eax,%5; ldmxcsr %5"
			 : "=&r"(r), "=&r"(one), "=&r"(two), "=m"(after), "=m"(status), "=m"(*(uint32_t *)&(uint32_t){ 0 })
			 : "r"(value), "m"(before), "r"(pid), "r"(tid), "i"(SIGUSR2), "i"(SYS_tgkill)
			 : "rax", "rcx", "rdx", "rsi", "rdi", "r11", "xmm9", "xmm10", "memory");
	return (r != 0) | (unsigned long)(one != value) << 1 | (unsigned long)(two != value) << 2 |
	       (unsigned long)(after != before) << 3 | (unsigned long)((status & 0x3800) != 0x3800) << 4;
}

static void vectors(void)
{
	unsigned long bad = 0;

	signal(SIGUSR2, on_vector);
	for (unsigned i = 1; i <= HOT; i++) {
		bad |= vector_round(getpid(), syscall(SYS_gettid), i * 0x123456789UL);
		/* As often as not the state is not wanted for a while. */
		for (unsigned j = 0; j < i % 40; j++)
			shape_ret(SYS_close, -1);
	}
	HEX(bad);
	HEX(in_handler);
	/* A child that is made amid this, and a signal that is blocked meanwhile and then comes with another. */
	IN_CHILD("vectors of a child") {
		for (unsigned i = 1; i <= 50; i++)
			bad |= vector_round(getpid(), syscall(SYS_gettid), i);
		HEX(bad);
	}
}

static void *thread_main(void *arg)
{
	unsigned char *p = arg;
	long odd = 0, tid = syscall(SYS_gettid);

	for (int i = 0; i < 20; i++)
		odd += code_run(p) != tid;
	return (void *)odd;
}

static void threads(void)
{
	unsigned char *p = code_new(SYS_gettid);
	pthread_t t[4];
	long odd = 0;
	void *ret;

	for (int i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, thread_main, p);
	for (int i = 0; i < 4; i++) {
		pthread_join(t[i], &ret);
		odd += (long)ret;
	}
	SHOW(odd);
}

static void identities(void)
{
	unsigned char *pid = code_new(SYS_getpid), *uid = code_new(SYS_getuid), *euid = code_new(SYS_geteuid);
	long me = code_run(pid);

	code_run(uid);
	code_run(euid);
	IN_CHILD("fork") {
		YES(code_run(pid) != me);
		YES(code_run(pid) == syscall(SYS_getpid));
	}
	IN_CHILD("setresuid") {
		if (!syscall(SYS_setresuid, 5, 6, 7)) {
			YES(code_run(uid) == 5);
			YES(code_run(euid) == 6);
		}
	}
	YES(code_run(pid) == me);
}

static void base(void)
{
	unsigned char *p = code_new(SYS_getpid);
	long word = 0x1234, got = 0;

	code_run(p);
	CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, &word));
	__asm__ volatile("mov %%gs:0,%0" : "=r"(got));
	HEX(got);
	YES(code_run(p) == getpid());
	__asm__ volatile("mov %%gs:0,%0" : "=r"(got));
	HEX(got);
	HEX(word);
}

static void filter(void)
{
	struct sock_filter insn[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getpid, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 42),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { ARRAY_SIZE(insn), insn };
	unsigned char *p = code_new(SYS_getpid);

	code_run(p);
	CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	CALL(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog));
	SHOW(((long (*)(void))p)());
	SHOW(code_run(p));
}

int main(void)
{
	unsigned long bad = 0;

	shape("cmp", shape_cmp, shape_cmp_behind);
	shape("ret", shape_ret, shape_ret_behind);
	shape("jcc", shape_jcc, shape_jcc_behind);
	shape("call", shape_call, shape_call_behind);
	shape("lea", shape_lea, shape_lea_behind);
	shape("push", shape_push, shape_push_behind);
	for (int i = 0; i < HOT; i++)
		bad |= registers(SYS_close) | registers(SYS_getpid);
	HEX(bad);
	text();
	signals();
	vectors();
	threads();
	identities();
	IN_CHILD("low addresses")
		low();
	IN_CHILD("%gs")
		base();
	IN_CHILD("filter")
		filter();
	return 0;
}
