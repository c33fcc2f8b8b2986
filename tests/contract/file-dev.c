/* SPDX-License-Identifier: Apache-2.0 */
/* /dev/null, zero, full, random, urandom, and getrandom: reading, writing, seeking, mapping, flags. */
#include "tests/contract/contract.h"
#include <sys/random.h>
#include <sys/sysmacros.h>

int main(void)
{
	static const char *const names[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom" };
	unsigned char buf[70000], buf2[64];
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int fd = open(names[i], O_RDWR);

		say("-- %s", names[i]);
		if (fd < 0) {
			say("open: %s", errno_name(errno));
			continue;
		}
		fstat(fd, &st);
		say("char %d %u:%u", S_ISCHR(st.st_mode) != 0, major(st.st_rdev), minor(st.st_rdev));
		memset(buf, 1, sizeof(buf));
		CALL(read(fd, buf, 100));
		if (i == 1 || i == 2)
			YES(all_bytes(buf, 0, 100));
		if (i >= 3)
			YES(!all_bytes(buf, buf[0], 100));
		CALL(read(fd, buf, sizeof(buf)));
		CALL(write(fd, buf, 100));
		CALL(write(fd, buf, 0));
		CALL(read(fd, BAD_PTR, 10));
		CALL(lseek(fd, 100, SEEK_SET) >= 0);
		CALL(pread(fd, buf, 10, 5));
		CALL(pwrite(fd, buf, 10, 5));
		CALL(ftruncate(fd, 0));
		close(fd);
		OK(open(names[i], O_WRONLY | O_TRUNC));
		OK(open(names[i], O_WRONLY | O_CREAT | O_APPEND, 0644));
		CALL(open(names[i], O_RDONLY | O_DIRECTORY));
	}
	SECTION("mapping");
	PTR(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, MUST(open("/dev/null", O_RDWR)), 0));
	SECTION("getrandom");
	CALL(getrandom(buf, 100, 0));
	CALL(getrandom(buf2, 64, GRND_NONBLOCK));
	YES(memcmp(buf, buf2, 64) != 0);
	CALL(getrandom(buf, 100, GRND_RANDOM));
	CALL(getrandom(buf, sizeof(buf), 0));
	CALL(getrandom(buf, 0, 0));
	CALL(getrandom(buf, 10, 0x100));
	CALL(getrandom(buf, 10, GRND_RANDOM | 4));
	CALL(getrandom(BAD_PTR, 10, 0));
	SECTION("links in /dev");
	CALL(access("/dev/fd/0", F_OK));
	CALL(access("/dev/stdin", F_OK));
	CALL(access("/dev/stdout", F_OK));
	CALL(access("/dev/pts", F_OK));
	CALL(access("/dev/shm", F_OK));
	CALL(access("/dev/tty", F_OK));
	return 0;
}
