/* SPDX-License-Identifier: Apache-2.0 */
/* execve(2): every refusal, and E2BIG at the limits of argument and environment. */
#include "tests/contract/contract.h"

static char *none[] = { NULL };

static void try(const char *path)
{
	char *argv[] = { "x", NULL };

	execve(path, argv, none);
	say("%s -> %s", path, errno_name(errno));
}

static void try_args(const char *what, size_t n, size_t len, size_t env_len)
{
	char **argv = malloc((n + 2) * sizeof(*argv));
	char *arg = malloc(len + 1), *env = malloc(env_len + 1);
	char *envp[] = { env, NULL };
	pid_t pid;

	memset(arg, 'a', len);
	arg[len] = 0;
	memset(env, 'e', env_len);
	env[env_len] = 0;
	argv[0] = "true";
	for (size_t i = 1; i <= n; i++)
		argv[i] = arg;
	argv[n + 1] = NULL;
	pid = MUST(fork());
	if (pid == 0) {
		execve("/bin/true", argv, env_len ? envp : none);
		say("%s -> %s", what, errno_name(errno));
		_exit(1);
	}
	reap(what, pid);
	free(argv);
	free(arg);
	free(env);
}

int main(void)
{
	struct rlimit stack = { 8 << 20, RLIM_INFINITY };
	char deep[PATH_MAX + 10], name[300];

	/* a quarter of it is the limit of arguments and environment */
	getrlimit(RLIMIT_STACK, &stack);
	stack.rlim_cur = 8 << 20;
	MUST(setrlimit(RLIMIT_STACK, &stack));
	drop_privileges();
	scratch();
	SECTION("paths");
	try("");
	try("missing");
	try("missing/x");
	try(".");
	try("/");
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	try(name);
	memset(deep, '/', sizeof(deep) - 1);
	deep[sizeof(deep) - 1] = 0;
	execve(deep, none, none);
	say("a long path -> %s", errno_name(errno));
	MUST(symlink("loop", "loop"));
	try("loop");
	put_file("plain", "text\n", 0644);
	try("plain");
	try("plain/x");
	try("plain/");
	MUST(mkdir("closed", 0));
	try("closed/x");
	SECTION("contents");
	put_file("empty", "", 0755);
	try("empty");
	put_file("text", "text\n", 0755);
	try("text");
	put_file("nul", "\x7f" "ELF", 0755);
	try("nul");
	put_file("unreadable", "#!/bin/sh\nexit 0\n", 0111);
	IN_CHILD("a script that may be executed but not read") {
		close(2);
		try("unreadable");
	}
	SECTION("scripts");
	put_file("s1", "#!/missing\n", 0755);
	try("s1");
	put_file("s2", "#!\n", 0755);
	try("s2");
	put_file("s3", "#!   \n", 0755);
	try("s3");
	put_file("s4", "#!plain\n", 0755);
	try("s4");
	put_file("s5", "#!/", 0755);
	try("s5");
	put_file("s6", "#!./s6\n", 0755);
	try("s6");
	SECTION("being written");
	put_file("busy", "#!/bin/sh\nexit 0\n", 0755);
	int fd = MUST(open("busy", O_RDWR));
	try("busy");
	close(fd);
	SECTION("argument limits");
	try_args("many small", 100000, 1, 0);
	try_args("one of 128 KiB - 1", 1, 131071, 0);
	try_args("one of 128 KiB", 1, 131072, 0);
	try_args("environment of 128 KiB", 0, 0, 131072);
	try_args("2.2 MB in all", 22, 100000, 0);
	try_args("1.5 MB in all", 15, 100000, 0);
	IN_CHILD("with a stack limit of 1 MiB") {
		struct rlimit rl = { 1 << 20, RLIM_INFINITY };

		getrlimit(RLIMIT_STACK, &rl);
		rl.rlim_cur = 1 << 20;
		MUST(setrlimit(RLIMIT_STACK, &rl));
		try_args("300 kB", 3, 100000, 0);
		try_args("200 kB", 2, 100000, 0);
	}
	SECTION("the caller is untouched by a failure");
	YES(access("text", X_OK) == 0);
	return 0;
}
