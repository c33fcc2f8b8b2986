/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/trace/xlat.h"

#include <string.h>

#include "sentry/trace/xlat_tables.h"

const struct xlat_table *xlat_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tables); i++)
		if (strcmp(tables[i].name, name) == 0)
			return &tables[i];
	return NULL;
}

const char *xlat_name(const struct xlat_table *t, uint64_t value)
{
	for (size_t i = 0; i < t->nr; i++)
		if (t->x[i].value == value)
			return t->x[i].name;
	return NULL;
}

static void print_unknown(struct strbuf *sb, const struct xlat_table *t, uint64_t value)
{
	strbuf_addf(sb, "%#llx", (unsigned long long)value);
	if (t->unknown)
		strbuf_addf(sb, " /* %s */", t->unknown);
}

bool xlat_print_bits(struct strbuf *sb, const struct xlat_table *t, uint64_t value)
{
	const char *sep = "";

	if (!value)
		return false;
	for (size_t i = 0; i < t->nr; i++) {
		uint64_t v = t->x[i].value;

		if (!v || (value & v) != v)
			continue;
		strbuf_addf(sb, "%s%s", sep, t->x[i].name);
		value &= ~v;
		sep = "|";
	}
	if (value && *sep)
		strbuf_addf(sb, "|%#llx", (unsigned long long)value);
	else if (value)
		print_unknown(sb, t, value);
	return true;
}

void xlat_print(struct strbuf *sb, const struct xlat_table *t, uint64_t value)
{
	const char *name;

	if (t->kind == XLAT_FLAGS) {
		if (!xlat_print_bits(sb, t, value))
			strbuf_addc(sb, '0');
		return;
	}
	name = xlat_name(t, value);
	if (name)
		strbuf_adds(sb, name);
	else
		print_unknown(sb, t, value);
}

void xlat_print_by(struct strbuf *sb, const char *table, uint64_t value)
{
	const struct xlat_table *t = xlat_find(table);

	if (t)
		xlat_print(sb, t, value);
	else
		strbuf_addf(sb, "%#llx", (unsigned long long)value);
}
