/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stand-in for Criterion under the thread sanitizer, whose address space layout Criterion's runner can't live with.
 * It knows the part of Criterion's interface that the tests use, runs each test in a child process with its timeout, and
 * prints Criterion's last line.  Only --enable-tsan puts it on the include path.
 */
#ifndef SENTRY_TESTS_UNIT_SHIM_CRITERION_H
#define SENTRY_TESTS_UNIT_SHIM_CRITERION_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SHIM_SKIPPED 77

struct shim_options {
	void (*init)(void);
	void (*fini)(void);
	double timeout;
	int signal;
	int exit_code;
	bool disabled;
	const char *description;
};

struct shim_test {
	const char *suite, *name;
	void (*fn)(void); /* NULL: the suite's own entry */
	struct shim_options options;
};

/* The linker gathers the entries between these. */
extern const struct shim_test *const __start_shim_tests[];
extern const struct shim_test *const __stop_shim_tests[];

#define SHIM_REGISTER(id, suite_, name_, fn_, ...)                                                                     \
	static const struct shim_test shim_test_##id = { suite_, name_, fn_, { __VA_ARGS__ } };                        \
	static const struct shim_test *const shim_entry_##id __attribute__((used, section("shim_tests"))) =            \
		&shim_test_##id

#define TestSuite(suite, ...) SHIM_REGISTER(suite, #suite, NULL, NULL, __VA_ARGS__)
#define Test(suite, name, ...)                                                                                         \
	static void shim_run_##suite##_##name(void);                                                                   \
	SHIM_REGISTER(suite##_##name, #suite, #name, shim_run_##suite##_##name, __VA_ARGS__);                          \
	static void shim_run_##suite##_##name(void)

static inline void shim_ignore(int n, ...)
{
	(void)n;
}

static inline void shim_fail(const char *file, int line, const char *expr)
{
	fprintf(stderr, "%s:%d: assertion failed: %s\n", file, line, expr);
	fflush(NULL);
	_exit(1);
}

#define cr_assert(cond, ...)                                                                                           \
	do {                                                                                                           \
		shim_ignore(0, ##__VA_ARGS__);                                                                         \
		if (!(cond))                                                                                           \
			shim_fail(__FILE__, __LINE__, #cond);                                                          \
	} while (0)
#define cr_assert_not(cond, ...) cr_assert(!(cond), ##__VA_ARGS__)
#define cr_assert_fail(...) cr_assert(false, ##__VA_ARGS__)
#define cr_assert_eq(a, b, ...) cr_assert((a) == (b), ##__VA_ARGS__)
#define cr_assert_neq(a, b, ...) cr_assert((a) != (b), ##__VA_ARGS__)
#define cr_assert_lt(a, b, ...) cr_assert((a) < (b), ##__VA_ARGS__)
#define cr_assert_leq(a, b, ...) cr_assert((a) <= (b), ##__VA_ARGS__)
#define cr_assert_gt(a, b, ...) cr_assert((a) > (b), ##__VA_ARGS__)
#define cr_assert_geq(a, b, ...) cr_assert((a) >= (b), ##__VA_ARGS__)
#define cr_assert_null(p, ...) cr_assert((p) == NULL, ##__VA_ARGS__)
#define cr_assert_not_null(p, ...) cr_assert((p) != NULL, ##__VA_ARGS__)
#define cr_assert_str_eq(a, b, ...) cr_assert(strcmp(a, b) == 0, ##__VA_ARGS__)
#define cr_assert_str_neq(a, b, ...) cr_assert(strcmp(a, b) != 0, ##__VA_ARGS__)
#define cr_assert_str_empty(a, ...) cr_assert((a)[0] == '\0', ##__VA_ARGS__)
#define cr_assert_arr_eq(a, b, size, ...) cr_assert(memcmp(a, b, size) == 0, ##__VA_ARGS__)
#define cr_assert_arr_neq(a, b, size, ...) cr_assert(memcmp(a, b, size) != 0, ##__VA_ARGS__)

#define cr_fail cr_assert_fail
#define cr_expect cr_assert
#define cr_expect_not cr_assert_not
#define cr_expect_eq cr_assert_eq
#define cr_expect_neq cr_assert_neq
#define cr_expect_lt cr_assert_lt
#define cr_expect_leq cr_assert_leq
#define cr_expect_gt cr_assert_gt
#define cr_expect_geq cr_assert_geq
#define cr_expect_null cr_assert_null
#define cr_expect_not_null cr_assert_not_null
#define cr_expect_str_eq cr_assert_str_eq
#define cr_expect_arr_eq cr_assert_arr_eq

#define cr_log_info(...) fprintf(stderr, __VA_ARGS__)
#define cr_log_warn(...) fprintf(stderr, __VA_ARGS__)
#define cr_log_error(...) fprintf(stderr, __VA_ARGS__)
#define cr_skip_test(...)                                                                                              \
	do {                                                                                                           \
		fprintf(stderr, "" __VA_ARGS__);                                                                       \
		fputc('\n', stderr);                                                                                   \
		_exit(SHIM_SKIPPED);                                                                                   \
	} while (0)
#define cr_skip cr_skip_test

/* Runs @t in this process, which is a child made for it. */
static void shim_test_child(const struct shim_test *t, const struct shim_options *suite)
{
	double timeout = t->options.timeout ? t->options.timeout : suite->timeout;
	void (*init)(void) = t->options.init ? t->options.init : suite->init;
	void (*fini)(void) = t->options.fini ? t->options.fini : suite->fini;

	alarm(timeout ? (unsigned)timeout * 4 : 60); /* sanitized code is slow */
	if (init)
		init();
	t->fn();
	if (fini)
		fini();
	fflush(NULL);
	exit(0);
}

/* True when the child ended as the test's options say. */
static bool shim_test_passed(const struct shim_test *t, int status)
{
	if (t->options.signal)
		return WIFSIGNALED(status) && WTERMSIG(status) == t->options.signal;
	return WIFEXITED(status) && WEXITSTATUS(status) == t->options.exit_code;
}

int main(void)
{
	static const struct shim_options none;
	int nr = 0, nr_passed = 0, nr_crashed = 0;

	for (const struct shim_test *const *t = __start_shim_tests; t < __stop_shim_tests; t++) {
		const struct shim_options *suite = &none;
		int status;
		pid_t pid;

		if (!(*t)->fn || (*t)->options.disabled)
			continue;
		for (const struct shim_test *const *s = __start_shim_tests; s < __stop_shim_tests; s++)
			if (!(*s)->fn && !strcmp((*s)->suite, (*t)->suite))
				suite = &(*s)->options;
		fflush(NULL);
		pid = fork();
		if (pid == 0)
			shim_test_child(*t, suite);
		if (pid < 0 || waitpid(pid, &status, 0) != pid)
			return 1;
		if (WIFEXITED(status) && WEXITSTATUS(status) == SHIM_SKIPPED)
			continue;
		nr++;
		if (shim_test_passed(*t, status)) {
			nr_passed++;
			continue;
		}
		nr_crashed += WIFSIGNALED(status);
		fprintf(stderr, "[FAIL] %s::%s (status 0x%x)\n", (*t)->suite, (*t)->name, status);
	}
	fprintf(stderr, "[====] Synthesis: Tested: %d | Passing: %d | Failing: %d | Crashing: %d \n", nr, nr_passed,
		nr - nr_passed - nr_crashed, nr_crashed);
	return nr_passed != nr;
}

#endif
