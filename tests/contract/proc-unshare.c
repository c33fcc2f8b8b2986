/* SPDX-License-Identifier: Apache-2.0 */
/* unshare(2): files and fs of a thread; what an ordinary user may not. */
#include "tests/contract/contract.h"
#include <sched.h>

static struct gate go, done;
static int fd;

static void *thread(void *arg)
{
	gate_wait(&go);
	CALL(unshare(CLONE_FILES | CLONE_FS));
	close(fd);
	MUST(chdir("/"));
	umask(077);
	CALL(fcntl(fd, F_GETFD));
	gate_open(&done);
	return arg;
}

int main(void)
{
	char cwd[PATH_MAX];
	pthread_t t;

	drop_privileges();
	scratch();
	gate_init(&go);
	gate_init(&done);
	fd = MUST(open("/dev/null", O_RDONLY));
	SECTION("without threads these change nothing");
	CALL(unshare(CLONE_THREAD));
	CALL(unshare(CLONE_SIGHAND));
	CALL(unshare(CLONE_VM));
	SECTION("a thread leaves the common table");
	pthread_create(&t, NULL, thread, NULL);
	gate_open(&go);
	gate_wait(&done);
	pthread_join(t, NULL);
	CALL(fcntl(fd, F_GETFD));
	YES(!strcmp(getcwd(cwd, sizeof(cwd)), scratch_dir));
	SHOW(umask(022));
	SECTION("alone");
	CALL(unshare(0));
	CALL(unshare(CLONE_FILES));
	CALL(unshare(CLONE_FS));
	CALL(unshare(0x40));
	CALL(unshare(CLONE_VFORK));
	CALL(unshare(CLONE_PARENT));
	CALL(unshare(CLONE_NEWUTS));
	CALL(unshare(CLONE_NEWNS));
	CALL(unshare(CLONE_NEWPID));
	return 0;
}
