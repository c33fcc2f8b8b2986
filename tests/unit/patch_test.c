/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patch set of an address space, with this process as the stub: mappings are made here, at the addresses they have in a stub,
 * and what makes the call is an instruction instead of the sentry.
 */
#include "platform/systrap/patch.h"

#include <criterion/criterion.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include "platform/systrap/patch_memory.h"

TestSuite(patch, .timeout = 400);

#define ENTRY 0x7fffe0300000UL
#define NEAR_TEXT 0x7fffe0400000UL
#define FAR_TEXT 0x555555550000UL
#define TEXT_BACKING 0
#define PATCH_BACKING 1

static int patch_fd, nr_maps, nr_syncs;
static uint8_t original[PAGE_SIZE]; /* of the text page */
static struct patch_set set;

static int test_map(void *arg, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off)
{
	void *p;

	(void)arg;
	nr_maps++;
	cr_assert_eq(prot, PLATFORM_READ | PLATFORM_EXEC);
	cr_assert_eq(len, PAGE_SIZE);
	if (backing == PATCH_BACKING) {
		p = mmap((void *)addr, len, PROT_READ | PROT_EXEC, MAP_SHARED | MAP_FIXED, patch_fd, (off_t)off);
	} else {
		p = mmap((void *)addr, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		memcpy(p, original, PAGE_SIZE);
		mprotect(p, PAGE_SIZE, PROT_READ | PROT_EXEC);
	}
	cr_assert_eq(p, (void *)addr);
	return 0;
}

static int test_sync(void *arg)
{
	(void)arg;
	nr_syncs++;
	return 0;
}

static const struct patch_host host = { .map = test_map, .sync = test_sync };

static volatile unsigned stops;

static void on_stop(int sig, siginfo_t *info, void *arg)
{
	ucontext_t *uc = arg;
	uaddr_t rip = (uaddr_t)uc->uc_mcontext.gregs[REG_RIP], to = patch_enter_rip(&set, rip);

	(void)sig, (void)info;
	if (to == rip)
		_exit(77);
	stops++;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)to;
}

static bool setup(void)
{
	struct sigaction sa = { .sa_sigaction = on_stop, .sa_flags = SA_SIGINFO };
	uint8_t *entry = mmap((void *)ENTRY, PAGE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	void *area = mmap((void *)PATCH_TRAMPS, NEAR_TEXT + 64 * PAGE_SIZE - PATCH_TRAMPS, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);

	if (entry == (void *)ENTRY && area == MAP_FAILED)
		area = mmap((void *)PATCH_TRAMPS, ENTRY - PATCH_TRAMPS, PROT_NONE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_NORESERVE, -1, 0);
	if (entry != (void *)ENTRY || area != (void *)PATCH_TRAMPS)
		return false;
	memcpy(entry, "\x51\x0f\x05\xc3", 4); /* push %rcx; syscall; ret */
	cr_assert_eq(patch_memory_init(&patch_fd), 0);
	patch_init(PATCH_BACKING, ENTRY);
	patch_set_init(&set, &host, NULL);
	sigaction(SIGILL, &sa, NULL);
	sigaction(SIGSEGV, &sa, NULL);
	return true;
}

/* mov %edi,%eax; syscall; cmp $-4095,%rax; jae 1f; ret; 1: neg %eax; ret. */
static const uint8_t function[] = { 0x89, 0xf8, 0x0f, 0x05, 0x48, 0x3d, 0x01, 0xf0, 0xff, 0xff,
				    0x73, 0x01, 0xc3, 0xf7, 0xd8, 0xc3 };
#define SYSCALL_OFF 2
#define FUNCTION_SIZE 32

static void place(uaddr_t text)
{
	memset(original, 0xcc, PAGE_SIZE);
	for (unsigned i = 0; i < PAGE_SIZE / FUNCTION_SIZE; i++)
		memcpy(original + i * FUNCTION_SIZE, function, sizeof(function));
	test_map(NULL, text, PAGE_SIZE, PLATFORM_READ | PLATFORM_EXEC, TEXT_BACKING, 0);
}

static int64_t call(uaddr_t addr, int nr)
{
	return ((int64_t (*)(int))addr)(nr);
}

static int patch_function(uaddr_t text, unsigned i)
{
	return patch_site(&set, text + i * FUNCTION_SIZE + SYSCALL_OFF, original, PLATFORM_READ | PLATFORM_EXEC,
			  TEXT_BACKING, 0);
}

static void check_functions(uaddr_t text, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		cr_assert_eq(call(text + i * FUNCTION_SIZE, 39), getpid());
		cr_assert_eq(call(text + i * FUNCTION_SIZE, 5000), 38);
	}
}

static void check_text(uaddr_t text)
{
	stops = 0;
	for (unsigned i = 0; i < 100; i++) {
		int ret = patch_function(text, i);

		cr_assert_eq(ret, PATCH_OK, "function %u: %d", i, ret);
		cr_assert_neq(((uint8_t *)text)[i * FUNCTION_SIZE + SYSCALL_OFF], 0x0f);
		if (i % 10 == 0)
			check_functions(text, i + 2);
	}
	cr_assert_eq(stops, 0);
	cr_assert_eq(patch_function(text, 0), PATCH_OK); /* again */
	cr_assert_eq(set.nr_pages, 1);
	cr_assert_gt(nr_syncs, 0); /* copies were given back */
	/* Behind the syscall, as code does that jumps there. */
	call(text + SYSCALL_OFF + 2, 0);
	cr_assert_eq(stops, 1);
}

Test(patch, near)
{
	if (!setup())
		cr_skip_test("the stub's addresses are in use here");
	place(NEAR_TEXT);
	check_text(NEAR_TEXT);
	/* Put back. */
	patch_restore(&set, NEAR_TEXT, PAGE_SIZE);
	cr_assert_eq(set.nr_pages, 0);
	cr_assert_eq(memcmp((void *)NEAR_TEXT, original, PAGE_SIZE), 0);
	check_functions(NEAR_TEXT, 100);
	cr_assert_eq(patch_function(NEAR_TEXT, 3), PATCH_OK);
	check_functions(NEAR_TEXT, 100);
	patch_set_off(&set);
	cr_assert_eq(memcmp((void *)NEAR_TEXT, original, PAGE_SIZE), 0);
	cr_assert_lt(patch_function(NEAR_TEXT, 3), 0);
	patch_set_fini(&set);
}

Test(patch, far)
{
	if (!setup())
		cr_skip_test("the stub's addresses are in use here");
	if (mmap((void *)PATCH_ABS_SLOTS, PAGE_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		cr_skip_test("0x60000 can't be mapped");
	place(FAR_TEXT);
	check_text(FAR_TEXT);
	patch_low_taken(&set);
	cr_assert_eq(memcmp((void *)FAR_TEXT, original, PAGE_SIZE), 0);
	cr_assert_eq(patch_function(FAR_TEXT, 3), PATCH_BOUNDARY);
	check_functions(FAR_TEXT, 10);
	patch_set_fini(&set);
}

Test(patch, addresses)
{
	uaddr_t site = NEAR_TEXT + SYSCALL_OFF, rip, code;
	unsigned pushed;

	if (!setup())
		cr_skip_test("the stub's addresses are in use here");
	place(NEAR_TEXT);
	cr_assert_eq(patch_enter_rip(&set, site + 2), site + 2);
	cr_assert_eq(patch_tramp_rip(&set, PATCH_TRAMPS, &rip, &pushed), PATCH_AT_NOTHING);
	cr_assert_eq(patch_function(NEAR_TEXT, 0), PATCH_OK);
	code = patch_enter_rip(&set, site + 2);
	cr_assert_neq(code, site + 2);
	cr_assert(patch_is_cont(&set, code, &rip));
	cr_assert_eq(rip, site + 2);
	cr_assert_not(patch_is_cont(&set, code + 1, &rip));
	cr_assert_eq(patch_enter_rip(&set, site), site);
	cr_assert_eq(patch_enter_rip(&set, site + 3), site + 3); /* no instruction of the guest's */
	cr_assert_eq(patch_tramp_rip(&set, PATCH_TRAMPS, &rip, &pushed), PATCH_AT_SITE);
	cr_assert_eq(rip, site);
	cr_assert_eq(patch_tramp_rip(&set, code, &rip, &pushed), PATCH_AT_CODE);
	cr_assert_eq(rip, site + 2);
	cr_assert_eq(patch_tramp_rip(&set, code + 6, &rip, &pushed), PATCH_AT_CODE); /* the way back, behind the cmp */
	cr_assert_eq(rip, site + 8);
	cr_assert_eq(pushed, 0);
	cr_assert_eq(patch_tramp_rip(&set, code + 20, &rip, &pushed), PATCH_AT_NOTHING);
	/* An address in a trampoline keeps its meaning when the patch is gone; a guest address has its own again. */
	patch_restore(&set, NEAR_TEXT, PAGE_SIZE);
	cr_assert_eq(patch_tramp_rip(&set, code, &rip, &pushed), PATCH_AT_CODE);
	cr_assert_eq(rip, site + 2);
	cr_assert_eq(patch_enter_rip(&set, site + 2), site + 2);
	patch_set_fini(&set);
}

Test(patch, bounds)
{
	uaddr_t text = NEAR_TEXT;
	unsigned n = 0;

	if (!setup())
		cr_skip_test("the stub's addresses are in use here");
	place(text);
	/* A guest that writes code all the time: patched, dropped, patched. */
	while (n < 2 * PATCH_MAX_SITES && patch_function(text, n % 64) == PATCH_OK) {
		n++;
		if (n % 64 == 0)
			patch_restore(&set, text, PAGE_SIZE);
	}
	cr_assert_gt(n, 500);
	cr_assert_lt(n, 2 * PATCH_MAX_SITES);
	check_functions(text, 64);
	/* A new stub: all over again. */
	mutex_lock(&set.lock);
	patch_set_lost_locked(&set);
	mutex_unlock(&set.lock);
	cr_assert_eq(set.nr_pages, 0);
	place(text);
	cr_assert_eq(patch_function(text, 0), PATCH_OK);
	check_functions(text, 1);
	patch_set_fini(&set);
}
