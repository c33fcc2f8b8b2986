/* SPDX-License-Identifier: Apache-2.0 */
/* splice, tee, vmsplice, sendfile, copy_file_range: counts, offsets, ends, refusals. */
#include "tests/contract/contract.h"
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>

static char buf[70000];

static long drain(int fd)
{
	return read(fd, buf, sizeof(buf));
}

int main(void)
{
	int in, out, p[2], q[2], sv[2];
	loff_t off = 3, off2 = 0;

	scratch();
	put_file("in", "0123456789abcdefghij", 0644);
	in = MUST(open("in", O_RDWR));
	out = MUST(open("out", O_RDWR | O_CREAT, 0644));
	MUST(pipe2(p, O_NONBLOCK));
	MUST(pipe2(q, O_NONBLOCK));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv));
	SECTION("sendfile");
	CALL(sendfile(out, in, NULL, 5));
	CALL(lseek(in, 0, SEEK_CUR));
	CALL(sendfile(out, in, &off, 4));
	SHOW(off);
	CALL(lseek(in, 0, SEEK_CUR));
	CALL(sendfile(out, in, NULL, 1000));
	CALL(sendfile(out, in, NULL, 1000));
	show_file("out");
	CALL(sendfile(sv[0], in, (off = 10, &off), 5));
	CALL(drain(sv[1]));
	CALL(sendfile(p[1], in, (off = 0, &off), 20));
	CALL(drain(p[0]));
	CALL(sendfile(out, p[0], NULL, 5));
	CALL(sendfile(out, in, (off = -1, &off), 5));
	CALL(sendfile(out, 999, NULL, 5));
	CALL(sendfile(999, in, NULL, 5));
	CALL(sendfile(out, in, BAD_PTR, 5));
	int ap = MUST(open("out", O_WRONLY | O_APPEND));
	CALL(sendfile(ap, in, (off = 0, &off), 5));
	SECTION("splice");
	MUST(lseek(in, 0, SEEK_SET));
	MUST(ftruncate(out, 0));
	MUST(lseek(out, 0, SEEK_SET));
	CALL(splice(in, NULL, p[1], NULL, 8, 0));
	CALL(lseek(in, 0, SEEK_CUR));
	CALL(splice(p[0], NULL, out, NULL, 5, 0));
	off2 = 10;
	CALL(splice(p[0], NULL, out, &off2, 100, 0));
	SHOW(off2);
	show_file("out");
	CALL(splice(p[0], NULL, out, NULL, 5, SPLICE_F_NONBLOCK));
	CALL(splice(in, NULL, out, NULL, 5, 0));
	CALL(splice(in, NULL, p[1], &off, 5, 0));
	CALL(splice(p[0], &off, out, NULL, 5, 0));
	CALL(splice(p[0], NULL, p[1], NULL, 5, 0));
	CALL(splice(in, NULL, p[1], NULL, 5, 0x100));
	CALL(splice(in, NULL, p[1], NULL, 0, 0));
	CALL(splice(999, NULL, p[1], NULL, 5, 0));
	CALL(splice(p[0], NULL, ap, NULL, 5, 0));
	MUST(lseek(in, 0, SEEK_END));
	CALL(splice(in, NULL, p[1], NULL, 5, 0));
	write_all(p[1], "pipe", 4);
	CALL(splice(p[0], NULL, q[1], NULL, 100, 0));
	CALL(drain(q[0]));
	BYTES(buf, 4);
	write_all(sv[0], "sock", 4);
	CALL(splice(sv[1], NULL, p[1], NULL, 100, 0));
	CALL(drain(p[0]));
	SECTION("tee");
	write_all(p[1], "both", 4);
	CALL(tee(p[0], q[1], 100, 0));
	CALL(drain(p[0]));
	CALL(drain(q[0]));
	CALL(tee(p[0], q[1], 100, SPLICE_F_NONBLOCK));
	CALL(tee(p[0], p[1], 100, 0));
	CALL(tee(in, q[1], 100, 0));
	SECTION("vmsplice");
	struct iovec iov[2] = { { "gather", 6 }, { "ed", 2 } };
	CALL(vmsplice(p[1], iov, 2, 0));
	CALL(drain(p[0]));
	BYTES(buf, 8);
	write_all(p[1], "reverse", 7);
	iov[0] = (struct iovec){ buf, 3 };
	CALL(vmsplice(p[0], iov, 1, 0));
	CALL(drain(p[0]));
	CALL(vmsplice(in, iov, 1, 0));
	iov[0] = (struct iovec){ BAD_PTR, 3 };
	CALL(vmsplice(p[1], iov, 1, 0));
	SECTION("copy_file_range");
	MUST(ftruncate(out, 0));
	off = 2, off2 = 0;
	CALL(copy_file_range(in, &off, out, &off2, 5, 0));
	say("%ld %ld", (long)off, (long)off2);
	show_file("out");
	MUST(lseek(in, 15, SEEK_SET));
	MUST(lseek(out, 0, SEEK_END));
	CALL(copy_file_range(in, NULL, out, NULL, 100, 0));
	CALL(copy_file_range(in, NULL, out, NULL, 100, 0));
	show_file("out");
	off = 0, off2 = 10;
	CALL(copy_file_range(in, &off, in, &off2, 5, 0));
	off2 = 3;
	CALL(copy_file_range(in, &off, in, &off2, 5, 0));
	show_file("in");
	CALL(copy_file_range(in, NULL, out, NULL, 5, 1));
	CALL(copy_file_range(in, NULL, ap, NULL, 5, 0));
	CALL(copy_file_range(p[0], NULL, out, NULL, 5, 0));
	int dir = MUST(open(".", O_RDONLY));
	CALL(copy_file_range(dir, NULL, out, NULL, 5, 0));
	int ro = MUST(open("in", O_RDONLY));
	CALL(copy_file_range(in, NULL, ro, NULL, 5, 0));
	return 0;
}
