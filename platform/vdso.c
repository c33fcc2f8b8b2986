/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/vdso.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"

#define AT_SYSINFO_EHDR 33
#define O_RDONLY 0

static struct vdso_layout layout;
static pthread_once_t layout_once = PTHREAD_ONCE_INIT;

/* The sentry's own maps file, NUL-terminated, for free(); NULL on failure. */
static char *maps_read(void)
{
	int fd = host_openat(HOST_AT_FDCWD, "/proc/self/maps", O_RDONLY, 0);
	size_t size = 64 * 1024, len = 0;
	char *buf = fd < 0 ? NULL : malloc(size);

	while (buf) {
		ssize_t n = host_read(fd, buf + len, size - len - 1);
		char *bigger;

		if (n <= 0)
			break;
		len += (size_t)n;
		if (size - len > 1)
			continue;
		bigger = realloc(buf, size *= 2);
		if (!bigger) {
			free(buf);
			buf = NULL;
			break;
		}
		buf = bigger;
	}
	if (fd >= 0)
		host_close(fd);
	if (buf)
		buf[len] = '\0';
	return buf;
}

/*
 * The mappings named [vvar...] that end, one after the other, where [vdso] begins.  Lines are in address order, so the
 * list is started anew at each one that does not continue the one before.
 */
static void layout_parse(char *maps, uint64_t text)
{
	uint64_t piece_start[VDSO_MAX_PIECES], end = 0;
	unsigned n = 0;
	char *save = NULL;

	for (char *line = strtok_r(maps, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		unsigned long from, to;

		if (sscanf(line, "%lx-%lx", &from, &to) != 2)
			continue;
		if (strstr(line, "[vvar")) {
			if (from != end)
				n = 0;
			if (n == VDSO_MAX_PIECES)
				return;
			piece_start[n++] = from;
			end = to;
			continue;
		}
		if (from != text || !strstr(line, "[vdso]"))
			continue;
		layout.pub.text = (const void *)(uintptr_t)text;
		layout.pub.text_size = to - from;
		if (end != text || !n)
			return;
		layout.pub.vvar_size = text - piece_start[0];
		layout.nr_pieces = n;
		for (unsigned i = 0; i < n; i++) {
			layout.piece[i].below = text - piece_start[i];
			layout.piece[i].size = (i + 1 < n ? piece_start[i + 1] : text) - piece_start[i];
		}
		return;
	}
}

static void layout_init(void)
{
	uint64_t text = host_getauxval(AT_SYSINFO_EHDR);
	char *maps = text ? maps_read() : NULL;

	if (maps)
		layout_parse(maps, text);
	free(maps);
}

const struct vdso_layout *vdso_layout(void)
{
	pthread_once(&layout_once, layout_init);
	return &layout;
}

const struct platform_vdso *platform_vdso(void)
{
	return &vdso_layout()->pub;
}
