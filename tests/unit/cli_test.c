/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line's own little languages: sizes, durations, -v, the environment.
 */
#include "sentry/cli/cli.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(cli, .timeout = 400);

static void size_is(const char *s, uint64_t want)
{
	uint64_t got = 0;

	cr_assert(parse_size(s, &got), "%s", s);
	cr_assert_eq(got, want, "%s", s);
}

Test(cli, sizes)
{
	static const char *const wrong[] = { "", "m", "-1", "1x", "1mm", "1 m", "nan", "inf", "1e999", "0x10q", "9999999999g" };
	uint64_t n;

	size_is("0", 0);
	size_is("4096", 4096);
	size_is("512m", 512UL << 20);
	size_is("1.5G", 3UL << 29);
	size_is("2GiB", 2UL << 30);
	size_is("3kb", 3072);
	size_is("1T", 1UL << 40);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		cr_assert(!parse_size(wrong[i], &n), "%s", wrong[i]);
}

static void duration_is(const char *s, int64_t want_ms)
{
	int64_t got = 0;

	cr_assert(parse_duration(s, &got), "%s", s);
	cr_assert_eq(got, want_ms * 1000000, "%s", s);
}

Test(cli, durations)
{
	static const char *const wrong[] = { "", "s", "-1s", "10sec", "1e300d", "ten" };
	int64_t n;

	duration_is("10", 10000);
	duration_is("10s", 10000);
	duration_is("1.5m", 90000);
	duration_is("250ms", 250);
	duration_is("2h", 7200000);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		cr_assert(!parse_duration(wrong[i], &n), "%s", wrong[i]);
}

Test(cli, environment)
{
	struct string_list env, opts;

	string_list_init(&env);
	string_list_init(&opts);
	cr_assert_null(env.v[0], "an empty list is a vector");
	env_set(&env, "A=1");
	env_set(&env, "AB=2");
	env_set(&env, "A=3");
	cr_assert_eq(env.nr, 2);
	cr_assert_str_eq(env_get(&env, "A"), "3");
	cr_assert_str_eq(env_get(&env, "AB"), "2");
	cr_assert_null(env_get(&env, "B"));

	setenv("FROM_HOST", "h", 1);
	unsetenv("NOT_THERE");
	string_list_add(&opts, "A=x=y");
	string_list_add(&opts, "FROM_HOST");
	string_list_add(&opts, "NOT_THERE");
	env_apply(&env, &opts);
	cr_assert_str_eq(env_get(&env, "A"), "x=y");
	cr_assert_str_eq(env_get(&env, "FROM_HOST"), "h");
	cr_assert_null(env_get(&env, "NOT_THERE"));
	cr_assert_null(env.v[env.nr]);
}

static int parse(struct run_options *o, int argc, const char **argv)
{
	bool done;

	return options_parse(&cmd_run, argc, (char **)argv, o, &done);
}

Test(cli, v_is_a_volume_or_a_word)
{
	const char *argv[] = { "run", "-v", "-v", "/a:/b:ro", "-vv", "-v/c:/d", "img", "--", "cmd", "-v", "x:/y", NULL };
	struct run_options o;

	cr_assert_eq(parse(&o, 11, argv), 0);
	cr_assert_eq(o.verbosity, 3);
	cr_assert_eq(o.nr_volumes, 2);
	cr_assert_str_eq(o.volumes[0].host, "/a");
	cr_assert_str_eq(o.volumes[0].guest, "/b");
	cr_assert(o.volumes[0].read_only);
	cr_assert_str_eq(o.volumes[1].guest, "/d");
	cr_assert_str_eq(o.image, "img");
	cr_assert_str_eq(o.argv[0], "cmd");
	cr_assert_str_eq(o.argv[1], "-v");
}

Test(cli, the_second_dashes_are_optional)
{
	const char *argv[] = { "run", "img", "cmd", "--", "arg", NULL };
	struct run_options o;

	cr_assert_eq(parse(&o, 5, argv), 0);
	cr_assert_str_eq(o.argv[0], "cmd");
	cr_assert_str_eq(o.argv[1], "--");
}
