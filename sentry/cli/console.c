/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What carries a booted machine's console (vfs/devpts/conpty.h) to and from the host: the caller's terminal, or a file, device or
 * socket.  One thread for each direction.  A terminal is put into raw mode: the line discipline is the guest's.
 *
 * From a terminal, ^] begins a command to sentry: "q" kills the machine, "c" is ctrl-alt-del, another ^] is the key itself.
 */
#include <pthread.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "sentry/kernel/kernel.h"
#include "vfs/devpts/conpty.h"

#define ESCAPE 0x1d /* ^] */

void (*console_quit)(void);

static int in_fd = -1, out_fd = -1; /* of the host; -1: none */
static int size_fd = -1;	     /* the terminal whose size the console has */
static pthread_t out_thread;

static int open_elsewhere(const char *where)
{
	struct host_stat st;
	bool there = !host_fstatat(HOST_AT_FDCWD, where, 0, &st);
	int fd;

	if (there && LINUX_S_ISSOCK(st.mode))
		fd = host_unix_connect(where);
	else if (there && !LINUX_S_ISREG(st.mode))
		fd = host_openat(HOST_AT_FDCWD, where, LINUX_O_RDWR | LINUX_O_NOCTTY, 0);
	else
		fd = host_openat(HOST_AT_FDCWD, where, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_APPEND, 0666);
	if (fd < 0)
		return cli_error("cannot open the console '%s': %s", where, cli_strerror(fd));
	out_fd = fd;
	/* A file is only written to. */
	if (there && !LINUX_S_ISREG(st.mode))
		in_fd = fd;
	return 0;
}

int console_setup(const char *where)
{
	int err = 0;

	if (where) {
		err = open_elsewhere(where);
	} else {
		in_fd = host_fcntl_getfl(0) >= 0 ? host_dup(0, 3) : -1;
		out_fd = host_fcntl_getfl(1) >= 0 ? host_dup(1, 3) : -1;
	}
	if (in_fd >= 0 && host_isatty(in_fd))
		size_fd = in_fd;
	return err;
}

void console_resized(void)
{
	struct host_winsize ws;

	if (size_fd >= 0 && !host_get_winsize(size_fd, &ws))
		conpty_resize(ws.row, ws.col);
}

static void *output_main(void *arg __unused)
{
	char buf[4096];
	size_t n;

	while ((n = conpty_take_output(buf, sizeof(buf))))
		if (out_fd >= 0)
			host_write_full(out_fd, buf, n);
	return NULL;
}

/* The bytes behind an escape are taken out; what is left is typed. */
static void type_terminal(const uint8_t *buf, size_t n)
{
	static bool escaped;

	for (size_t i = 0; i < n; i++) {
		bool command = escaped;

		escaped = !escaped && buf[i] == ESCAPE;
		if (escaped)
			continue;
		if (command && buf[i] == 'q')
			console_quit();
		else if (command && buf[i] == 'c')
			kernel_ctrl_alt_del();
		else
			conpty_input(&buf[i], 1);
	}
}

static void *input_main(void *arg __unused)
{
	uint8_t buf[1024];
	ssize_t n;

	for (;;) {
		n = host_read(in_fd, buf, sizeof(buf));
		if (n == -LINUX_EINTR)
			continue;
		if (n <= 0)
			break;
		if (size_fd >= 0)
			type_terminal(buf, (size_t)n);
		else
			conpty_input(buf, (size_t)n);
	}
	return NULL;
}

int console_start(void)
{
	pthread_t in_thread;

	if (size_fd >= 0) {
		terminal_raw(size_fd);
		console_resized();
	}
	if (pthread_create(&out_thread, NULL, output_main, NULL))
		return cli_error("cannot start a thread for the console");
	if (in_fd < 0)
		return 0;
	if (pthread_create(&in_thread, NULL, input_main, NULL))
		return cli_error("cannot start a thread for the console");
	pthread_detach(in_thread);
	return 0;
}

void console_finish(void)
{
	conpty_close();
	pthread_join(out_thread, NULL);
}
