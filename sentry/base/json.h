/* SPDX-License-Identifier: Apache-2.0 */
/* Strings in JSON; the rest of a document is simple enough to be written out where it is made. */
#ifndef SENTRY_BASE_JSON_H
#define SENTRY_BASE_JSON_H

#include "sentry/base/strbuf.h"

/* @s with its quotes.  A byte that belongs to no UTF-8 character becomes a lone surrogate, \udc80 to \udcff, as in Python. */
void json_string(struct strbuf *out, const char *s);
/* ,"key":"value" */
void json_member(struct strbuf *out, const char *key, const char *value);

#endif
