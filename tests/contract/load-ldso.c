/* SPDX-License-Identifier: Apache-2.0 */
/* A program run by naming the dynamic loader, LD_BIND_NOW, LD_PRELOAD of a missing library, and a file that is both. */
#include "tests/contract/contract.h"
#include <elf.h>
#include <link.h>
#include <sys/auxv.h>

extern char **environ;

static char interp[256];

static void find_interp(void)
{
	const Elf64_Phdr *ph = (const void *)getauxval(AT_PHDR);
	uintptr_t bias = 0;

	for (size_t i = 0; i < getauxval(AT_PHNUM); i++)
		if (ph[i].p_type == PT_PHDR)
			bias = (uintptr_t)ph - ph[i].p_vaddr;
	for (size_t i = 0; i < getauxval(AT_PHNUM); i++)
		if (ph[i].p_type == PT_INTERP)
			snprintf(interp, sizeof(interp), "%s", (char *)bias + ph[i].p_vaddr);
}

static void run(const char *what, char **argv, const char *env)
{
	char *envp[] = { "CHILD=1", (char *)env, NULL };

	IN_CHILD(what) {
		/* the loader's complaints name paths */
		dup2(open("/dev/null", O_WRONLY), 2);
		execve(argv[0], argv, envp);
		say("%s", errno_name(errno));
	}
}

int main(int argc, char **argv)
{
	char self[PATH_MAX] = "";

	if (getenv("CHILD")) {
		const char *base = strrchr(argv[0], '/');

		say("runs with %d arguments, the first ends in %s, base %s", argc, base ? base : argv[0],
		    getauxval(AT_BASE) ? "set" : "zero");
		return 4;
	}
	find_interp();
	if (!interp[0])
		skip("not a dynamic program");
	MUST(readlink("/proc/self/exe", self, sizeof(self) - 1));
	run("directly", (char *[]){ self, "a", NULL }, NULL);
	run("by the loader", (char *[]){ interp, self, "a", "b", NULL }, NULL);
	run("LD_BIND_NOW", (char *[]){ self, NULL }, "LD_BIND_NOW=1");
	run("LD_PRELOAD of nothing", (char *[]){ self, NULL }, "LD_PRELOAD=/missing.so");
	run("the loader without a program", (char *[]){ interp, NULL }, NULL);
	run("the loader with a missing program", (char *[]){ interp, "/missing", NULL }, NULL);
	return 0;
}
