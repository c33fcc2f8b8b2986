/* SPDX-License-Identifier: Apache-2.0 */
/* SIGSEGV and SIGBUS: code, address and the page fault's error bits for every way to fault; a syscall gives EFAULT. */
#include "tests/contract/contract.h"
#include <ucontext.h>

static sigjmp_buf env;
static volatile uintptr_t expect;

static void on_fault(int sig, siginfo_t *si, void *ucv)
{
	ucontext_t *uc = ucv;
	long err = uc->uc_mcontext.gregs[REG_ERR];

	say("%s code %d address %s trapno %lld %s%s%s", signal_name(sig), si->si_code,
	    (uintptr_t)si->si_addr == expect ? "exact" : si->si_addr ? "other" : "null",
	    (long long)uc->uc_mcontext.gregs[REG_TRAPNO], err & 2 ? "write " : "read ", err & 4 ? "user " : "kernel ",
	    err & 16 ? "fetch" : "");
	say("cr2 %s", (uintptr_t)uc->uc_mcontext.gregs[REG_CR2] == expect ? "exact" : "other");
	siglongjmp(env, 1);
}

#define TRY(what, addr, stmt)             \
	do {                              \
		expect = (uintptr_t)(addr); \
		say("-- %s", what);       \
		if (!sigsetjmp(env, 1)) { \
			stmt;             \
			say("no fault");  \
		}                         \
	} while (0)

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
	char *ro, *none, *code;
	int fd;

	scratch();
	fd = page_file("f", PAGE);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	ro = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	none = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	code = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TRY("null read", 8, *(volatile char *)8);
	TRY("null write", 8, *(volatile char *)8 = 1);
	TRY("write to read-only", ro + 17, *(volatile char *)(ro + 17) = 1);
	TRY("read of none", none + 4095, *(volatile char *)(none + 4095));
	TRY("write across two pages, the second bad", ro, *(volatile long *)(ro - 4) = 1);
	TRY("jump to data", ro, ((void (*)(void))(uintptr_t)ro)());
	TRY("jump to nothing", 0x1000, ((void (*)(void))0x1000UL)());
	TRY("past the end of a file", code + PAGE, *(volatile char *)(code + PAGE));
	TRY("past the end of a file, write", code + PAGE + 5, *(volatile char *)(code + PAGE + 5) = 1);
	TRY("kernel address", KERNEL_PTR, *(volatile char *)KERNEL_PTR);
	TRY("kernel address, write", KERNEL_PTR, *(volatile char *)KERNEL_PTR = 1);
	TRY("not canonical", WILD_PTR, *(volatile char *)WILD_PTR);
	TRY("privileged instruction", 0, __asm__ volatile("hlt"));
	TRY("privileged instruction 2", 0, __asm__ volatile("cli"));
	TRY("port", 0, __asm__ volatile("outb %%al, $0x80" ::: "memory"));
	SECTION("the same addresses in syscalls");
	int fds[2];
	MUST(pipe(fds));
	CALL(write(fds[1], (void *)8, 1));
	CALL(write(fds[1], none, 1));
	CALL(write(fds[1], KERNEL_PTR, 1));
	CALL(write(fds[1], WILD_PTR, 1));
	CALL(write(fds[1], code + PAGE, 1));
	write_all(fds[1], "data", 4);
	CALL(read(fds[0], ro, 4));
	CALL(read(fds[0], (void *)-1L, 4));
	SECTION("SIGSEGV blocked or ignored kills");
	IN_CHILD("blocked") {
		sigset_t set;

		sigfillset(&set);
		sigprocmask(SIG_BLOCK, &set, NULL);
		*(volatile char *)8 = 1;
	}
	IN_CHILD("ignored") {
		signal(SIGSEGV, SIG_IGN);
		*(volatile char *)8 = 1;
	}
	IN_CHILD("stack pointer is nowhere")
		__asm__ volatile("xor %%esp, %%esp; push %%rax" ::: "memory");
	return 0;
}
