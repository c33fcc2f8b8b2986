/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry diff: which paths of an image the changes of run --overlay make other.
 */
#include <stdio.h>
#include <string.h>

#include "sentry/base/json.h"
#include "sentry/cli/cli.h"
#include "vfs/ext4/ext4.h"

struct output {
	bool json, any;
};

static const char *type_name(uint32_t mode)
{
	switch (mode & LINUX_S_IFMT) {
	case LINUX_S_IFDIR:
		return "dir";
	case LINUX_S_IFLNK:
		return "link";
	case LINUX_S_IFCHR:
		return "char";
	case LINUX_S_IFBLK:
		return "block";
	case LINUX_S_IFIFO:
		return "fifo";
	case LINUX_S_IFSOCK:
		return "socket";
	default:
		return "file";
	}
}

/* The names of what differs, between @quote and separated by @sep. */
static void print_what(unsigned what, const char *quote, const char *sep)
{
	static const char *const names[] = { "content", "mode", "owner", "mtime", "xattrs" };
	const char *between = "";

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!(what & 1U << i))
			continue;
		printf("%s%s%s%s", between, quote, names[i], quote);
		between = sep;
	}
}

static void print_json_path(const char *path)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	json_string(&out, path);
	fwrite(strbuf_str(&out), 1, out.len, stdout);
}

static void print_path(const char *path)
{
	for (const uint8_t *p = (const uint8_t *)path; *p; p++) {
		if (*p < 0x20 || *p == '\\' || *p == 0x7f)
			printf("\\%03o", *p);
		else
			putchar(*p);
	}
}

static int print_change(const struct ext4_change *c, void *arg)
{
	static const char *const kinds[] = { "added", "modified", "deleted" };
	struct output *out = arg;

	if (!out->json) {
		printf("%c %s ", "AMD"[c->kind], type_name(c->mode));
		print_path(c->path);
		if (c->kind == EXT4_DIFF_MODIFIED) {
			printf(" (");
			print_what(c->what, "", ", ");
			putchar(')');
		}
		putchar('\n');
		return 0;
	}
	printf("%s\n  {\"change\": \"%s\", \"type\": \"%s\", \"path\": ", out->any ? "," : "", kinds[c->kind],
	       type_name(c->mode));
	print_json_path(c->path);
	printf(", \"mode\": \"%04o\", \"size\": %llu", c->mode & 07777, (unsigned long long)c->size);
	if (c->kind == EXT4_DIFF_MODIFIED) {
		printf(", \"what\": [");
		print_what(c->what, "\"", ", ");
		putchar(']');
	}
	putchar('}');
	out->any = true;
	return 0;
}

static int diff_main(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	const char *image = NULL, *overlay = NULL;
	struct output out = { false, false };
	int err;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			command_help(&cmd_diff);
			return 0;
		}
		if (!strncmp(argv[i], "--overlay=", 10))
			overlay = argv[i] + 10;
		else if (!strcmp(argv[i], "--overlay") && i + 1 < argc)
			overlay = argv[++i];
		else if (!strcmp(argv[i], "--json"))
			out.json = true;
		else if (argv[i][0] == '-' || image)
			return command_usage_error(&cmd_diff, "'%s' is not understood", argv[i]);
		else
			image = argv[i];
	}
	if (!image || !overlay)
		return command_usage_error(&cmd_diff, "an image and --overlay FILE are needed");
	err = vfs_init();
	if (out.json)
		putchar('[');
	if (!err)
		err = ext4_overlay_diff(image, overlay, print_change, &out, &why);
	if (out.json)
		printf("%s]\n", out.any ? "\n" : "");
	if (err)
		return cli_error("cannot compare '%s' with '%s': %s", overlay, image,
				 why.len ? strbuf_str(&why) : cli_strerror(err));
	return fflush(stdout) || ferror(stdout) ? cli_error("the list can't be written") : 0;
}

const struct command cmd_diff = {
	.name = "diff",
	.usage = "[--json] IMAGE --overlay FILE",
	.summary = "list what an overlay changes in its image",
	.help = "Lists the paths that 'sentry run --overlay FILE IMAGE' made other: A (new), M (modified, with what differs) or\n"
		"D (gone), the type of the file, and the path.  Nothing is changed.\n"
		"\n"
		"  --json  an array of objects instead",
	.main = diff_main,
};
