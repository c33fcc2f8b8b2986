/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Constants by name, in strace's words.
 */
#ifndef SENTRY_TRACE_XLAT_H
#define SENTRY_TRACE_XLAT_H

#include "sentry/base/strbuf.h"

struct xlat {
	uint64_t value;
	const char *name;
};

struct xlat_table {
	const char *name;
	enum { XLAT_ENUM, XLAT_FLAGS } kind;
	const struct xlat *x;
	size_t nr;
	const char *unknown; /* "O_???"; NULL: a bare number */
};

/* The table called @name, or NULL. */
const struct xlat_table *xlat_find(const char *name);
/* The name of @value in an enum table, or NULL. */
const char *xlat_name(const struct xlat_table *t, uint64_t value);
/* For example "PROT_READ|PROT_WRITE", "SEEK_SET"; what has no name as a number with the unknown text. */
void xlat_print(struct strbuf *sb, const struct xlat_table *t, uint64_t value);
/* The names of the bits; false when there was none to print. */
bool xlat_print_bits(struct strbuf *sb, const struct xlat_table *t, uint64_t value);
/* The same with the table's name. */
void xlat_print_by(struct strbuf *sb, const char *table, uint64_t value);

#endif
