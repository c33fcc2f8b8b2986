/* SPDX-License-Identifier: Apache-2.0 */
/* #! scripts: the argument, nesting, long lines, relative interpreters, and what argv becomes. */
#include "tests/contract/contract.h"

static char self[PATH_MAX];

static void run(const char *path, ...)
{
	char *argv[8] = { "argv0" }, *envp[] = { "LC_ALL=C", "SHOW_ARGS=1", NULL };
	va_list ap;
	int n = 1;
	pid_t pid;

	va_start(ap, path);
	while (n < 7 && (argv[n] = va_arg(ap, char *)))
		n++;
	va_end(ap);
	say("-- %s", path);
	pid = MUST(fork());
	if (pid == 0) {
		execve(path, argv, envp);
		say("execve: %s", errno_name(errno));
		_exit(1);
	}
	reap(path, pid);
}

static void script(const char *name, const char *fmt, ...)
{
	char text[8192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_file(name, text, 0755);
}

static const char *shorten(const char *arg)
{
	const char *base = strrchr(arg, '/');

	return strcmp(arg, self) == 0 ? "(this program)" : base && arg[0] == '/' ? base + 1 : arg;
}

int main(int argc, char **argv)
{
	MUST(readlink("/proc/self/exe", self, sizeof(self) - 1));
	if (getenv("SHOW_ARGS")) {
		for (int i = 0; i < argc; i++)
			say("argv[%d] = %s", i, shorten(argv[i]));
		return argc;
	}
	if (strlen(self) > 100)
		skip("the build directory's path is too long for a #! line");
	scratch();
	script("plain", "#!%s\n", self);
	run("plain", "a", "b", NULL);
	run("./plain", NULL);
	script("one", "#!%s one\n", self);
	run("./one", "x", NULL);
	script("two", "#!%s  one two  three\t \nrest\n", self);
	run("./two", "x", NULL);
	script("blank", "#!  \t %s\targ\n", self);
	run("./blank", NULL);
	script("nonl", "#!%s last", self);
	run("./nonl", NULL);
	script("nested", "#!./two inner\n");
	run("./nested", "x", NULL);
	script("n3", "#!./nested more\n");
	run("./n3", NULL);
	script("n4", "#!./n3\n");
	run("./n4", NULL);
	script("n5", "#!./n4\n");
	run("./n5", NULL);
	script("n6", "#!./n5\n");
	run("./n6", NULL);
	SECTION("a line longer than the buffer");
	char pad[300];
	memset(pad, 'p', sizeof(pad) - 1);
	pad[sizeof(pad) - 1] = 0;
	script("long", "#!%s %s\n", self, pad);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		char *args[] = { "long", NULL }, *env[] = { "SHOW_ARGS=1", NULL };

		close(1);
		execve("./long", args, env);
		_exit(100);
	}
	reap("long argument", pid);
	script("longname", "#!/%s\n", pad);
	run("./longname", NULL);
	SECTION("an empty argv");
	pid = MUST(fork());
	if (pid == 0) {
		char *args[] = { NULL }, *env[] = { "SHOW_ARGS=1", NULL };

		execve("./one", args, env);
		_exit(100);
	}
	reap("script", pid);
	return 0;
}
