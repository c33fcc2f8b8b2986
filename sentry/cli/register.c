/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest makes itself known (rundir.h), and with --detach goes into the background:
 *
 *     the process that was started                 its child, the sentry
 *                                                  setsid, claims its name, 0-2 become /dev/null and the log
 *     reads the name                          <--
 *     prints it, exits with 0                 <--  the first program runs
 *     or prints the log, exits as the child        it could not be started
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/control.h"
#include "sentry/cli/rundir.h"

#define PATIENCE 500
#define PAUSE_NS 10000000LL

static int listen_fd = -1;
static int started_fd = -1; /* to the process that waits; -1: none */
static const char *guest_kind;

/* --- the waiting process --- */

static void print_log(const char *name)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	int rundir = rundir_open(false, &why), dir = -1, fd;
	struct guest_state s;
	bool ended = false;
	char buf[4096];
	ssize_t n;

	/* The keeper has it noted in a moment. */
	for (int i = 0; i < PATIENCE && !ended; i++) {
		if (dir >= 0)
			host_close(dir);
		dir = -1;
		if (!rundir_find(rundir, name, &s, &dir)) {
			ended = s.ended;
			guest_state_fini(&s);
		}
		if (!ended)
			host_nanosleep(PAUSE_NS);
	}
	fd = dir < 0 ? dir : host_openat(dir, "log", LINUX_O_RDONLY | LINUX_O_NOFOLLOW, 0);
	while (fd >= 0 && (n = host_read(fd, buf, sizeof(buf))) > 0)
		host_write_full(2, buf, (size_t)n);
	for (int i = 0; i < PATIENCE && rundir_remove(rundir, name) == -LINUX_EBUSY; i++)
		host_nanosleep(PAUSE_NS);
}

static void wait_started(int fd, pid_t child) __noreturn;
static void wait_started(int fd, pid_t child)
{
	char name[GUEST_NAME_MAX + 2] = "";
	size_t len = 0;
	int status = 0;

	while (len < sizeof(name) - 1 && !memchr(name, '\n', len)) {
		ssize_t n = host_read(fd, name + len, 1);

		if (n <= 0)
			break;
		len += (size_t)n;
	}
	/* The second newline is the start's. */
	if (len && name[len - 1] == '\n') {
		char c;

		name[len - 1] = '\0';
		if (host_read(fd, &c, 1) == 1) {
			name[len - 1] = '\n';
			host_write_full(1, name, len);
			host_exit_group(0);
		}
		print_log(name);
	}
	host_waitpid(child, &status, 0);
	status = status & 0x7f ? STATUS_SIGNAL + (status & 0x7f) : (status >> 8) & 0xff;
	host_exit_group(status ? status : STATUS_SENTRY);
}

/* Returns in the child. */
static int detach(void)
{
	int pipe[2], err = host_pipe2(pipe, 0);
	pid_t child;

	if (err)
		return cli_error("cannot make a pipe: %s", cli_strerror(err));
	child = host_fork();
	if (child < 0)
		return cli_error("cannot make a process: %s", cli_strerror(child));
	if (child) {
		host_close(pipe[1]);
		wait_started(pipe[0], child);
	}
	host_close(pipe[0]);
	started_fd = pipe[1];
	host_setsid();
	return 0;
}

/* --- the sentry --- */

static int streams_to_log(int dir)
{
	int log = host_openat(dir, "log", LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_EXCL | LINUX_O_APPEND, 0600);
	int null = host_openat(HOST_AT_FDCWD, "/dev/null", LINUX_O_RDWR, 0);

	if (log < 0 || null < 0)
		return cli_error("cannot open the log: %s", cli_strerror(MIN(log, null)));
	host_dup2(null, 0);
	host_dup2(log, 1);
	host_dup2(log, 2);
	if (log > 2)
		host_close(log);
	if (null > 2)
		host_close(null);
	return 0;
}

static char *join(char *const *argv)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	char *s;

	for (char *const *p = argv; p && *p; p++)
		strbuf_addf(&out, "%s%s", p == argv ? "" : " ", *p);
	s = strbuf_detach(&out);
	return s ? s : strdup("");
}

int guest_claim(const struct run_options *o, const char *kind)
{
	struct guest_state s = { .kind = kind, .detached = o->detach, .keep = o->detach && !o->rm };
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	int err = o->detach ? detach() : 0, dir;

	if (err)
		return err;
	guest_kind = kind;
	s.image = (char *)(uintptr_t)(o->image ? o->image : "");
	s.command = join(o->argv);
	s.pid = host_getpid();
	s.started = realtime_ns() / 1000000000;
	if (o->name)
		strcpy(s.name, o->name);
	dir = rundir_claim(&s, &listen_fd, &why);
	free(s.command);
	if (dir < 0) {
		listen_fd = -1;
		if (o->name || o->detach)
			return cli_error("%s", strbuf_str(&why));
		log_info("this guest has no name: %s", strbuf_str(&why));
		return 0;
	}
	if (!o->detach)
		return 0;
	err = streams_to_log(dir);
	if (err)
		return err;
	host_write_full(started_fd, s.name, strlen(s.name));
	host_write_full(started_fd, "\n", 1);
	return 0;
}

int guest_started(char *const *env)
{
	struct control_params p = { .listen = listen_fd, .env = env, .kind = guest_kind };

	if (started_fd >= 0) {
		host_write_full(started_fd, "\n", 1);
		host_close(started_fd);
		started_fd = -1;
	}
	return listen_fd >= 0 ? control_start(&p) : 0;
}
