/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp(2): strict mode, filters and their actions, inheritance, refusals. */
#include "tests/contract/contract.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>

#define NR (offsetof(struct seccomp_data, nr))
#define LOAD(off) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, off)
#define RET(v) BPF_STMT(BPF_RET | BPF_K, v)
#define IF_NR(n, v) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, n, 0, 1), RET(v)

static long install(struct sock_filter *f, unsigned short n, unsigned flags)
{
	struct sock_fprog prog = { n, f };

	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &prog);
}
#define INSTALL(flags, ...)                                                                \
	({                                                                                 \
		struct sock_filter f_[] = { __VA_ARGS__ };                                 \
		install(f_, ARRAY_SIZE(f_), flags);                                        \
	})

static void on_sys(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	say("%s code %d errno %d call %s arch %s", signal_name(sig), si->si_code, si->si_errno,
	    si->si_syscall == SYS_getppid ? "getppid" : "another", si->si_arch == AUDIT_ARCH_X86_64 ? "x86-64" : "another");
}

static void *in_thread(void *arg)
{
	gate_wait(arg);
	CALL(syscall(SYS_getppid));
	return NULL;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_sys, .sa_flags = SA_SIGINFO };
	uint32_t action = SECCOMP_RET_TRAP;
	struct sock_fprog bad = { 1, BAD_PTR };
	struct gate go;
	pthread_t t;

	SECTION("refusals");
	CALL(syscall(SYS_seccomp, 77, 0, NULL));
	CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 1, NULL));
	CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0x4000, NULL));
	CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, BAD_PTR));
	CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &bad));
	CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	action = 0x12340000;
	CALL(syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	CALL(prctl(PR_GET_SECCOMP));
	CALL(prctl(PR_SET_SECCOMP, 77, NULL));
	IN_CHILD("without no_new_privs") {
		drop_privileges();
		CALL(INSTALL(0, RET(SECCOMP_RET_ALLOW)));
	}
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SECTION("programs that are none");
	CALL(INSTALL(0, LOAD(NR)));
	CALL(INSTALL(0, LOAD(2), RET(0)));
	CALL(INSTALL(0, LOAD(64), RET(0)));
	CALL(INSTALL(0, BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0), RET(0)));
	CALL(INSTALL(0, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0), RET(0)));
	CALL(INSTALL(0, BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0), RET(0)));
	CALL(INSTALL(0, BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), RET(0)));
	CALL(INSTALL(0, BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), RET(0)));
	CALL(INSTALL(0, BPF_STMT(BPF_LD | BPF_MEM, 3), RET(0)));
	CALL(INSTALL(0, BPF_STMT(BPF_ST, 16), RET(0)));
	CALL(INSTALL(0, BPF_STMT(0x8000, 0), RET(0)));
	CALL(prctl(PR_GET_SECCOMP));
	SECTION("actions");
	IN_CHILD("errno") {
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV), RET(SECCOMP_RET_ALLOW)));
		CALL(syscall(SYS_getppid));
		CALL(prctl(PR_GET_SECCOMP));
		YES(getpid() > 0);
		IN_CHILD("a child has it too") {
			CALL(syscall(SYS_getppid));
		}
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_getppid, SECCOMP_RET_ERRNO | ENODEV), RET(SECCOMP_RET_ALLOW)));
		CALL(syscall(SYS_getppid));
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_getppid, SECCOMP_RET_TRACE | 7), RET(SECCOMP_RET_ALLOW)));
		CALL(syscall(SYS_getppid));
		CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
	}
	IN_CHILD("more than an errno") {
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_getppid, SECCOMP_RET_ERRNO | 0xffff), IF_NR(SYS_getuid, SECCOMP_RET_ERRNO),
			     RET(SECCOMP_RET_ALLOW)));
		SHOW(syscall(SYS_getppid) == -1 && errno == 4095);
		CALL(syscall(SYS_getuid));
	}
	IN_CHILD("trap") {
		sigaction(SIGSYS, &sa, NULL);
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_getppid, SECCOMP_RET_TRAP | 99), RET(SECCOMP_RET_ALLOW)));
		YES(syscall(SYS_getppid) == SYS_getppid);
		sigaction(SIGSYS, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
		syscall(SYS_getppid);
	}
	IN_CHILD("trace without a tracer") {
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_getppid, SECCOMP_RET_TRACE), RET(SECCOMP_RET_ALLOW)));
		CALL(syscall(SYS_getppid));
	}
	IN_CHILD("kill the process") {
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_getppid, SECCOMP_RET_KILL_PROCESS), RET(SECCOMP_RET_ALLOW)));
		syscall(SYS_getppid);
	}
	IN_CHILD("an unknown action") {
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_getppid, 0x11110000), RET(SECCOMP_RET_ALLOW)));
		syscall(SYS_getppid);
	}
	SECTION("arguments and scratch memory");
	IN_CHILD("arguments") {
		CALL(INSTALL(0, LOAD(NR), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_dup, 1, 0), RET(SECCOMP_RET_ALLOW),
			     LOAD(offsetof(struct seccomp_data, args[0])), BPF_STMT(BPF_ST, 5), BPF_STMT(BPF_MISC | BPF_TAX, 0),
			     BPF_STMT(BPF_LD | BPF_IMM, 2), BPF_STMT(BPF_ALU | BPF_MUL | BPF_X, 0), BPF_STMT(BPF_LDX | BPF_MEM, 5),
			     BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0), BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, 100, 0, 1),
			     RET(SECCOMP_RET_ERRNO | EDOM), RET(SECCOMP_RET_ERRNO | EPIPE)));
		CALL(dup(33));
		CALL(dup(34));
	}
	SECTION("strict");
	IN_CHILD("strict") {
		CALL(syscall(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, NULL));
		write_all(1, "written\n", 8);
		syscall(SYS_exit, 3);
	}
	IN_CHILD("strict, and then something else") {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
		syscall(SYS_getppid);
	}
	SECTION("threads");
	IN_CHILD("only the one") {
		gate_init(&go);
		pthread_create(&t, NULL, in_thread, &go);
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_gettid, SECCOMP_RET_ERRNO | EXDEV), RET(SECCOMP_RET_ALLOW)));
		CALL(INSTALL(SECCOMP_FILTER_FLAG_TSYNC, LOAD(NR), IF_NR(SYS_getppid, SECCOMP_RET_ERRNO | EXDEV),
			     RET(SECCOMP_RET_ALLOW)));
		gate_open(&go);
		pthread_join(t, NULL);
	}
	SECTION("exec keeps it");
	IN_CHILD("exec") {
		CALL(INSTALL(0, LOAD(NR), IF_NR(SYS_chdir, SECCOMP_RET_ERRNO | ENOTDIR), RET(SECCOMP_RET_ALLOW)));
		execl("/bin/sh", "sh", "-c", "cd /tmp 2>/dev/null && echo moved || echo refused", NULL);
	}
	return 0;
}
