/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 300
 * Memory that is not to be had: the stub's own area, pages of a file that may only be read, those of other processes; and page tables
 * without end.
 */
#include "tests/hostile/hostile.h"

#include <sys/ptrace.h>

/* Who owns nothing: neither root nor a user that the tests are run as.  Who may not become it ends. */
#define STRANGER 65533

static void must_fail(const char *what, long ret)
{
	if (ret != -1)
		REACHED("%s succeeded", what);
}

/* --- the stub's area --- */

static void area(unsigned n)
{
	static const uint64_t at[] = { SYSTRAP_TEXT, SYSTRAP_ORDERS,	  SYSTRAP_BLOCKS,
				       SYSTRAP_VVAR, SYSTRAP_TEXT - 4096, SYSTRAP_BLOCKS + SYSTRAP_BLOCK_SIZE };
	(void)n;
	for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
		void *p = (void *)at[i], *q;

		for (size_t len = 4096; len <= 1UL << 46; len <<= 3) {
			if (at[i] >= SYSTRAP_TEXT)
				must_fail("mprotect of the stub", mprotect(p, len, PROT_READ | PROT_WRITE | PROT_EXEC));
			munmap(p, len);
			madvise(p, len, MADV_DONTNEED);
			madvise(p, len, MADV_REMOVE);
			msync(p, len, MS_SYNC);
			mlock(p, len);
			q = mremap(p, 4096, len, MREMAP_MAYMOVE);
			if (at[i] >= SYSTRAP_TEXT)
				must_fail("mremap of the stub", (long)q);
			q = mmap(p, len, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				 -1, 0);
			if (q != MAP_FAILED && (at[i] >= SYSTRAP_TEXT || len > 4096))
				REACHED("mmap over the stub at %p", p);
			if (q != MAP_FAILED)
				munmap(q, len);
			if (getpid() <= 0)
				_exit(1);
		}
	}
	/* Below everything, and all of it at once. */
	munmap((void *)(1UL << 46), (1UL << 46) + (1UL << 45));
	syscall(SYS_remap_file_pages, SYSTRAP_TEXT, 4096, 0, 0, 0);
	prctl(PR_SET_MM, PR_SET_MM_START_BRK, SYSTRAP_TEXT, 0, 0);
}

/* The kernel is asked to read and write there: what the guest can't map it can't name. */
static void area_by_pointer(unsigned n)
{
	static const uint64_t at[] = { SYSTRAP_TEXT, SYSTRAP_ORDERS,
				       SYSTRAP_BLOCKS + SYSTRAP_BLOCK_SIZE + SYSTRAP_PAGE_OFF, SYSTRAP_BLOCKS };
	int fds[2];
	char buf[64];

	(void)n;
	if (pipe(fds))
		return;
	for (unsigned i = 0; i < 4; i++) {
		struct iovec l = { buf, sizeof(buf) }, r = { (void *)at[i], sizeof(buf) };

		must_fail("write from the stub", write(fds[1], (void *)at[i], 16));
		write(fds[1], buf, sizeof(buf));
		must_fail("read into the stub", read(fds[0], (void *)at[i], 16));
		read(fds[0], buf, sizeof(buf));
		must_fail("process_vm_readv of the stub", process_vm_readv(getpid(), &l, 1, &r, 1, 0));
		must_fail("process_vm_writev of the stub", process_vm_writev(getpid(), &l, 1, &r, 1, 0));
		must_fail("stat into the stub", stat("/", (void *)at[i]));
		must_fail("execve from the stub", execve("/proc/self/exe", (void *)at[i], NULL));
		must_fail("signal stack in the stub", syscall(SYS_rt_sigaction, SIGUSR1, at[i], NULL, 8));
	}
}

/* --- a file's pages --- */

static void file_pages(unsigned n)
{
	int fd = open(hostile_file, O_RDONLY), mem;
	char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), *q;

	(void)n;
	if (setuid(STRANGER))
		_exit(1);
	must_fail("mprotect of a read-only shared mapping", mprotect(p, 4096, PROT_READ | PROT_WRITE));
	must_fail("a writable shared mapping of it", (long)mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
	q = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (q != MAP_FAILED)
		memset(q, 1, 4096);
	mem = open("/proc/self/mem", O_RDWR);
	pwrite(mem, "xxxxxxxx", 8, (off_t)(uintptr_t)p);
	madvise(p, 4096, MADV_REMOVE);
	mremap(p, 4096, 8192, MREMAP_MAYMOVE);
	fallocate(fd, 3, 0, 4096);
	must_fail("ftruncate", ftruncate(fd, 0));
	must_fail("truncate", truncate(hostile_file, 0));
}

/* While one thread changes protections another writes: what was read-only for a moment must not be reached through a stale mapping. */
static char *volatile raced;

static void *race_main(void *arg) __attribute__((noreturn));
static void *race_main(void *arg)
{
	int fd = open(hostile_file, O_RDONLY);

	(void)arg;
	for (;;) {
		mmap(raced, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		mmap(raced, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
		mmap(raced, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0);
	}
}

static void on_segv(int sig)
{
	(void)sig;
}

static void file_race(unsigned n)
{
	pthread_t thread;

	(void)n;
	signal(SIGSEGV, on_segv);
	signal(SIGBUS, on_segv);
	alarm(3);
	raced = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_create(&thread, NULL, race_main, NULL);
	pthread_create(&thread, NULL, race_main, NULL);
	for (;;)
		*raced = 1;
}

/* --- others --- */

static void others(unsigned n)
{
	uint64_t word = 0;
	struct iovec l = { &word, 8 }, r = { &word, 8 };
	char path[64];

	(void)n;
	if (setgid(STRANGER) || setuid(STRANGER))
		_exit(1);
	for (int pid = 1; pid < 8; pid++) {
		if (pid == getpid())
			continue;
		must_fail("process_vm_writev", process_vm_writev(pid, &l, 1, &r, 1, 0));
		must_fail("ptrace", ptrace(PTRACE_ATTACH, pid, 0, 0));
		must_fail("kill", kill(pid, SIGKILL));
		snprintf(path, sizeof(path), "/proc/%d/mem", pid);
		must_fail("/proc/PID/mem", open(path, O_RDWR));
	}
}

/* --- page tables --- */

/* A page in each of thousands of 2 MiB or 1 GiB. */
static void tables(unsigned n)
{
	uint64_t step = n ? 1UL << 30 : 1UL << 21, at = 1UL << 32;

	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	for (unsigned i = 0; i < 4000 && at < 1UL << 46; i++, at += step) {
		char *p = mmap((void *)at, 4096, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

		if (p == MAP_FAILED && errno == ENOMEM)
			break;
		if (p != MAP_FAILED)
			*p = 1;
	}
}

/* vmas until there are no more. */
static void vmas(unsigned n)
{
	char *p = mmap(NULL, 1UL << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	(void)n;
	for (unsigned long i = 0; i < 1UL << 26; i += 8192)
		if (mprotect(p + i, 4096, PROT_READ))
			break;
}

static void attacks(void)
{
	attack("the stub's area", area, 20000);
	attack("the stub's area, by pointers", area_by_pointer, 20000);
	attack("pages of a read-only file", file_pages, 20000);
	attack("pages of a read-only file, raced for", file_race, 5000);
	hostile_check();
	attack("other processes", others, 20000);
	attack("mappings without end", vmas, 20000);
	attack_many(tables, 0, 2, 20000);
	hostile_check();
}
