/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/strbuf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/errno.h"

#define STRBUF_MIN_CAP 64

/* Room for @len more bytes and the NUL.  False when it can't be had. */
static bool strbuf_reserve(struct strbuf *sb, size_t len)
{
	size_t need, cap;
	char *buf;

	if (sb->failed)
		return false;
	if (len >= SIZE_MAX / 2 - sb->len)
		goto fail;
	need = sb->len + len + 1;
	if (need <= sb->cap)
		return true;
	cap = MAX(MAX(need, sb->cap * 2), STRBUF_MIN_CAP);
	buf = realloc(sb->buf, cap);
	if (!buf)
		goto fail;
	sb->buf = buf;
	sb->cap = cap;
	return true;
fail:
	sb->failed = true;
	return false;
}

void strbuf_fini(struct strbuf *sb)
{
	free(sb->buf);
	*sb = (struct strbuf)STRBUF_INIT;
}

void strbuf_reset(struct strbuf *sb)
{
	sb->len = 0;
	sb->failed = false;
	if (sb->buf)
		sb->buf[0] = '\0';
}

void strbuf_add(struct strbuf *sb, const void *data, size_t len)
{
	if (!len || !strbuf_reserve(sb, len))
		return;
	memcpy(sb->buf + sb->len, data, len);
	sb->len += len;
	sb->buf[sb->len] = '\0';
}

void strbuf_addc(struct strbuf *sb, char c)
{
	strbuf_add(sb, &c, 1);
}

void strbuf_adds(struct strbuf *sb, const char *s)
{
	strbuf_add(sb, s, strlen(s));
}

void strbuf_addf(struct strbuf *sb, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(sb, fmt, ap);
	va_end(ap);
}

void strbuf_vaddf(struct strbuf *sb, const char *fmt, va_list ap)
{
	va_list again;
	int len;

	/* Most additions fit the minimum, so that formatting once is enough. */
	if (!strbuf_reserve(sb, STRBUF_MIN_CAP - 1))
		return;
	va_copy(again, ap);
	len = vsnprintf(sb->buf + sb->len, sb->cap - sb->len, fmt, again);
	va_end(again);
	if (len < 0)
		goto fail;
	if ((size_t)len >= sb->cap - sb->len) {
		if (!strbuf_reserve(sb, (size_t)len))
			goto fail;
		len = vsnprintf(sb->buf + sb->len, sb->cap - sb->len, fmt, ap);
		if (len < 0)
			goto fail;
	}
	sb->len += (size_t)len;
	return;
fail:
	sb->failed = true;
	sb->buf[sb->len] = '\0';
}

void strbuf_add_escaped(struct strbuf *sb, const char *s, const char *esc)
{
	for (; *s; s++) {
		size_t plain = strcspn(s, esc);

		strbuf_add(sb, s, plain);
		s += plain;
		if (!*s)
			break;
		strbuf_addf(sb, "\\%03o", (unsigned char)*s);
	}
}

const char *strbuf_str(const struct strbuf *sb)
{
	return sb->buf ? sb->buf : "";
}

int strbuf_err(const struct strbuf *sb)
{
	return sb->failed ? -LINUX_ENOMEM : 0;
}

char *strbuf_detach(struct strbuf *sb)
{
	char *buf;

	if (!sb->buf && strbuf_reserve(sb, 0))
		sb->buf[0] = '\0';
	buf = sb->buf;
	sb->buf = NULL;
	sb->len = sb->cap = 0;
	return buf;
}
