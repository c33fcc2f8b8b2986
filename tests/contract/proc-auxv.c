/* SPDX-License-Identifier: Apache-2.0 */
/* The auxiliary vector, argv, envp and the stack at the start of a program. */
#include "tests/contract/contract.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/utsname.h>

extern char **environ;

int main(int argc, char **argv)
{
	static const struct {
		unsigned long type;
		const char *name;
	} must[] = { { AT_PHDR, "PHDR" }, { AT_PHENT, "PHENT" }, { AT_PHNUM, "PHNUM" }, { AT_PAGESZ, "PAGESZ" },
		     { AT_BASE, "BASE" }, { AT_FLAGS, "FLAGS" }, { AT_ENTRY, "ENTRY" }, { AT_UID, "UID" },
		     { AT_EUID, "EUID" }, { AT_GID, "GID" }, { AT_EGID, "EGID" }, { AT_PLATFORM, "PLATFORM" },
		     { AT_HWCAP, "HWCAP" }, { AT_CLKTCK, "CLKTCK" }, { AT_SECURE, "SECURE" }, { AT_RANDOM, "RANDOM" },
		     { AT_HWCAP2, "HWCAP2" }, { AT_EXECFN, "EXECFN" }, { AT_SYSINFO_EHDR, "SYSINFO_EHDR" },
		     { 51, "MINSIGSTKSZ" } };
	char **e = environ;
	ElfW(auxv_t) *aux;
	unsigned char *random;

	while (*e)
		e++;
	aux = (ElfW(auxv_t) *)(e + 1);
	SECTION("present");
	for (size_t i = 0; i < ARRAY_SIZE(must); i++) {
		int n = 0;

		for (ElfW(auxv_t) *a = aux; a->a_type != AT_NULL; a++)
			n += a->a_type == must[i].type;
		say("AT_%s: %d", must[i].name, n);
	}
	SECTION("values");
	SHOW(getauxval(AT_PAGESZ));
	SHOW(getauxval(AT_PHENT));
	SHOW(getauxval(AT_CLKTCK));
	SHOW(getauxval(AT_FLAGS));
	SHOW(getauxval(AT_SECURE));
	YES(getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid());
	YES(getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
	STR((char *)getauxval(AT_PLATFORM));
	YES(strcmp((char *)getauxval(AT_EXECFN), argv[0]) == 0);
	YES(getauxval(AT_ENTRY) != 0);
	random = (unsigned char *)getauxval(AT_RANDOM);
	YES(!all_bytes(random, 0, 16));
	YES(getauxval(51) >= 2048 && getauxval(51) < 65536);
	SECTION("the program headers are those of this program");
	const ElfW(Phdr) *ph = (void *)getauxval(AT_PHDR);
	uintptr_t bias = 0;
	int loads = 0;
	for (size_t i = 0; i < getauxval(AT_PHNUM); i++) {
		loads += ph[i].p_type == PT_LOAD;
		if (ph[i].p_type == PT_PHDR)
			bias = (uintptr_t)ph - ph[i].p_vaddr;
	}
	YES(loads >= 3);
	YES(bias != 0);
	for (size_t i = 0; i < getauxval(AT_PHNUM); i++)
		if (ph[i].p_type == PT_LOAD && (ph[i].p_flags & PF_X)) {
			uintptr_t lo = bias + ph[i].p_vaddr;

			YES((uintptr_t)main >= lo && (uintptr_t)main < lo + ph[i].p_memsz);
			YES(getauxval(AT_ENTRY) >= lo && getauxval(AT_ENTRY) < lo + ph[i].p_memsz);
		}
	SECTION("the vDSO is an ELF file");
	const ElfW(Ehdr) *vdso = (void *)getauxval(AT_SYSINFO_EHDR);
	YES(memcmp(vdso->e_ident, ELFMAG, 4) == 0);
	SHOW(vdso->e_type);
	SHOW(vdso->e_machine);
	PROBE(vdso, w);
	SECTION("the stack");
	SHOW(argc);
	YES(argv + argc + 1 == environ);
	YES((uintptr_t)(&argv[-1]) % 16 == 0);
	YES((uintptr_t)argv < (uintptr_t)argv[0]);
	YES(strlen(argv[0]) + argv[0] + 1 <= environ[0]);
	YES((char *)getauxval(AT_EXECFN) > environ[0]);
	SECTION("/proc/self/auxv is the same");
	ElfW(auxv_t) file[64];
	int fd = MUST(open("/proc/self/auxv", O_RDONLY));
	ssize_t n = read(fd, file, sizeof(file));
	YES(n > 0 && memcmp(file, aux, n) == 0);
	YES(file[n / sizeof(file[0]) - 1].a_type == AT_NULL);
	SECTION("AT_RANDOM differs from run to run");
	int fds[2];
	unsigned char other[16];
	MUST(pipe(fds));
	if (argc > 1) {
		write_all(atoi(argv[1]), (char *)random, 16);
		return 0;
	}
	IN_CHILD("the same program again") {
		char text[16];

		snprintf(text, sizeof(text), "%d", fds[1]);
		dup2(open("/dev/null", O_WRONLY), 1);
		execl("/proc/self/exe", argv[0], text, NULL);
	}
	SHOW(read(fds[0], other, 16));
	YES(memcmp(other, random, 16) != 0);
	return 0;
}
