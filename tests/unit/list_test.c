/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/list.h"

#include <criterion/criterion.h>

TestSuite(list, .timeout = 400);

struct item {
	int value;
	struct list_head link;
};

/* Checks that @h holds exactly the digits of @want, in order, and that every back link matches. */
static void expect_list(struct list_head *h, const char *want)
{
	struct item *it;
	size_t n = 0;

	list_for_each_entry(it, h, link) {
		cr_assert(want[n], "more entries than \"%s\"", want);
		cr_assert_eq(it->value, want[n] - '0', "entry %zu of \"%s\" is %d", n, want, it->value);
		cr_assert_eq(it->link.next->prev, &it->link);
		cr_assert_eq(it->link.prev->next, &it->link);
		n++;
	}
	cr_assert_eq(want[n], '\0', "fewer entries than \"%s\"", want);
	cr_assert_eq(list_empty(h), n == 0);
}

static void items_init(struct item *items, int nr)
{
	for (int i = 0; i < nr; i++) {
		items[i].value = i;
		list_init(&items[i].link);
	}
}

Test(list, add_at_both_ends)
{
	LIST_HEAD(h);
	struct item i[4];

	items_init(i, 4);
	expect_list(&h, "");
	cr_assert_null(list_first_entry_or_null(&h, struct item, link));
	list_add(&i[1].link, &h);
	list_add(&i[0].link, &h);
	list_add_tail(&i[3].link, &h);
	list_add(&i[2].link, &i[1].link);
	expect_list(&h, "0123");
	cr_assert_eq(list_first_entry_or_null(&h, struct item, link), &i[0]);
	cr_assert_eq(list_last_entry(&h, struct item, link), &i[3]);
	cr_assert_eq(list_next_entry(&i[1], link), &i[2]);
	cr_assert_eq(list_prev_entry(&i[1], link), &i[0]);
}

Test(list, del_leaves_the_entry_initialised)
{
	LIST_HEAD(h);
	struct item i[3];

	items_init(i, 3);
	for (int n = 0; n < 3; n++)
		list_add_tail(&i[n].link, &h);
	list_del(&i[1].link);
	expect_list(&h, "02");
	cr_assert(list_empty(&i[1].link));
	list_del(&i[1].link);
	expect_list(&h, "02");
	list_move_tail(&i[0].link, &h);
	expect_list(&h, "20");
}

Test(list, splice_tail)
{
	LIST_HEAD(a);
	LIST_HEAD(b);
	struct item i[5];

	items_init(i, 5);
	list_splice_tail(&a, &b);
	expect_list(&b, "");
	for (int n = 0; n < 5; n++)
		list_add_tail(&i[n].link, n < 2 ? &a : &b);
	list_splice_tail(&b, &a);
	expect_list(&a, "01234");
	expect_list(&b, "");
	list_splice_tail(&a, &b);
	expect_list(&b, "01234");
	expect_list(&a, "");
}

Test(list, safe_iteration_survives_removal)
{
	LIST_HEAD(h);
	struct item i[6], *it, *tmp;

	items_init(i, 6);
	for (int n = 0; n < 6; n++)
		list_add_tail(&i[n].link, &h);
	list_for_each_entry_safe(it, tmp, &h, link)
		if (it->value % 2)
			list_del(&it->link);
	expect_list(&h, "024");
}
