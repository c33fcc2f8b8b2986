/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/trace/decode.h"

#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"
#include "sentry/mm/uaccess.h"

#define MAX_PATH 4096

static const struct {
	const char *name;
	decode_fn fn;
} decoders[] = {
#define DECODER(name) { #name, decode_##name },
	DECODERS(DECODER)
#undef DECODER
};

/* A type that is only a table. */
static void decode_xlat(struct decode *d __unused, uint64_t value __unused)
{
}

static decode_fn find_decoder(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(decoders); i++)
		if (strlen(decoders[i].name) == len && memcmp(decoders[i].name, name, len) == 0)
			return decoders[i].fn;
	return NULL;
}

/* The index of the argument called @name ("count)" up to the parenthesis). */
static int find_param(const char *const *args, unsigned nr, const char *name)
{
	size_t len = strcspn(name, ")");

	for (unsigned i = 0; i < nr; i++)
		if (strcspn(args[i], ":") == len && memcmp(args[i], name, len) == 0)
			return (int)i;
	return -1;
}

static void compile_one(const char *const *args, unsigned nr, const char *type, struct decode_arg *ret)
{
	char table[32];
	decode_fn fn;
	size_t len;

	*ret = (struct decode_arg){ .fn = decode_hex, .param = -1 };
	if (strncmp(type, "<>", 2) == 0) {
		ret->inout = true;
		type += 2;
	} else if (*type == '>') {
		ret->out = true;
		type++;
	}
	len = strcspn(type, "(");
	if (type[len] == '(')
		ret->param = (int8_t)find_param(args, nr, type + len + 1);
	if (len == 3 && memcmp(type, "out", 3) == 0)
		ret->out = true;
	fn = find_decoder(type, len);
	if (fn) {
		ret->fn = fn;
		return;
	}
	if (len >= sizeof(table))
		return;
	memcpy(table, type, len);
	table[len] = '\0';
	ret->xlat = xlat_find(table);
	if (ret->xlat)
		ret->fn = decode_xlat;
}

void decode_compile(const char *const *args, unsigned nr, struct decode_arg *ret)
{
	for (unsigned i = 0; i < nr; i++)
		compile_one(args, nr, strchr(args[i], ':') + 1, &ret[i]);
}

void decode_print(struct decode *d, const struct decode_arg *a, uint64_t value)
{
	d->out = a->out;
	d->param = a->param >= 0 ? &d->args[a->param] : NULL;
	/* Flags are ints but for a few, whose upper half is zero as well. */
	if (a->xlat)
		xlat_print(d->sb, a->xlat, (uint32_t)value);
	else
		a->fn(d, value);
}

/* --- numbers --- */

void decode_addr(struct strbuf *sb, uint64_t addr)
{
	if (addr)
		strbuf_addf(sb, "%#llx", (unsigned long long)addr);
	else
		strbuf_adds(sb, "NULL");
}

void decode_ptr(struct decode *d, uint64_t v)
{
	decode_addr(d->sb, v);
}

void decode_hex(struct decode *d, uint64_t v)
{
	strbuf_addf(d->sb, "%#llx", (unsigned long long)v);
}

void decode_int(struct decode *d, uint64_t v)
{
	strbuf_addf(d->sb, "%d", (int)v);
}

/* The upper half of what is one number on x86-64. */
void decode_skip(struct decode *d __unused, uint64_t v __unused)
{
}

void decode_uint(struct decode *d, uint64_t v)
{
	strbuf_addf(d->sb, "%u", (unsigned)v);
}

void decode_long(struct decode *d, uint64_t v)
{
	strbuf_addf(d->sb, "%lld", (long long)v);
}

void decode_off(struct decode *d, uint64_t v)
{
	decode_long(d, v);
}

void decode_size(struct decode *d, uint64_t v)
{
	strbuf_addf(d->sb, "%llu", (unsigned long long)v);
}

void decode_fd(struct decode *d, uint64_t v)
{
	decode_int(d, v);
}

void decode_pid(struct decode *d, uint64_t v)
{
	decode_int(d, v);
}

void decode_dirfd(struct decode *d, uint64_t v)
{
	if ((int)v == -100)
		strbuf_adds(d->sb, "AT_FDCWD");
	else
		decode_int(d, v);
}

void decode_uid(struct decode *d, uint64_t v)
{
	if ((uint32_t)v == UINT32_MAX)
		strbuf_adds(d->sb, "-1");
	else
		decode_uint(d, v);
}

/* --- modes --- */

void decode_umask(struct decode *d, uint64_t v)
{
	strbuf_addf(d->sb, "%#03o", (unsigned)v);
}

void decode_perm(struct decode *d, uint64_t v)
{
	strbuf_addf(d->sb, "%#03o", (unsigned)(uint16_t)v);
}

void decode_mode_value(struct strbuf *sb, uint32_t mode)
{
	static const char *const types[16] = {
		[LINUX_S_IFSOCK >> 12] = "S_IFSOCK", [LINUX_S_IFLNK >> 12] = "S_IFLNK",
		[LINUX_S_IFREG >> 12] = "S_IFREG",   [LINUX_S_IFBLK >> 12] = "S_IFBLK",
		[LINUX_S_IFDIR >> 12] = "S_IFDIR",   [LINUX_S_IFCHR >> 12] = "S_IFCHR",
		[LINUX_S_IFIFO >> 12] = "S_IFIFO",
	};
	const char *type = types[(mode >> 12) & 15];

	if (type) {
		strbuf_addf(sb, "%s%s%s%s|%#03o", type, mode & LINUX_S_ISUID ? "|S_ISUID" : "",
			    mode & LINUX_S_ISGID ? "|S_ISGID" : "", mode & LINUX_S_ISVTX ? "|S_ISVTX" : "",
			    mode & 0777);
		return;
	}
	strbuf_addf(sb, "%#03o", mode);
}

void decode_mode(struct decode *d, uint64_t v)
{
	decode_mode_value(d->sb, (uint16_t)v);
}

void decode_dev(struct decode *d, uint64_t v)
{
	uint64_t mode = decode_param(d);

	/* mknod of something else does not look at it. */
	if (!d->param || LINUX_S_ISCHR(mode) || LINUX_S_ISBLK(mode))
		strbuf_addf(d->sb, "makedev(%#llx, %#llx)", (unsigned long long)LINUX_MAJOR(v),
			    (unsigned long long)LINUX_MINOR(v));
}

/* --- strings --- */

/* The letter of a C escape, or 0. */
static char escape_letter(unsigned char c)
{
	switch (c) {
	case '\n':
		return 'n';
	case '\t':
		return 't';
	case '\r':
		return 'r';
	case '\f':
		return 'f';
	case '\v':
		return 'v';
	case '"':
	case '\\':
		return (char)c;
	default:
		return 0;
	}
}

void decode_quote(struct strbuf *sb, const void *data, size_t len, bool more)
{
	const unsigned char *s = data;

	strbuf_addc(sb, '"');
	for (size_t i = 0; i < len; i++) {
		char letter = escape_letter(s[i]);

		if (letter)
			strbuf_addf(sb, "\\%c", letter);
		else if (s[i] >= ' ' && s[i] < 0x7f)
			strbuf_addc(sb, (char)s[i]);
		else if (i + 1 < len && s[i + 1] >= '0' && s[i + 1] <= '7')
			strbuf_addf(sb, "\\%03o", s[i]);
		else
			strbuf_addf(sb, "\\%o", s[i]);
	}
	strbuf_adds(sb, more ? "\"..." : "\"");
}

bool decode_fetch(struct decode *d, uint64_t addr, void *buf, size_t len)
{
	if (addr && !(d->out && decode_failed(d)) && !copy_from_user(buf, addr, len))
		return true;
	decode_addr(d->sb, addr);
	return false;
}

void decode_bytes(struct decode *d, uint64_t addr, uint64_t len)
{
	size_t shown = MIN(len, DECODE_MAX_STRING);
	char buf[DECODE_MAX_STRING];

	if (!addr || copy_from_user(buf, addr, shown))
		decode_addr(d->sb, addr);
	else
		decode_quote(d->sb, buf, shown, len > shown);
}

void decode_cstr(struct decode *d, uint64_t addr, size_t max)
{
	char buf[MAX_PATH + 1];
	int64_t len;

	max = MIN(max, sizeof(buf) - 1);
	len = addr ? strncpy_from_user(buf, addr, max + 1) : -1;
	if (len < 0)
		decode_addr(d->sb, addr);
	else
		decode_quote(d->sb, buf, MIN((size_t)len, max), (size_t)len > max);
}

void decode_path(struct decode *d, uint64_t v)
{
	decode_cstr(d, v, MAX_PATH);
}

void decode_name(struct decode *d, uint64_t v)
{
	decode_cstr(d, v, 255);
}

void decode_str(struct decode *d, uint64_t v)
{
	decode_cstr(d, v, DECODE_MAX_STRING);
}

void decode_in(struct decode *d, uint64_t v)
{
	decode_bytes(d, v, decode_param(d));
}

/* What the call returned is how much it filled. */
void decode_out(struct decode *d, uint64_t v)
{
	if (decode_failed(d))
		decode_addr(d->sb, v);
	else
		decode_bytes(d, v, MIN((uint64_t)d->ret, decode_param(d)));
}

/* The same in hexadecimal. */
void decode_rnd(struct decode *d, uint64_t v)
{
	size_t len = decode_failed(d) ? 0 : MIN((uint64_t)d->ret, DECODE_MAX_STRING);
	uint8_t buf[DECODE_MAX_STRING];

	if (!len || copy_from_user(buf, v, len)) {
		decode_addr(d->sb, v);
		return;
	}
	strbuf_addc(d->sb, '"');
	for (size_t i = 0; i < len; i++)
		strbuf_addf(d->sb, "\\x%02x", buf[i]);
	strbuf_adds(d->sb, (uint64_t)d->ret > len ? "\"..." : "\"");
}

/* getcwd: the result counts the NUL. */
void decode_pathout(struct decode *d, uint64_t v)
{
	if (decode_failed(d) || d->ret <= 0)
		decode_addr(d->sb, v);
	else
		decode_cstr(d, v, MAX_PATH);
}

/* Pages that are there, from mincore's vector. */
void decode_mincore(struct decode *d, uint64_t v)
{
	uint64_t pages = PAGES_FOR(decode_param(d));
	uint8_t vec[DECODE_MAX_STRING];
	size_t shown = MIN(pages, sizeof(vec));

	if (!decode_fetch(d, v, vec, shown))
		return;
	strbuf_addc(d->sb, '[');
	for (size_t i = 0; i < shown; i++)
		strbuf_addf(d->sb, "%s%d", i ? ", " : "", vec[i] & 1);
	strbuf_adds(d->sb, shown < pages ? ", ...]" : "]");
}

/* The strings of a NULL-terminated vector. */
void decode_argv(struct decode *d, uint64_t v)
{
	uint64_t str;

	if (!v) {
		strbuf_adds(d->sb, "NULL");
		return;
	}
	for (unsigned i = 0;; i++) {
		if (copy_from_user(&str, v + 8 * i, sizeof(str))) {
			if (!i)
				decode_addr(d->sb, v);
			else
				strbuf_adds(d->sb, ", ...]");
			return;
		}
		strbuf_adds(d->sb, i ? "" : "[");
		if (!str)
			break;
		strbuf_adds(d->sb, i ? ", " : "");
		if (i == DECODE_MAX_ITEMS) {
			strbuf_adds(d->sb, "...");
			break;
		}
		decode_str(d, str);
	}
	strbuf_addc(d->sb, ']');
}

void decode_envp(struct decode *d, uint64_t v)
{
	uint64_t str;
	unsigned n = 0;

	decode_addr(d->sb, v);
	while (v && n < 100000 && !copy_from_user(&str, v + 8 * n, sizeof(str)) && str)
		n++;
	if (v)
		strbuf_addf(d->sb, " /* %u var%s */", n, n == 1 ? "" : "s");
}
