/* SPDX-License-Identifier: Apache-2.0 */
/* The vDSO: its functions called directly give what the system calls give, from threads and children too. */
#include "tests/contract/contract.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

/* The function @name of the vDSO. */
static void *lookup(const char *name)
{
	const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const void *)base;
	const Elf64_Phdr *ph = (const void *)(base + eh->e_phoff);
	const Elf64_Dyn *dyn = NULL;
	const Elf64_Sym *sym = NULL;
	const char *str = NULL, *load = NULL;
	size_t nr = 0;

	for (int i = 0; i < eh->e_phnum; i++) {
		if (ph[i].p_type == PT_LOAD && !load)
			load = base - ph[i].p_vaddr + ph[i].p_offset;
		if (ph[i].p_type == PT_DYNAMIC)
			dyn = (const void *)(base + ph[i].p_offset);
	}
	for (; dyn && dyn->d_tag != DT_NULL; dyn++) {
		if (dyn->d_tag == DT_SYMTAB)
			sym = (const void *)(load + dyn->d_un.d_ptr);
		if (dyn->d_tag == DT_STRTAB)
			str = load + dyn->d_un.d_ptr;
		if (dyn->d_tag == DT_HASH)
			nr = ((const uint32_t *)(load + dyn->d_un.d_ptr))[1];
	}
	/* without DT_HASH the string table follows the symbols */
	if (sym && !nr)
		nr = ((const char *)str - (const char *)sym) / sizeof(*sym);
	for (size_t i = 0; i < nr; i++)
		if (!strcmp(str + sym[i].st_name, name))
			return (void *)(uintptr_t)(load + sym[i].st_value);
	return NULL;
}

typedef int gettime_fn(clockid_t, struct timespec *);

static gettime_fn *gettime;

static bool agrees(clockid_t id)
{
	struct timespec a, b, c;

	syscall(SYS_clock_gettime, id, &a);
	gettime(id, &b);
	syscall(SYS_clock_gettime, id, &c);
	return (a.tv_sec < b.tv_sec || (a.tv_sec == b.tv_sec && a.tv_nsec <= b.tv_nsec)) &&
	       (b.tv_sec < c.tv_sec || (b.tv_sec == c.tv_sec && b.tv_nsec <= c.tv_nsec));
}

static void *in_thread(void *arg)
{
	YES(agrees(CLOCK_MONOTONIC));
	return arg;
}

int main(void)
{
	static const char *const names[] = { "__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu",
					     "__vdso_clock_getres" };
	pthread_t t;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		say("%s: %s", names[i], lookup(names[i]) ? "there" : "missing");
	gettime = (gettime_fn *)(uintptr_t)lookup("__vdso_clock_gettime");
	if (!gettime)
		return 0;
	YES(agrees(CLOCK_REALTIME));
	YES(agrees(CLOCK_MONOTONIC));
	YES(agrees(CLOCK_BOOTTIME));
	SHOW(gettime(77, &(struct timespec){ 0 }) == -EINVAL);
	unsigned cpu = -1U, node = -1U;
	int (*getcpu)(unsigned *, unsigned *, void *) = (int (*)(unsigned *, unsigned *, void *))(uintptr_t)lookup("__vdso_getcpu");
	SHOW(getcpu(&cpu, &node, NULL));
	YES(cpu < 4096 && node < 1024);
	pthread_create(&t, NULL, in_thread, NULL);
	pthread_join(t, NULL);
	IN_CHILD("child")
		YES(agrees(CLOCK_MONOTONIC));
	SECTION("its text can't be written, nor its data");
	PROBE((char *)getauxval(AT_SYSINFO_EHDR) + 0x100, w);
	PROBE((char *)getauxval(AT_SYSINFO_EHDR) + 0x100, r);
	return 0;
}
