/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only callers of the host OS.
 *
 * A host_* function is the host call of that name with these differences:
 *
 *   - failure is -errno, never -1 with errno set; success is the call's own value, 0 when it has none;
 *   - flags, modes and whence values are Linux's, so the LINUX_* constants of sentry/abi are passed as they are;
 *   - every descriptor is made close-on-exec, whether asked for or not;
 *   - EINTR: calls that can be repeated without a change of meaning are, and their line below says "retries EINTR".
 *     The others return -EINTR, because their caller sleeps on purpose and wants to look for work.
 *   - a short read or write is returned as such, except by the _full variants.
 *
 * None of them takes a lock, allocates, or logs, so they may be called under any lock that allows the host call itself
 * to sleep.  Any thread.
 */
#ifndef SENTRY_PLATFORM_HOST_HOST_H
#define SENTRY_PLATFORM_HOST_HOST_H

#include <poll.h>
#include <sys/uio.h>

#include "sentry/base/types.h"

#define HOST_AT_FDCWD (-100)

struct host_timespec {
	int64_t sec;
	int64_t nsec;
};
static_assert(sizeof(struct host_timespec) == 16, "struct __kernel_timespec");

/* -- host_mem.c: the sentry's own address space ----------------------------------------------------------------- */

/* @flags: MFD_* ; MFD_CLOEXEC is added.  Only with MFD_EXEC it can be executed.  Returns the fd. */
int host_memfd_create(const char *name, unsigned flags);
/* Adds F_SEAL_* seals. */
int host_memfd_seal(int fd, unsigned seals);

/* Prot, flags: Linux's.  *ret_addr untouched on failure. */
int host_mmap(void *addr, size_t len, int prot, int flags, int fd, uint64_t off, void **ret_addr);
int host_munmap(void *addr, size_t len);
int host_mprotect(void *addr, size_t len, int prot);
int host_mremap(void *old, size_t old_len, size_t new_len, int flags, void *new_addr, void **ret_addr);
int host_madvise(void *addr, size_t len, int advice);
int host_msync(void *addr, size_t len, int flags);
/* One byte per page in @vec, bit 0: resident. */
int host_mincore(void *addr, size_t len, unsigned char *vec);

/*
 * Copies from/to another process (which the caller may trace) without stopping it.  Bytes moved (short at the first
 * page that is not mapped there) or -errno.
 */
ssize_t host_process_vm_readv(pid_t pid, uint64_t addr, void *buf, size_t len);
ssize_t host_process_vm_writev(pid_t pid, uint64_t addr, const void *buf, size_t len);

/* -- host_file.c: descriptors and their data --------------------------------------------------------------------- */

int host_openat(int dirfd, const char *path, int flags, unsigned mode);			     /* retries EINTR */
/* @resolve: RESOLVE_*.  Retries EINTR, and EAGAIN (a rename raced with the walk) a bounded number of times. */
int host_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
/* A new descriptor for the object behind @fd (O_PATH allowed), opened afresh with @flags.  Needs /proc. */
int host_reopen(int fd, int flags);
/* Never retried: on Linux the descriptor is gone whatever close returns. */
int host_close(int fd);
/* The lowest free descriptor >= @min. */
int host_dup(int fd, int min);
/* Makes @newfd (any number but @fd itself) a close-on-exec duplicate of @fd. */
int host_dup3(int fd, int newfd);
/* The same, but @newfd survives exec: for a child between vfork and exec. */
int host_dup2(int fd, int newfd);
/* Closes all descriptors in [first, last]. */
int host_close_range(unsigned first, unsigned last);
int host_fcntl_getfl(int fd);
int host_fcntl_setfl(int fd, int flags);
int host_set_cloexec(int fd, bool on);

ssize_t host_read(int fd, void *buf, size_t len);		    /* -EINTR: sockets, ttys and pipes sleep */
ssize_t host_write(int fd, const void *buf, size_t len);	    /* -EINTR */
ssize_t host_readv(int fd, const struct iovec *iov, int nr);	    /* -EINTR */
ssize_t host_writev(int fd, const struct iovec *iov, int nr);	    /* -EINTR */
ssize_t host_pread(int fd, void *buf, size_t len, uint64_t off);    /* retries EINTR */
ssize_t host_pwrite(int fd, const void *buf, size_t len, uint64_t off);			     /* retries EINTR */
ssize_t host_preadv(int fd, const struct iovec *iov, int nr, uint64_t off);		     /* retries EINTR */
ssize_t host_pwritev(int fd, const struct iovec *iov, int nr, uint64_t off);		     /* retries EINTR */
/* All of it: 0, -errno, or -EIO when the file ends before @len bytes were read.  They retry EINTR. */
int host_pread_full(int fd, void *buf, size_t len, uint64_t off);
int host_pwrite_full(int fd, const void *buf, size_t len, uint64_t off);
int host_write_full(int fd, const void *buf, size_t len);

int64_t host_lseek(int fd, int64_t off, int whence);
int host_ftruncate(int fd, uint64_t size);				   /* retries EINTR */
/* @mode: FALLOC_FL_*. */
int host_fallocate(int fd, int mode, uint64_t off, uint64_t len);	   /* retries EINTR */
/* Frees the blocks of a range, size unchanged; what was there reads as zero. */
int host_punch_hole(int fd, uint64_t off, uint64_t len);		   /* retries EINTR */
int host_fsync(int fd);							   /* retries EINTR */
int host_fdatasync(int fd);						   /* retries EINTR */
int host_sync_file_range(int fd, uint64_t off, uint64_t len, unsigned flags);
int host_fadvise(int fd, uint64_t off, uint64_t len, int advice);
/* The offsets are in/out as in copy_file_range(2); NULL uses the file position. */
ssize_t host_copy_file_range(int in, int64_t *off_in, int out, int64_t *off_out, size_t len, unsigned flags);
/* @op: LOCK_SH, LOCK_EX, LOCK_UN, | LOCK_NB. */
int host_flock(int fd, int op);

/* @timeout_ms: -1 for ever.  Number of ready entries, 0 at the timeout, -EINTR. */
int host_poll(struct pollfd *fds, unsigned nr, int timeout_ms);
/* The same with nanoseconds; negative for ever. */
int host_ppoll(struct pollfd *fds, unsigned nr, int64_t timeout_ns);
/* @flags: EFD_NONBLOCK, EFD_SEMAPHORE. */
int host_eventfd(unsigned count, int flags);
/* Adds 1; never sleeps in practice (the counter would have to be full). */
int host_eventfd_signal(int fd);
/* Takes the counter's value: 0 or -EAGAIN on a non-blocking one.  Retries EINTR. */
int host_eventfd_drain(int fd);
/* An epoll descriptor, and what it watches: @op EPOLL_CTL_*, @events EPOLL*, @data comes back with an event. */
int host_epoll_create(void);
int host_epoll_ctl(int epfd, int op, int fd, uint32_t events, uint64_t data);
/* Waits for one event, @timeout_ms (-1: for ever): 1 with its data, 0 at the timeout, or -EINTR. */
int host_epoll_wait(int epfd, int timeout_ms, uint64_t *ret_data);
int host_epoll_wait_events(int epfd, int timeout_ms, uint64_t *ret_data, uint32_t *ret_events);
int host_pipe2(int ret_fds[2], int flags);
/* An AF_UNIX pair; @type SOCK_*. */
int host_socketpair(int type, int ret_fds[2]);
/* A connected stream socket to the one bound to @path. */
int host_unix_connect(const char *path);
/* Sends or receives bytes and at most one descriptor (-1: none).  Bytes, or -errno (-EINTR too). */
ssize_t host_send_fd(int sock, const void *buf, size_t len, int fd);
ssize_t host_recv_fd(int sock, void *buf, size_t len, int *ret_fd);

/* -- host_unix.c: local sockets with a name ------------------------------------------------------------------------- */

/* A stream socket bound to @name in the directory @dirfd and listening, or connected to the one there: a descriptor. */
int host_unix_listen_at(int dirfd, const char *name);
int host_unix_connect_at(int dirfd, const char *name);
/* Retries EINTR. */
int host_accept(int fd);
/* Who connected (for the one that did: who listens). */
int host_peer_uid(int fd, uint32_t *ret_uid);
#define HOST_FDS_MAX 4
/* One sendmsg or recvmsg with descriptors, which come as close-on-exec.  Bytes or -errno; *ret_nr holds on errors too.  Retry EINTR. */
ssize_t host_send_fds(int sock, const void *buf, size_t len, const int *fds, unsigned nr);
ssize_t host_recv_fds(int sock, void *buf, size_t len, int ret_fds[HOST_FDS_MAX], unsigned *ret_nr);

/* -- host_fs.c: names and attributes ------------------------------------------------------------------------------ */

struct host_stat {
	uint64_t ino, size, blocks, attributes, attributes_mask, mnt_id;
	uint64_t dev, rdev; /* as userspace's dev_t: makedev(3) */
	uint32_t dev_major, dev_minor, rdev_major, rdev_minor;
	uint32_t mode, nlink, uid, gid, blksize;
	uint32_t mask; /* STATX_* of what is valid */
	struct host_timespec atime, mtime, ctime, btime;
};

/* @flags: AT_EMPTY_PATH, AT_SYMLINK_NOFOLLOW, AT_NO_AUTOMOUNT.  @mask: STATX_*, 0 for STATX_BASIC_STATS | BTIME. */
int host_statx(int dirfd, const char *path, int flags, unsigned mask, struct host_stat *ret_st);
int host_fstatat(int dirfd, const char *path, int flags, struct host_stat *ret_st);
int host_fstat(int fd, struct host_stat *ret_st); /* O_PATH descriptors too */

struct host_statfs {
	uint64_t type, bsize, blocks, bfree, bavail, files, ffree, namelen, frsize, flags;
	int32_t fsid[2];
};

int host_fstatfs(int fd, struct host_statfs *ret_st); /* retries EINTR; O_PATH descriptors too */

/* Length of the target (not terminated, cut at @size). */
ssize_t host_readlinkat(int dirfd, const char *path, char *buf, size_t size);
/* Records are struct linux_dirent64: u64 ino, s64 off, u16 reclen, u8 type, name.  Bytes, 0 at the end. */
ssize_t host_getdents64(int fd, void *buf, size_t size);

int host_unlinkat(int dirfd, const char *path, int flags);
int host_mkdirat(int dirfd, const char *path, unsigned mode);
int host_mknodat(int dirfd, const char *path, unsigned mode, uint64_t dev);
int host_linkat(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, int flags);
int host_symlinkat(const char *target, int dirfd, const char *path);
int host_renameat2(int olddirfd, const char *oldpath, int newdirfd, const char *newpath, unsigned flags);
int host_fchownat(int dirfd, const char *path, uint32_t uid, uint32_t gid, int flags);
/* @flags: AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH; -EOPNOTSUPP where the host cannot (before fchmodat2 of Linux 6.6). */
int host_fchmodat(int dirfd, const char *path, unsigned mode, int flags);
int host_fchmod(int fd, unsigned mode); /* O_PATH descriptors through /proc */
/* NULL @times: now.  nsec may be UTIME_NOW and UTIME_OMIT.  NULL @path: @dirfd itself. */
int host_utimensat(int dirfd, const char *path, const struct host_timespec times[2], int flags);
/* With the effective ids (AT_EACCESS is not added). @mode: R_OK.. */
int host_faccessat(int dirfd, const char *path, int mode, int flags);
int host_fchdir(int fd);
/* The sentry's working directory, NUL-terminated.  Length with the NUL, or -ERANGE. */
int host_getcwd(char *buf, size_t size);

/* On @fd itself; for an O_PATH descriptor (a symlink's too) through /proc/self/fd.  Size with @size 0. */
ssize_t host_fgetxattr(int fd, const char *name, void *buf, size_t size);
ssize_t host_flistxattr(int fd, char *buf, size_t size);
int host_fsetxattr(int fd, const char *name, const void *buf, size_t size, int flags);
int host_fremovexattr(int fd, const char *name);
/* On the last component of @path (one component or a relative path) below @dirfd, a symlink not followed. */
ssize_t host_lgetxattrat(int dirfd, const char *path, const char *name, void *buf, size_t size);
ssize_t host_llistxattrat(int dirfd, const char *path, char *buf, size_t size);
int host_lsetxattrat(int dirfd, const char *path, const char *name, const void *buf, size_t size, int flags);
int host_lremovexattrat(int dirfd, const char *path, const char *name);

/* -- host_proc.c: threads, processes, signals, limits ------------------------------------------------------------- */

pid_t host_gettid(void);
pid_t host_getpid(void);
pid_t host_getppid(void);
uint32_t host_getuid(void);
uint32_t host_geteuid(void);
uint32_t host_getgid(void);
uint32_t host_getegid(void);
/* Number of groups written; -EINVAL when @max is too small. */
int host_getgroups(int max, uint32_t *groups);
int host_kill(pid_t pid, int sig);
int host_tgkill(pid_t tgid, pid_t tid, int sig);
int host_prctl(int op, unsigned long a, unsigned long b, unsigned long c, unsigned long d);
/* seccomp(2): whether filters may use @action (SECCOMP_RET_*); 0 or -errno. */
int host_seccomp_action_avail(uint32_t action);
int host_personality(unsigned long persona);
int host_setsid(void);
void host_exit_group(int status) __noreturn;

/* Installs @fn (NULL: default; HOST_SIG_IGN) for @sig with SA_RESTART unless @flags says otherwise. */
#define HOST_SIG_IGN ((void (*)(int))1)
int host_sigaction(int sig, void (*fn)(int), unsigned long flags);
/* The calling thread's mask; bit n-1 is signal n.  @ret_old may be NULL. */
int host_sigprocmask(int how, uint64_t mask, uint64_t *ret_old);
/* Blocks all, and restores what it returned: no handler of the sentry runs in between. */
uint64_t host_signals_block(void);
void host_signals_restore(uint64_t mask);
/*
 * Takes a pending signal of @mask, all of which the caller has blocked, or waits for one.  Its number, with its si_code in
 * *ret_code; -EAGAIN after @timeout_ns (negative: never), -EINTR.
 */
int host_sigtimedwait(uint64_t mask, int64_t timeout_ns, int *ret_code);

/* Runs @fn on @stack_top in a child that shares memory, and sleeps until it execs or exits.  The child's pid. */
int host_vfork(int (*fn)(void *), void *arg, void *stack_top, int extra_flags);
int host_execveat(int fd, const char *path, char *const argv[], char *const envp[], int flags);
/* waitpid; retries EINTR.  The pid, 0 (WNOHANG and nothing to report), or -errno. */
int host_waitpid(pid_t pid, int *ret_status, int options);
/* ptrace(2) without the library's PEEK convention: the raw call. */
long host_ptrace(int request, pid_t tid, uint64_t addr, void *data);
int host_pidfd_open(pid_t pid);
int host_pidfd_send_signal(int pidfd, int sig);

/* Processor masks as bit arrays of @size bytes; tid 0 is the caller. */
int host_sched_setaffinity(pid_t tid, size_t size, const void *mask);
int host_sched_getaffinity(pid_t tid, size_t size, void *mask); /* bytes written */
int host_sched_getcpu(void);
void host_sched_yield(void);
/* @cmd: MEMBARRIER_CMD_*. */
int host_membarrier(int cmd, unsigned flags);
int host_setpriority(pid_t tid, int nice);
int host_getnice(void); /* of the caller: -20 to 19 */
/* Processors that the sentry may use. */
unsigned host_nr_cpus(void);

struct host_rlimit {
	uint64_t cur, max;
};
int host_getrlimit(int resource, struct host_rlimit *ret_lim);
int host_setrlimit(int resource, const struct host_rlimit *lim);

/* -- host_limits.c ---------------------------------------------------------------------------------------------------- */

/*
 * Once, before anything is set up: remembers the limits, and raises the soft ones that are in the sentry's way.  -errno with
 * *ret_why, a sentence with the mend in static storage, when a hard one is too low for any guest.
 */
int host_limits_raise(const char **ret_why);
/* As it was before that. */
int host_caller_rlimit(int resource, struct host_rlimit *ret_lim);
/* What stands behind the failure of a host call, and the mend where it is known: static storage. */
const char *host_why(int err);

/*
 * Sleeps while *word == val, on a word in memory shared with another process (sentry/base/futex_host.h has the private
 * ones).  Negative @timeout_ns: for ever.  0, -EAGAIN, -ETIMEDOUT or -EINTR.
 */
int host_shared_futex_wait(atomic_uint *word, unsigned val, int64_t timeout_ns);
/* Wakes all that sleep on it, in whatever process. */
void host_shared_futex_wake(atomic_uint *word);
/* Moves one that sleeps on @word, while it is @val, to @to.  The number moved, or -EAGAIN. */
int host_shared_futex_requeue(atomic_uint *word, atomic_uint *to, unsigned val);

/* All of it, from the kernel's pool; retries EINTR.  0 or -errno. */
int host_getrandom(void *buf, size_t len);

struct host_utsname {
	char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65];
};
int host_uname(struct host_utsname *ret_uts);

struct host_sysinfo {
	uint64_t totalram, freeram; /* bytes */
	uint64_t loads[3];	    /* 1/65536ths */
	uint64_t uptime;	    /* seconds */
};
int host_sysinfo(struct host_sysinfo *ret_info);
/* Reads and opens what the functions below take from /proc, for when that can't be opened any more. */
void host_prepare(void);
/* A part of /proc/cpuinfo from byte @off.  Bytes, 0 at the end. */
ssize_t host_cpuinfo(void *buf, size_t size, uint64_t off);
/* The auxiliary vector's value, 0 when absent. */
uint64_t host_getauxval(unsigned type);

/* -- host_net.c: what the network helper needs ---------------------------------------------------------------------- */

/* fork(2), for a process that has one thread. */
pid_t host_fork(void);

#define HOST_FRAMES_MAX 32
/* One message of a SOCK_SEQPACKET pair: gathered from, or received into, @iov. */
struct host_frame {
	struct iovec *iov;
	unsigned nr;
	size_t len; /* received: 0 when it was too long */
};
/* At most HOST_FRAMES_MAX at once.  How many; -EAGAIN, -EPIPE and -ECONNRESET (the other end is gone). */
int host_send_frames(int fd, const struct host_frame *frames, unsigned nr, bool wait);
int host_recv_frames(int fd, struct host_frame *frames, unsigned nr); /* does not wait */
/* SO_SNDBUF and SO_RCVBUF. */
int host_set_buffers(int fd, int bytes);
/* Whether it has a way out with IPv6. */
bool host_has_ipv6(void);
/* The addresses of this machine, IPv4 ones mapped; how many. */
unsigned host_own_addresses(uint8_t (*ret)[16], unsigned max);

/* -- host_stream.c: TCP sockets, made by the helper, used by the sentry; addresses are 16 bytes, IPv4 ones mapped ------------ */

/* Connects without waiting: 0 and a socket, -EINPROGRESS and a socket that is not connected yet, or -errno. */
int host_stream_connect(const uint8_t addr[16], uint16_t port, int *ret_fd);
/* What became of it: SO_ERROR as -errno. */
int host_stream_error(int fd);
/* A socket that listens, or -errno. */
int host_stream_listen(const uint8_t addr[16], uint16_t port, int backlog);
/* The next connection and who it is, or -errno; does not wait. */
int host_stream_accept(int fd, uint8_t ret_addr[16], uint16_t *ret_port);
/* Neither waits nor raises SIGPIPE; @flags: MSG_*.  Bytes or -errno. */
ssize_t host_stream_send(int fd, const void *buf, size_t len, int flags);
ssize_t host_stream_recv(int fd, void *buf, size_t len, int flags);
int host_stream_shutdown(int fd, int how);
int host_stream_setopt(int fd, int level, int name, const void *val, unsigned len);
int host_stream_getopt(int fd, int level, int name, void *val, unsigned *len);
/* FIONREAD, TIOCOUTQ, SIOCATMARK. */
int host_stream_ioctl(int fd, unsigned cmd, int *ret);

/* -- host_net.c, again ---------------------------------------------------------------------------------------------- */

enum host_rule_kind {
	HOST_ALLOW,	    /* whatever the arguments */
	HOST_ALLOW_EQUAL,   /* argument @arg is @value; several rules for one call add up */
	HOST_ALLOW_WITHOUT, /* argument @arg has no bit of @value */
	HOST_KILL,	    /* never; whoever tries is killed */
};
struct host_syscall_rule {
	int nr; /* LINUX_NR_* of this machine: SYS_* */
	enum host_rule_kind kind;
	unsigned arg;
	uint32_t value;
};
enum host_otherwise {
	HOST_OTHERWISE_EPERM, /* what is not in a rule fails */
	HOST_OTHERWISE_TRAP,  /* is a SIGSYS: the end, but for a process that has become a stub */
};
struct host_filter_count {
	unsigned calls;	     /* system calls that are allowed at all */
	unsigned restricted; /* of these, by their arguments */
};
/* From now on the calling process, and what it makes, may make only these calls (host_confine.c). */
int host_confine(const struct host_syscall_rule *rules, unsigned nr, enum host_otherwise otherwise);
void host_confine_count(const struct host_syscall_rule *rules, unsigned nr, struct host_filter_count *ret);
/* The rules of the network helper, and how many. */
extern const struct host_syscall_rule host_net_rules[];
extern const unsigned host_nr_net_rules;

/* -- host_time.c ---------------------------------------------------------------------------------------------------- */

int host_clock_gettime(int clock, struct host_timespec *ret_ts); /* through the vDSO where it can */
int host_clock_getres(int clock, struct host_timespec *ret_ts);
int64_t host_clock_ns(int clock);	 /* nanoseconds; 0 for a clock the host lacks */
int64_t host_thread_cpu_ns(void);	 /* the calling thread */
int64_t host_process_cpu_ns(pid_t pid);	 /* all threads of a process, dead ones included; -errno */
int host_nanosleep(int64_t ns);		 /* -EINTR */

/* -- host_tty.c ------------------------------------------------------------------------------------------------------ */

/* Linux's struct termios as TCGETS moves it. */
struct host_termios {
	uint32_t iflag, oflag, cflag, lflag;
	uint8_t line;
	uint8_t cc[19];
};
static_assert(sizeof(struct host_termios) == 36, "struct termios of the kernel");

struct host_winsize {
	uint16_t row, col, xpixel, ypixel;
};

bool host_isatty(int fd);
int host_tcgetattr(int fd, struct host_termios *ret_t);
enum host_tcset { HOST_TCSANOW, HOST_TCSADRAIN, HOST_TCSAFLUSH };
int host_tcsetattr(int fd, enum host_tcset when, const struct host_termios *t); /* retries EINTR */
int host_get_winsize(int fd, struct host_winsize *ret_ws);
int host_set_winsize(int fd, const struct host_winsize *ws);
int host_tcgetpgrp(int fd);
/* Any other request; the caller knows its argument. */
int host_ioctl(int fd, unsigned long request, void *arg);

#endif
