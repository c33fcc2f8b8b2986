/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Users and groups, looked up in the guest's own /etc/passwd and /etc/group: the host's say nothing about the guest.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/cli/cli.h"

#define ETC_FILE_MAX (4UL << 20)
#define MAX_FIELDS 7

/* The whole file in malloc'ed storage, NUL-terminated; NULL when it can't be read. */
static char *read_guest_file(const char *path)
{
	_cleanup_fput_ struct file *f = filp_open(path, LINUX_O_RDONLY, 0);
	size_t cap = 0, len = 0;
	char *buf = NULL;
	int64_t n;

	if (IS_ERR(f))
		return NULL;
	do {
		if (len + 4096 >= cap) {
			char *bigger = realloc(buf, cap = len * 2 + 8192);

			if (!bigger || cap > ETC_FILE_MAX) {
				free(bigger ? bigger : buf);
				return NULL;
			}
			buf = bigger;
		}
		n = kernel_read(f, buf + len, cap - len - 1, len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0);
	buf[len] = '\0';
	return buf;
}

/* Splits @line at ':' in place.  Missing fields are "". */
static void split_fields(char *line, char *field[MAX_FIELDS])
{
	for (int i = 0; i < MAX_FIELDS; i++) {
		field[i] = line;
		line += strcspn(line, ":");
		if (*line)
			*line++ = '\0';
	}
}

static bool parse_id(const char *s, uint32_t *ret)
{
	char *end;
	unsigned long n;

	if (*s < '0' || *s > '9')
		return false;
	errno = 0;
	n = strtoul(s, &end, 10);
	if (*end || errno || n >= UINT32_MAX)
		return false;
	*ret = (uint32_t)n;
	return true;
}

/* The first line of @text whose field @nr is @value; its fields point into @text. */
static bool find_entry(char *text, int nr, const char *value, char *field[MAX_FIELDS])
{
	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		split_fields(line, field);
		if (strcmp(field[nr], value) == 0)
			return true;
	}
	return false;
}

static void add_group(struct guest_user *u, uint32_t gid)
{
	uint32_t *bigger = realloc(u->groups, (u->nr_groups + 1) * sizeof(*bigger));

	if (!bigger)
		return;
	u->groups = bigger;
	u->groups[u->nr_groups++] = gid;
}

static bool list_has(const char *list, const char *name)
{
	size_t len = strlen(name);

	for (const char *p = list; *p; p += strcspn(p, ",") + (p[strcspn(p, ",")] == ',')) {
		if (strcspn(p, ",") == len && memcmp(p, name, len) == 0)
			return true;
	}
	return false;
}

/* The groups that list @name as a member. */
static void add_member_groups(struct guest_user *u, const char *name)
{
	char *text = read_guest_file("/etc/group"), *field[MAX_FIELDS];
	uint32_t gid;

	for (char *line = text, *next; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		split_fields(line, field);
		if (list_has(field[3], name) && parse_id(field[2], &gid) && gid != u->gid)
			add_group(u, gid);
	}
	free(text);
}

static int resolve_group(const char *name, uint32_t *ret, struct strbuf *why)
{
	char *text, *field[MAX_FIELDS];
	bool found;

	if (parse_id(name, ret))
		return 0;
	text = read_guest_file("/etc/group");
	found = text && find_entry(text, 0, name, field) && parse_id(field[2], ret);
	free(text);
	if (!found)
		strbuf_addf(why, "there is no group '%s' in the guest's /etc/group; give a number", name);
	return found ? 0 : -LINUX_ENOENT;
}

/* @name: user name or number.  An unknown number is a user without an entry, in group 0 as docker has it. */
static int resolve_user(const char *name, struct guest_user *u, char **ret_login, struct strbuf *why)
{
	char *text = read_guest_file("/etc/passwd"), *field[MAX_FIELDS];
	bool numeric = parse_id(name, &u->uid), found;

	found = text && find_entry(text, numeric ? 2 : 0, name, field);
	if (found && (!parse_id(field[2], &u->uid) || !parse_id(field[3], &u->gid)))
		found = false;
	if (found && field[5][0] == '/') {
		free(u->home);
		u->home = strdup(field[5]);
	}
	*ret_login = found ? strdup(field[0]) : NULL;
	free(text);
	if (found || numeric)
		return 0;
	strbuf_addf(why, "there is no user '%s' in the guest's /etc/passwd; give a number", name);
	return -LINUX_ENOENT;
}

int user_resolve(const char *spec, struct guest_user *ret, struct strbuf *why)
{
	char *copy = strdup(spec ? spec : "0"), *group, *login = NULL;
	int err;

	*ret = (struct guest_user){ .home = strdup("/") };
	if (!copy || !ret->home) {
		free(copy);
		strbuf_adds(why, "out of memory");
		return -LINUX_ENOMEM;
	}
	group = strchr(copy, ':');
	if (group)
		*group++ = '\0';
	err = resolve_user(copy, ret, &login, why);
	if (!err && group)
		err = resolve_group(group, &ret->gid, why);
	else if (!err && login)
		add_member_groups(ret, login);
	free(login);
	free(copy);
	return err;
}

int user_from_host(struct guest_user *ret)
{
	const char *home = host_getenv("HOME");
	int n;

	*ret = (struct guest_user){ .uid = host_geteuid(), .gid = host_getegid(), .home = strdup(home ? home : "/") };
	n = host_getgroups(0, NULL);
	if (n > 0) {
		ret->groups = calloc((size_t)n, sizeof(*ret->groups));
		n = ret->groups ? host_getgroups(n, ret->groups) : 0;
		ret->nr_groups = n > 0 ? (unsigned)n : 0;
	}
	return 0;
}
