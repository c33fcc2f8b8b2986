/* SPDX-License-Identifier: Apache-2.0 */
/*
 * #! scripts, as fs/binfmt_script.c: the line may fill BINFMT_HEAD_SIZE - 1 bytes, and what follows the interpreter's
 * name is one argument.
 */
#include <stdlib.h>
#include <string.h>

#include "loader/binfmt.h"
#include "sentry/abi/fcntl.h"

struct script_line {
	char name[BINFMT_HEAD_SIZE];
	char arg[BINFMT_HEAD_SIZE]; /* "" for none */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Both look at [p, last]; NULL when there is none. */
static const char *next_non_blank(const char *p, const char *last)
{
	for (; p <= last; p++)
		if (!is_blank(*p))
			return p;
	return NULL;
}

static const char *next_terminator(const char *p, const char *last)
{
	for (; p <= last; p++)
		if (is_blank(*p) || !*p)
			return p;
	return NULL;
}

/* @head beyond the file's end is NUL.  Without a newline a name that may be cut off is no name; an argument may be cut. */
static int script_parse(const char head[BINFMT_HEAD_SIZE], struct script_line *ret)
{
	const char *last = head + BINFMT_HEAD_SIZE - 1;
	const char *end = memchr(head, '\n', BINFMT_HEAD_SIZE);
	const char *name, *sep, *arg = NULL;
	size_t len;

	if (!end) {
		end = next_non_blank(head + 2, last);
		if (!end || !next_terminator(end, last))
			return -LINUX_ENOEXEC;
		end = last;
	}
	while (is_blank(end[-1]))
		end--;
	name = next_non_blank(head + 2, end);
	if (!name || name >= end)
		return -LINUX_ENOEXEC;
	sep = next_terminator(name, end);
	if (sep && *sep)
		arg = next_non_blank(sep, end);
	/* Behind the end is a newline or blank; a NUL ends both strings too. */
	len = (size_t)((sep && sep < end ? sep : end) - name);
	memcpy(ret->name, name, len);
	ret->name[len] = '\0';
	ret->arg[0] = '\0';
	if (arg && arg < end) {
		len = strnlen(arg, (size_t)(end - arg));
		memcpy(ret->arg, arg, len);
		ret->arg[len] = '\0';
	}
	/* "#!" and nothing: Linux opens the empty name, which is the working directory. */
	return ret->name[0] ? 0 : -LINUX_EACCES;
}

int script_load(struct exec_request *req, const char head[BINFMT_HEAD_SIZE], char **interp)
{
	struct script_line line;
	struct file *f;
	char *name;
	int err;

	err = script_parse(head, &line);
	if (err)
		return err;
	if (req->path_inaccessible)
		return -LINUX_ENOENT;
	exec_strings_remove_first(&req->argv);
	err = exec_strings_prepend(&req->argv, *interp);
	if (!err && line.arg[0])
		err = exec_strings_prepend(&req->argv, line.arg);
	if (!err)
		err = exec_strings_prepend(&req->argv, line.name);
	if (err)
		return err;
	name = strdup(line.name);
	if (!name)
		return -LINUX_ENOMEM;
	free(*interp);
	*interp = name;
	f = do_filp_open(LINUX_AT_FDCWD, name, LINUX_O_RDONLY | LINUX_O_EXEC, 0, LOOKUP_FOLLOW);
	if (IS_ERR(f))
		return (int)PTR_ERR(f);
	fput(req->file);
	req->file = f;
	return 0;
}
