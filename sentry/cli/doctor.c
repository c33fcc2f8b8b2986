/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "platform/host/host.h"
#include "platform/platform.h"
#include "sentry/cli/cli.h"

static int doctor_platforms(void)
{
	int nr_working = 0;

	puts("platforms, in order of preference:");
	for (const struct platform_ops *const *p = platforms; *p; p++) {
		const char *why = NULL;
		int err = (*p)->probe(&why);

		if (!err)
			nr_working++;
		printf("  %-10s %s\n", (*p)->name, !err ? "works" : why ? why : cli_strerror(err));
	}
	return nr_working;
}

static int doctor_main(int argc, char **argv)
{
	struct host_utsname uts;

	if (argc > 1)
		return command_usage_error(&cmd_doctor, "it takes no argument, and there is '%s'", argv[1]);
	if (!host_uname(&uts))
		printf("host: %s %s %s\n", uts.sysname, uts.release, uts.machine);
	printf("processors: %u\n", host_nr_cpus());
	if (doctor_platforms())
		return 0;
	puts("no platform works here: sentry can't run guests");
	return 1;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.usage = "",
	.summary = "tell what works on this machine",
	.help = "Tries each platform and says why one does not work.  The exit status is 0 when a guest can be run.",
	.main = doctor_main,
};
