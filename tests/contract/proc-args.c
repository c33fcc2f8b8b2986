/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments and environment arrive exactly as given: empty ones, all bytes, many, long, none at all. */
#include "tests/contract/contract.h"

extern char **environ;

static unsigned long hash(char **list)
{
	unsigned long h = 5381;

	for (; *list; list++)
		for (unsigned char *c = (unsigned char *)*list;; c++) {
			h = h * 33 + *c;
			if (!*c)
				break;
		}
	return h;
}

static int count(char **list)
{
	int n = 0;

	while (list[n])
		n++;
	return n;
}

static void run(const char *what, char **argv, char **envp)
{
	pid_t pid = MUST(fork());

	if (pid == 0) {
		char *mark[] = { "CHILD=1", NULL };

		execve("/proc/self/exe", argv, envp ? envp : mark);
		_exit(100);
	}
	reap(what, pid);
}

int main(int argc, char **argv)
{
	char *many[5001], *envs[2001], bytes[256], *l;

	if (getenv("CHILD") || argc == 0) {
		say("%d arguments, hash %lx, %d in the environment, hash %lx", argc, hash(argv), count(environ), hash(environ));
		return argc == count(argv) ? 0 : 1;
	}
	run("one", (char *[]){ "one", NULL }, NULL);
	run("empty strings", (char *[]){ "", "", "", NULL }, NULL);
	run("spaces and quotes", (char *[]){ "a b", "'c'", "\"d\"", "\\", "*", "$X", "\n", NULL }, NULL);
	for (int i = 1; i < 256; i++)
		bytes[i - 1] = (char)i;
	bytes[255] = 0;
	run("all bytes", (char *[]){ "x", bytes, NULL }, NULL);
	for (int i = 0; i < 5000; i++) {
		char text[32];

		snprintf(text, sizeof(text), "argument %d", i);
		many[i] = strdup(text);
	}
	many[5000] = NULL;
	run("five thousand", many, NULL);
	l = malloc(100001);
	memset(l, 'L', 100000);
	l[100000] = 0;
	run("a long one", (char *[]){ "x", l, "after", NULL }, NULL);
	for (int i = 0; i < 2000; i++) {
		char text[64];

		snprintf(text, sizeof(text), "VARIABLE_%d=value %d", i, i * i);
		envs[i] = strdup(text);
	}
	envs[1000] = "CHILD=1";
	envs[1001] = "no equals sign";
	envs[1002] = "";
	envs[1003] = "=";
	envs[2000] = NULL;
	run("a large environment", (char *[]){ "x", NULL }, envs);
	return 0;
}
