/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "platform/confine/confine.h"
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

/* What a run without shared directories has; a shared one adds the calls that take names. */
static void doctor_confinement(void)
{
	struct filter_params p = { .pid = host_getpid() };
	struct filter_count count;

	filter_count(&p, &count);
	puts("confinement of the sentry:");
	printf("  %-13s %u host calls, %u of them by their arguments\n", confine_layer_names[CONFINE_SECCOMP], count.calls,
	       count.restricted);
	if (landlock_abi())
		printf("  %-13s ABI %d\n", confine_layer_names[CONFINE_LANDLOCK], landlock_abi());
	else
		printf("  %-13s this host has none\n", confine_layer_names[CONFINE_LANDLOCK]);
	printf("  %-13s given up; no_new_privs, undumpable\n", confine_layer_names[CONFINE_CAPS]);
	printf("  %-13s not used\n", "namespaces");
}

static int doctor_main(int argc, char **argv)
{
	struct host_utsname uts;

	if (argc > 1)
		return command_usage_error(&cmd_doctor, "it takes no argument, and there is '%s'", argv[1]);
	if (!host_uname(&uts))
		printf("host: %s %s %s\n", uts.sysname, uts.release, uts.machine);
	printf("processors: %u\n", host_nr_cpus());
	doctor_confinement();
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
