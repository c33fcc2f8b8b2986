/* SPDX-License-Identifier: Apache-2.0 */
/* munmap of a library's exact range succeeds, and what is mapped there next is clean; dlclose gives the range back. */
#include "tests/contract/dl.h"
#include "tests/contract/maps.h"
#include <link.h>

void dl_event(int lib, int what)
{
	say("library %d: event %d", lib, what);
}

/* The range of the mappings of @name: from the first to the end of the last. */
static bool range_of(const char *name, char **start, size_t *len)
{
	struct map_line m;
	unsigned long at = 0, lo = 0, hi = 0;
	size_t n = strlen(name);

	while (maps_lookup((void *)at, &m, true)) {
		size_t k = strlen(m.name);

		if (k >= n && !strcmp(m.name + k - n, name)) {
			lo = lo ? lo : m.start;
			hi = m.end;
		}
		at = m.end;
	}
	*start = (char *)lo;
	*len = hi - lo;
	return lo != 0;
}

/* Places the segments of a library by hand, as a loader does: reserve, then MAP_FIXED each. */
static char *place(int n, size_t *ret_len)
{
	int fd = MUST(open(dl_path(n), O_RDONLY));
	ElfW(Ehdr) eh;
	ElfW(Phdr) ph[16];
	size_t end = 0;
	char *base;

	MUST(pread(fd, &eh, sizeof(eh), 0));
	MUST(pread(fd, ph, eh.e_phnum * sizeof(ph[0]), eh.e_phoff));
	for (int i = 0; i < eh.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && ph[i].p_vaddr + ph[i].p_memsz > end)
			end = ph[i].p_vaddr + ph[i].p_memsz;
	end = (end + PAGE - 1) & ~(PAGE - 1);
	base = mmap(NULL, end, PROT_READ, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < eh.e_phnum; i++) {
		size_t skew = ph[i].p_vaddr % PAGE;
		char *at = base + ph[i].p_vaddr - skew;

		if (ph[i].p_type != PT_LOAD)
			continue;
		if (mmap(at, ph[i].p_filesz + skew, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, ph[i].p_offset - skew) != at)
			say("segment %d not placed", i);
		memset(base + ph[i].p_vaddr + ph[i].p_filesz, 0, -(ph[i].p_vaddr + ph[i].p_filesz) % PAGE);
	}
	close(fd);
	*ret_len = end;
	return base;
}

int main(void)
{
	char *start, *p;
	size_t len;
	int clean = 0;

	SECTION("placed by hand, and unmapped as one range");
	for (int i = 1; i <= NR_LIBS; i += 9) {
		p = place(i, &len);
		if (munmap(p, len) < 0)
			say("munmap of %d: %s", i, errno_name(errno));
		start = mmap(p, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
		clean += start == p && all_bytes(p, 0, len);
		munmap(p, len);
	}
	SHOW(clean);
	SECTION("dlclose gives back what dlopen took");
	void *h = dl_open(50, RTLD_NOW);
	YES(range_of("/dl50.so", &start, &len));
	dlclose(h);
	if (range_of("/dl50.so", &p, &len))
		say("this library loader keeps libraries");
	else
		PROBE(start, r);
	h = dl_open(50, RTLD_NOW);
	SHOW(dl_call(h, 4));
	dlclose(h);
	return 0;
}
