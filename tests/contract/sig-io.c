/* SPDX-License-Identifier: Apache-2.0 */
/* Signal-driven I/O: O_ASYNC, F_SETOWN, F_SETOWN_EX, F_SETSIG on pipes, FIFOs and sockets, and files that have none. */
#include "tests/contract/contract.h"
#include <netinet/in.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>

static sigset_t all;

/* Prints the signals that have come; @fd is the descriptor they should name. */
static void came(const char *what, int fd)
{
	struct timespec soon = { 0, 50000000 };
	siginfo_t si;

	for (;;) {
		if (sigtimedwait(&all, &si, &soon) < 0) {
			say("%s: no more", what);
			return;
		}
		if (si.si_code == SI_KERNEL)
			say("%s: %s from the kernel", what, si.si_signo == SIGIO ? "SIGIO" : "another");
		else
			say("%s: signal %s, code %d, band %#lx, the descriptor %d", what,
			    si.si_signo == SIGIO ? "SIGIO" : si.si_signo >= SIGRTMIN ? "real-time" : "other", si.si_code, si.si_band,
			    si.si_fd == fd);
	}
}

static void async(int fd, int sig)
{
	CALL(fcntl(fd, F_SETOWN, getpid()));
	CALL(fcntl(fd, F_SETSIG, sig));
	CALL(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC));
	YES(fcntl(fd, F_GETFL) & O_ASYNC);
}

static void pipes(void)
{
	int p[2], d;
	char buf[65536];

	SECTION("pipe");
	MUST(pipe(p));
	CALL(fcntl(p[0], F_SETFL, O_ASYNC));
	write(p[1], "x", 1);
	came("without owner", p[0]);
	CALL(fcntl(p[0], F_SETFL, 0));
	YES(fcntl(p[0], F_GETFL) & O_ASYNC);
	async(p[0], 0);
	write(p[1], "x", 1);
	came("write", p[0]);
	write(p[1], "x", 1);
	came("write again", p[0]);
	async(p[0], SIGRTMIN + 1);
	write(p[1], "x", 1);
	write(p[1], "x", 1);
	came("queued", p[0]);
	async(p[0], SIGIO);
	write(p[1], "x", 1);
	came("SIGIO", p[0]);
	async(p[0], SIGCHLD);
	write(p[1], "x", 1);
	came("SIGCHLD", p[0]);
	d = MUST(dup(p[0]));
	async(p[0], SIGRTMIN);
	close(p[0]);
	write(p[1], "x", 1);
	came("closed, but not all", p[0]);
	async(p[1], SIGRTMIN);
	fcntl(d, F_SETFL, 0);
	CALL(read(d, buf, 3));
	came("read", p[1]);
	CALL(read(d, buf, sizeof(buf)));
	came("read all", p[1]);
	fcntl(p[1], F_SETFL, O_ASYNC | O_NONBLOCK);
	CALL(write(p[1], buf, sizeof(buf)));
	CALL(write(p[1], buf, 1));
	CALL(read(d, buf, 1));
	came("read of a full pipe", p[1]);
	close(d);
	came("reader gone", p[1]);
	close(p[1]);

	SECTION("the other end goes");
	MUST(pipe(p));
	async(p[0], SIGRTMIN);
	close(p[1]);
	came("writer gone", p[0]);
	CALL(read(p[0], buf, 1));
	close(p[0]);

	SECTION("fifo");
	MUST(mkfifo("fifo", 0600));
	d = MUST(open("fifo", O_RDWR));
	async(d, SIGRTMIN);
	write(d, "x", 1);
	came("write", d);
	CALL(read(d, buf, 1));
	came("read", d);
	close(d);
}

static void terminals(void)
{
	int m = MUST(posix_openpt(O_RDWR | O_NOCTTY)), s;
	struct termios t;
	char buf[16];

	SECTION("terminal");
	MUST(grantpt(m));
	MUST(unlockpt(m));
	s = MUST(open(ptsname(m), O_RDWR | O_NOCTTY));
	MUST(tcgetattr(s, &t));
	t.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
	MUST(tcsetattr(s, TCSANOW, &t));
	CALL(fcntl(s, F_SETFL, O_ASYNC));
	YES(fcntl(s, F_GETOWN) == getpid());
	write(m, "ab", 2);
	came("half a line", s);
	write(m, "\n", 1);
	came("a line", s);
	CALL(read(s, buf, sizeof(buf)));
	t.c_lflag &= ~(tcflag_t)ICANON;
	MUST(tcsetattr(s, TCSANOW, &t));
	async(s, SIGRTMIN);
	write(m, "x", 1);
	came("a byte", s);
	CALL(fcntl(s, F_SETFL, 0));
	write(m, "x", 1);
	came("no longer", s);
	async(m, 0);
	write(s, "out", 3);
	came("output", m);
	close(s);
	close(m);
}

static void owners(void)
{
	struct f_owner_ex o = { F_OWNER_TID, 0 };
	int p[2], status, go[2];
	pid_t child;
	char c;

	SECTION("owners");
	MUST(pipe(p));
	CALL(fcntl(p[0], F_GETOWN));
	CALL(fcntl(p[0], F_SETOWN, -getpgrp()));
	YES(fcntl(p[0], F_GETOWN) == -getpgrp());
	CALL(fcntl(p[0], F_GETOWN_EX, &o));
	SHOW(o.type);
	o = (struct f_owner_ex){ F_OWNER_TID, syscall(SYS_gettid) };
	CALL(fcntl(p[0], F_SETOWN_EX, &o));
	CALL(fcntl(p[0], F_SETSIG, SIGRTMIN));
	CALL(fcntl(p[0], F_SETFL, O_ASYNC));
	write(p[1], "x", 1);
	came("thread", p[0]);
	o.type = 3;
	CALL(fcntl(p[0], F_SETOWN_EX, &o));
	CALL(fcntl(p[0], F_SETOWN, 0x7ffffff0));
	CALL(fcntl(p[0], F_SETSIG, 65));
	CALL(fcntl(p[0], F_SETSIG, -1));
	CALL(fcntl(p[0], F_GETSIG) == SIGRTMIN);
	SECTION("another process");
	MUST(pipe(go));
	sigdelset(&all, SIGCHLD);
	child = fork();
	if (!child) {
		write(go[1], "g", 1);
		came("child", p[0]);
		_exit(0);
	}
	read(go[0], &c, 1);
	CALL(fcntl(p[0], F_SETOWN, child));
	write(p[1], "x", 1);
	YES(waitpid(child, &status, 0) == child);
	SHOW(status);
	CALL(fcntl(p[0], F_GETOWN));
	write(p[1], "x", 1);
	came("owner is dead", p[0]);
	CALL(fcntl(p[0], F_SETOWN, 0));
	write(p[1], "x", 1);
	came("owner taken back", p[0]);
	close(p[0]);
	close(p[1]);
}

static void sockets(void)
{
	int sv[2], l, c, s, on = 1;
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	char buf[16];

	SECTION("unix stream");
	MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	async(sv[0], SIGRTMIN);
	write(sv[1], "x", 1);
	came("data", sv[0]);
	CALL(read(sv[0], buf, 1));
	came("reading", sv[0]);
	shutdown(sv[1], SHUT_WR);
	came("shutdown", sv[0]);
	close(sv[1]);
	came("gone", sv[0]);
	close(sv[0]);
	SECTION("unix datagram");
	MUST(socketpair(AF_UNIX, SOCK_DGRAM, 0, sv));
	async(sv[0], SIGRTMIN);
	write(sv[1], "x", 1);
	came("data", sv[0]);
	close(sv[0]);
	close(sv[1]);
	SECTION("tcp");
	l = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(bind(l, (struct sockaddr *)&a, sizeof(a)));
	MUST(listen(l, 5));
	MUST(getsockname(l, (struct sockaddr *)&a, &len));
	async(l, SIGRTMIN);
	s = MUST(socket(AF_INET, SOCK_STREAM, 0));
	MUST(connect(s, (struct sockaddr *)&a, sizeof(a)));
	came("connection", l);
	c = MUST(accept(l, NULL, NULL));
	YES(fcntl(c, F_GETFL) & O_ASYNC);
	async(c, SIGRTMIN);
	write(s, "x", 1);
	came("data", c);
	close(s);
	while (sigtimedwait(&all, NULL, &(struct timespec){ 0, 50000000 }) > 0)
		; /* as many as the end takes segments */
	close(c);
	close(l);
	SECTION("udp");
	s = MUST(socket(AF_INET, SOCK_DGRAM, 0));
	a.sin_port = 0;
	MUST(bind(s, (struct sockaddr *)&a, sizeof(a)));
	MUST(getsockname(s, (struct sockaddr *)&a, &len));
	CALL(ioctl(s, FIOASYNC, &on));
	YES(fcntl(s, F_GETFL) & O_ASYNC);
	on = getpid();
	CALL(ioctl(s, FIOSETOWN, &on));
	on = 0;
	CALL(ioctl(s, FIOGETOWN, &on));
	YES(on == getpid());
	YES(fcntl(s, F_GETOWN) == getpid());
	CALL(sendto(s, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)));
	came("data", s);
	close(s);
}

static void others(void)
{
	struct signalfd_siginfo si;
	int fd, on = 1, p[2], sfd;

	SECTION("inotify");
	fd = MUST(inotify_init1(IN_NONBLOCK));
	MUST(inotify_add_watch(fd, ".", IN_CREATE));
	async(fd, SIGRTMIN);
	put_file("seen", "", 0644);
	came("event", fd);
	close(fd);
	SECTION("files without it");
	fd = MUST(open("seen", O_RDWR));
	CALL(fcntl(fd, F_SETFL, O_ASYNC | O_APPEND));
	SHOW(fcntl(fd, F_GETFL) & (O_ASYNC | O_APPEND));
	CALL(ioctl(fd, FIOASYNC, &on));
	on = 0;
	CALL(ioctl(fd, FIOASYNC, &on));
	close(fd);
	fd = MUST(open("seen", O_RDWR | O_ASYNC));
	YES(fcntl(fd, F_GETFL) & O_ASYNC);
	close(fd);
	SECTION("signalfd");
	MUST(pipe(p));
	async(p[0], SIGRTMIN);
	sfd = MUST(signalfd(-1, &all, SFD_NONBLOCK));
	write(p[1], "x", 1);
	CALL(read(sfd, &si, sizeof(si)));
	SHOW(si.ssi_code);
	HEX(si.ssi_band);
	YES(si.ssi_fd == p[0]);
}

int main(void)
{
	scratch();
	sigemptyset(&all);
	sigaddset(&all, SIGIO);
	sigaddset(&all, SIGCHLD);
	for (int i = SIGRTMIN; i <= SIGRTMIN + 1; i++)
		sigaddset(&all, i);
	sigprocmask(SIG_BLOCK, &all, NULL);
	pipes();
	terminals();
	owners();
	sockets();
	others();
	return 0;
}
