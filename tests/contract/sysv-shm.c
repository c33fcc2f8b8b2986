/* SPDX-License-Identifier: Apache-2.0 */
/* System V shared memory: attachments, what fork, exec and exit do to them, removal, places, permissions. */
#include "tests/contract/contract.h"

#include <sys/ipc.h>
#include <sys/shm.h>

#define SIZE (3 * PAGE + 100)

static int seg;

static void show_state(const char *when)
{
	struct shmid_ds ds;

	if (shmctl(seg, IPC_STAT, &ds))
		say("%s: %s", when, strerror(errno));
	else
		say("%s: size %zu, %lu attached, mode %o, key %s", when, ds.shm_segsz, ds.shm_nattch, ds.shm_perm.mode,
		    ds.shm_perm.__key ? "kept" : "private");
}

static void attach(void)
{
	char *a, *b;

	SECTION("two views");
	show_state("new");
	a = PTR(shmat(seg, NULL, 0));
	b = PTR(shmat(seg, NULL, SHM_RDONLY));
	strcpy(a, "hello");
	STR(b);
	SHOW(a[SIZE - 1]);
	show_state("twice");
	CALL(mprotect(b, PAGE, PROT_READ | PROT_WRITE));
	IN_CHILD("inherits") {
		show_state("in the child");
		strcpy(a, "from the child");
	}
	STR(b);
	IN_CHILD("detaches") {
		CALL(shmdt(a));
		show_state("one less");
	}
	show_state("back");
	SECTION("pieces");
	CALL(munmap(a + PAGE, PAGE));
	show_state("with a hole");
	CALL(shmdt(a + PAGE));
	CALL(shmdt(a));
	show_state("detached");
	CALL(shmdt(a));
	CALL(shmdt(b + 1));
	CALL(shmdt(b));
	show_state("none");
	CALL(shmdt(BAD_PTR));
}

static void places(void)
{
	char *room = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *p;

	SECTION("places");
	CALL((long)shmat(seg, room, 0));
	YES(shmat(seg, room, SHM_REMAP) == room);
	YES(shmat(seg, room + 8 * PAGE + 5, SHM_REMAP | SHM_RND) == room + 8 * PAGE);
	CALL((long)shmat(seg, room + 5, SHM_REMAP));
	CALL((long)shmat(seg, NULL, SHM_REMAP));
	p = room + 8 * PAGE;
	strcpy(room, "same");
	STR(p);
	CALL(shmdt(room));
	CALL(shmdt(p));
	munmap(room, 16 * PAGE);
	YES(shmat(seg, room, 0) == room);
	CALL(shmdt(room));
}

static void removal(void)
{
	char *a = PTR(shmat(seg, NULL, 0));

	SECTION("removal");
	CALL(shmctl(seg, IPC_RMID, NULL));
	show_state("doomed");
	char *b = PTR(shmat(seg, NULL, 0));
	strcpy(a, "still here");
	STR(b);
	CALL(shmctl(seg, IPC_RMID, NULL));
	CALL(shmdt(a));
	show_state("one left");
	IN_CHILD("sees it too")
		STR(b);
	CALL(shmdt(b));
	show_state("gone");
	CALL((long)shmat(seg, NULL, 0));
	SECTION("exit detaches");
	seg = OK(shmget(IPC_PRIVATE, PAGE, 0600));
	IN_CHILD("leaves") {
		PTR(shmat(seg, NULL, 0));
		CALL(shmctl(seg, IPC_RMID, NULL));
	}
	show_state("gone");
	seg = OK(shmget(IPC_PRIVATE, PAGE, 0600));
	IN_CHILD("execs") {
		PTR(shmat(seg, NULL, 0));
		execl("/bin/true", "true", NULL);
	}
	show_state("after exec");
	CALL(shmctl(seg, IPC_RMID, NULL));
	show_state("gone");
}

static void errors(void)
{
	struct shmid_ds ds;

	SECTION("errors");
	CALL(shmget(IPC_PRIVATE, 0, 0600));
	CALL(shmctl(seg, 12345, NULL));
	CALL(shmctl(-1, IPC_STAT, &ds));
	CALL(shmctl(seg, IPC_STAT, BAD_PTR));
	CALL(shmctl(seg, IPC_STAT, &ds));
	ds.shm_perm.mode = 0400;
	CALL(shmctl(seg, IPC_SET, &ds));
	show_state("mode");
	ds.shm_perm.mode = 0600;
	CALL(shmctl(seg, IPC_SET, &ds));
	CALL((long)shmat(-1, NULL, 0));
}

int main(void)
{
	key_t key = 0x5f000000 | (getpid() & 0xffffff);

	SECTION("keys");
	CALL(shmget(key, SIZE, 0600));
	seg = OK(shmget(key, SIZE, IPC_CREAT | 0600));
	CALL(shmget(key, SIZE, IPC_CREAT | IPC_EXCL | 0600));
	YES(shmget(key, 0, 0) == seg);
	CALL(shmget(key, SIZE + 1, 0));
	attach();
	places();
	errors();
	removal();
	return 0;
}
