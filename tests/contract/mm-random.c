/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 120
 * A long random walk over the mmap family on a window of pages and a file: every result, and what the memory holds, must be
 * the host's.  Addresses are all fixed, so the walk is the same everywhere.
 */
#include "tests/contract/contract.h"

#define NR 48
#define STEPS 4000

static char *base;
static unsigned state = 12345;
static unsigned long digest = 14695981039346656037UL;
static sigjmp_buf env;
static volatile int fault_code;

static unsigned rnd(unsigned n)
{
	state = state * 1103515245 + 12345;
	return (state >> 16) % n;
}

static void mix(long v)
{
	digest = (digest ^ (unsigned long)v) * 1099511628211UL;
}

static long result(long ret)
{
	long v = ret == -1 ? -errno : ret;

	/* An address is told by its page in the window. */
	if (ret != -1 && (char *)ret >= base && (char *)ret < base + NR * PAGE)
		v = ((char *)ret - base) / PAGE;
	mix(v);
	return v;
}

static void on_fault(int sig, siginfo_t *si, void *uc)
{
	(void)uc;
	fault_code = sig * 100 + si->si_code;
	siglongjmp(env, 1);
}

static void touch(unsigned page, int write)
{
	volatile char *p = base + page * PAGE + rnd(PAGE);

	if (sigsetjmp(env, 1) == 0) {
		if (write)
			*p = (char)rnd(256);
		mix(*p);
	} else {
		mix(fault_code);
	}
}

/* Everything that can be read. */
static void sweep(void)
{
	for (unsigned i = 0; i < NR; i++) {
		volatile unsigned long *p = (void *)(base + i * PAGE);

		if (sigsetjmp(env, 1) == 0) {
			for (unsigned j = 0; j < PAGE / 8; j += 16)
				mix((long)p[j]);
		} else {
			mix(fault_code);
		}
	}
}

static const int prots[] = { 0, 1, 3, 3, 3, 5, 7, 1 };

static void step(int fd)
{
	unsigned a = rnd(NR), n = 1 + rnd(rnd(3) ? 6 : NR - a), b = rnd(NR), m = 1 + rnd(8);
	static const int advice[] = { MADV_DONTNEED, MADV_DONTFORK, MADV_DOFORK, MADV_WIPEONFORK, MADV_KEEPONFORK,
				      MADV_SEQUENTIAL, MADV_NORMAL };

	n = n > NR - a ? NR - a : n;
	m = m > NR - b ? NR - b : m;
	switch (rnd(16)) {
	case 0:
	case 1:
		result((long)mmap(base + a * PAGE, n * PAGE, prots[rnd(8)], MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		break;
	case 2:
		result((long)mmap(base + a * PAGE, n * PAGE, prots[rnd(8)], MAP_SHARED | MAP_FIXED, fd, rnd(16) * PAGE));
		break;
	case 3:
		result((long)mmap(base + a * PAGE, n * PAGE, prots[rnd(8)], MAP_PRIVATE | MAP_FIXED, fd, rnd(16) * PAGE));
		break;
	case 4:
		result((long)mmap(base + a * PAGE, n * PAGE, prots[rnd(8)], MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		break;
	case 5:
		result(munmap(base + a * PAGE, n * PAGE));
		break;
	case 6:
	case 7:
		result(mprotect(base + a * PAGE, n * PAGE, prots[rnd(8)]));
		break;
	case 8:
		/* One page: whether two vmas are one, and what mremap makes of several, differs between kernels. */
		if (a < b || a >= b + m)
			result((long)mremap(base + a * PAGE, PAGE, m * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, base + b * PAGE));
		break;
	case 9:
		result((long)mremap(base + a * PAGE, n * PAGE, (n > 1 ? n - 1 : n) * PAGE, 0));
		break;
	case 10:
		result(madvise(base + a * PAGE, n * PAGE, advice[rnd(7)]));
		break;
	case 11:
		result(pwrite(fd, &state, sizeof(state), rnd(20) * PAGE + rnd(PAGE)));
		break;
	case 12:
		if (rnd(4) == 0)
			result(ftruncate(fd, rnd(24) * PAGE));
		else
			result(msync(base + a * PAGE, n * PAGE, rnd(2) ? MS_SYNC : MS_ASYNC));
		break;
	default:
		for (unsigned i = 0; i < n; i++)
			touch(a + i, rnd(2));
	}
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };
	int fd;

	scratch();
	fd = page_file("f", 20 * PAGE);
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	base = (char *)MUST(mmap(NULL, (NR + 32) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	base += 16 * PAGE;
	for (int i = 0; i < STEPS; i++) {
		step(fd);
		if (i % 200 == 199) {
			IN_CHILD("child") {
				for (int j = 0; j < 20; j++)
					step(fd);
				sweep();
				say("step %d, child: %016lx", i, digest);
			}
			sweep();
			say("step %d: %016lx", i, digest);
		}
	}
	return 0;
}
