/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"

#define AT_SECURE 23

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "(development)"
#endif

static const struct command *const commands[] = {
	&cmd_run,  &cmd_do,   &cmd_boot, &cmd_exec, &cmd_cp, &cmd_ls,	 &cmd_ps,    &cmd_stats,
	&cmd_kill, &cmd_stop, &cmd_logs, &cmd_rm,   &cmd_commit, &cmd_diff, &cmd_trace, &cmd_doctor,
};

static const char top_help[] =
	"usage: sentry COMMAND [ARGUMENTS]\n"
	"       sentry --help | --version\n"
	"\n"
	"Runs Linux programs on a kernel of its own, in user space: no root, no KVM, no daemon.\n"
	"\n"
	"Commands:\n";

int cli_error(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("sentry: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return STATUS_SENTRY;
}

/* The host's texts serve: on the one architecture there is, the numbers are the same. */
const char *cli_strerror(int64_t err)
{
	return strerror((int)(err < 0 ? -err : err));
}

int command_usage_error(const struct command *cmd, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "sentry %s: ", cmd->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "; try 'sentry help %s'\n", cmd->name);
	return STATUS_SENTRY;
}

void command_help(const struct command *cmd)
{
	printf("usage: sentry %s %s\n\n%s\n", cmd->name, cmd->usage, cmd->help);
}

static void print_top_help(FILE *out)
{
	fputs(top_help, out);
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		fprintf(out, "  %-8s %s\n", commands[i]->name, commands[i]->summary);
	fprintf(out, "  %-8s %s\n", "help", "show how a command is used");
	fputs("\n'sentry help COMMAND' and sentry(1) have the rest.\n", out);
}

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int help_main(int argc, char **argv)
{
	const struct command *cmd;

	if (argc < 2) {
		print_top_help(stdout);
		return 0;
	}
	cmd = command_find(argv[1]);
	if (!cmd)
		return cli_error("there is no command '%s'; try 'sentry --help'", argv[1]);
	command_help(cmd);
	return 0;
}

int cli_main(int argc, char **argv)
{
	const struct command *cmd;

	/* Rights of a file's owner would be lent to the guests of whoever calls. */
	if (host_getauxval(AT_SECURE))
		return cli_error("it was given rights that its caller lacks (by set-user-ID, set-group-ID or file capabilities); it "
				 "needs none: take them from its file");
	if (argc < 2) {
		print_top_help(stderr);
		return STATUS_SENTRY;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)
		return help_main(argc - 1, argv + 1);
	if (strcmp(argv[1], "help") == 0)
		return help_main(argc - 1, argv + 1);
	if (strcmp(argv[1], "--version") == 0) {
		puts("sentry " PACKAGE_VERSION);
		return 0;
	}
	cmd = command_find(argv[1]);
	if (!cmd)
		return cli_error("there is no command '%s'; try 'sentry --help'", argv[1]);
	return cmd->main(argc - 1, argv + 1);
}

void string_list_init(struct string_list *l)
{
	l->nr = 0;
	l->v = calloc(1, sizeof(*l->v));
	if (!l->v) {
		cli_error("out of memory");
		exit(STATUS_SENTRY);
	}
}

void string_list_add(struct string_list *l, const char *s)
{
	char **v = realloc(l->v, (l->nr + 2) * sizeof(*v));
	char *copy = strdup(s);

	if (!v || !copy) {
		cli_error("out of memory");
		exit(STATUS_SENTRY);
	}
	v[l->nr++] = copy;
	v[l->nr] = NULL;
	l->v = v;
}
