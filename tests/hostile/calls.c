/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 300
 * System calls that are to reach the host: every number, with what is in the registers and with chosen arguments, by `syscall`,
 * `int $0x80`, `sysenter`, from the guest's text, from every syscall instruction of the stub, and through the vsyscall page.
 */
#include "tests/hostile/hostile.h"

#define NR_CALLS 600

/* On systrap, the addresses of syscall instructions in the stub's text. */
static uint64_t sites[64];
static unsigned nr_sites;

static void on_fault(int sig)
{
	(void)sig;
	_exit(3);
}

static void find_sites(void)
{
	/* The guest's mm knows nothing of it, so write(2) says EFAULT; a child looks. */
	int fds[2];
	pid_t pid;
	uint64_t at;

	if (pipe(fds))
		exit(1);
	pid = fork();
	if (!pid) {
		signal(SIGSEGV, on_fault);
		for (at = SYSTRAP_TEXT; at < SYSTRAP_TEXT + SYSTRAP_TEXT_SIZE - 1; at++)
			if (((volatile uint8_t *)at)[0] == 0x0f && ((volatile uint8_t *)at)[1] == 0x05)
				write(fds[1], &at, sizeof(at));
		_exit(0);
	}
	close(fds[1]);
	while (nr_sites < 64 && read(fds[0], &at, sizeof(at)) == sizeof(at))
		sites[nr_sites++] = at;
	close(fds[0]);
	waitpid(pid, NULL, 0);
}

/* Makes the call at @site and comes back only when it was answered there: what follows the instruction is the stub's own code. */
static void call_at(uint64_t site, uint64_t nr, const uint64_t *a)
{
	register uint64_t r10 __asm__("r10") = a[3], r8 __asm__("r8") = a[4], r9 __asm__("r9") = a[5];

	__asm__ volatile("jmp *%[site]"
			 :
			 : [site] "b"(site), "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "memory");
	__builtin_unreachable();
}

static uint64_t scratch[1024] __attribute__((aligned(4096)));

/* Arguments with which the call would do harm, were it the host's. */
static void choose(uint64_t nr, uint64_t *a)
{
	static char path[300];
	int victim = hostile_victim_pid();

	for (unsigned i = 0; i < 6; i++)
		a[i] = hostile_rnd(3) ? (uint64_t)(uintptr_t)scratch : hostile_rnd(8);
	snprintf(path, sizeof(path), "%s/file", getenv("HOSTILE_CANARY") ? getenv("HOSTILE_CANARY") : "/tmp");
	switch (nr) {
	case SYS_kill:
	case SYS_tkill:
		a[0] = (uint64_t)victim;
		a[1] = SIGKILL;
		break;
	case SYS_tgkill:
		a[0] = a[1] = (uint64_t)victim;
		a[2] = SIGKILL;
		break;
	case SYS_ptrace:
		a[0] = 16;
		a[1] = (uint64_t)victim;
		break;
	case SYS_open:
	case SYS_creat:
	case SYS_truncate:
	case SYS_unlink:
	case SYS_chmod:
		a[0] = (uint64_t)(uintptr_t)path;
		a[1] = nr == SYS_open ? O_RDWR | O_TRUNC : 0;
		break;
	case SYS_openat:
	case SYS_unlinkat:
		a[0] = (uint64_t)AT_FDCWD;
		a[1] = (uint64_t)(uintptr_t)path;
		a[2] = nr == SYS_openat ? O_RDWR | O_TRUNC : 0;
		break;
	}
}

/* --- from the stub's own instructions --- */

static unsigned site_nr;

static void from_stub(unsigned nr)
{
	uint64_t a[6];

	hostile_seed += nr * 7919 + site_nr;
	choose(nr, a);
	alarm(1);
	call_at(sites[site_nr], nr, a);
}

/* --- from the guest's text: these are the guest's own system calls --- */

static void from_guest(unsigned nr)
{
	uint64_t a[6];

	hostile_seed += nr;
	choose(nr, a);
	alarm(1);
	syscall((long)nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* --- other ways in --- */

static long int80(uint32_t nr, uint32_t b, uint32_t c, uint32_t d)
{
	long ret;

	__asm__ volatile("int $0x80"
			 : "=a"(ret)
			 : "a"(nr), "b"(b), "c"(c), "d"(d)
			 : "memory", "r8", "r9", "r10", "r11");
	return ret;
}

static void by_int80(unsigned nr)
{
	long ret;

	/* kill is 37, tkill 238: i386 numbers. */
	if (nr == 37 || nr == 238)
		ret = int80(nr, (uint32_t)hostile_victim_pid(), SIGKILL, 0);
	else
		ret = int80(nr, 1, 2, 3);
	if (nr == 20 && (int)ret > 0 && (int)ret != getpid())
		REACHED("int $0x80: getpid is %ld", ret);
	if (nr == 13 && (int)ret > 1000000)
		REACHED("int $0x80: time(2) is answered");
}

static void by_sysenter(unsigned nr)
{
	alarm(1);
	__asm__ volatile("movq %%rsp, %%rbp\nsysenter"
			 :
			 : "a"(nr), "b"((uint32_t)hostile_victim_pid()), "c"(SIGKILL), "d"(0)
			 : "memory");
	__builtin_unreachable();
}

static void by_vsyscall(unsigned nr)
{
	uint64_t page = 0xffffffffff600000UL, at = page + (nr % 8) * 0x400 + nr / 8;
	long ret;

	memset(scratch, 0, sizeof(scratch));
	alarm(1);
	__asm__ volatile("call *%1" : "=a"(ret) : "r"(at), "D"(scratch), "S"(scratch + 8) : "rcx", "r11", "memory");
	/* What works is gettimeofday, time, getcpu: their answers are in range. */
	if (at == page && ret == 0 && (scratch[0] < 1000000000 || scratch[0] > 9000000000))
		REACHED("the vsyscall page: gettimeofday is %lu", scratch[0]);
}

static void x32(unsigned nr)
{
	uint64_t a[6];

	choose(nr, a);
	alarm(1);
	if (syscall((long)(0x40000000 | nr), a[0], a[1], a[2], a[3], a[4], a[5]) >= 0)
		REACHED("x32 call %u is answered", nr);
}

/* Numbers in batches of many processes at once. */
static void all(const char *name, void (*fn)(unsigned nr), unsigned from, unsigned to, long ms)
{
	unsigned alone = 0;

	for (unsigned nr = from; nr < to; nr += 50)
		alone += attack_many(fn, nr, to - nr < 50 ? to - nr : 50, ms);
	printf("%-40s %u of %u ended by themselves\n", name, alone, to - from);
	hostile_check();
}

static void attacks(void)
{
	char name[64];

	find_sites();
	printf("%u syscall instructions in the stub\n", nr_sites);
	all("int $0x80", by_int80, 0, 460, 2000);
	all("sysenter", by_sysenter, 30, 40, 2000);
	all("the vsyscall page", by_vsyscall, 0, 40, 2000);
	all("x32", x32, 0, 60, 2000);
	all("the guest's own calls", from_guest, 0, NR_CALLS, 2000);
	for (site_nr = 0; site_nr < nr_sites; site_nr++) {
		bool every = getenv("HOSTILE_FULL") || site_nr == 0;
		static const uint16_t some[] = { SYS_kill,	   SYS_openat,	SYS_unlink,
						 SYS_mmap,	   SYS_mremap,	SYS_clone,
						 SYS_execve,	   SYS_ptrace,	SYS_process_vm_writev,
						 SYS_socket,	   SYS_seccomp, SYS_exit_group,
						 SYS_write,	   SYS_futex,	SYS_arch_prctl,
						 SYS_rt_sigreturn, SYS_exit,	SYS_munmap,
						 SYS_mprotect };

		snprintf(name, sizeof(name), "from the stub, %#lx", sites[site_nr] - SYSTRAP_TEXT);
		if (every) {
			all(name, from_stub, 0, NR_CALLS, 2500);
			continue;
		}
		for (unsigned i = 0; i < sizeof(some) / sizeof(some[0]); i++)
			attack_many(from_stub, some[i], 1, 1500);
		printf("%-40s %zu calls\n", name, sizeof(some) / sizeof(some[0]));
	}
}
