/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests of the platform contract: guest memory, pieces of guest code, and one guest thread.  Every test runs in a process
 * of its own, on the platform that $SENTRY_PLATFORM names; tests/run runs them on each.
 *
 * Guest memory is MEMORY_PAGES frames; the fixture maps frame n of guest code at CODE and leaves the rest to the test.
 */
#ifndef SENTRY_TESTS_UNIT_PLATFORM_FIXTURE_H
#define SENTRY_TESTS_UNIT_PLATFORM_FIXTURE_H

#include <criterion/criterion.h>
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "platform/platform.h"
#include "platform/spawner.h"
#include "sentry/abi/errno.h"

#define MEMORY_PAGES 4096
#define CODE 0x10000000UL
#define DATA 0x20000000UL
#define R PLATFORM_READ
#define W PLATFORM_WRITE
#define X PLATFORM_EXEC

/* Position independent guest code, as assembly text. */
#define GUEST_CODE(name, text)                                                                                         \
	extern const char name[], name##_end[];                                                                        \
	asm(".pushsection .rodata\n.balign 16\n" #name ":\n" text "\n" #name "_end:\nnop\n.popsection")
#define GUEST_SYSCALL "movl $39, %eax\nsyscall\n" /* getpid */

static int memory_fd;
static char *memory; /* the sentry's view of all frames */

static inline char *frame(unsigned n)
{
	return memory + n * PAGE_SIZE;
}

static inline void fixture_init(void)
{
	struct platform_params params = { 0 };
	const char *why = "", *name = getenv("SENTRY_PLATFORM");
	void *p;

	memory_fd = host_memfd_create("test-memory", 0);
	cr_assert_geq(memory_fd, 0);
	cr_assert_eq(host_ftruncate(memory_fd, MEMORY_PAGES * PAGE_SIZE), 0);
	cr_assert_eq(host_mmap(NULL, MEMORY_PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0, &p), 0);
	memory = p;
	params.memory_fd = memory_fd;
	cr_assert_eq(platform_select(name && *name ? name : "auto", &params, &why), 0, "%s", why);
}

static inline void fixture_fini(void)
{
	platform->fini();
}

/* Whatever process or zombie is our child, on any of our threads, but the spawner: how many, and the first @max of them. */
static inline unsigned list_children(pid_t *pids, unsigned max)
{
	DIR *tasks = opendir("/proc/self/task");
	unsigned nr = 0;
	struct dirent *d;

	while (tasks && (d = readdir(tasks))) {
		char path[300];
		FILE *f;
		int pid;

		snprintf(path, sizeof(path), "/proc/self/task/%s/children", d->d_name);
		f = fopen(path, "re");
		while (f && fscanf(f, "%d", &pid) == 1)
			if (pid != spawner_pid() && nr++ < max)
				pids[nr - 1] = pid;
		if (f)
			fclose(f);
	}
	if (tasks)
		closedir(tasks);
	return nr;
}

static inline unsigned count_children(pid_t *ret_first)
{
	return list_children(ret_first, ret_first ? 1 : 0);
}

static inline unsigned count_fds(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned nr = 0;

	while (fds && readdir(fds))
		nr++;
	if (fds)
		closedir(fds);
	return nr;
}

/* --- one guest thread --- */

struct guest {
	struct platform_aspace *as;
	struct platform_ctx *ctx;
	struct platform_stop stop;
};

static inline struct guest guest_new(void)
{
	struct guest g = { .as = platform->aspace_new() };

	cr_assert(!IS_ERR(g.as));
	g.ctx = platform->ctx_new(g.as);
	cr_assert(!IS_ERR(g.ctx));
	return g;
}

static inline void guest_free(struct guest *g)
{
	platform->ctx_free(g->ctx);
	platform->aspace_free(g->as);
}

/* What was taken from the guests of @as is out of their reach. */
static inline void aspace_sync(struct platform_aspace *as)
{
	if (platform->sync)
		cr_assert_eq(platform->sync(as, true), 0);
}

static inline bool on_systrap(void)
{
	return !strcmp(platform->name, "systrap");
}

/* Puts the code into frame @n and maps that at CODE + n pages. */
static inline uaddr_t code_load(struct platform_aspace *as, unsigned n, const char *code, const char *end)
{
	uaddr_t addr = CODE + n * PAGE_SIZE;

	memcpy(frame(n), code, (size_t)(end - code));
	platform->map(as, addr, PAGE_SIZE, R | X, PLATFORM_MEMORY, n * PAGE_SIZE);
	return addr;
}
#define CODE_LOAD(as, n, name) code_load((as), (n), name, name##_end)

static inline void guest_goto(struct guest *g, uaddr_t rip)
{
	g->ctx->regs.rip = rip;
	g->ctx->regs_dirty = true;
}

static inline enum platform_stop_kind guest_run(struct guest *g)
{
	platform->run(g->ctx, &g->stop);
	return g->stop.kind;
}

#define assert_syscall(g)                                                                                              \
	cr_assert_eq(guest_run(g), STOP_SYSCALL, "kind %d addr %lx rip %lx", (g)->stop.kind, (g)->stop.addr,           \
		     (g)->ctx->regs.rip)
#define assert_fault(g, where, how, there)                                                                             \
	do {                                                                                                           \
		cr_assert_eq(guest_run(g), STOP_FAULT);                                                                \
		cr_assert_eq((g)->stop.addr, (uaddr_t)(where), "%lx", (g)->stop.addr);                                 \
		cr_assert_eq((g)->stop.access, (how));                                                                 \
		cr_assert_eq((g)->stop.present, (there));                                                              \
	} while (0)
/* A fault on what is not mapped, of a kind that not every platform can tell. */
#define assert_fault_absent(g, where, how)                                                                             \
	do {                                                                                                           \
		cr_assert_eq(guest_run(g), STOP_FAULT);                                                                \
		cr_assert_eq((g)->stop.addr, (uaddr_t)(where), "%lx", (g)->stop.addr);                                 \
		cr_assert((g)->stop.access == (how) || (g)->stop.access == ACCESS_READ);                               \
		cr_assert_not((g)->stop.present);                                                                      \
	} while (0)
#define assert_signal(g, number, code)                                                                                 \
	do {                                                                                                           \
		cr_assert_eq(guest_run(g), STOP_SIGNAL);                                                               \
		cr_assert_eq((g)->stop.signo, (number), "%d", (g)->stop.signo);                                        \
		cr_assert_eq((g)->stop.si_code, (code), "%d", (g)->stop.si_code);                                      \
	} while (0)

#endif
