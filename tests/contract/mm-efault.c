/* SPDX-License-Identifier: Apache-2.0 */
/* Bad pointers to many syscalls: EFAULT, never a crash, and transfers stop at the bad byte. */
#include "tests/contract/contract.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/utsname.h>

static void *const bad[] = { (void *)8, (void *)0x8000000000000000UL, (void *)0xffffffff81000000UL, (void *)-8L };
static const char *const bad_name[] = { "low", "wild", "kernel", "last" };

#define TRY(name, ...)                                                                                \
	do {                                                                                          \
		for (size_t i_ = 0; i_ < ARRAY_SIZE(bad); i_++) {                                     \
			void *b = bad[i_];                                                            \
			long r_;                                                                      \
			errno = 0;                                                                    \
			r_ = syscall(__VA_ARGS__);                                                    \
			say("%s %s: %s", name, bad_name[i_], r_ == -1 ? errno_name(errno) : "no error"); \
		}                                                                                     \
	} while (0)

int main(void)
{
	int fds[2], sv[2], fd, ep;
	char *edge = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + PAGE;
	struct iovec iov[3] = { { edge - 4, 4 }, { edge, 4 }, { edge - 4, 4 } };
	char buf[64];

	MUST(munmap(edge, PAGE));
	scratch();
	fd = MUST(open("f", O_RDWR | O_CREAT, 0644));
	MUST(pipe2(fds, O_NONBLOCK));
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, sv));
	ep = MUST(epoll_create1(0));
	write_all(fds[1], "0123456789", 10);
	write_all(fd, "0123456789", 10);
	write_all(sv[0], "0123456789", 10);
	TRY("read", SYS_read, fds[0], b, 10);
	TRY("pread64", SYS_pread64, fd, b, 10, 0);
	TRY("write", SYS_write, fds[1], b, 10);
	TRY("write file", SYS_write, fd, b, 10);
	TRY("readv", SYS_readv, fds[0], b, 1);
	TRY("open", SYS_open, b, O_RDONLY);
	TRY("openat", SYS_openat, AT_FDCWD, b, O_CREAT, 0644);
	TRY("stat", SYS_stat, b, buf);
	TRY("stat buffer", SYS_stat, ".", b);
	TRY("fstat", SYS_fstat, fd, b);
	TRY("statx", SYS_statx, AT_FDCWD, ".", 0, 0x7ff, b);
	TRY("access", SYS_access, b, 0);
	TRY("execve", SYS_execve, b, NULL, NULL);
	TRY("execve argv", SYS_execve, "/bin/true", b, NULL);
	TRY("execve envp", SYS_execve, "/bin/true", NULL, b);
	TRY("pipe2", SYS_pipe2, b, 0);
	TRY("getcwd", SYS_getcwd, b, 4096);
	TRY("readlink", SYS_readlink, "/proc/self/exe", b, 4096);
	TRY("rename", SYS_rename, "f", b);
	TRY("mkdir", SYS_mkdir, b, 0755);
	TRY("symlink", SYS_symlink, b, "x");
	TRY("poll", SYS_poll, b, 1, 0);
	TRY("select", SYS_select, 8, b, NULL, NULL, NULL);
	TRY("epoll_ctl", SYS_epoll_ctl, ep, EPOLL_CTL_ADD, fds[0], b);
	TRY("rt_sigaction", SYS_rt_sigaction, SIGUSR1, b, NULL, 8);
	TRY("rt_sigaction old", SYS_rt_sigaction, SIGUSR1, NULL, b, 8);
	TRY("rt_sigprocmask", SYS_rt_sigprocmask, SIG_BLOCK, b, NULL, 8);
	TRY("sigaltstack", SYS_sigaltstack, b, NULL);
	TRY("clock_gettime", SYS_clock_gettime, CLOCK_REALTIME, b);
	TRY("gettimeofday", SYS_gettimeofday, b, NULL);
	TRY("nanosleep", SYS_nanosleep, b, NULL);
	TRY("futex", SYS_futex, (void *)((uintptr_t)b & ~3UL), 0, 0, NULL);
	TRY("uname", SYS_uname, b);
	TRY("sysinfo", SYS_sysinfo, b);
	TRY("times", SYS_times, b);
	TRY("getrusage", SYS_getrusage, 0, b);
	TRY("getrandom", SYS_getrandom, b, 8, 0);
	TRY("getresuid", SYS_getresuid, b, b, b);
	TRY("sched_getaffinity", SYS_sched_getaffinity, 0, 128, b);
	TRY("recvfrom", SYS_recvfrom, sv[1], b, 10, 0, NULL, NULL);
	TRY("sendmsg", SYS_sendmsg, sv[0], b, 0);
	TRY("recvmsg", SYS_recvmsg, sv[1], b, 0);
	TRY("bind", SYS_bind, sv[0], b, 16);
	TRY("getsockname", SYS_getsockname, sv[0], b, b);
	TRY("socketpair", SYS_socketpair, AF_UNIX, SOCK_STREAM, 0, b);
	TRY("waitid", SYS_waitid, P_ALL, 0, b, WEXITED, NULL);
	TRY("fcntl lock", SYS_fcntl, fd, F_GETLK, b);
	TRY("utimensat", SYS_utimensat, AT_FDCWD, ".", b, 0);
	TRY("getdents64", SYS_getdents64, MUST(open("/", O_RDONLY | O_DIRECTORY)), b, 4096);
	SECTION("partial transfers");
	CALL(write(fds[1], edge - 4, 8));
	CALL(read(fds[0], buf, 10));
	CALL(read(fds[0], edge - 4, 8));
	CALL(pread(fd, edge - 4, 8, 0));
	CALL(pwrite(fd, edge - 3, 8, 0));
	show_file("f");
	CALL(writev(fd, iov, 3));
	CALL(preadv(fd, iov, 3, 0));
	SECTION("zero lengths do not touch the pointer");
	CALL(write(fds[1], BAD_PTR, 0));
	CALL(read(fd, BAD_PTR, 0));
	CALL(write(fd, KERNEL_PTR, 0));
	SECTION("a path that ends at the end of memory");
	strcpy(edge - 2, ".");
	CALL(access(edge - 2, F_OK));
	edge[-1] = '/';
	CALL(access(edge - 2, F_OK));
	return 0;
}
