/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/cli/guests.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option longs[] = {
	{ "all", no_argument, NULL, 'a' },    { "follow", no_argument, NULL, 'f' },	 { "force", no_argument, NULL, 'f' },
	{ "help", no_argument, NULL, 'h' },   { "json", no_argument, NULL, 'J' },	 { "quiet", no_argument, NULL, 'q' },
	{ "signal", required_argument, NULL, 's' }, { "tail", required_argument, NULL, 'n' },
	{ "time", required_argument, NULL, 't' },   { NULL, 0, NULL, 0 },
};

int guests_options(const struct command *cmd, const char *shorts, int argc, char **argv, struct guests_options *o, bool *ret_done)
{
	char all[32];
	int opt;

	*o = (struct guests_options){ .patience = -1, .tail = -1 };
	*ret_done = false;
	snprintf(all, sizeof(all), ":h%s", shorts);
	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, all, longs, NULL)) != -1) {
		if (opt == 'h') {
			command_help(cmd);
			*ret_done = true;
			return 0;
		}
		if (opt == ':')
			return command_usage_error(cmd, "option '%s' needs an argument", argv[optind - 1]);
		if (opt == '?' || !strchr(shorts, opt))
			return command_usage_error(cmd, "there is no option '%s'", argv[optind - 1]);
		o->json |= opt == 'J';
		o->all |= opt == 'a';
		o->quiet |= opt == 'q';
		o->follow |= opt == 'f';
		o->force |= opt == 'f';
		if (opt == 's')
			o->signal = optarg;
		if (opt == 't' && !parse_duration(optarg, &o->patience))
			return command_usage_error(cmd, "'-t %s' is not a duration such as 10s", optarg);
		if (opt == 'n')
			o->tail = strcmp(optarg, "all") ? atol(optarg) : -1;
	}
	o->names = argv + optind;
	return 0;
}
