/* SPDX-License-Identifier: Apache-2.0 */
/* memfd_create: names, seals and what each forbids, sharing by fork and /proc/self/fd, execution. */
#include "tests/contract/contract.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10
#endif

int main(void)
{
	char name[300], path[64], buf[32] = "";
	struct stat st;
	int fd;
	char *p;

	SECTION("creation");
	fd = OK(memfd_create("name", MFD_CLOEXEC | MFD_ALLOW_SEALING));
	CALL(fcntl(fd, F_GETFD));
	CALL(fcntl(fd, F_GET_SEALS));
	MUST(fstat(fd, &st));
	YES(S_ISREG(st.st_mode));
	SHOW(st.st_size);
	SHOW(st.st_nlink);
	HEX(fcntl(fd, F_GETFL) & 3);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(buf, 0, sizeof(buf));
	CALL(readlink(path, buf, sizeof(buf)));
	STR(buf);
	memset(name, 'n', sizeof(name));
	name[249] = 0;
	OK(memfd_create(name, 0));
	name[249] = 'n', name[250] = 0;
	CALL(memfd_create(name, 0));
	CALL(memfd_create("x", 0x7770));
	CALL(memfd_create(BAD_PTR, 0));
	OK(memfd_create("", 0));
	SECTION("without sealing");
	int plain = MUST(memfd_create("plain", 0));
	CALL(fcntl(plain, F_GET_SEALS));
	CALL(fcntl(plain, F_ADD_SEALS, F_SEAL_WRITE));
	SECTION("contents");
	CALL(write(fd, "0123456789", 10));
	CALL(pread(fd, buf, 4, 3));
	BYTES(buf, 4);
	CALL(ftruncate(fd, 8192));
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	SHOW(p[1]);
	p[5000] = 'm';
	CALL(pread(fd, buf, 1, 5000));
	SHOW(buf[0]);
	IN_CHILD("shared")
		p[5001] = 'c';
	SHOW(p[5001]);
	int again = OK(open(path, O_RDWR));
	CALL(lseek(again, 0, SEEK_CUR));
	SECTION("seals");
	CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
	CALL(ftruncate(fd, 100));
	CALL(ftruncate(fd, 10000));
	CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	CALL(ftruncate(fd, 20000));
	CALL(pwrite(fd, "x", 1, 10000));
	CALL(pwrite(fd, "x", 1, 100));
	CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CALL(munmap(p, 8192));
	CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
	CALL(pwrite(fd, "x", 1, 100));
	PTR(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	PTR(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0));
	p = PTR(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0));
	p[0] = 'P';
	HEX(fcntl(again, F_GET_SEALS));
	CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
	CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
	CALL(fcntl(fd, F_ADD_SEALS, 0x1000));
	CALL(fallocate(fd, FALLOC_FL_KEEP_SIZE | 2, 0, 100));
	SECTION("future writes");
	fd = MUST(memfd_create("future", MFD_ALLOW_SEALING));
	MUST(ftruncate(fd, 4096));
	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CALL(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE));
	p[0] = 'f';
	CALL(write(fd, "x", 1));
	PTR(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	SECTION("a program in memory");
	char copy[65536];
	int in = MUST(open("/bin/true", O_RDONLY)), prog = MUST(memfd_create("prog", MFD_CLOEXEC));
	ssize_t n;
	while ((n = read(in, copy, sizeof(copy))) > 0)
		write_all(prog, copy, n);
	IN_CHILD("fexecve") {
		char *argv[] = { "true", NULL };

		fexecve(prog, argv, argv + 1);
		say("%s", errno_name(errno));
	}
	IN_CHILD("a sealed writable one too") {
		char *argv[] = { "true", NULL };

		syscall(SYS_execveat, prog, "", argv, argv + 1, AT_EMPTY_PATH);
		say("%s", errno_name(errno));
	}
	return 0;
}
