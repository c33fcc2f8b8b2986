/* SPDX-License-Identifier: Apache-2.0 */
/* Controlling terminals: sessions, foreground and background, orphaned groups, who gets which signal, and what a hangup does. */
#include "tests/contract/tty.h"

static char name[64];

/* In a new session whose terminal is a new one: runs @body in its leader, and reaps it. */
static void session(const char *what, void (*body)(void))
{
	say("-- %s", what);
	IN_CHILD("leader") {
		MUST(setsid());
		alarm(20);
		tty_open();
		set_blocking(s, true);
		MUST(ptsname_r(m, name, sizeof(name)) ? -1 : 0);
		MUST(ioctl(s, TIOCSCTTY, 0));
		body();
	}
	if (m >= 0)
		close(m);
	m = s = -1;
}

/* A child in a group of its own that runs @body; the group is in the background. */
static pid_t background(void (*body)(void))
{
	struct gate g;
	pid_t pid;

	gate_init(&g);
	pid = MUST(fork());
	if (pid == 0) {
		gate_wait(&g);
		body();
		_exit(0);
	}
	MUST(setpgid(pid, pid));
	gate_open(&g);
	return pid;
}

static void wait_stop(const char *what, pid_t pid)
{
	int st = 0;

	MUST(waitpid(pid, &st, WUNTRACED));
	show_status(what, st);
}

static void ends_after_cont(pid_t pid)
{
	wait_stop("child", pid);
	MUST(kill(pid, SIGKILL));
	reap("child", pid);
}

static bool quiet; /* what is heard is told later */
static char heard[128];

static void on_signal(int sig)
{
	if (!quiet) {
		say("  %s", signal_name(sig));
		return;
	}
	strcat(heard, " ");
	strcat(heard, signal_name(sig));
}

static void catch(int sig)
{
	struct sigaction sa = { .sa_handler = on_signal };

	MUST(sigaction(sig, &sa, NULL));
}

/* --- the ioctls --- */

static void controlling(void)
{
	int fd, v = 0;

	YES(tcgetsid(s) == getpid());
	YES(tcgetpgrp(s) == getpid());
	YES(tcgetpgrp(m) == getpid());
	OK(ioctl(m, TIOCGSID, &v));
	fd = OK(open("/dev/tty", O_RDWR));
	YES(isatty(fd));
	YES(tcgetpgrp(fd) == getpid());
	CALL(ioctl(s, TIOCSCTTY, 0));
	CALL(tcsetpgrp(s, 1));
	CALL(tcsetpgrp(s, 0x7ffffff0));
	CALL(tcsetpgrp(s, -1));
	CALL(ioctl(s, TIOCSPGRP, BAD_PTR));
	CALL(ioctl(s, TIOCGPGRP, BAD_PTR));
	IN_CHILD("not the leader") {
		CALL(ioctl(s, TIOCSCTTY, 0));
		MUST(setsid());
		CALL(open("/dev/tty", O_RDWR));
		CALL(tcgetpgrp(s));
		CALL(tcgetsid(s));
		CALL(tcsetpgrp(s, getpid()));
		CALL(ioctl(s, TIOCSCTTY, 0));
		CALL(ioctl(s, TIOCNOTTY, 0));
	}
	IN_CHILD("who gives it up") {
		CALL(ioctl(s, TIOCNOTTY, 0));
		CALL(open("/dev/tty", O_RDWR));
		CALL(tcgetpgrp(s));
	}
	YES(tcgetpgrp(s) == getpid());
	catch(SIGHUP);
	catch(SIGCONT);
	CALL(ioctl(s, TIOCNOTTY, 0));
	CALL(tcgetpgrp(s));
	CALL(open("/dev/tty", O_RDWR));
	SECTION("opened as the controlling terminal");
	fd = OK(open(name, O_RDWR | O_NOCTTY));
	CALL(open("/dev/tty", O_RDWR));
	fd = OK(open(name, O_RDWR));
	OK(open("/dev/tty", O_RDWR));
	YES(tcgetsid(fd) == getpid());
}

/* --- readers and writers in the background --- */

static void reads(void)
{
	char c;

	CALL(read(s, &c, 1));
}

static void reads_ignoring(void)
{
	signal(SIGTTIN, SIG_IGN);
	reads();
}

static void reads_blocking(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTTIN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	reads();
}

static void reads_catching(void)
{
	catch(SIGTTIN);
	reads();
}

static void writes(void)
{
	CALL(write(s, "x", 1));
}

static void writes_ignoring(void)
{
	signal(SIGTTOU, SIG_IGN);
	writes();
}

static void sets(void)
{
	CALL(tcsetattr(s, TCSANOW, &std));
}

static void sets_group(void)
{
	CALL(tcsetpgrp(s, getpgrp()));
}

static void sets_ignoring(void)
{
	signal(SIGTTOU, SIG_IGN);
	CALL(tcsetattr(s, TCSANOW, &std));
	CALL(tcsetpgrp(s, getpgrp()));
}

static void flushes(void)
{
	CALL(tcflush(s, TCIFLUSH));
}

static void drains(void)
{
	CALL(tcdrain(s));
}

static void flows(void)
{
	CALL(tcflow(s, TCOON));
}

static void asks(void)
{
	struct termios t;

	CALL(tcgetattr(s, &t));
	CALL(ioctl(s, TIOCSWINSZ, &(struct winsize){ 1, 1, 0, 0 }));
	CALL(poll(&(struct pollfd){ s, POLLIN, 0 }, 1, 0));
	YES(tcgetpgrp(s) > 0);
}

static void rules(void)
{
	signal(SIGTTOU, SIG_IGN);
	signal(SIGTTOU, SIG_DFL);
	say("reads");
	ends_after_cont(background(reads));
	say("reads, SIGTTIN ignored");
	reap("child", background(reads_ignoring));
	say("reads, SIGTTIN blocked");
	reap("child", background(reads_blocking));
	say("writes");
	reap("child", background(writes));
	use(with(L, TOSTOP, 0));
	say("writes, TOSTOP");
	ends_after_cont(background(writes));
	say("writes, TOSTOP, SIGTTOU ignored");
	reap("child", background(writes_ignoring));
	use(std);
	say("sets the terminal");
	ends_after_cont(background(sets));
	say("sets the group");
	ends_after_cont(background(sets_group));
	say("flushes");
	ends_after_cont(background(flushes));
	say("drains");
	ends_after_cont(background(drains));
	say("starts output");
	ends_after_cont(background(flows));
	say("asks");
	reap("child", background(asks));
	say("sets, SIGTTOU ignored");
	reap("child", background(sets_ignoring));
	signal(SIGTTOU, SIG_IGN);
	CALL(tcsetpgrp(s, getpgrp()));
	MUST(write(m, "y\n", 2));
	say("reads when it is in the foreground again");
	reads();
}

static void caught(void)
{
	pid_t pid;

	say("a handler of SIGTTIN runs, and again, until the group is in the foreground");
	signal(SIGTTOU, SIG_IGN);
	pid = background(reads_catching);
	(void)pid;
	sleep_ms(50);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- an orphaned group --- */

static void orphan_body(void)
{
	char c;

	CALL(read(s, &c, 1));
	CALL(tcsetattr(s, TCSANOW, &std));
	CALL(tcsetpgrp(s, getpgrp()));
	CALL(write(s, "x", 1));
}

static void orphaned(void)
{
	struct gate done, go;

	gate_init(&done);
	gate_init(&go);
	IN_CHILD("parent that ends") {
		pid_t pid = MUST(fork());

		if (pid == 0) {
			gate_wait(&go);
			orphan_body();
			gate_open(&done);
			_exit(0);
		}
		MUST(setpgid(pid, pid));
		_exit(0);
	}
	gate_open(&go);
	gate_wait(&done);
}

/* --- signals of characters and sizes --- */

static void keys(void)
{
	static const char typed[] = { 3, 28, 26 };
	char c;

	catch(SIGINT);
	catch(SIGQUIT);
	catch(SIGTSTP);
	set_blocking(s, false);
	for (size_t i = 0; i < sizeof(typed); i++) {
		TYPE("x");
		MUST(write(m, &typed[i], 1));
		CALL(read(s, &c, 1));
		show_both();
	}
	say("not to the background");
	signal(SIGTTOU, SIG_IGN);
	IN_CHILD("foreground") {
		setpgid(0, 0);
		MUST(tcsetpgrp(s, getpid()));
		MUST(write(m, "\003", 1));
		read(s, &c, 1);
		say("here");
	}
	MUST(tcsetpgrp(s, getpid()));
	say("without ISIG");
	use(with(L, 0, ISIG));
	TYPE("\003\034\n");
	use(with(L, NOFLSH, 0));
	say("NOFLSH");
	TYPE("kept\003\n");
	say("TIOCSIG");
	CALL(ioctl(m, TIOCSIG, SIGINT));
}

static void sizes(void)
{
	struct winsize w = { 25, 80, 0, 0 };

	catch(SIGWINCH);
	say("a new size");
	CALL(ioctl(m, TIOCSWINSZ, &w));
	say("the same");
	CALL(ioctl(m, TIOCSWINSZ, &w));
	w.ws_xpixel = 1;
	say("from the slave");
	CALL(ioctl(s, TIOCSWINSZ, &w));
}

/* --- the end of a session --- */

static struct gate told, go;

/* Tells what it heard when the leader's end was told. */
static void listen_for_hangup(void)
{
	quiet = true;
	catch(SIGHUP);
	catch(SIGCONT);
	gate_open(&told);
	gate_wait(&go);
	for (int i = 0; i < 500 && !strstr(heard, "SIGHUP"); i++)
		sleep_ms(2);
	sleep_ms(20); /* the second signal */
	say("  in the foreground:%s", heard);
}

static void listener(void)
{
	listen_for_hangup();
	CALL(write(s, "x", 1));
	CALL(open("/dev/tty", O_RDWR));
	gate_open(&told);
}

static void leader_body(void)
{
	pid_t pid;

	signal(SIGTTOU, SIG_IGN);
	pid = background(listener);
	MUST(tcsetpgrp(s, pid));
	gate_wait(&told);
	wait_asleep(pid);
}

static void leader_ends(void)
{
	gate_init(&told);
	gate_init(&go);
	session("the leader ends: the foreground hears it", leader_body);
	gate_open(&go);
	gate_wait(&told);
}

static void master_closes(void)
{
	char c;

	catch(SIGHUP);
	catch(SIGCONT);
	close(m);
	m = -1;
	CALL(read(s, &c, 1));
	CALL(write(s, &c, 1));
	CALL(open("/dev/tty", O_RDWR));
	CALL(tcgetpgrp(s));
}

/* The foreground is not the leader: it hears when the leader has ended, too. */
static void foreground(void)
{
	close(m);
	listen_for_hangup();
	gate_open(&told);
}

static void leader_hears(void)
{
	pid_t pid;

	signal(SIGTTOU, SIG_IGN);
	catch(SIGHUP);
	catch(SIGCONT);
	pid = background(foreground);
	MUST(tcsetpgrp(s, pid));
	gate_wait(&told);
	wait_asleep(pid);
	close(m);
	m = -1;
	sleep_ms(20);
	say("  the leader ends");
}

static void vhangup_body(void)
{
	char c;

	catch(SIGHUP);
	catch(SIGCONT);
	set_blocking(s, false);
	if (geteuid() == 0)
		CALL(ioctl(s, 0x5437 /* TIOCVHANGUP */, 0));
	CALL(read(s, &c, 1));
	CALL(tcgetpgrp(s));
}

int main(void)
{
	alarm(20); /* whatever hangs: sessions outlive a runner's kill */
	session("a controlling terminal", controlling);
	session("the background", rules);
	session("a caught SIGTTIN", caught);
	session("an orphaned group", orphaned);
	session("characters", keys);
	session("window size", sizes);
	leader_ends();
	session("the master closes", master_closes);
	session("the master closes, another group is in the foreground", leader_hears);
	gate_open(&go);
	gate_wait(&told);
	if (geteuid() == 0)
		session("hung up", vhangup_body);
	return 0;
}
