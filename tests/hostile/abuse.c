/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 300
 * Calls that change how a process runs, aimed at the stub under it: seccomp, prctl, arch_prctl, personality, signal stacks and robust
 * lists in the stub, tid addresses, resource limits, priorities, CPU sets.
 */
#include "tests/hostile/hostile.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/personality.h>

#define OWN_PAGE (SYSTRAP_BLOCKS + SYSTRAP_BLOCK_SIZE + SYSTRAP_PAGE_OFF)

static const uint64_t places[] = {
	0, 8, OWN_PAGE, SYSTRAP_ORDERS, SYSTRAP_TEXT, SYSTRAP_BLOCKS, ~7UL, 0x7ffffffff000, 0xffffffff81000000
};
#define NR_PLACES (sizeof(places) / sizeof(places[0]))

static void seccomp_all(unsigned n)
{
	static const uint32_t actions[] = { SECCOMP_RET_KILL_PROCESS, SECCOMP_RET_KILL_THREAD,
					    SECCOMP_RET_TRAP,	      SECCOMP_RET_ERRNO | 5,
					    SECCOMP_RET_TRACE,	      SECCOMP_RET_ALLOW,
					    SECCOMP_RET_LOG,	      0x12345678 };
	struct sock_filter insn[] = { BPF_STMT(BPF_RET | BPF_K, actions[n % 8]) };
	struct sock_fprog prog = { 1, insn };

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (n / 8 == 0)
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog);
	else if (n / 8 == 1)
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	else
		for (int i = 0; i < 2000; i++)
			syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &prog);
	getppid();
	*(volatile char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
}

static void prctls(unsigned n)
{
	unsigned op = n;

	alarm(2);
	for (unsigned i = 0; i < NR_PLACES; i++)
		for (unsigned j = 0; j < 4; j++)
			prctl((int)op, places[i], j == 0 ? places[i] : j, places[(i + j) % NR_PLACES], 0);
	for (unsigned i = 0; i < 32; i++)
		prctl((int)op, i, 0, 0, 0);
	getppid();
}

static void arch_prctls(unsigned n)
{
	static const uint32_t ops[] = {
		0x1001, 0x1002, 0x1003, 0x1004, 0x1011, 0x1012, 0x1021, 0x1022, 0x1023, 0x1024,
		0x1025, 0x2001, 0x2002, 0x2003, 0x4001, 0x4002, 0x4003, 0x5001, 0x5002, 0x5003
	};

	alarm(2);
	for (unsigned i = 0; i < NR_PLACES; i++) {
		__asm__ volatile("syscall\nmovl $110, %%eax\nsyscall"
				 :
				 : "a"(SYS_arch_prctl), "D"(ops[n % 20]), "S"(places[i])
				 : "rcx", "r11", "memory");
	}
}

static void addresses(unsigned n)
{
	uint64_t at = places[n % NR_PLACES];
	stack_t ss = { .ss_sp = (void *)at, .ss_size = 1 << 16 };

	alarm(2);
	switch (n / NR_PLACES) {
	case 0:
		syscall(SYS_set_robust_list, at, 24);
		break;
	case 1:
		syscall(SYS_set_tid_address, at);
		break;
	case 2:
		syscall(SYS_rseq, at, 32, 0, 0x53053053);
		break;
	case 3:
		sigaltstack(&ss, NULL);
		sigaction(SIGUSR1, &(struct sigaction){ .sa_handler = (void (*)(int))at, .sa_flags = SA_ONSTACK },
			  NULL);
		raise(SIGUSR1);
		break;
	case 4:
		if (!syscall(SYS_clone, 0x1200000 | 0x100000 | SIGCHLD, 0, at, at, 0))
			_exit(0);
		break;
	case 5:
		syscall(SYS_clone, 0x3d0f00, at, at, at, at);
		break;
	case 6:
		__asm__ volatile("movq %0, %%rsp\nmovl $15, %%eax\nsyscall" : : "r"(at));
		break;
	case 7:
		__asm__ volatile("movq %0, %%rsp\npushq $0\nud2" : : "r"(at));
		break;
	}
}

static void limits(unsigned n)
{
	struct rlimit none = { 0, 0 }, little = { 4096, 4096 };

	for (int i = 0; i < 16; i++)
		setrlimit(i, n % 2 ? &none : &little);
	setpriority(PRIO_PROCESS, 0, 19);
	syscall(SYS_sched_setaffinity, 0, sizeof(uint64_t), &(uint64_t[1]){ 1UL << (n % 3) });
	sched_setscheduler(0, (int)n % 7, &(struct sched_param){ .sched_priority = 1 });
	if (!fork())
		_exit(0);
	open("/dev/null", O_RDONLY);
	*(volatile char *)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) = 1;
}

static void personalities(unsigned n)
{
	personality(n < 32 ? 1UL << n : ~0UL);
	execl("/proc/self/exe", "hostile", "--well", NULL);
}

static void attacks(void)
{
	printf("%u of 24 seccomp\n", attack_many(seccomp_all, 0, 24, 5000));
	printf("%u of 80 prctl\n", attack_many(prctls, 0, 80, 5000));
	printf("%u of 20 arch_prctl\n", attack_many(arch_prctls, 0, 20, 5000));
	printf("%u of 72 addresses\n", attack_many(addresses, 0, 8 * NR_PLACES, 5000));
	hostile_check();
	printf("%u of 14 limits\n", attack_many(limits, 0, 14, 5000));
	printf("%u of 33 personality\n", attack_many(personalities, 0, 33, 8000));
	hostile_check();
}
