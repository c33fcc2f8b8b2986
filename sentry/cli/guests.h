/* SPDX-License-Identifier: Apache-2.0 */
/* What the commands about guests that run share: guests_show.c (ls, ps, stats, logs) and guests_end.c (kill, stop, rm). */
#ifndef SENTRY_CLI_GUESTS_H
#define SENTRY_CLI_GUESTS_H

#include "sentry/cli/cli.h"

struct guests_options {
	bool json, all, quiet, follow, force;
	const char *signal;
	int64_t patience; /* ns; -1: as it is without the option */
	long tail;	  /* -1: all */
	char **names;
};

/*
 * Parses the options that @cmd has, of which @shorts are the letters; 'J' stands for --json.  0, or the exit status after reporting.
 * *ret_done: there was --help.
 */
int guests_options(const struct command *cmd, const char *shorts, int argc, char **argv, struct guests_options *o, bool *ret_done);

#define NAMED_HELP "\n  -h, --help             show this"

#endif
