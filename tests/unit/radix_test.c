/* SPDX-License-Identifier: Apache-2.0 */
/* The radix tree against a sorted array. */
#include "vfs/radix.h"

#include <criterion/criterion.h>
#include <stdlib.h>

TestSuite(radix, .timeout = 400);

#define NR 512

struct model {
	uint64_t index[NR], entry[NR];
	bool tagged[NR];
	unsigned nr;
};

static int model_find(const struct model *m, uint64_t index)
{
	for (unsigned i = 0; i < m->nr; i++)
		if (m->index[i] == index)
			return (int)i;
	return -1;
}

static int model_next(const struct model *m, uint64_t index, bool tagged)
{
	int best = -1;

	for (unsigned i = 0; i < m->nr; i++)
		if (m->index[i] >= index && (!tagged || m->tagged[i]) && (best < 0 || m->index[i] < m->index[best]))
			best = (int)i;
	return best;
}

static uint64_t random_index(void)
{
	static const uint64_t bases[] = { 0, 63, 64, 4095, 4096, 1UL << 30, (1UL << 52) - 200, UINT64_MAX - 300 };

	return bases[rand() % ARRAY_SIZE(bases)] + rand() % 150;
}

static void check(struct radix_root *root, struct model *m, uint64_t index)
{
	for (int tagged = 0; tagged < 2; tagged++) {
		uint64_t found = 12345, *entry = radix_next(root, index, tagged, &found);
		int want = model_next(m, index, tagged);

		cr_assert_eq(!!entry, want >= 0);
		if (entry) {
			cr_assert_eq(found, m->index[want]);
			cr_assert_eq(*entry, m->entry[want]);
		}
	}
	if (index < UINT64_MAX - 1000) {
		uint64_t absent = radix_next_absent(root, index);

		for (uint64_t i = index; i < absent; i++)
			cr_assert_geq(model_find(m, i), 0);
		cr_assert_lt(model_find(m, absent), 0);
	}
}

Test(radix, model)
{
	struct radix_root root = { NULL, 0 };
	struct model m = { .nr = 0 };

	srand(7);
	for (int round = 0; round < 60000; round++) {
		uint64_t index = random_index();
		int at = model_find(&m, index);
		uint64_t *entry = radix_find(&root, index);

		cr_assert_eq(!!entry, at >= 0);
		if (entry)
			cr_assert_eq(*entry, m.entry[at]);
		if (at < 0 && m.nr < NR && rand() % 3) {
			uint64_t value = (uint64_t)rand() + 1;

			cr_assert_eq(radix_insert(&root, index, value), 0);
			m.index[m.nr] = index;
			m.tagged[m.nr] = false;
			m.entry[m.nr++] = value;
		} else if (at >= 0 && rand() % 2) {
			m.tagged[at] = rand() % 2;
			radix_tag(&root, index, m.tagged[at]);
			cr_assert_eq(radix_tagged(&root, index), m.tagged[at]);
		} else {
			cr_assert_eq(radix_erase(&root, index), at < 0 ? 0 : m.entry[at]);
			if (at >= 0) {
				m.nr--;
				m.index[at] = m.index[m.nr];
				m.entry[at] = m.entry[m.nr];
				m.tagged[at] = m.tagged[m.nr];
			}
		}
		check(&root, &m, random_index());
	}
	for (; m.nr; m.nr--)
		cr_assert_eq(radix_erase(&root, m.index[m.nr - 1]), m.entry[m.nr - 1]);
	cr_assert_null(root.node);
}
