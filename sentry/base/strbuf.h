/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A growing byte buffer, for pseudo-files and decoded text.  After an allocation failure it keeps what it had, drops
 * what comes, and strbuf_err() says so.  Always NUL-terminated behind `len`.
 */
#ifndef SENTRY_BASE_STRBUF_H
#define SENTRY_BASE_STRBUF_H

#include <stdarg.h>

#include "sentry/base/types.h"

struct strbuf {
	char *buf; /* NULL while nothing was added */
	size_t len, cap;
	bool failed;
};

#define STRBUF_INIT { NULL, 0, 0, false }

void strbuf_fini(struct strbuf *sb);
void strbuf_reset(struct strbuf *sb); /* len = 0, storage kept */
void strbuf_add(struct strbuf *sb, const void *data, size_t len);
void strbuf_addc(struct strbuf *sb, char c);
void strbuf_adds(struct strbuf *sb, const char *s);
void strbuf_addf(struct strbuf *sb, const char *fmt, ...) __printf(2, 3);
void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap) __printf(2, 0);
/* Like the kernel's mangle_path: @esc characters as \ooo. */
void strbuf_add_escaped(struct strbuf *sb, const char *s, const char *esc);
/* "" while empty. */
const char *strbuf_str(const struct strbuf *sb);
/* 0 or -LINUX_ENOMEM. */
int strbuf_err(const struct strbuf *sb);
/* Gives the storage (malloc) to the caller and empties @sb; never NULL unless strbuf_err(). */
char *strbuf_detach(struct strbuf *sb);

#define _cleanup_strbuf_ __cleanup(strbuf_fini)

#endif
