/* SPDX-License-Identifier: Apache-2.0 */
/* What ends guests: sentry kill, stop, rm. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"
#include "sentry/base/waitq.h"
#include "sentry/cli/control.h"
#include "sentry/cli/guests.h"
#include "sentry/cli/rundir.h"
#include "sentry/kernel/signal.h"

/* What `stop` waits before it kills: a program, a machine. */
#define STOP_PATIENCE_NS (10 * 1000000000LL)
#define STOP_MACHINE_PATIENCE_NS (60 * 1000000000LL)

/* --- kill and stop --- */

static int signal_number(const char *s)
{
	if (*s >= '0' && *s <= '9')
		return atoi(s);
	for (int sig = 1; sig <= LINUX_NSIG; sig++) {
		const char *name = signal_name(sig);

		if (!strcasecmp(name, s) || (!strncmp(name, "SIG", 3) && !strcasecmp(name + 3, s)))
			return sig;
	}
	return -1;
}

static int send_signal(const char *name, int sig, int *ret_sock)
{
	struct control_message m;
	int32_t number = sig;
	int sock = client_connect(name), err;

	if (sock < 0)
		return STATUS_SENTRY;
	err = client_ask(sock, name, CONTROL_SIGNAL, &number, sizeof(number), CONTROL_DONE, &m);
	control_message_fini(&m);
	if (err || !ret_sock)
		host_close(sock);
	else
		*ret_sock = sock;
	return err;
}

static int kill_main(int argc, char **argv)
{
	struct guests_options o;
	bool done;
	int err = guests_options(&cmd_kill, "s:", argc, argv, &o, &done), sig, status = 0;

	if (err || done)
		return err;
	sig = o.signal ? signal_number(o.signal) : LINUX_SIGKILL;
	if (sig < 1 || sig > LINUX_NSIG)
		return command_usage_error(&cmd_kill, "'%s' is no signal", o.signal);
	if (!*o.names)
		return command_usage_error(&cmd_kill, "NAME is missing");
	for (char **name = o.names; *name; name++) {
		err = send_signal(*name, sig, NULL);
		status = err ? err : status;
	}
	return status;
}

/* Waits until the sentry at the other end is gone; false when the time is over first. */
static bool wait_gone(int sock, int64_t patience)
{
	deadline_t deadline = deadline_after(patience);
	struct pollfd p = { .fd = sock, .events = LINUX_EPOLLIN };
	char c;

	for (;;) {
		int64_t left = deadline - monotonic_ns();

		if (left <= 0)
			return false;
		if (host_ppoll(&p, 1, left) > 0 && host_read(sock, &c, 1) <= 0)
			return true;
	}
}

/* The keeper notes it a moment later; who comes next shall find it so. */
static void wait_noted(const char *name)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	int rundir = rundir_open(false, &why);

	for (int i = 0; rundir >= 0 && i < 300; i++) {
		struct guest_state s;
		bool ended;

		if (rundir_find(rundir, name, &s, NULL))
			break;
		ended = s.ended;
		guest_state_fini(&s);
		if (ended)
			break;
		host_nanosleep(10000000);
	}
	if (rundir >= 0)
		host_close(rundir);
}

static int64_t stop_patience(const char *name)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	int rundir = rundir_open(false, &why);
	struct guest_state s;
	bool machine = false;

	if (rundir >= 0 && !rundir_find(rundir, name, &s, NULL)) {
		machine = !strcmp(s.kind, "boot");
		guest_state_fini(&s);
	}
	if (rundir >= 0)
		host_close(rundir);
	return machine ? STOP_MACHINE_PATIENCE_NS : STOP_PATIENCE_NS;
}

static int stop_one(const char *name, int64_t patience)
{
	struct control_message m;
	int sock = client_connect(name), err;

	if (sock < 0)
		return STATUS_SENTRY;
	err = client_ask(sock, name, CONTROL_STOP, NULL, 0, CONTROL_DONE, &m);
	control_message_fini(&m);
	if (!err && !wait_gone(sock, patience < 0 ? stop_patience(name) : patience)) {
		int other;

		err = send_signal(name, LINUX_SIGKILL, &other);
		if (!err) {
			wait_gone(other, STOP_PATIENCE_NS);
			host_close(other);
		}
	}
	host_close(sock);
	if (!err)
		wait_noted(name);
	return err;
}

static int stop_main(int argc, char **argv)
{
	struct guests_options o;
	bool done;
	int err = guests_options(&cmd_stop, "t:", argc, argv, &o, &done), status = 0;

	if (err || done)
		return err;
	if (!*o.names)
		return command_usage_error(&cmd_stop, "NAME is missing");
	for (char **name = o.names; *name; name++) {
		err = stop_one(*name, o.patience);
		status = err ? err : status;
	}
	return status;
}

/* --- rm --- */

static int rm_main(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	struct guests_options o;
	bool done;
	int err = guests_options(&cmd_rm, "f", argc, argv, &o, &done), status = 0, rundir;

	if (err || done)
		return err;
	if (!*o.names)
		return command_usage_error(&cmd_rm, "NAME is missing");
	rundir = rundir_open(false, &why);
	for (char **name = o.names; *name; name++) {
		err = rundir < 0 ? rundir : rundir_remove(rundir, *name);
		if (err == -LINUX_EBUSY && o.force && !stop_one(*name, 0)) {
			err = rundir_remove(rundir, *name);
			err = err == -LINUX_ENOENT ? 0 : err;
		}
		if (err == -LINUX_EBUSY)
			status = cli_error("guest '%s' is running: 'sentry stop' it first, or use -f", *name);
		else if (err)
			status = cli_error("there is no guest '%s'", *name);
	}
	return status;
}

/* --- the commands --- */

const struct command cmd_kill = {
	.name = "kill", .usage = "[-s SIGNAL] NAME...", .summary = "send a signal to a guest", .main = kill_main,
	.help = "Sends SIGNAL, by name or number, to the first program of guest NAME.  SIGKILL, which it is without the option, ends "
		"the\nwhole guest at once.\n"
		"\n"
		"Options:\n"
		"  -s, --signal SIGNAL    the signal (KILL)" NAMED_HELP,
};

const struct command cmd_stop = {
	.name = "stop", .usage = "[-t TIME] NAME...", .summary = "end a guest in order", .main = stop_main,
	.help = "Sends SIGTERM to the first program of guest NAME, or powers the machine off, and waits for the end.  After TIME it is "
		"killed.\n"
		"\n"
		"Options:\n"
		"  -t, --time TIME        how long to wait (10s; 60s for a machine)" NAMED_HELP,
};

const struct command cmd_rm = {
	.name = "rm", .usage = "[-f] NAME...", .summary = "forget a detached guest that has ended", .main = rm_main,
	.help = "Removes the log and exit status of the detached guest NAME.\n"
		"\n"
		"Options:\n"
		"  -f, --force            kill it first when it runs" NAMED_HELP,
};
