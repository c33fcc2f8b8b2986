/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `sentry exec`, the sentry's part: a program is started beside PID 1 (kernel_enter), on the descriptors of the client or on a
 * pseudo-terminal of the guest whose other side is a socket to the client.
 *
 *     typed:    client --> socket --> exec_typed thread --> line discipline --> program
 *     printed:  program --> line discipline --> exec_printed thread --> socket --> client
 *
 * When the program has ended, what it printed is carried to the last byte, then the terminal hangs up.  When the client has gone
 * first, the terminal hangs up at once: SIGHUP, as when a window is closed.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/control.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/pid.h"
#include "sentry/kernel/signal.h"
#include "sentry/kernel/task.h"
#include "vfs/dev/hostfd.h"
#include "vfs/devpts/pty.h"

struct exec {
	int sock;
	struct control_exec req;
	const char *user, *workdir; /* in the message */
	char **argv, **env;	    /* malloc; strings of the message, and of the base environment */
	char *home;		    /* malloc; "HOME=..." */
	struct guest_user who;
	int *fds;	      /* of the message; -1 when taken */
	const char *why;      /* what could not be had, static; for setup */
	struct pty *pty;      /* a reference */
	int done_fd;	      /* an eventfd: it has ended */
	atomic_int status;    /* wait status */
	atomic_bool ended;
	pid_t pid;
	pthread_t printed, typed;
	bool carried; /* those run */
};

/* --- the request --- */

/* Takes the next of @left bytes of strings; NULL when none ends there. */
static char *next_string(char **at, size_t *left)
{
	char *s = *at;
	size_t len = strnlen(s, *left);

	if (len == *left)
		return NULL;
	*at += len + 1;
	*left -= len + 1;
	return s;
}

static int exec_parse(struct exec *x, struct control_message *m)
{
	size_t left = m->size, max;
	char *at = (char *)m->data, *s;

	if (left < sizeof(x->req))
		return -LINUX_EPROTO;
	memcpy(&x->req, at, sizeof(x->req));
	at += sizeof(x->req);
	left -= sizeof(x->req);
	max = left; /* each string has a byte at least */
	if (!x->req.argc || x->req.argc > max || x->req.envc > max ||
	    x->req.flags & ~(uint32_t)(CONTROL_EXEC_TTY | CONTROL_EXEC_DETACH))
		return -LINUX_EPROTO;
	if (m->nr_fds != (x->req.flags & CONTROL_EXEC_DETACH ? 0U : x->req.flags & CONTROL_EXEC_TTY ? 1U : 3U))
		return -LINUX_EPROTO;
	x->fds = m->fds;
	x->user = next_string(&at, &left);
	x->workdir = x->user ? next_string(&at, &left) : NULL;
	x->argv = calloc((size_t)x->req.argc + 1, sizeof(*x->argv));
	x->env = calloc((size_t)x->req.envc + 1, sizeof(*x->env));
	if (!x->workdir || !x->argv || !x->env)
		return x->workdir ? -LINUX_ENOMEM : -LINUX_EPROTO;
	for (uint32_t i = 0; i < x->req.argc + x->req.envc; i++) {
		s = next_string(&at, &left);
		if (!s || (i >= x->req.argc && (!strchr(s, '=') || *s == '=')))
			return -LINUX_EPROTO;
		if (i < x->req.argc)
			x->argv[i] = s;
		else
			x->env[i - x->req.argc] = s;
	}
	return left ? -LINUX_EPROTO : 0;
}

static bool same_key(const char *a, const char *b)
{
	size_t len = strcspn(a, "=");

	return !strncmp(a, b, len) && b[len] == '=';
}

/* The base environment, HOME, and what the client gave: the last of a key counts. */
static int exec_environment(struct exec *x, char *const *base)
{
	size_t nr_base = 0, n = 0, total;
	char **all;

	while (base && base[nr_base])
		nr_base++;
	total = nr_base + 1 + x->req.envc;
	all = calloc(total + 1, sizeof(*all));
	if (!all || asprintf(&x->home, "HOME=%s", x->who.home) < 0) {
		free(all);
		x->home = NULL;
		return -LINUX_ENOMEM;
	}
	for (size_t i = 0; i < total; i++) {
		char *s = i < nr_base ? base[i] : i == nr_base ? x->home : x->env[i - nr_base - 1];
		size_t k = 0;

		while (k < n && !same_key(s, all[k]))
			k++;
		all[k] = s;
		n = MAX(n, k + 1);
	}
	free(x->env);
	x->env = all;
	return 0;
}

/* --- descriptors, as the new task --- */

static int setup_null(void)
{
	_cleanup_fput_ struct file *f = filp_open("/dev/null", LINUX_O_RDWR, 0);
	int err = 0;

	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	for (int fd = 0; fd <= 2 && err >= 0; fd++)
		err = fd_dup2(f, fd, false);
	return MIN(err, 0);
}

static int setup_passed(struct exec *x)
{
	for (int fd = 0; fd <= 2; fd++) {
		struct file *f = hostfd_open_passed(x->fds[fd], x->who.uid, x->who.gid);
		int err = IS_ERR(f) ? (int)PTR_ERR(f) : 0;

		if (err)
			return err;
		x->fds[fd] = -1;
		err = fd_dup2(f, fd, false);
		fput(f);
		if (err < 0)
			return err;
	}
	return 0;
}

static int setup_tty(struct exec *x)
{
	struct file *f;
	int err = 0;

	x->pty = pty_new_open();
	if (IS_ERR(x->pty)) {
		err = (int)PTR_ERR(x->pty);
		x->pty = NULL;
		return err;
	}
	x->pty->tty.winsize.ws_row = x->req.rows;
	x->pty->tty.winsize.ws_col = x->req.cols;
	f = pty_open_by_name(x->pty);
	if (IS_ERR(f)) {
		x->why = "no pseudo-terminal can be opened below the guest's /dev/pts";
		return (int)PTR_ERR(f);
	}
	for (int fd = 0; fd <= 2 && err >= 0; fd++)
		err = fd_dup2(f, fd, false);
	fput(f);
	return MIN(err, 0);
}

static int exec_setup(void *data)
{
	struct exec *x = data;
	int err;

	if (x->req.flags & CONTROL_EXEC_DETACH)
		err = setup_null();
	else if (x->req.flags & CONTROL_EXEC_TTY)
		err = setup_tty(x);
	else
		err = setup_passed(x);
	if (err && !x->why)
		x->why = "the standard streams cannot be had in the guest";
	return err;
}

static void exec_linked(void *data)
{
	struct exec *x = data;

	if (x->pty)
		tty_open_controlling(&x->pty->tty);
}

/* pids_lock is held. */
static void exec_exited(void *data, int status)
{
	struct exec *x = data;

	atomic_store(&x->status, status);
	host_eventfd_signal(x->done_fd);
	/* From here on @x may be gone. */
	atomic_store(&x->ended, true);
}

/* --- starting --- */

static void start_failed(struct exec *x, int err)
{
	const char *cmd = x->argv[0];

	switch (x->why ? 0 : err) {
	case 0:
		control_error(x->sock, STATUS_SENTRY, "cannot run '%s': %s (%s)", cmd, x->why, cli_strerror(err));
		break;
	case -LINUX_ENOENT:
	case -LINUX_ENOTDIR:
		control_error(x->sock, STATUS_NOT_FOUND, "cannot run '%s': not found in the guest", cmd);
		break;
	case -LINUX_EACCES:
	case -LINUX_EISDIR:
		control_error(x->sock, STATUS_NOT_EXECUTABLE, "cannot run '%s': it is not an executable file for this user", cmd);
		break;
	case -LINUX_ENOEXEC:
	case -LINUX_ELIBBAD:
		control_error(x->sock, STATUS_NOT_EXECUTABLE, "cannot run '%s': not a program for x86-64 Linux, and no #! script", cmd);
		break;
	case -LINUX_ESRCH:
		control_error(x->sock, STATUS_SENTRY, "the guest is ending");
		break;
	default:
		control_error(x->sock, STATUS_SENTRY, "cannot run '%s': %s", cmd, cli_strerror(err));
	}
}

/* The guest's root directory becomes the thread's; then the user, the working directory and the environment. */
static int exec_prepare(struct exec *x, char *const *base)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	struct path pwd;
	int err;

	current_fs = kernel_init_fs();
	if (!current_fs) {
		control_error(x->sock, STATUS_SENTRY, "the guest is ending");
		return -LINUX_ESRCH;
	}
	err = user_resolve(*x->user ? x->user : NULL, &x->who, &why);
	if (err) {
		control_error(x->sock, STATUS_SENTRY, "%s", strbuf_str(&why));
		return err;
	}
	if (*x->workdir) {
		err = path_lookupat(LINUX_AT_FDCWD, x->workdir, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &pwd);
		if (err) {
			control_error(x->sock, STATUS_SENTRY, "cannot use '%s' as the working directory in the guest: %s",
				      x->workdir, cli_strerror(err));
			return err;
		}
		path_put(&current_fs->pwd);
		current_fs->pwd = pwd;
	}
	err = exec_environment(x, base);
	if (err)
		control_error(x->sock, STATUS_SENTRY, "the sentry is out of memory");
	return err;
}

static int exec_start(struct exec *x)
{
	struct kernel_boot boot = {
		.fs = fs_struct_copy(current_fs),
		.files = files_new(),
		.cred = cred_new(x->who.uid, x->who.gid, x->who.nr_groups, x->who.groups),
		.path = x->argv[0],
		.argv = x->argv,
		.envp = x->env,
		.setup = exec_setup,
		.linked = exec_linked,
		.exited = exec_exited,
		.setup_data = x,
	};

	x->done_fd = host_eventfd(0, LINUX_O_NONBLOCK);
	if (!boot.fs || !boot.files || !boot.cred || x->done_fd < 0) {
		control_error(x->sock, STATUS_SENTRY, "the sentry is out of memory");
		return -LINUX_ENOMEM;
	}
	x->pid = kernel_enter(&boot);
	if (x->pid < 0)
		start_failed(x, x->pid);
	return MIN(x->pid, 0);
}

/* --- the terminal --- */

static void *exec_printed(void *data)
{
	struct exec *x = data;
	char buf[4096];

	for (;;) {
		bool ended = atomic_load(&x->ended);
		size_t n = pty_take_output(x->pty, buf, sizeof(buf));

		if (n) {
			if (host_write_full(x->fds[0], buf, n))
				break;
		} else if (ended) {
			break;
		} else {
			waitq_wait(&x->pty->wait, pty_has_output(x->pty) || atomic_load(&x->ended), SLEEP_UNINTERRUPTIBLE,
				   NO_DEADLINE);
		}
	}
	return NULL;
}

/* 0 at the end of either side. */
static ssize_t typed_read(struct exec *x, char *buf, size_t size)
{
	struct pollfd p[2] = { { .fd = x->fds[0], .events = LINUX_EPOLLIN }, { .fd = x->done_fd, .events = LINUX_EPOLLIN } };

	while (host_poll(p, 2, -1) < 0)
		;
	return p[1].revents ? 0 : host_read(x->fds[0], buf, size);
}

static void *exec_typed(void *data)
{
	struct exec *x = data;
	char buf[1024];
	ssize_t n;

	while ((n = typed_read(x, buf, sizeof(buf))) > 0) {
		for (ssize_t done = 0; done < n && !atomic_load(&x->ended);) {
			int64_t k = pty_put_input(x->pty, buf + done, (size_t)(n - done));

			if (k > 0)
				done += k;
			else
				waitq_wait(&x->pty->wait, pty_has_room(x->pty) || atomic_load(&x->ended),
					   SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
		}
	}
	return NULL;
}

static int exec_carry(struct exec *x)
{
	if (!x->pty)
		return 0;
	if (pthread_create(&x->printed, NULL, exec_printed, x))
		return -LINUX_EAGAIN;
	if (pthread_create(&x->typed, NULL, exec_typed, x)) {
		atomic_store(&x->ended, true);
		waitq_wake(&x->pty->wait, 0);
		pthread_join(x->printed, NULL);
		return -LINUX_EAGAIN;
	}
	x->carried = true;
	return 0;
}

static void exec_resize(struct exec *x, const struct control_resize *size)
{
	struct tty *tty = &x->pty->tty;

	mutex_lock(&tty->lock);
	tty->winsize.ws_row = size->rows;
	tty->winsize.ws_col = size->cols;
	mutex_unlock(&tty->lock);
	tty_signal_foreground(tty, LINUX_SIGWINCH);
}

/* --- until the end --- */

static void exec_signal(const struct exec *x, int sig)
{
	struct linux_siginfo info;
	struct pid *pid;

	if (sig < 1 || sig > LINUX_NSIG)
		return;
	siginfo_init(&info, sig, LINUX_SI_KERNEL);
	MUTEX_GUARD(&pids_lock);
	/* Ended: the number may be another's. */
	pid = atomic_load(&x->ended) ? NULL : pid_find_locked(x->pid);
	if (pid && pid->tgroup)
		signal_send_tgroup(pid->tgroup, &info, 0);
}

static void exec_message(struct exec *x, const struct control_message *m)
{
	struct control_resize size;
	int32_t sig;

	if (m->type == CONTROL_RESIZE && m->size == sizeof(size) && x->pty) {
		memcpy(&size, m->data, sizeof(size));
		exec_resize(x, &size);
	} else if (m->type == CONTROL_SIGNAL && m->size == sizeof(sig)) {
		memcpy(&sig, m->data, sizeof(sig));
		exec_signal(x, sig);
	}
}

/* Returns when the program has ended.  A client that goes away first takes the terminal with it, and nothing else. */
static void exec_wait(struct exec *x)
{
	bool gone = false;

	while (!atomic_load(&x->ended)) {
		struct pollfd p[2] = { { .fd = x->done_fd, .events = LINUX_EPOLLIN },
				       { .fd = gone ? -1 : x->sock, .events = LINUX_EPOLLIN } };
		struct control_message m;

		if (host_poll(p, 2, -1) <= 0 || !p[1].revents)
			continue;
		if (control_recv(x->sock, CONTROL_REQUEST_MAX, &m)) {
			gone = true;
			if (x->pty)
				pty_master_hangup(x->pty);
			continue;
		}
		exec_message(x, &m);
		control_message_fini(&m);
	}
}

static void exec_finish(struct exec *x)
{
	int32_t status = atomic_load(&x->status);

	if (x->carried) {
		waitq_wake(&x->pty->wait, 0);
		pthread_join(x->printed, NULL);
		pthread_join(x->typed, NULL);
	}
	control_send(x->sock, CONTROL_EXITED, &status, sizeof(status), NULL, 0);
}

static void exec_fini(struct exec *x)
{
	if (x->pty) {
		pty_master_hangup(x->pty);
		tty_put(&x->pty->tty);
	}
	if (x->done_fd >= 0)
		host_close(x->done_fd);
	free(x->who.home);
	free(x->who.groups);
	free(x->home);
	free(x->argv);
	free(x->env);
}

void control_serve_exec(int sock, struct control_message *m, char *const *env)
{
	struct exec x = { .sock = sock, .done_fd = -1 };
	int err = exec_parse(&x, m);
	int32_t pid;

	if (err)
		control_error(sock, STATUS_SENTRY, "malformed request");
	if (!err)
		err = exec_prepare(&x, env);
	if (!err)
		err = exec_start(&x);
	if (!err) {
		pid = x.pid;
		control_send(sock, CONTROL_STARTED, &pid, sizeof(pid), NULL, 0);
		/* Without threads to carry it the terminal is dead: the program is told so. */
		if (exec_carry(&x))
			pty_master_hangup(x.pty);
		exec_wait(&x);
		exec_finish(&x);
	}
	exec_fini(&x);
}
