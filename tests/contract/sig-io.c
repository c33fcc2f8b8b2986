/* SPDX-License-Identifier: Apache-2.0 */
/* O_ASYNC with F_SETOWN and F_SETSIG: SIGIO when there is data, its siginfo; SIGURG and owners. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/socket.h>

static volatile int got, code, band, from;

static void on_io(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	got = sig;
	code = si->si_code;
	band = (int)si->si_band;
	from = si->si_fd;
}

static void await(void)
{
	for (int i = 0; i < 500 && !got; i++)
		sleep_ms(2);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO };
	struct f_owner_ex ex = { -1, -1 };
	int fds[2], sv[2];

	sigaction(SIGIO, &sa, NULL);
	sigaction(SIGRTMIN + 3, &sa, NULL);
	MUST(pipe(fds));
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	SECTION("owner");
	CALL(fcntl(sv[0], F_GETOWN));
	CALL(fcntl(sv[0], F_SETOWN, getpid()));
	YES(fcntl(sv[0], F_GETOWN) == getpid());
	CALL(fcntl(sv[0], F_GETOWN_EX, &ex));
	YES(ex.type == F_OWNER_PID && ex.pid == getpid());
	CALL(fcntl(sv[0], F_SETOWN, 0x7ffffff0));
	CALL(fcntl(sv[0], F_SETOWN, getpid()));
	SECTION("SIGIO");
	CALL(fcntl(sv[0], F_SETFL, O_ASYNC));
	write_all(sv[1], "x", 1);
	await();
	say("%s", signal_name(got));
	SECTION("a signal with descriptor and events");
	CALL(fcntl(sv[0], F_SETSIG, SIGRTMIN + 3));
	CALL(fcntl(sv[0], F_GETSIG) == SIGRTMIN + 3);
	got = 0;
	write_all(sv[1], "x", 1);
	await();
	YES(got == SIGRTMIN + 3);
	YES(from == sv[0]);
	YES(code == POLL_IN);
	YES(band & POLLIN);
	SECTION("a pipe");
	CALL(fcntl(fds[0], F_SETOWN, getpid()));
	CALL(fcntl(fds[0], F_SETFL, O_ASYNC));
	got = 0;
	write_all(fds[1], "x", 1);
	await();
	say("%s", signal_name(got));
	SECTION("no more");
	CALL(fcntl(fds[0], F_SETFL, 0));
	got = 0;
	write_all(fds[1], "x", 1);
	sleep_ms(20);
	SHOW(got);
	return 0;
}
