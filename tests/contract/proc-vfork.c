/* SPDX-License-Identifier: Apache-2.0 */
/* vfork: the parent sleeps until exec or exit, signals wait, threads of the parent go on; posix_spawn and system. */
#include "tests/contract/contract.h"
#include <spawn.h>

extern char **environ;
static volatile int handled, counter, stop;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void *count(void *arg)
{
	while (!stop)
		counter++;
	return arg;
}

int main(void)
{
	volatile int value = 1;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	char *argv[] = { "sh", "-c", "echo spawned; exit 6", NULL };
	pthread_t t;
	pid_t pid;
	int st;

	signal(SIGUSR1, on_signal);
	SECTION("a signal for the sleeping parent comes when it wakes");
	pid = vfork();
	if (pid == 0) {
		kill(getppid(), SIGUSR1);
		sleep_ms(20);
		value = handled == 0 ? 2 : 3;
		_exit(0);
	}
	SHOW(value);
	SHOW(handled);
	reap("child", pid);
	SECTION("other threads go on");
	pthread_create(&t, NULL, count, NULL);
	pid = vfork();
	if (pid == 0) {
		int before = counter;

		sleep_ms(30);
		_exit(counter != before ? 1 : 0);
	}
	reap("child", pid);
	stop = 1;
	pthread_join(t, NULL);
	SECTION("exec fails, then exit");
	pid = vfork();
	if (pid == 0) {
		execl("/no/such/program", "x", NULL);
		_exit(errno == ENOENT ? 9 : 10);
	}
	reap("child", pid);
	SECTION("posix_spawn");
	scratch();
	st = posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ);
	reap("spawned", pid);
	SHOW(st);
	posix_spawn_file_actions_init(&fa);
	posix_spawn_file_actions_addopen(&fa, 1, "out", O_WRONLY | O_CREAT, 0644);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGPIPE);
	posix_spawnattr_setsigdefault(&attr, &set);
	SHOW(posix_spawn(&pid, "/bin/sh", &fa, &attr, argv, environ));
	reap("spawned", pid);
	show_file("out");
	SHOW(posix_spawn(&pid, "/no/such/program", NULL, NULL, argv, environ) == ENOENT);
	st = posix_spawnp(&pid, "sh", NULL, NULL, argv, environ);
	reap("spawned", pid);
	SHOW(st);
	SECTION("system and popen");
	st = system("exit 3");
	show_status("system", st);
	st = system("kill -TERM $$");
	show_status("system", st);
	SHOW(system(NULL) != 0);
	FILE *f = popen("echo from popen", "r");
	char buf[64] = "";
	if (fgets(buf, sizeof(buf), f))
		STR(buf);
	show_status("pclose", pclose(f));
	return 0;
}
