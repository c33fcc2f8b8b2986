/* SPDX-License-Identifier: Apache-2.0 */
/* io_setup(2), io_submit(2), io_getevents(2), io_cancel(2), io_destroy(2). */
#include "tests/contract/contract.h"

#include <linux/aio_abi.h>
#include <sys/eventfd.h>
#include <sys/uio.h>

static aio_context_t ctx;
static struct iocb cb[4], *list[4] = { &cb[0], &cb[1], &cb[2], &cb[3] };
static struct io_event ev[8];
static char buf[2][64];

static long io_setup(unsigned nr, aio_context_t *c)
{
	return syscall(SYS_io_setup, nr, c);
}

static long io_submit(aio_context_t c, long nr, struct iocb **l)
{
	return syscall(SYS_io_submit, c, nr, l);
}

static long io_getevents(aio_context_t c, long min, long nr, struct io_event *e, struct timespec *ts)
{
	return syscall(SYS_io_getevents, c, min, nr, e, ts);
}

static void request(int i, int op, int fd, void *data, size_t len, long off)
{
	memset(&cb[i], 0, sizeof(cb[i]));
	cb[i].aio_data = 100 + i;
	cb[i].aio_lio_opcode = op;
	cb[i].aio_fildes = fd;
	cb[i].aio_buf = (uintptr_t)data;
	cb[i].aio_nbytes = len;
	cb[i].aio_offset = off;
}

static void drain(int min)
{
	struct timespec now = { 0, 0 };
	long n = CALL(io_getevents(ctx, min, 8, ev, min ? NULL : &now));

	for (long i = 0; i < n; i++)
		say("  data %d, obj %s, res %lld, res2 %lld", (int)ev[i].data,
		    ev[i].obj >= (uintptr_t)cb && ev[i].obj < (uintptr_t)(cb + 4) ? "a request" : "?", (long long)ev[i].res,
		    (long long)ev[i].res2);
}

static void one(const char *what, int op, int fd, void *data, size_t len, long off)
{
	say("%s", what);
	request(0, op, fd, data, len, off);
	/* A flush takes its time on Linux. */
	drain(CALL(io_submit(ctx, 1, list)) == 1 && op == IOCB_CMD_FSYNC);
}

static void contexts(void)
{
	aio_context_t other = 0, wrong = 1;

	SECTION("contexts");
	CALL(io_setup(0, &ctx));
	CALL(io_setup(1, BAD_PTR));
	CALL(io_setup(1, &wrong));
	CALL(io_setup(-1, &ctx));
	CALL(io_setup(4, &ctx));
	YES(ctx != 0);
	CALL(io_setup(1, &other));
	YES(other != ctx);
	CALL(syscall(SYS_io_destroy, other));
	CALL(syscall(SYS_io_destroy, other));
	CALL(syscall(SYS_io_destroy, 0));
	CALL(io_submit(other, 1, list));
	CALL(io_submit(0, 1, list));
	CALL(io_getevents(other, 0, 1, ev, NULL));
	IN_CHILD("in a child") {
		CALL(syscall(SYS_io_destroy, ctx));
		CALL(io_submit(ctx, 0, list));
	}
}

static void transfers(int fd)
{
	struct iovec iov[2] = { { buf[0], 3 }, { buf[1], 4 } };
	struct iocb *bad[2] = { &cb[0], BAD_PTR };

	SECTION("transfers");
	CALL(io_submit(ctx, 0, list));
	CALL(io_submit(ctx, -1, list));
	CALL(io_submit(ctx, 1, BAD_PTR));
	strcpy(buf[0], "0123456789");
	one("write", IOCB_CMD_PWRITE, fd, buf[0], 10, 5);
	memset(buf, 0, sizeof(buf));
	one("read", IOCB_CMD_PREAD, fd, buf[0], 64, 7);
	STR(buf[0]);
	memset(buf, 0, sizeof(buf));
	one("readv", IOCB_CMD_PREADV, fd, iov, 2, 5);
	STR(buf[0]);
	STR(buf[1]);
	one("at the end", IOCB_CMD_PREAD, fd, buf[0], 64, 100);
	one("fsync", IOCB_CMD_FSYNC, fd, NULL, 0, 0);
	one("fsync of more", IOCB_CMD_FSYNC, fd, buf[0], 0, 0);
	one("no descriptor", IOCB_CMD_PREAD, -1, buf[0], 1, 0);
	one("no operation", 99, fd, buf[0], 1, 0);
	one("no memory", IOCB_CMD_PREAD, fd, BAD_PTR, 10, 5);
	one("negative size", IOCB_CMD_PREAD, fd, buf[0], -1, 0);
	say("two and a bad pointer");
	request(0, IOCB_CMD_PREAD, fd, buf[0], 1, 0);
	CALL(io_submit(ctx, 2, bad));
	drain(0);
	say("three");
	for (int i = 0; i < 3; i++)
		request(i, IOCB_CMD_PREAD, fd, buf[0], i + 1, 5);
	CALL(io_submit(ctx, 3, list));
	CALL(io_getevents(ctx, 2, 2, ev, NULL));
	drain(0);
	say("reserved");
	request(0, IOCB_CMD_PREAD, fd, buf[0], 1, 0);
	cb[0].aio_reserved2 = 1;
	CALL(io_submit(ctx, 1, list));
	say("cancel");
	request(0, IOCB_CMD_PREAD, fd, buf[0], 1, 0);
	CALL(syscall(SYS_io_cancel, ctx, &cb[0], ev));
	CALL(syscall(SYS_io_cancel, ctx, BAD_PTR, ev));
	CALL(syscall(SYS_io_cancel, 0, &cb[0], ev));
}

static void events(int fd)
{
	struct timespec soon = { 0, 1000000 };
	int efd = MUST(eventfd(0, EFD_NONBLOCK));
	uint64_t n = 0;

	SECTION("events");
	CALL(io_getevents(ctx, 2, 1, ev, NULL));
	CALL(io_getevents(ctx, -1, 1, ev, NULL));
	CALL(io_getevents(ctx, 0, -1, ev, NULL));
	CALL(io_getevents(ctx, 1, 1, ev, &soon));
	CALL(io_getevents(ctx, 1, 1, ev, BAD_PTR));
	request(0, IOCB_CMD_PREAD, fd, buf[0], 1, 5);
	cb[0].aio_flags = IOCB_FLAG_RESFD;
	cb[0].aio_resfd = efd;
	CALL(io_submit(ctx, 1, list));
	CALL(read(efd, &n, 8));
	SHOW(n);
	cb[0].aio_resfd = fd;
	CALL(io_submit(ctx, 1, list));
	cb[0].aio_resfd = -1;
	CALL(io_submit(ctx, 1, list));
	CALL(io_getevents(ctx, 1, 1, BAD_PTR, NULL));
	drain(0);
	close(efd);
}

static void directions(void)
{
	int rd = MUST(open("file", O_RDONLY)), wr = MUST(open("file", O_WRONLY)), p[2];

	SECTION("directions");
	one("write to what is read", IOCB_CMD_PWRITE, rd, buf[0], 1, 0);
	one("read from what is written", IOCB_CMD_PREAD, wr, buf[0], 1, 0);
	MUST(pipe(p));
	one("into a pipe", IOCB_CMD_PWRITE, p[1], "abc", 3, 0);
	memset(buf, 0, sizeof(buf));
	one("from a pipe", IOCB_CMD_PREAD, p[0], buf[0], 10, 0);
	STR(buf[0]);
}

int main(void)
{
	int fd;

	scratch();
	fd = MUST(open("file", O_RDWR | O_CREAT, 0600));
	contexts();
	transfers(fd);
	events(fd);
	directions();
	CALL(syscall(SYS_io_destroy, ctx));
	return 0;
}
