/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry trace, and the trace options of run and do.
 */
#include "sentry/trace/trace.h"

#include <stdio.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/cli/cli.h"

static int create_file(const char *path)
{
	return host_openat(HOST_AT_FDCWD, path, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC, 0666);
}

int setup_tracing(const struct run_options *o)
{
	int fd, err;

	if (o->strace) {
		fd = o->strace_file ? create_file(o->strace_file) : host_dup(2, 3);
		if (fd < 0)
			return cli_error("cannot write to '%s': %s", o->strace_file ? o->strace_file : "standard error",
					 cli_strerror(fd));
		strace_start(fd);
	}
	if (o->trace_file) {
		fd = create_file(o->trace_file);
		err = fd < 0 ? fd : ktrace_start(fd);
		if (err)
			return cli_error("cannot write to '%s': %s", o->trace_file, cli_strerror(err));
	}
	return 0;
}

static int trace_main(int argc, char **argv)
{
	int fd, err;

	if (argc == 2 && argv[1][0] == '-' && argv[1][1]) {
		if (argv[1][1] != 'h' && argv[1][2] != 'h')
			return command_usage_error(&cmd_trace, "there is no option '%s'", argv[1]);
		command_help(&cmd_trace);
		return 0;
	}
	if (argc != 2)
		return command_usage_error(&cmd_trace, "it takes one file");
	fd = host_openat(HOST_AT_FDCWD, argv[1], LINUX_O_RDONLY, 0);
	if (fd < 0)
		return cli_error("cannot open '%s': %s", argv[1], cli_strerror(fd));
	err = ktrace_print(fd, stdout);
	if (err == -LINUX_EINVAL)
		return cli_error("'%s' is not a trace made by 'sentry run --trace %s'", argv[1], argv[1]);
	if (!err && (fflush(stdout) || ferror(stdout)))
		err = -LINUX_EIO;
	return err ? cli_error("cannot print '%s': %s", argv[1], cli_strerror(err)) : 0;
}

const struct command cmd_trace = {
	.name = "trace",
	.usage = "FILE",
	.summary = "print what --trace recorded",
	.help = "Prints the events that 'sentry run --trace FILE' or 'sentry do --trace FILE' recorded: system calls, "
		"page\n"
		"faults, switches to and from the guest, sleeps and wakes, signals.",
	.main = trace_main,
};
