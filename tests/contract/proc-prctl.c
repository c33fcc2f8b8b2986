/* SPDX-License-Identifier: Apache-2.0 */
/* prctl(2) and arch_prctl(2): names, flags, and what they refuse. */
#include "tests/contract/contract.h"
#include <asm/prctl.h>
#include <sys/prctl.h>

static void *name_thread(void *arg)
{
	char name[17] = "";

	prctl(PR_GET_NAME, name);
	say("thread starts as \"%s\"", name);
	prctl(PR_SET_NAME, "thread name");
	return arg;
}

int main(void)
{
	char name[32] = "";
	pthread_t t;
	int v = -1;

	SECTION("name");
	CALL(prctl(PR_SET_NAME, "a name that is longer than fifteen"));
	CALL(prctl(PR_GET_NAME, name));
	STR(name);
	show_file("/proc/self/comm");
	pthread_create(&t, NULL, name_thread, NULL);
	pthread_join(t, NULL);
	CALL(prctl(PR_GET_NAME, name));
	STR(name);
	CALL(prctl(PR_SET_NAME, ""));
	show_file("/proc/self/comm");
	CALL(prctl(PR_SET_NAME, BAD_PTR));
	CALL(prctl(PR_GET_NAME, BAD_PTR));
	int fd = MUST(open("/proc/self/comm", O_WRONLY));
	CALL(write(fd, "written\n", 8));
	CALL(prctl(PR_GET_NAME, name));
	STR(name);
	SECTION("dumpable");
	SHOW(prctl(PR_GET_DUMPABLE));
	CALL(prctl(PR_SET_DUMPABLE, 0));
	SHOW(prctl(PR_GET_DUMPABLE));
	CALL(prctl(PR_SET_DUMPABLE, 2));
	CALL(prctl(PR_SET_DUMPABLE, 3));
	CALL(prctl(PR_SET_DUMPABLE, -1));
	CALL(prctl(PR_SET_DUMPABLE, 1));
	SECTION("no new privileges: one way");
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	CALL(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 1, 0, 0));
	IN_CHILD("child") {
		CALL(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
		IN_CHILD("grandchild")
			SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
		CALL(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0));
	}
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SECTION("others");
	CALL(prctl(PR_GET_PDEATHSIG, &v));
	SHOW(v);
	CALL(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	CALL(prctl(PR_GET_PDEATHSIG, &v));
	SHOW(v);
	CALL(prctl(PR_GET_PDEATHSIG, BAD_PTR));
	CALL(prctl(PR_GET_KEEPCAPS));
	CALL(prctl(PR_SET_KEEPCAPS, 1));
	CALL(prctl(PR_GET_KEEPCAPS));
	CALL(prctl(PR_SET_KEEPCAPS, 2));
	CALL(prctl(PR_GET_TIMING));
	CALL(prctl(PR_SET_TIMING, 0));
	CALL(prctl(PR_SET_TIMING, 1));
	YES(prctl(PR_GET_TIMERSLACK) > 0);
	CALL(prctl(PR_SET_TIMERSLACK, 12345));
	SHOW(prctl(PR_GET_TIMERSLACK));
	CALL(prctl(PR_SET_TIMERSLACK, 0));
	YES(prctl(PR_GET_TIMERSLACK) != 12345);
	CALL(prctl(PR_GET_TSC, &v));
	SHOW(v);
	CALL(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
	int *tid = NULL;
	CALL(prctl(PR_GET_TID_ADDRESS, &tid));
	YES(tid != NULL);
	CALL(prctl(PR_GET_ENDIAN, &v));
	CALL(prctl(PR_GET_UNALIGN, &v));
	CALL(prctl(PR_SET_MM, PR_SET_MM_BRK, 0, 0, 0) == 0);
	CALL(prctl(123456));
	CALL(prctl(-1));
	SECTION("arch_prctl");
	unsigned long base = 0, saved = 0;
	CALL(syscall(SYS_arch_prctl, ARCH_GET_FS, &base));
	YES(base != 0);
	CALL(syscall(SYS_arch_prctl, ARCH_GET_GS, &saved));
	SHOW(saved);
	CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, name));
	CALL(syscall(SYS_arch_prctl, ARCH_GET_GS, &base));
	YES(base == (unsigned long)name);
	char first;
	__asm__ volatile("movb %%gs:0, %0" : "=q"(first));
	YES(first == name[0]);
	CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, KERNEL_PTR));
	CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, WILD_PTR));
	CALL(syscall(SYS_arch_prctl, ARCH_SET_GS, 0));
	CALL(syscall(SYS_arch_prctl, ARCH_GET_GS, BAD_PTR));
	CALL(syscall(SYS_arch_prctl, 0x9999, 0));
	return 0;
}
