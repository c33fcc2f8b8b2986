/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The extended state over signals, system calls, threads and forks: x87, SSE, AVX and AVX-512 registers, MXCSR and the
 * rounding mode belong to their thread, survive a handler that overwrites them, and are in the frame.
 */
#include "tests/contract/contract.h"
#include <cpuid.h>
#include <fenv.h>
#include <immintrin.h>
#include <sched.h>
#include <ucontext.h>

static bool have_avx, have_avx512;
static volatile int handled;

__attribute__((target("avx"))) static void load_avx(uint64_t seed)
{
	uint64_t v[4] = { seed, seed + 1, seed + 2, seed + 3 };

	__asm__ volatile("vmovdqu %0, %%ymm0; vmovdqu %0, %%ymm7; vmovdqu %0, %%ymm15" ::"m"(v) : "xmm0", "xmm7", "xmm15");
}

__attribute__((target("avx"))) static bool check_avx(uint64_t seed)
{
	uint64_t a[4], b[4], c[4], v[4] = { seed, seed + 1, seed + 2, seed + 3 };

	__asm__ volatile("vmovdqu %%ymm0, %0; vmovdqu %%ymm7, %1; vmovdqu %%ymm15, %2" : "=m"(a), "=m"(b), "=m"(c));
	return !memcmp(a, v, 32) && !memcmp(b, v, 32) && !memcmp(c, v, 32);
}

__attribute__((target("avx512f"))) static void load_avx512(uint64_t seed)
{
	uint64_t v[8];

	for (int i = 0; i < 8; i++)
		v[i] = seed * 3 + i;
	__asm__ volatile("vmovdqu64 %0, %%zmm1; vmovdqu64 %0, %%zmm31; kmovw %1, %%k3" ::"m"(v), "r"((int)seed & 0xffff)
			 : "xmm1");
}

__attribute__((target("avx512f"))) static bool check_avx512(uint64_t seed)
{
	uint64_t a[8], b[8], v[8];
	int k;

	for (int i = 0; i < 8; i++)
		v[i] = seed * 3 + i;
	__asm__ volatile("vmovdqu64 %%zmm1, %0; vmovdqu64 %%zmm31, %1; kmovw %%k3, %2" : "=m"(a), "=m"(b), "=r"(k));
	return !memcmp(a, v, 64) && !memcmp(b, v, 64) && k == ((int)seed & 0xffff);
}

/* In one function around the system call, so that nothing in between uses the registers. */
static __attribute__((noinline)) bool around(long nr, long a, long b, uint64_t seed)
{
	bool ok = true;
	long r;

	if (have_avx)
		load_avx(seed);
	if (have_avx512)
		load_avx512(seed);
	__asm__ volatile("syscall" : "=a"(r) : "a"(nr), "D"(a), "S"(b), "d"(0L) : "rcx", "r11", "memory");
	if (have_avx512)
		ok &= check_avx512(seed);
	if (have_avx)
		ok &= check_avx(seed);
	return ok;
}

static void clobber(int sig)
{
	(void)sig;
	handled++;
	if (have_avx512)
		load_avx512(0xdeadbeef + handled);
	if (have_avx)
		load_avx(0xfeedface + handled);
	fesetround(FE_TOWARDZERO);
	_mm_setcsr(0x1f80 | 0x8000);
	__asm__ volatile("fninit; fldpi; fldpi; fldpi");
}

static void show_env(int sig)
{
	unsigned short cw;

	__asm__ volatile("fnstcw %0" : "=m"(cw));
	say("%s: handler starts with cw %#x mxcsr %#x", signal_name(sig), cw, _mm_getcsr());
}

static void in_frame(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	uint32_t *x = (uint32_t *)uc->uc_mcontext.fpregs->_xmm[2].element;

	(void)si;
	say("%s: xmm2 in the frame %x %x %x %x", signal_name(sig), x[0], x[1], x[2], x[3]);
	YES((uintptr_t)uc->uc_mcontext.fpregs % 16 == 0);
	x[0] = 0x11223344;
}

static void *other_thread(void *arg)
{
	uint64_t seed = 1000 * (long)arg;
	long bad = 0;

	for (int i = 0; i < 300; i++)
		bad += !around(SYS_sched_yield, 0, 0, seed + i);
	return (void *)bad;
}

int main(void)
{
	unsigned eax, ebx, ecx, edx;
	uint32_t v[4] = { 0xaabbccdd, 2, 3, 4 }, out[4];
	pthread_t t[4];
	long bad = 0;

	__cpuid(1, eax, ebx, ecx, edx);
	have_avx = ecx & bit_OSXSAVE && __builtin_cpu_supports("avx");
	have_avx512 = __builtin_cpu_supports("avx512f");
	SECTION("over system calls");
	YES(around(SYS_getpid, 0, 0, 100));
	YES(around(SYS_sched_yield, 0, 0, 200));
	IN_CHILD("fork inherits")
		YES(around(SYS_getppid, 0, 0, 300));
	SECTION("over a signal handler that overwrites everything");
	signal(SIGUSR1, clobber);
	fesetround(FE_UPWARD);
	_mm_setcsr(0x1f80 | 0x4000);
	for (int i = 0; i < 50; i++)
		bad += !around(SYS_tkill, get_tid(), SIGUSR1, 5000 + i);
	SHOW(bad);
	SHOW(handled);
	HEX(_mm_getcsr());
	HEX(fegetround());
	SECTION("a handler starts with the initial control words");
	signal(SIGUSR2, show_env);
	raise(SIGUSR2);
	fesetround(FE_TONEAREST);
	raise(SIGUSR2);
	SECTION("the frame can be read and changed");
	struct sigaction sa = { .sa_sigaction = in_frame, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR2, &sa, NULL);
	long r;
	__asm__ volatile("movdqu %2, %%xmm2; syscall; movdqu %%xmm2, %1"
			 : "=a"(r), "=m"(out)
			 : "m"(v), "0"((long)SYS_tkill), "D"((long)get_tid()), "S"((long)SIGUSR2)
			 : "rcx", "r11", "xmm2", "memory");
	say("%x %x %x %x", out[0], out[1], out[2], out[3]);
	SECTION("each thread has its own");
	bad = 0;
	for (long i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, other_thread, (void *)(i + 1));
	for (int i = 0; i < 4; i++) {
		void *res;

		pthread_join(t[i], &res);
		bad += (long)res;
	}
	SHOW(bad);
	SECTION("exec starts clean");
	IN_CHILD("x87 stack") {
		__asm__ volatile("fldpi; fldpi");
		execl("/bin/sh", "sh", "-c", "exit 0", NULL);
	}
	return 0;
}
