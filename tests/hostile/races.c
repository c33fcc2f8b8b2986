/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 300
 * Arguments that change while the kernel reads them: a thread flips pointers, lengths and strings during calls that take them in two
 * steps; and iovecs as long as they can be.
 */
#include "tests/hostile/hostile.h"

#include <limits.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/xattr.h>

static union {
	volatile uint64_t w[512];
	struct iovec iov[256];
	struct msghdr msg;
	struct pollfd poll[512];
	char text[4096];
	char *argv[512];
} flip __attribute__((aligned(4096)));
static char control[512] __attribute__((aligned(64)));
static char buffer[1 << 16];

#define min_of(a, b) ((a) < (b) ? (a) : (b))

static void *flip_main(void *arg) __attribute__((noreturn));
static void *flip_main(void *arg)
{
	const uint64_t some[] = { 0,
				  1,
				  8,
				  16,
				  4096,
				  sizeof(buffer),
				  ~0UL,
				  LONG_MAX,
				  0x8000000000000000,
				  (uint64_t)(uintptr_t)buffer,
				  (uint64_t)(uintptr_t)control,
				  (uint64_t)(uintptr_t)&flip,
				  0xffffffff81000000,
				  0x7ffffffff000,
				  SYSTRAP_TEXT,
				  SYSTRAP_BLOCKS + SYSTRAP_BLOCK_SIZE };

	(void)arg;
	for (;;) {
		unsigned at = (unsigned)hostile_rnd(16);

		flip.w[at] = some[hostile_rnd(16)];
		((volatile uint64_t *)control)[hostile_rnd(8)] =
			hostile_rnd(2) ? hostile_rnd(64) : some[hostile_rnd(16)];
	}
}

static void race(unsigned n)
{
	pthread_t thread;
	int fds[2], out[2], fd, ep;
	fd_set set;

	hostile_seed += n * 7919;
	signal(SIGPIPE, SIG_IGN);
	alarm(3);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, out))
		return;
	fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	ep = epoll_create1(0);
	flip.msg.msg_control = control;
	pthread_create(&thread, NULL, flip_main, NULL);
	for (unsigned i = 0;; i++) {
		switch (n % 12) {
		case 0:
			writev(fds[0], flip.iov, 1 + (int)hostile_rnd(8));
			break;
		case 1:
			readv(open("/dev/zero", O_RDONLY | O_CLOEXEC), flip.iov, 1 + (int)hostile_rnd(8));
			close_range(16, ~0U, 0);
			break;
		case 2:
			flip.msg.msg_iov = (struct iovec *)(flip.w + 8);
			sendmsg(out[0], &flip.msg, 0);
			recvmsg(out[1], &flip.msg, 0);
			break;
		case 3:
			sendmsg(fds[0], &flip.msg, MSG_DONTWAIT);
			recvmsg(fds[1], &flip.msg, MSG_DONTWAIT);
			break;
		case 4:
			poll(flip.poll, 1 + (nfds_t)hostile_rnd(16), 0);
			break;
		case 5:
			memset(flip.text, 'a' + (int)(i % 20), 255);
			open(flip.text, O_RDONLY);
			readlink(flip.text, buffer, sizeof(buffer));
			break;
		case 6:
			setsockopt(fds[0], SOL_SOCKET, (int)hostile_rnd(70), (void *)flip.w,
				   (socklen_t)hostile_rnd(64));
			getsockopt(fds[0], SOL_SOCKET, (int)hostile_rnd(70), buffer, (socklen_t *)flip.w);
			break;
		case 7:
			ioctl(fds[0], hostile_rnd(2) ? (unsigned long)FIONREAD : 0x8912 + hostile_rnd(16), flip.w);
			break;
		case 8:
			setxattr("/proc/self/fd/0", (char *)flip.text, (void *)flip.w, hostile_rnd(200), 0);
			fsetxattr(fd, "user.x", (void *)flip.w, hostile_rnd(200), 0);
			break;
		case 9:
			memcpy(&set, (void *)flip.w, sizeof(set));
			select((int)hostile_rnd(256), (fd_set *)flip.w, NULL, &set, &(struct timeval){ 0 });
			epoll_ctl(ep, (int)hostile_rnd(4), fds[0], (struct epoll_event *)flip.w);
			break;
		case 10: {
			pid_t pid = vfork();

			if (!pid) {
				execve("/proc/self/exe", flip.argv, flip.argv + 4);
				_exit(1);
			}
			if (pid > 0)
				waitpid(pid, NULL, 0);
			break;
		}
		default:
			process_vm_readv(getpid(), flip.iov, 4, flip.iov + 2, 4, 0);
			process_vm_writev(getpid(), flip.iov, 4, flip.iov + 2, 4, 0);
			syscall(SYS_clone3, flip.w, 88);
			syscall(SYS_rt_sigaction, SIGUSR2, flip.w, NULL, 8);
			syscall(SYS_futex, flip.w, (int)hostile_rnd(14), 0, &(struct timespec){ 0 }, flip.w + 2, 0);
		}
	}
}

/* Total lengths at and beyond what fits; all of it the same megabyte of memory. */
static void huge(unsigned n)
{
	static struct iovec iov[2048];
	size_t size = 1 << 20;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int zero = open("/dev/zero", O_RDWR), file = open("/tmp", O_TMPFILE | O_RDWR, 0600), fds[2];

	alarm(20);
	if (pipe(fds))
		return;
	fcntl(fds[1], F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < 2048; i++)
		iov[i] = (struct iovec){ p, n % 3 == 0	 ? size
					    : n % 3 == 1 ? (size_t)SSIZE_MAX
							 : hostile_rnd(2 * size) };
	for (int count = 1; count <= 2048; count *= 2) {
		writev(zero, iov, count);
		writev(fds[1], iov, count);
		readv(zero, iov, min_of(count, 64));
		pwritev(file, iov, min_of(count, 32), 0);
		preadv(file, iov, count, 0);
		if (writev(zero, iov, -count) != -1)
			REACHED("writev with a negative count");
		process_vm_readv(getpid(), iov, (unsigned long)min_of(count, 16), iov, (unsigned long)min_of(count, 16),
				 0);
		vmsplice(fds[1], iov, (unsigned long)count, SPLICE_F_NONBLOCK);
	}
}

static void attacks(void)
{
	printf("%u of 24 ended by themselves\n", attack_many(race, 0, 24, 4000));
	hostile_check();
	printf("%u of 6 with long vectors ended by themselves\n", attack_many(huge, 0, 6, 30000));
	hostile_check();
}
