/* SPDX-License-Identifier: Apache-2.0 */
/* Real-time signals: queued in order with their values; standard ones are not; si_code of every way to send. */
#include "tests/contract/contract.h"

static void on_signal(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	say("RTMIN+%d code %d value %d pid %s uid %s", sig - SIGRTMIN, si->si_code, si->si_value.sival_int,
	    si->si_pid == getpid() ? "own" : "other", si->si_uid == getuid() ? "own" : "other");
}

static void on_plain(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	say("%s code %d pid %s uid %s", signal_name(sig), si->si_code, si->si_pid == getpid() ? "own" : "other",
	    si->si_uid == getuid() ? "own" : "other");
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	union sigval v;
	siginfo_t si;
	sigset_t set, old;

	sigfillset(&sa.sa_mask);
	for (int i = 0; i < 4; i++)
		sigaction(SIGRTMIN + i, &sa, NULL);
	sa.sa_sigaction = on_plain;
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &old);
	SECTION("queued: lowest signal first, then in order");
	for (int i = 0; i < 3; i++)
		for (int s = 3; s >= 0; s--) {
			v.sival_int = s * 100 + i;
			MUST(sigqueue(getpid(), SIGRTMIN + s, v));
		}
	sigprocmask(SIG_SETMASK, &old, NULL);
	SECTION("standard signals are kept once, the first one");
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++) {
		v.sival_int = i;
		sigqueue(getpid(), SIGUSR1, v);
	}
	kill(getpid(), SIGUSR2);
	syscall(SYS_tgkill, getpid(), get_tid(), SIGTERM);
	sigprocmask(SIG_SETMASK, &old, NULL);
	SECTION("from a child");
	IN_CHILD("child") {
		kill(getppid(), SIGUSR1);
		v.sival_int = 5;
		sigqueue(getppid(), SIGRTMIN, v);
	}
	SECTION("rt_sigqueueinfo");
	memset(&si, 0, sizeof(si));
	si.si_code = -60;
	si.si_pid = getpid();
	si.si_uid = getuid();
	si.si_value.sival_int = 9;
	CALL(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, &si));
	CALL(syscall(SYS_rt_tgsigqueueinfo, getpid(), get_tid(), SIGRTMIN + 1, &si));
	si.si_code = SI_USER;
	CALL(syscall(SYS_rt_sigqueueinfo, getppid(), 0, &si) == 0 || errno == EPERM);
	IN_CHILD("a code of the kernel's to somebody else") {
		CALL(syscall(SYS_rt_sigqueueinfo, getppid(), SIGRTMIN, &si));
		si.si_code = SI_TKILL;
		CALL(syscall(SYS_rt_sigqueueinfo, getppid(), SIGRTMIN, &si));
	}
	CALL(syscall(SYS_rt_sigqueueinfo, getpid(), 65, &si));
	CALL(syscall(SYS_rt_sigqueueinfo, 0x7ffffff0, SIGRTMIN, &si));
	CALL(syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN, BAD_PTR));
	SECTION("a hundred");
	sigprocmask(SIG_BLOCK, &set, NULL);
	int sum = 0, n = 0, ordered = 1, last = -1;
	for (int i = 0; i < 100; i++) {
		v.sival_int = i;
		MUST(sigqueue(getpid(), SIGRTMIN + 2, v));
	}
	struct timespec zero = { 0, 0 };
	while (sigtimedwait(&set, &si, &zero) == SIGRTMIN + 2) {
		ordered &= si.si_value.sival_int > last;
		last = si.si_value.sival_int;
		sum += last;
		n++;
	}
	say("%d signals, sum %d, ordered %d", n, sum, ordered);
	return 0;
}
