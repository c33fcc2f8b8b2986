/* SPDX-License-Identifier: Apache-2.0 */
/* Processes that fork, write shared and private pages, and end, many at a time: every page holds what it should. */
#include "tests/contract/contract.h"

#define N 32

int main(void)
{
	char *anon, *file;
	int fd, bad = 0;

	scratch();
	fd = page_file("f", N * PAGE);
	anon = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	file = mmap(NULL, N * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	for (int i = 0; i < N; i++)
		memset(anon + i * PAGE, i, PAGE);
	for (int round = 0; round < 6; round++) {
		pid_t pids[8];

		for (int c = 0; c < 8; c++) {
			pids[c] = MUST(fork());
			if (pids[c])
				continue;
			for (int i = 0; i < N; i++) {
				if (!all_bytes(anon + i * PAGE, i, PAGE))
					_exit(1);
				if (i % 8 == c) {
					memset(anon + i * PAGE, 100 + c, PAGE);
					memset(file + i * PAGE, 'a' + c + round, PAGE);
				}
			}
			if (fork() == 0)
				_exit(anon[c * PAGE] == 100 + c ? 0 : 1);
			int st;
			wait(&st);
			munmap(file, N * PAGE);
			_exit(st ? 2 : 0);
		}
		for (int c = 0; c < 8; c++) {
			int st = -1;

			waitpid(pids[c], &st, 0);
			bad += st != 0;
		}
		for (int i = 0; i < N; i++) {
			char page[PAGE];

			bad += !all_bytes(anon + i * PAGE, i, PAGE);
			bad += !all_bytes(file + i * PAGE, 'a' + i % 8 + round, PAGE);
			bad += pread(fd, page, PAGE, i * PAGE) != PAGE || !all_bytes(page, 'a' + i % 8 + round, PAGE);
		}
	}
	SHOW(bad);
	return 0;
}
