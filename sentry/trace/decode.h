/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Syscall arguments as text, in strace's words.
 *
 * A decoder prints one argument.  Which one is the second half of an argument in syscalls.tbl: "fd:fd" is decoded by the
 * decoder "fd", and "flags:mmap", for which there is no decoder, by the table of flags of that name.  Decoders read the
 * guest's memory, as the syscall does, and trust nothing in it: a pointer that can't be read is shown as a number.
 *
 *     decode.c          the list of decoders; numbers, strings, buffers
 *     decode_struct.c   structures of files, time and processes
 *     decode_signal.c   signals
 *     decode_call.c     arguments whose meaning depends on another one: fcntl, futex, clone, ioctl...
 *     decode_net.c      sockets
 */
#ifndef SENTRY_TRACE_DECODE_H
#define SENTRY_TRACE_DECODE_H

#include "sentry/base/strbuf.h"
#include "sentry/sys/syscall.h"
#include "sentry/trace/xlat.h"

#define DECODE_MAX_STRING 32
#define DECODE_MAX_ITEMS 32

struct decode {
	struct strbuf *sb;
	const uint64_t *args;
	uint64_t *saved;      /* per argument: what a "<>" decoder keeps from entry to exit */
	const uint64_t *param; /* the argument named in parentheses; NULL */
	unsigned index;	      /* of the argument in args */
	bool out;	      /* filled by the kernel: nothing to see when the call failed */
	bool exiting;
	int64_t ret;	      /* exiting */
};

typedef void (*decode_fn)(struct decode *d, uint64_t value);

/* How one argument is printed; made from its text in the table. */
struct decode_arg {
	decode_fn fn;
	const struct xlat_table *xlat; /* when fn is decode_xlat */
	int8_t param;		       /* index of the argument in parentheses; -1 */
	bool out, inout;
};

/* @args: the texts of a row.  An unknown type is shown as a hexadecimal number. */
void decode_compile(const char *const *args, unsigned nr, struct decode_arg *ret);
void decode_print(struct decode *d, const struct decode_arg *a, uint64_t value);

/* --- for decoders --- */

static inline bool decode_failed(const struct decode *d)
{
	return d->exiting && d->ret < 0 && d->ret >= -MAX_ERRNO;
}

/* Value of the argument in parentheses, 0 without. */
static inline uint64_t decode_param(const struct decode *d)
{
	return d->param ? *d->param : 0;
}

void decode_addr(struct strbuf *sb, uint64_t addr); /* "NULL", "0x7ffc..." */
/* Reads a structure; prints the address and returns false when there is nothing to show. */
bool decode_fetch(struct decode *d, uint64_t addr, void *buf, size_t len);
/* Quoted and escaped; @more: "..." behind. */
void decode_quote(struct strbuf *sb, const void *data, size_t len, bool more);
/* @len bytes of guest memory at @addr, cut at DECODE_MAX_STRING. */
void decode_bytes(struct decode *d, uint64_t addr, uint64_t len);
/* A NUL-terminated string of guest memory, cut at @max. */
void decode_cstr(struct decode *d, uint64_t addr, size_t max);
void decode_sigset_value(struct strbuf *sb, uint64_t set);
void decode_siginfo_value(struct strbuf *sb, const void *siginfo);
void decode_signal_value(struct strbuf *sb, uint64_t sig);
void decode_mode_value(struct strbuf *sb, uint32_t mode);
void decode_iovec_array(struct decode *d, uint64_t addr, uint64_t nr, uint64_t bytes, bool contents);

#define DECODERS(X)                                                                                                    \
	/* decode.c */                                                                                                 \
	X(fd) X(dirfd) X(int) X(skip) X(uint) X(long) X(off) X(size) X(hex) X(ptr) X(pid) X(uid) X(path) X(name) X(str) \
	X(in) X(out) X(rnd) X(argv) X(envp) X(pathout) X(mode) X(perm) X(umask) X(dev) X(mincore)                      \
	/* decode_struct.c */                                                                                          \
	X(stat) X(statx) X(statfs) X(timespec) X(timespec_rem) X(timespec2) X(timeval) X(timeval2) X(timezone)         \
	X(itimerval) X(itimerspec)                                                                                     \
	X(iovec) X(iovec_addr) X(fdpair) X(rlimit64) X(rusage) X(wstatus) X(utsname) X(sysinfo) X(tms) X(fdset)        \
	X(pollfds) X(epoll_event) X(epoll_events) X(dirents64) X(dirents) X(offset) X(gidlist) X(uidp) X(uintp)        \
	X(ptrp) X(sizep) X(time_t) X(timerid) X(utimbuf) X(cpuset) X(sched_param) X(sched_attr)                        \
	/* decode_signal.c */                                                                                          \
	X(signal) X(sigaction) X(sigset) X(siginfo) X(stack_t) X(sigevent) X(pselect_sig) X(sigframe)                  \
	/* decode_call.c */                                                                                            \
	X(caphdr) X(capdata) X(mremap_addr) X(clone) X(clone_ptid) X(clone_tls_arg) X(clone_ctid_arg)                  \
	X(clone_args) X(futex) X(futex_val) X(futex_timeout) X(futex_uaddr2) X(futex_val3) X(fcntl_arg)                \
	X(ioctl_arg) X(omode) X(prctl_arg) X(prctl_more) X(at_statx) X(arch_prctl_arg) X(open) X(mmap)                 \
	X(open_how) X(ipckey) X(mountdata)                                                                             \
	X(access)                                                                                                      \
	/* decode_net.c */                                                                                             \
	X(sockaddr) X(sockaddr_out) X(socklen) X(socktype) X(sockproto) X(sockopt) X(optval) X(optval_out)             \
	X(msghdr) X(msghdr_out)

#define DECLARE_DECODER(name) void decode_##name(struct decode *d, uint64_t value);
DECODERS(DECLARE_DECODER)
#undef DECLARE_DECODER

#endif
