/* SPDX-License-Identifier: Apache-2.0 */
/* Threads and processes that rename, link, unlink, create and look up the same names: a renamed-over name never vanishes. */
#include "tests/contract/contract.h"

static volatile int stop;
static int missing, torn, opened;

static void *replacer(void *arg)
{
	char tmp[32], text[64];

	snprintf(tmp, sizeof(tmp), "tmp%ld", (long)arg);
	for (int i = 0; i < 150; i++) {
		memset(text, 'a' + i % 26, 50);
		text[50] = 0;
		put_file(tmp, text, 0644);
		MUST(rename(tmp, "name"));
	}
	return NULL;
}

static void *looker(void *arg)
{
	char buf[64];

	while (!stop) {
		int fd = open("name", O_RDONLY);
		ssize_t n;

		if (fd < 0) {
			__atomic_add_fetch(&missing, 1, __ATOMIC_SEQ_CST);
			continue;
		}
		n = read(fd, buf, sizeof(buf));
		if (n != 50 || !all_bytes(buf, buf[0], 50))
			__atomic_add_fetch(&torn, 1, __ATOMIC_SEQ_CST);
		__atomic_add_fetch(&opened, 1, __ATOMIC_SEQ_CST);
		close(fd);
	}
	return arg;
}

int main(void)
{
	pthread_t w[2], l[2];
	char text[64];
	int bad = 0, left = 0;
	struct dirent *e;

	scratch();
	memset(text, 'z', 50);
	text[50] = 0;
	put_file("name", text, 0644);
	for (long i = 0; i < 2; i++)
		pthread_create(&l[i], NULL, looker, NULL);
	for (long i = 0; i < 2; i++)
		pthread_create(&w[i], NULL, replacer, (void *)i);
	for (int i = 0; i < 2; i++)
		pthread_join(w[i], NULL);
	stop = 1;
	for (int i = 0; i < 2; i++)
		pthread_join(l[i], NULL);
	say("missing %d torn %d", missing, torn);
	YES(opened > 0);
	SECTION("processes create and remove trees at a time");
	for (int p = 0; p < 4; p++)
		if (fork() == 0) {
			for (int i = 0; i < 30; i++) {
				char dir[32], sub[48], file[64];

				snprintf(dir, sizeof(dir), "d%d", i % 5);
				snprintf(sub, sizeof(sub), "%s/p%d", dir, p);
				snprintf(file, sizeof(file), "%s/f", sub);
				mkdir(dir, 0755);
				if (mkdir(sub, 0755) == 0) {
					int fd = open(file, O_CREAT | O_WRONLY, 0644);

					if (fd < 0 || unlink(file) < 0 || rmdir(sub) < 0)
						_exit(1);
					close(fd);
				} else if (errno != ENOENT) {
					_exit(2);
				}
				rmdir(dir);
			}
			_exit(0);
		}
	for (int p = 0; p < 4; p++) {
		int st;

		wait(&st);
		bad += st != 0;
	}
	SHOW(bad);
	for (int i = 0; i < 5; i++) {
		snprintf(text, sizeof(text), "d%d", i);
		rmdir(text);
	}
	DIR *d = opendir(".");
	while ((e = readdir(d)))
		left += e->d_name[0] != '.';
	closedir(d);
	SHOW(left);
	return 0;
}
