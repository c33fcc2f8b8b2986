/* SPDX-License-Identifier: Apache-2.0 */
/* SIGSTOP, SIGTSTP, SIGCONT: stopping all threads, pending rules, and what the parent hears. */
#include "tests/contract/contract.h"

static volatile int chld, code, status;

static void on_chld(int sig, siginfo_t *si, void *uc)
{
	(void)sig;
	(void)uc;
	chld++;
	code = si->si_code;
	status = si->si_status;
}

/* wait4 may know before the signal is there. */
static void await_chld(int n)
{
	for (int i = 0; i < 1000 && chld < n; i++)
		sleep_ms(2);
	say("chld %d code %d status %d", chld, code, status);
}

static volatile long *counter;

static void *count(void *arg)
{
	for (;;)
		__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
	return arg;
}

static void on_cont(int sig)
{
	say("%s handler", signal_name(sig));
}

static pid_t start(void)
{
	pid_t pid = MUST(fork());

	if (pid == 0) {
		setpgid(0, 0);
		for (;;)
			pause();
	}
	setpgid(pid, pid);
	return pid;
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_chld, .sa_flags = SA_SIGINFO | SA_RESTART };
	pid_t pid;
	int st;

	counter = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	sigaction(SIGCHLD, &sa, NULL);
	SECTION("the parent's SIGCHLD");
	pid = start();
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	await_chld(1);
	kill(pid, SIGCONT);
	waitpid(pid, &st, WCONTINUED);
	await_chld(2);
	kill(pid, SIGTERM);
	waitpid(pid, &st, 0);
	await_chld(3);
	SECTION("SA_NOCLDSTOP");
	sa.sa_flags |= SA_NOCLDSTOP;
	sigaction(SIGCHLD, &sa, NULL);
	chld = 0;
	pid = start();
	kill(pid, SIGTSTP);
	waitpid(pid, &st, WUNTRACED);
	show_status("child", st);
	kill(pid, SIGCONT);
	waitpid(pid, &st, WCONTINUED);
	SHOW(chld);
	SECTION("SIGTERM waits until it is continued, SIGKILL does not");
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	kill(pid, SIGTERM);
	sleep_ms(20);
	SHOW(waitpid(pid, &st, WNOHANG));
	kill(pid, SIGCONT);
	waitpid(pid, &st, 0);
	show_status("child", st);
	pid = start();
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	show_status("child", st);
	SECTION("all threads stop");
	pid = MUST(fork());
	if (pid == 0) {
		pthread_t t;

		for (int i = 0; i < 2; i++)
			pthread_create(&t, NULL, count, NULL);
		count(NULL);
	}
	while (*counter < 1000)
		sleep_ms(1);
	kill(pid, SIGSTOP);
	waitpid(pid, &st, WUNTRACED);
	long a = *counter;
	sleep_ms(30);
	YES(*counter == a);
	kill(pid, SIGCONT);
	waitpid(pid, &st, WCONTINUED);
	while (*counter == a)
		sleep_ms(1);
	kill(pid, SIGKILL);
	waitpid(pid, &st, 0);
	SECTION("SIGCONT is caught, and removes pending stops; stops remove pending SIGCONT");
	IN_CHILD("child") {
		sigset_t set, pend;

		signal(SIGCONT, on_cont);
		sigfillset(&set);
		sigprocmask(SIG_BLOCK, &set, NULL);
		raise(SIGTSTP);
		sigpending(&pend);
		SHOW(sigismember(&pend, SIGTSTP));
		raise(SIGCONT);
		sigpending(&pend);
		SHOW(sigismember(&pend, SIGTSTP) * 10 + sigismember(&pend, SIGCONT));
		raise(SIGTSTP);
		sigpending(&pend);
		SHOW(sigismember(&pend, SIGTSTP) * 10 + sigismember(&pend, SIGCONT));
		raise(SIGCONT);
		sigprocmask(SIG_UNBLOCK, &set, NULL);
	}
	SECTION("SIGCONT continues even when ignored or blocked");
	pid = MUST(fork());
	if (pid == 0) {
		signal(SIGCONT, SIG_IGN);
		raise(SIGSTOP);
		_exit(7);
	}
	waitpid(pid, &st, WUNTRACED);
	show_status("child", st);
	kill(pid, SIGCONT);
	waitpid(pid, &st, 0);
	show_status("child", st);
	SECTION("SIGTTIN and SIGTTOU stop, and can be caught");
	static const int stops[] = { SIGTTIN, SIGTTOU };
	for (size_t i = 0; i < ARRAY_SIZE(stops); i++) {
		pid = start();
		kill(pid, stops[i]);
		waitpid(pid, &st, WUNTRACED);
		show_status("child", st);
		kill(pid, SIGKILL);
		waitpid(pid, &st, 0);
	}
	return 0;
}
