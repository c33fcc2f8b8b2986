/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/base/json.h"

/* Length of the UTF-8 character at @p; 0 when there is none. */
static unsigned utf8_len(const uint8_t *p)
{
	unsigned n = *p >= 0xf0 && *p < 0xf5 ? 4 : *p >= 0xe0 && *p < 0xf0 ? 3 : *p >= 0xc2 && *p < 0xe0 ? 2 : 0;

	for (unsigned i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
	    (*p == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void json_string(struct strbuf *out, const char *s)
{
	strbuf_addc(out, '"');
	for (const uint8_t *p = (const uint8_t *)s; *p;) {
		unsigned n = *p < 0x80 ? 1 : utf8_len(p);

		if (!n) {
			strbuf_addf(out, "\\udc%02x", *p++);
			continue;
		}
		if (*p < 0x20 || *p == '"' || *p == '\\' || *p == 0x7f)
			strbuf_addf(out, "\\u%04x", *p);
		else
			strbuf_add(out, p, n);
		p += n;
	}
	strbuf_addc(out, '"');
}

void json_member(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addf(out, ",\"%s\":", key);
	json_string(out, value);
}
