/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One file through read, write and two mappings at once: random writes, truncations and holes; what each way sees, and where the
 * end of the file is SIGBUS.
 */
#include "tests/contract/contract.h"

#define NR_PAGES 24
#define SIZE (NR_PAGES * PAGE)
#define ROUNDS 3000

static uint64_t seed = 1;

static unsigned rnd(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (seed >> 11) % n;
}

static sigjmp_buf env;
static char *shared, *private;
static int fd;
static char buf[SIZE];

static void on_sigbus(int sig)
{
	siglongjmp(env, sig);
}

static unsigned sum(const char *p, long n)
{
	unsigned s = 0;

	for (long i = 0; i < n; i++)
		s = s * 31 + (unsigned char)p[i];
	return s;
}

/* Reads or writes [off, off + n) of a mapping; at the first page behind the end it is SIGBUS. */
static void touch(const char *what, char *map, long off, long n, bool write)
{
	volatile long done = 0;

	if (sigsetjmp(env, 1)) {
		say("%s %ld+%ld: SIGBUS after %ld", what, off, n, (long)done);
		return;
	}
	for (; done < n; done++) {
		if (write)
			((volatile char *)map)[off + done] = 'm' + done % 7;
		else
			buf[done] = ((volatile char *)map)[off + done];
	}
	say("%s %ld+%ld: %u", what, off, n, write ? 0 : sum(buf, n));
}

/* What lies behind the end in the last page is anybody's: write-back may clear it at any time.  So loads end before. */
static long known(long off, long n)
{
	struct stat st;

	fstat(fd, &st);
	if (off + n > st.st_size && (off + n - 1) / (long)PAGE <= (st.st_size - 1) / (long)PAGE)
		return st.st_size - off;
	return n;
}

static void round_of(void)
{
	long off = rnd(3) ? rnd(SIZE) : rnd(NR_PAGES) * PAGE, n = 1 + (rnd(3) ? rnd(300) : rnd(20000));
	struct stat st;
	long ret;

	if (n > (long)SIZE - off)
		n = SIZE - off;
	switch (rnd(13)) {
	case 0:
	case 1:
		memset(buf, 'a' + rnd(26), n);
		say("pwrite %ld+%ld: %ld", off, n, (long)pwrite(fd, buf, n, off));
		break;
	case 2:
		ret = pread(fd, buf, n, off);
		say("pread %ld+%ld: %ld %u", off, n, ret, ret > 0 ? sum(buf, ret) : 0);
		break;
	case 3:
		say("ftruncate %ld: %d", off, ftruncate(fd, off));
		break;
	case 4:
		say("punch %ld+%ld: %d", off, n, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, n));
		break;
	case 5:
		say("allocate %ld+%ld: %d", off, n, fallocate(fd, 0, off, n));
		break;
	case 6:
	case 7:
		touch("store", shared, off, n, true);
		break;
	case 8:
		touch("load", shared, off, known(off, n), false);
		break;
	case 9:
		/* What is in a private page follows the file until it is written. */
		touch("private load", private, off, known(off, n), false);
		break;
	case 10:
		touch("private store", private, off, n, true);
		break;
	case 11:
		/* From a mapping of the file into the file itself. */
		fstat(fd, &st);
		if (off + n <= st.st_size)
			say("pwrite own: %ld", (long)pwrite(fd, shared + off, n, rnd(SIZE - n)));
		else
			say("msync: %d", msync(shared, SIZE, MS_SYNC));
		break;
	case 12:
		if (rnd(4)) {
			say("madvise: %d", madvise(private + off / PAGE * PAGE, PAGE, MADV_DONTNEED));
			break;
		}
		munmap(shared, SIZE);
		munmap(private, SIZE);
		shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
		break;
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_sigbus };

	scratch();
	if (argc > 1)
		seed = strtoull(argv[1], NULL, 10) * 0x9e3779b97f4a7c15ULL + 1;
	MUST(sigaction(SIGBUS, &sa, NULL));
	fd = MUST(open("f", O_CREAT | O_RDWR, 0600));
	shared = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	private = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	for (int i = 0; i < ROUNDS; i++)
		round_of();
	return 0;
}
