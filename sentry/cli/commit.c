/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry commit: the changes that run --overlay kept become the image's.
 */
#include <stdio.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/cli/cli.h"
#include "vfs/ext4/ext4.h"

static int commit_main(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	const char *image = NULL, *overlay = NULL;
	int err;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			command_help(&cmd_commit);
			return 0;
		}
		if (!strncmp(argv[i], "--overlay=", 10))
			overlay = argv[i] + 10;
		else if (!strcmp(argv[i], "--overlay") && i + 1 < argc)
			overlay = argv[++i];
		else if (argv[i][0] == '-' || image)
			return command_usage_error(&cmd_commit, "'%s' is not understood", argv[i]);
		else
			image = argv[i];
	}
	if (!image || !overlay)
		return command_usage_error(&cmd_commit, "an image and --overlay FILE are needed");
	err = vfs_init();
	if (!err)
		err = ext4_overlay_commit(image, overlay, &why);
	if (err)
		return cli_error("cannot commit '%s' to '%s': %s", overlay, image,
				 why.len ? strbuf_str(&why) : cli_strerror(err));
	err = host_unlinkat(HOST_AT_FDCWD, overlay, 0);
	return err ? cli_error("'%s' is in the image now, but can't be removed: %s", overlay, cli_strerror(err)) : 0;
}

const struct command cmd_commit = {
	.name = "commit",
	.usage = "IMAGE --overlay FILE",
	.summary = "write the changes of an overlay to its image",
	.help = "Writes what 'sentry run --overlay FILE IMAGE' kept in FILE to IMAGE, and removes FILE.  When it is\n"
		"interrupted, FILE is still good, and it can be done again.",
	.main = commit_main,
};
