/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that write to one file at a time: O_APPEND loses nothing, a shared offset loses nothing, pwrite stays in place. */
#include "tests/contract/contract.h"
#include <sys/file.h>

#define WRITERS 4
#define LINES 200

static void run(const char *what, int fd, const char *path, int flags)
{
	char line[33];

	for (int w = 0; w < WRITERS; w++)
		if (fork() == 0) {
			int f = path ? MUST(open(path, flags)) : fd;

			memset(line, 'a' + w, 32);
			line[31] = '\n';
			for (int i = 0; i < LINES; i++)
				write(f, line, 32);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	int lines = 0, broken = 0, each[WRITERS] = { 0 }, in = MUST(open("f", O_RDONLY));
	while (read(in, line, 32) == 32) {
		lines++;
		broken += line[31] != '\n' || !all_bytes(line, line[0], 31);
		if (line[0] >= 'a' && line[0] < 'a' + WRITERS)
			each[line[0] - 'a']++;
	}
	close(in);
	say("%s: %d lines, %d broken, %d %d %d %d", what, lines, broken, each[0], each[1], each[2], each[3]);
	MUST(truncate("f", 0));
}

int main(void)
{
	int fd;

	scratch();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	run("O_APPEND, each its own", -1, "f", O_WRONLY | O_APPEND);
	MUST(lseek(fd, 0, SEEK_SET));
	run("one open file", fd, NULL, 0);
	fcntl(fd, F_SETFL, O_APPEND);
	run("one open file with O_APPEND", fd, NULL, 0);
	SECTION("a counter under flock, and under fcntl locks");
	for (int kind = 0; kind < 2; kind++) {
		put_file("counter", "0", 0644);
		for (int w = 0; w < WRITERS; w++)
			if (fork() == 0) {
				for (int i = 0; i < 100; i++) {
					struct flock fl = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
					int f = MUST(open("counter", O_RDWR));
					char text[16] = "";

					if (kind == 0)
						MUST(flock(f, LOCK_EX));
					else
						MUST(fcntl(f, F_SETLKW, &fl));
					MUST(pread(f, text, sizeof(text), 0));
					snprintf(text, sizeof(text), "%d", atoi(text) + 1);
					MUST(pwrite(f, text, strlen(text), 0));
					close(f);
				}
				_exit(0);
			}
		while (wait(NULL) > 0)
			;
		show_file("counter");
	}
	SECTION("exclusive creation: one winner each time");
	int winners = 0;
	for (int i = 0; i < 30; i++) {
		int won = 0;

		for (int w = 0; w < WRITERS; w++)
			if (fork() == 0)
				_exit(open("lock", O_CREAT | O_EXCL | O_WRONLY, 0600) >= 0);
		for (int w = 0; w < WRITERS; w++) {
			int st;

			wait(&st);
			won += WEXITSTATUS(st);
		}
		winners += won == 1;
		unlink("lock");
	}
	SHOW(winners);
	return 0;
}
