/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/cli/cli.h"

extern char **environ;

const char *host_getenv(const char *key)
{
	return getenv(key);
}

static size_t key_len(const char *assignment)
{
	return strcspn(assignment, "=");
}

static size_t env_find(const struct string_list *env, const char *key, size_t len)
{
	size_t i;

	for (i = 0; i < env->nr; i++)
		if (key_len(env->v[i]) == len && memcmp(env->v[i], key, len) == 0)
			break;
	return i;
}

void env_set(struct string_list *env, const char *assignment)
{
	size_t i = env_find(env, assignment, key_len(assignment));
	char *copy;

	if (i == env->nr) {
		string_list_add(env, assignment);
		return;
	}
	copy = strdup(assignment);
	if (!copy) {
		cli_error("out of memory");
		exit(STATUS_SENTRY);
	}
	free(env->v[i]);
	env->v[i] = copy;
}

const char *env_get(const struct string_list *env, const char *key)
{
	size_t i = env_find(env, key, strlen(key));

	return i == env->nr ? NULL : env->v[i] + key_len(env->v[i]) + 1;
}

void env_apply(struct string_list *env, const struct string_list *opts)
{
	for (size_t i = 0; i < opts->nr; i++) {
		const char *key = opts->v[i], *value;
		char *assignment;

		if (strchr(key, '=')) {
			env_set(env, key);
			continue;
		}
		value = getenv(key);
		if (!value)
			continue;
		if (asprintf(&assignment, "%s=%s", key, value) < 0) {
			cli_error("out of memory");
			exit(STATUS_SENTRY);
		}
		env_set(env, assignment);
		free(assignment);
	}
}

int env_read_file(const char *path, struct string_list *opts)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (!f)
		return cli_error("cannot read the environment file '%s': %s", path, strerror(errno));
	while ((len = getline(&line, &cap, f)) >= 0) {
		const char *s = line + strspn(line, " \t");

		while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
			line[--len] = '\0';
		if (*s && *s != '#' && *s != '=')
			string_list_add(opts, s);
	}
	free(line);
	fclose(f);
	return 0;
}

void env_from_host(struct string_list *env)
{
	for (char **e = environ; *e; e++)
		string_list_add(env, *e);
}
