/* SPDX-License-Identifier: Apache-2.0 */
/* shm_open, named semaphores: tmpfs at /dev/shm, shared between processes that open them by name. */
#include "tests/contract/contract.h"
#include <semaphore.h>
#include <sys/vfs.h>

int main(void)
{
	char name[64], sem[64];
	struct statfs sfs;
	int fd;
	char *p;

	snprintf(name, sizeof(name), "/contract-shm-%d", getpid());
	snprintf(sem, sizeof(sem), "/contract-sem-%d", getpid());
	if (statfs("/dev/shm", &sfs) < 0)
		skip("there is no /dev/shm");
	CALL(shm_open(name, O_RDWR, 0600));
	fd = OK(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
	CALL(shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600));
	CALL(ftruncate(fd, 3 * PAGE));
	p = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	IN_CHILD("opens it by name") {
		int f = MUST(shm_open(name, O_RDWR, 0));
		char *q = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);

		strcpy(q + 2 * PAGE, "from the child");
		q[1] = 'c';
	}
	STR(p + 2 * PAGE);
	SHOW(p[1]);
	CALL(shm_unlink(name));
	CALL(shm_unlink(name));
	IN_CHILD("gone by name, not by mapping") {
		CALL(shm_open(name, O_RDWR, 0));
		p[2] = 'x';
	}
	SHOW(p[2]);
	SECTION("named semaphores");
	sem_t *s = sem_open(sem, O_CREAT | O_EXCL, 0600, 0);
	YES(s != SEM_FAILED);
	YES(sem_open(sem, O_CREAT | O_EXCL, 0600, 0) == SEM_FAILED);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		sem_t *t = sem_open(sem, 0);

		for (int i = 0; i < 3; i++)
			sem_post(t);
		_exit(0);
	}
	for (int i = 0; i < 3; i++)
		SHOW(sem_wait(s));
	CALL(sem_trywait(s));
	reap("child", pid);
	CALL(sem_unlink(sem));
	YES(sem_open(sem, 0) == SEM_FAILED);
	return 0;
}
