/* SPDX-License-Identifier: Apache-2.0 */
/* fcntl(F_SETLEASE, F_GETLEASE): who gets a lease, whom it stops and how, and how it ends. */
#include "tests/contract/contract.h"

#ifndef F_SETLEASE
#define F_SETLEASE 1024
#define F_GETLEASE 1025
#endif

static const char *type_name(int t)
{
	return t == F_RDLCK ? "read" : t == F_WRLCK ? "write" : t == F_UNLCK ? "none" : errno_name(errno);
}

static void show_lease(const char *what, int fd)
{
	say("%s: %s", what, type_name(fcntl(fd, F_GETLEASE)));
}

static const char *set(int fd, int type)
{
	return fcntl(fd, F_SETLEASE, type) ? errno_name(errno) : "ok";
}
#define SET(fd, type) say("lease(%s, %s): %s", #fd, #type, set(fd, type))

static volatile sig_atomic_t told, told_fd, told_code;

static void on_break(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	told = sig;
	told_fd = si->si_fd;
	told_code = si->si_code;
}

static void who_gets_one(void)
{
	int r, w, rw, r2;

	SECTION("who gets one");
	put_file("f", "text", 0644);
	r = MUST(open("f", O_RDONLY));
	show_lease("nothing yet", r);
	SET(r, F_UNLCK);
	SET(r, F_RDLCK);
	show_lease("reader", r);
	SET(r, F_WRLCK);
	show_lease("reader", r);
	r2 = open("f", O_RDONLY | O_NONBLOCK);
	say("second reader against a write lease: %s", r2 < 0 ? errno_name(errno) : "opened");
	close(r);
	r = MUST(open("f", O_RDONLY));
	r2 = MUST(open("f", O_RDONLY));
	SET(r, F_WRLCK);
	SET(r, F_RDLCK);
	SET(r2, F_RDLCK);
	SET(r, F_WRLCK);
	show_lease("first", r);
	show_lease("second", r2);
	close(r2);
	close(r);
	w = MUST(open("f", O_WRONLY));
	SET(w, F_RDLCK);
	SET(w, F_WRLCK);
	show_lease("writer", w);
	close(w);
	rw = MUST(open("f", O_RDWR));
	SET(rw, F_RDLCK);
	SET(rw, F_WRLCK);
	SET(rw, 77);
	close(rw);
	w = MUST(open("f", O_WRONLY));
	r = MUST(open("f", O_RDONLY));
	SET(r, F_RDLCK);
	SET(w, F_WRLCK);
	close(w);
	SET(r, F_RDLCK);
	SET(r, F_UNLCK);
	SET(r, F_UNLCK);
	close(r);
	r = MUST(open(".", O_RDONLY));
	SET(r, F_RDLCK);
	close(r);
	int p[2];
	MUST(pipe(p));
	SET(p[0], F_RDLCK);
	close(p[0]);
	close(p[1]);
	r = MUST(open("f", O_PATH));
	SET(r, F_RDLCK);
	CALL(fcntl(r, F_GETLEASE));
	close(r);
}

static void not_the_owner(void)
{
	int fd = MUST(open("f", O_RDONLY));

	SECTION("not the owner");
	if (geteuid() == 0)
		MUST(fchown(fd, 1, 1));
	SET(fd, F_RDLCK);
	SET(fd, F_UNLCK);
	IN_CHILD("ordinary") {
		int other = MUST(open("/proc/self/exe", O_RDONLY));

		drop_privileges();
		SET(other, F_UNLCK);
	}
	close(fd);
	MUST(unlink("f"));
	put_file("f", "text", 0644);
}

/* A child opens or truncates, and says how that went; the parent holds a lease. */
static void conflict(const char *what, int lease, int flags, int answer)
{
	int fd = MUST(open("f", lease == F_RDLCK ? O_RDONLY : O_RDWR)), status;
	sigset_t block, old;
	pid_t child;

	sigemptyset(&block);
	sigaddset(&block, SIGIO);
	sigaddset(&block, SIGRTMIN + 2);
	sigaddset(&block, SIGCHLD);
	MUST(sigprocmask(SIG_BLOCK, &block, &old));
	told = 0;
	MUST(fcntl(fd, F_SETSIG, SIGRTMIN + 2));
	MUST(fcntl(fd, F_SETLEASE, lease));
	child = MUST(fork());
	if (!child) {
		close(fd);
		errno = 0;
		int r = flags < 0 ? truncate("f", 2) : open("f", flags);

		_exit(r < 0 ? errno : 0);
	}
	if (answer >= 0) {
		while (!told)
			sigsuspend(&old);
		say("%s: signal %s, fd %s, code %s", what, told == SIGRTMIN + 2 ? "as set" : "another",
		    told_fd == fd ? "the lease's" : "another", told_code == POLL_MSG ? "POLL_MSG" : "another");
		show_lease("while it is broken", fd);
		if (!(flags & O_NONBLOCK) || flags < 0)
			wait_asleep(child);
		say("%s: lease(%s): %s", what, type_name(answer), set(fd, answer));
		show_lease("then", fd);
	}
	MUST(waitpid(child, &status, 0));
	say("%s: %s%s", what, WEXITSTATUS(status) ? errno_name(WEXITSTATUS(status)) : "done", told && answer < 0 ? ", signalled" : "");
	MUST(sigprocmask(SIG_SETMASK, &old, NULL));
	close(fd);
}

static void conflicts(void)
{
	SECTION("conflicts");
	conflict("read against read", F_RDLCK, O_RDONLY, -1);
	conflict("write against read", F_RDLCK, O_WRONLY, F_UNLCK);
	conflict("read against write", F_WRLCK, O_RDONLY, F_UNLCK);
	conflict("write against write", F_WRLCK, O_RDWR, F_UNLCK);
	conflict("truncate against read", F_RDLCK, -1, F_UNLCK);
	conflict("truncate against write", F_WRLCK, -1, F_UNLCK);
	conflict("nonblocking write against read", F_RDLCK, O_WRONLY | O_NONBLOCK, F_UNLCK);
	conflict("nonblocking read against read", F_RDLCK, O_RDONLY | O_NONBLOCK, -1);
}

static void interrupted(int sig)
{
	(void)sig;
}

static void endings(void)
{
	int fd = MUST(open("f", O_RDONLY)), again, broke;
	struct sigaction sa = { .sa_handler = interrupted };
	pid_t child;

	SECTION("endings");
	MUST(fcntl(fd, F_SETLEASE, F_RDLCK));
	again = MUST(dup(fd));
	close(fd);
	show_lease("through a duplicate", again);
	/* The opener gives up. */
	signal(SIGIO, SIG_IGN);
	child = MUST(fork());
	if (!child) {
		MUST(sigaction(SIGUSR1, &sa, NULL));
		say("interrupted: %s", open("f", O_WRONLY) < 0 ? errno_name(errno) : "opened");
		_exit(0);
	}
	while (fcntl(again, F_GETLEASE) != F_UNLCK)
		sleep_ms(2);
	wait_asleep(child);
	MUST(kill(child, SIGUSR1));
	reap("opener", child);
	show_lease("still being broken", again);
	broke = MUST(open("f", O_RDONLY));
	SET(broke, F_RDLCK);
	close(broke);
	close(again);
	CALL(open("f", O_WRONLY | O_NONBLOCK) >= 0);
	signal(SIGIO, SIG_DFL);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_break, .sa_flags = SA_SIGINFO };

	scratch();
	MUST(sigaction(SIGRTMIN + 2, &sa, NULL));
	MUST(sigaction(SIGIO, &sa, NULL));
	who_gets_one();
	not_the_owner();
	conflicts();
	endings();
	return 0;
}
