/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/strbuf.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/errno.h"

TestSuite(strbuf, .timeout = 400);

Test(strbuf, empty)
{
	struct strbuf sb = STRBUF_INIT;
	char *s;

	cr_assert_str_eq(strbuf_str(&sb), "");
	cr_assert_eq(strbuf_err(&sb), 0);
	strbuf_add(&sb, NULL, 0);
	cr_assert_null(sb.buf);
	s = strbuf_detach(&sb);
	cr_assert_str_eq(s, "");
	free(s);
	strbuf_fini(&sb);
}

Test(strbuf, additions_are_terminated)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "one ");
	strbuf_addc(&sb, '2');
	strbuf_addf(&sb, " %s %d", "three", 4);
	cr_assert_str_eq(strbuf_str(&sb), "one 2 three 4");
	cr_assert_eq(sb.len, strlen("one 2 three 4"));
	strbuf_reset(&sb);
	cr_assert_str_eq(strbuf_str(&sb), "");
	strbuf_add(&sb, "a\0b", 3);
	cr_assert_eq(sb.len, 3u);
	cr_assert_eq(memcmp(sb.buf, "a\0b", 4), 0);
}

/* Every length around the growth steps, by both ways of adding. */
Test(strbuf, growth_keeps_all_bytes)
{
	for (size_t len = 0; len < 600; len++) {
		_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;
		char want[1300] = "";

		memset(want, 'x', len);
		strbuf_addf(&sb, "%s", want);
		cr_assert_str_eq(strbuf_str(&sb), want);
		strbuf_addf(&sb, "%s|", want);
		strbuf_adds(&sb, want);
		cr_assert_eq(sb.len, 3 * len + 1);
		cr_assert_eq(strlen(strbuf_str(&sb)), sb.len);
		cr_assert_lt(sb.len, sb.cap);
		cr_assert_eq(sb.buf[2 * len], '|');
	}
}

Test(strbuf, escapes_as_the_kernel_does)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_add_escaped(&sb, "/a b\tc\\d\n", " \t\n\\");
	cr_assert_str_eq(strbuf_str(&sb), "/a\\040b\\011c\\134d\\012");
	strbuf_reset(&sb);
	strbuf_add_escaped(&sb, "plain", " \t\n\\");
	strbuf_add_escaped(&sb, "", " ");
	strbuf_add_escaped(&sb, "\303\244 ", "\303 ");
	cr_assert_str_eq(strbuf_str(&sb), "plain\\303\244\\040");
}

Test(strbuf, failure_keeps_what_was_there)
{
	_cleanup_strbuf_ struct strbuf sb = STRBUF_INIT;

	strbuf_adds(&sb, "kept");
	strbuf_add(&sb, "", SIZE_MAX - 2);
	cr_assert_eq(strbuf_err(&sb), -LINUX_ENOMEM);
	strbuf_adds(&sb, "dropped");
	strbuf_addf(&sb, "%d", 1);
	cr_assert_str_eq(strbuf_str(&sb), "kept");
	strbuf_reset(&sb);
	strbuf_adds(&sb, "again");
	cr_assert_eq(strbuf_err(&sb), 0);
	cr_assert_str_eq(strbuf_str(&sb), "again");
}

Test(strbuf, detach_hands_over_the_storage)
{
	struct strbuf sb = STRBUF_INIT;
	char *s;

	strbuf_adds(&sb, "mine");
	s = strbuf_detach(&sb);
	cr_assert_str_eq(s, "mine");
	cr_assert_null(sb.buf);
	cr_assert_eq(sb.len + sb.cap, 0u);
	strbuf_adds(&sb, "yours");
	cr_assert_str_eq(s, "mine");
	free(s);
	strbuf_fini(&sb);
}
