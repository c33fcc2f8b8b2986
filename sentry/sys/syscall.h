/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall entries and the table that lists them.
 *
 * sentry/sys/syscalls.tbl has one row per syscall number; a generator makes of it the dispatch table, the decoder's argument
 * types for --strace and ktrace, and the table in the man page.  An entry is written with SYSCALL_DEFINEn:
 *
 *     SYSCALL_DEFINE3(read, int, fd, uaddr_t, buf, size_t, count)
 *     {
 *             ...
 *             return n;   (>= 0, or -errno; -LINUX_ERESTART* where signal(7) restarts)
 *     }
 *
 * Arguments are converted from the 64-bit registers to the declared types, as Linux's own wrappers do.
 */
#ifndef SENTRY_SYS_SYSCALL_H
#define SENTRY_SYS_SYSCALL_H

#include "sentry/abi/errno.h"
#include "sentry/base/types.h"

typedef int64_t (*syscall_fn)(const uint64_t *args);

enum syscall_support { SYSCALL_NONE, SYSCALL_PARTIAL, SYSCALL_FULL };

struct syscall_desc {
	const char *name;	 /* NULL: no such number */
	syscall_fn fn;		 /* NULL: not implemented, -LINUX_ENOSYS */
	uint8_t nr_args;
	const char *const *args; /* "fd:fd", "buf:out(count)", ...: the third column of the table */
	const char *ret;	 /* how strace shows the result: "hex", "fd", ...; NULL: decimal */
	const char *note;	 /* hint shown once when the call is missing or partial; NULL */
	enum syscall_support support;
};

#define NR_SYSCALLS 470
extern const struct syscall_desc syscall_table[NR_SYSCALLS]; /* generated */

/* Runs syscall @nr of the calling task.  Does tracing, the missing-call log, and nothing with registers. */
int64_t syscall_dispatch(uint64_t nr, const uint64_t *args);
/* Logs once per @what that a call, flag or option is not supported, with a hint. */
void syscall_unsupported(const char *what, const char *hint);

#define SYSCALL_ENTRY(name) int64_t sys_##name(const uint64_t *a)

#define SYSCALL_DEFINE0(name)                                                                                          \
	static int64_t do_sys_##name(void);                                                                            \
	SYSCALL_ENTRY(name);                                                                                           \
	SYSCALL_ENTRY(name)                                                                                            \
	{                                                                                                              \
		(void)a;                                                                                               \
		return do_sys_##name();                                                                                \
	}                                                                                                              \
	static int64_t do_sys_##name(void)

#define SYSCALL_BODY(name, params, call)                                                                               \
	static int64_t do_sys_##name params;                                                                           \
	SYSCALL_ENTRY(name);                                                                                           \
	SYSCALL_ENTRY(name)                                                                                            \
	{                                                                                                              \
		return do_sys_##name call;                                                                             \
	}                                                                                                              \
	static int64_t do_sys_##name params

#define SYSCALL_DEFINE1(name, t1, a1) SYSCALL_BODY(name, (t1 a1), ((t1)a[0]))
#define SYSCALL_DEFINE2(name, t1, a1, t2, a2) SYSCALL_BODY(name, (t1 a1, t2 a2), ((t1)a[0], (t2)a[1]))
#define SYSCALL_DEFINE3(name, t1, a1, t2, a2, t3, a3)                                                                  \
	SYSCALL_BODY(name, (t1 a1, t2 a2, t3 a3), ((t1)a[0], (t2)a[1], (t3)a[2]))
#define SYSCALL_DEFINE4(name, t1, a1, t2, a2, t3, a3, t4, a4)                                                          \
	SYSCALL_BODY(name, (t1 a1, t2 a2, t3 a3, t4 a4), ((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3]))
#define SYSCALL_DEFINE5(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5)                                                  \
	SYSCALL_BODY(name, (t1 a1, t2 a2, t3 a3, t4 a4, t5 a5), ((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3], (t5)a[4]))
#define SYSCALL_DEFINE6(name, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6)                                          \
	SYSCALL_BODY(name, (t1 a1, t2 a2, t3 a3, t4 a4, t5 a5, t6 a6),                                                 \
		     ((t1)a[0], (t2)a[1], (t3)a[2], (t4)a[3], (t5)a[4], (t6)a[5]))

#endif
