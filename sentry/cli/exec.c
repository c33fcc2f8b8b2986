/* SPDX-License-Identifier: Apache-2.0 */
/* sentry exec: a program in a guest that runs already. */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/stat.h"
#include "sentry/base/lock.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/control.h"

#define PASSED_ON                                                                                                      \
	(LINUX_SIGMASK(LINUX_SIGHUP) | LINUX_SIGMASK(LINUX_SIGINT) | LINUX_SIGMASK(LINUX_SIGQUIT) |                    \
	 LINUX_SIGMASK(LINUX_SIGTERM) | LINUX_SIGMASK(LINUX_SIGUSR1) | LINUX_SIGMASK(LINUX_SIGUSR2) |                  \
	 LINUX_SIGMASK(LINUX_SIGWINCH))
#define END_OF_TRANSMISSION 4

struct exec_options {
	const char *name, *user, *workdir;
	struct string_list env;
	char **argv;
	bool tty, detach;
};

static int sock = -1;
static struct mutex sock_lock = MUTEX_INIT; /* writers of sock */
static int stream = -1; /* of the terminal */

/* --- the command line --- */

static int exec_options(int argc, char **argv, struct exec_options *o, bool *ret_done)
{
	static const struct option longs[] = {
		{ "detach", no_argument, NULL, 'd' },	{ "env", required_argument, NULL, 'e' },
		{ "env-file", required_argument, NULL, 'E' }, { "help", no_argument, NULL, 'h' },
		{ "interactive", no_argument, NULL, 'i' }, { "tty", no_argument, NULL, 't' },
		{ "user", required_argument, NULL, 'u' }, { "workdir", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	struct string_list given;
	int opt, err = 0;

	string_list_init(&given);
	string_list_init(&o->env);
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:de:hitu:w:", longs, NULL)) != -1 && !err) {
		switch (opt) {
		case 'd':
			o->detach = true;
			break;
		case 'e':
			if (!*optarg || *optarg == '=')
				return command_usage_error(&cmd_exec, "'-e %s' is neither KEY=VALUE nor KEY", optarg);
			string_list_add(&given, optarg);
			break;
		case 'E':
			err = env_read_file(optarg, &given);
			break;
		case 'h':
			command_help(&cmd_exec);
			*ret_done = true;
			return 0;
		case 'i':
			break;
		case 't':
			o->tty = true;
			break;
		case 'u':
			o->user = optarg;
			break;
		case 'w':
			o->workdir = optarg;
			break;
		case ':':
			return command_usage_error(&cmd_exec, "option '%s' needs an argument", argv[optind - 1]);
		default:
			return command_usage_error(&cmd_exec, "there is no option '%s'", argv[optind - 1]);
		}
	}
	if (err)
		return err;
	if (optind >= argc)
		return command_usage_error(&cmd_exec, "NAME is missing");
	o->name = argv[optind++];
	if (optind < argc && strcmp(argv[optind], "--") == 0)
		optind++;
	if (optind >= argc)
		return command_usage_error(&cmd_exec, "the command to run is missing");
	if (o->tty && o->detach)
		return command_usage_error(&cmd_exec, "what is detached has no terminal: -t and -d exclude each other");
	o->argv = argv + optind;
	if (o->tty && host_getenv("TERM"))
		env_apply(&o->env, &(struct string_list){ (char *[]){ (char *)"TERM" }, 1 });
	env_apply(&o->env, &given);
	return 0;
}

/* --- descriptors --- */

/*
 * Descriptor @fd for the sentry, which may open nothing: pipes and terminals with a description of their own that does not block, where
 * that can be had.
 */
static int passed_fd(int fd)
{
	int flags = host_fcntl_getfl(fd), own;
	struct host_stat st;

	if (flags < 0 || host_fstat(fd, &st))
		return host_openat(HOST_AT_FDCWD, "/dev/null", LINUX_O_RDWR, 0);
	if (LINUX_S_ISFIFO(st.mode) || LINUX_S_ISCHR(st.mode)) {
		own = host_reopen(fd, (flags & LINUX_O_ACCMODE) | LINUX_O_NONBLOCK | LINUX_O_NOCTTY);
		if (own >= 0)
			return own;
	}
	return fd;
}

static int send_request(const struct exec_options *o, struct control_exec *req, const int *fds, unsigned nr)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	for (req->argc = 0; o->argv[req->argc];)
		req->argc++;
	req->envc = (uint32_t)o->env.nr;
	strbuf_add(&out, req, sizeof(*req));
	strbuf_add(&out, o->user ? o->user : "", strlen(o->user ? o->user : "") + 1);
	strbuf_add(&out, o->workdir ? o->workdir : "", strlen(o->workdir ? o->workdir : "") + 1);
	for (char *const *p = o->argv; *p; p++)
		strbuf_add(&out, *p, strlen(*p) + 1);
	for (size_t i = 0; i < o->env.nr; i++)
		strbuf_add(&out, o->env.v[i], strlen(o->env.v[i]) + 1);
	if (strbuf_err(&out))
		return cli_error("out of memory");
	if (out.len > CONTROL_REQUEST_MAX)
		return cli_error("the arguments and environment are too long");
	if (control_send(sock, CONTROL_EXEC, strbuf_str(&out), out.len, fds, nr))
		return cli_error("guest '%s' has ended", o->name);
	return 0;
}

static int send_with_streams(const struct exec_options *o)
{
	struct control_exec req = { 0 };
	int fds[3];

	for (int fd = 0; fd <= 2; fd++) {
		fds[fd] = passed_fd(fd);
		if (fds[fd] < 0)
			return cli_error("cannot pass descriptor %d on: %s", fd, cli_strerror(fds[fd]));
	}
	return send_request(o, &req, fds, 3);
}

static int send_with_tty(const struct exec_options *o)
{
	struct control_exec req = { .flags = CONTROL_EXEC_TTY };
	struct host_winsize ws;
	int pair[2], err = host_socketpair(1 /* SOCK_STREAM */, pair);

	if (err)
		return cli_error("cannot make a socket: %s", cli_strerror(err));
	if (host_isatty(0) && !host_get_winsize(0, &ws)) {
		req.rows = ws.row;
		req.cols = ws.col;
	}
	stream = pair[0];
	err = send_request(o, &req, &pair[1], 1);
	host_close(pair[1]);
	return err;
}

/* --- while it runs --- */

static void *signals_main(void *arg __unused)
{
	for (;;) {
		int code, sig = host_sigtimedwait(PASSED_ON, -1, &code);
		struct host_winsize ws;

		if (sig <= 0)
			continue;
		mutex_lock(&sock_lock);
		if (sig != LINUX_SIGWINCH) {
			int32_t number = sig;

			control_send(sock, CONTROL_SIGNAL, &number, sizeof(number), NULL, 0);
		} else if (stream >= 0 && host_isatty(0) && !host_get_winsize(0, &ws)) {
			struct control_resize size = { ws.row, ws.col };

			control_send(sock, CONTROL_RESIZE, &size, sizeof(size), NULL, 0);
		}
		mutex_unlock(&sock_lock);
	}
	return NULL;
}

/* At the end of input that is no terminal, the program's terminal says so. */
static void *typed_main(void *arg __unused)
{
	char buf[1024], eot = END_OF_TRANSMISSION;
	ssize_t n;

	while ((n = host_read(0, buf, sizeof(buf))) > 0 || n == -LINUX_EINTR)
		if (n > 0 && host_write_full(stream, buf, (size_t)n))
			return NULL;
	if (!host_isatty(0))
		host_write_full(stream, &eot, 1);
	return NULL;
}

static void *printed_main(void *arg __unused)
{
	char buf[4096];
	ssize_t n;

	while ((n = host_read(stream, buf, sizeof(buf))) > 0 || n == -LINUX_EINTR)
		if (n > 0)
			host_write_full(1, buf, (size_t)n);
	return NULL;
}

/* The exit status; what came from the terminal is printed first. */
static int wait_exited(const struct exec_options *o)
{
	struct control_message m;
	pthread_t thread, printed;
	int32_t status;
	int err;

	if (pthread_create(&thread, NULL, signals_main, NULL) ||
	    (o->tty && (pthread_create(&printed, NULL, printed_main, NULL) || pthread_create(&thread, NULL, typed_main, NULL))))
		return cli_error("cannot start a thread");
	err = control_recv(sock, CONTROL_ANSWER_MAX, &m);
	if (o->tty)
		pthread_join(printed, NULL);
	if (err == -LINUX_EPIPE)
		return STATUS_SIGNAL + LINUX_SIGKILL; /* the guest ended, and all of its processes */
	if (err || m.type != CONTROL_EXITED || m.size != sizeof(status))
		return client_failed(o->name, err, &m);
	memcpy(&status, m.data, sizeof(status));
	return status & 0x7f ? STATUS_SIGNAL + (status & 0x7f) : (status >> 8) & 0xff;
}

static int exec_main(int argc, char **argv)
{
	struct exec_options o = { 0 };
	struct control_exec detached = { .flags = CONTROL_EXEC_DETACH };
	struct control_message m;
	bool done = false;
	int err = exec_options(argc, argv, &o, &done), status;

	if (err || done)
		return err;
	sock = client_connect(o.name);
	if (sock < 0)
		return STATUS_SENTRY;
	host_sigaction(LINUX_SIGPIPE, HOST_SIG_IGN, 0);
	err = o.detach ? send_request(&o, &detached, NULL, 0) : o.tty ? send_with_tty(&o) : send_with_streams(&o);
	if (err)
		return err;
	err = control_recv(sock, CONTROL_ANSWER_MAX, &m);
	if (err || m.type != CONTROL_STARTED)
		return client_failed(o.name, err, &m);
	if (o.detach)
		return 0;
	host_sigprocmask(LINUX_SIG_BLOCK, PASSED_ON, NULL);
	if (o.tty && host_isatty(0)) {
		terminal_save();
		terminal_raw(0);
	}
	status = wait_exited(&o);
	terminal_restore();
	fflush(NULL);
	host_exit_group(status);
}

const struct command cmd_exec = {
	.name = "exec",
	.usage = "[OPTIONS] NAME [--] CMD [ARG...]",
	.summary = "run a program in a guest that runs already",
	.help = "Runs CMD in the guest NAME of 'sentry ls', beside its first program: in its root directory and first namespaces, as\n"
		"root, with the environment that the first program began with.\n"
		"\n"
		"Options:\n"
		"  -t, --tty              give it a terminal of the guest's own, with job control\n"
		"  -i, --interactive      nothing: standard input is passed on anyhow\n"
		"  -d, --detach           do not wait for it; its streams are /dev/null\n"
		"  -e, --env K=V | K      set a variable, or pass it on\n"
		"      --env-file FILE    the same for each line of FILE\n"
		"  -u, --user USER[:GRP]  user, by name in the guest or number\n"
		"  -w, --workdir DIR      working directory in the guest\n"
		"  -h, --help             show this\n"
		"\n"
		"The exit status is that of CMD; 128+N when signal N killed it; 125 for an error of sentry's own, 126 when CMD can't be\n"
		"executed, 127 when it isn't found, 137 also when the guest ended.",
	.main = exec_main,
};
