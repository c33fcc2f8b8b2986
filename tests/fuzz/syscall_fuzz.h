/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest program that fuzzes the system calls of sentry; syscall_fuzz.c has the essay.
 *
 * All randomness comes from one seed, a stream of it for each thread of each worker.  What the host's or the guest's scheduler
 * does is not repeated with it.
 */
#ifndef TESTS_FUZZ_SYSCALL_FUZZ_H
#define TESTS_FUZZ_SYSCALL_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Memory that arguments point to: its last page is followed by nothing, one in the middle is read-only. */
#define ARENA 0x200000000UL
#define ARENA_PAGES 64
#define ARENA_SIZE (ARENA_PAGES * 4096UL)
/* Where calls map, unmap and protect; everything may go from there. */
#define PLAYGROUND 0x300000000UL
#define PLAYGROUND_PAGES 256

#define NR_FDS 32

/* One thread's. */
struct fuzz {
	uint64_t rnd;
	unsigned depth; /* of forks */
	unsigned slot;	/* shared->last */
	unsigned long calls;
	int *fds; /* NR_FDS that calls returned; shared by the threads of a worker, without a lock */
};

uint32_t fuzz_rnd(struct fuzz *f, uint32_t n);
uint64_t fuzz_word(struct fuzz *f);
bool fuzz_one_in(struct fuzz *f, uint32_t n);

struct fuzz_row {
	uint16_t nr;
	bool there; /* sentry has it */
	const char *name;
	const char *arg[6];
};

/* syscall_fuzz_table.h, made of syscalls.tbl */
extern const struct fuzz_row fuzz_rows[];
extern const unsigned fuzz_nr_rows;

/* A call without libc, whose thread-local memory the fuzzing spoils; NULL: no arguments. */
long fuzz_syscall(long nr, const uint64_t *arg);

/* A value for an argument of this type (those of syscalls.tbl, without decorations). */
uint64_t fuzz_region(struct fuzz *f);
uint64_t fuzz_arg(struct fuzz *f, const char *type);

#endif
