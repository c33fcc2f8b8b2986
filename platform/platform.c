/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/platform.h"

#include <stdio.h>
#include <string.h>

#include "platform/ptrace/ptrace.h"
#include "platform/systrap/systrap.h"
#include "sentry/abi/errno.h"
#include "sentry/base/log.h"

const struct platform_ops *const platforms[] = {
	&systrap_platform,
	&ptrace_platform,
	NULL,
};

const struct platform_ops *platform;

static int platform_try(const struct platform_ops *p, const struct platform_params *params, const char **ret_why)
{
	int err = params ? p->init(params, ret_why) : p->probe(ret_why);

	if (!err)
		platform = p;
	return err;
}

int platform_select(const char *name, const struct platform_params *params, const char **ret_why)
{
	static char unknown[160];
	const char *why = "no platform is built in";
	int err = -LINUX_ENODEV;

	if (!strcmp(name, "auto")) {
		for (const struct platform_ops *const *p = platforms; *p; p++) {
			err = platform_try(*p, params, &why);
			if (!err)
				return 0;
			if (p[1])
				log_warn("the %s platform does not work here: %s; trying %s", (*p)->name, why, p[1]->name);
		}
		*ret_why = why;
		return err;
	}
	for (const struct platform_ops *const *p = platforms; *p; p++) {
		if (strcmp(name, (*p)->name))
			continue;
		err = platform_try(*p, params, &why);
		if (err)
			*ret_why = why;
		return err;
	}
	snprintf(unknown, sizeof(unknown), "there is no platform \"%.40s\"; there is:", name);
	for (const struct platform_ops *const *p = platforms; *p; p++) {
		size_t len = strlen(unknown);

		snprintf(unknown + len, sizeof(unknown) - len, " %s", (*p)->name);
	}
	*ret_why = unknown;
	return -LINUX_EINVAL;
}
