/* SPDX-License-Identifier: Apache-2.0 */
/* What the network helper needs: a process of its own, frames over a socket pair, its seccomp filter. */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "platform/host/host_internal.h"

pid_t host_fork(void)
{
	return ret_errno(fork());
}

static unsigned mmsg_fill(struct mmsghdr *m, const struct host_frame *frames, unsigned nr)
{
	nr = nr < HOST_FRAMES_MAX ? nr : HOST_FRAMES_MAX;
	memset(m, 0, nr * sizeof(*m));
	for (unsigned i = 0; i < nr; i++) {
		m[i].msg_hdr.msg_iov = (struct iovec *)(uintptr_t)frames[i].iov;
		m[i].msg_hdr.msg_iovlen = frames[i].nr;
	}
	return nr;
}

int host_send_frames(int fd, const struct host_frame *frames, unsigned nr, bool wait)
{
	struct mmsghdr m[HOST_FRAMES_MAX];

	nr = mmsg_fill(m, frames, nr);
	return retry_eintr(sendmmsg(fd, m, nr, MSG_NOSIGNAL | (wait ? 0 : MSG_DONTWAIT)));
}

int host_recv_frames(int fd, struct host_frame *frames, unsigned nr)
{
	struct mmsghdr m[HOST_FRAMES_MAX];
	int n;

	nr = mmsg_fill(m, frames, nr);
	n = retry_eintr(recvmmsg(fd, m, nr, MSG_DONTWAIT, NULL));
	for (int i = 0; i < n; i++)
		frames[i].len = m[i].msg_hdr.msg_flags & MSG_TRUNC ? 0 : m[i].msg_len;
	return n;
}

int host_set_buffers(int fd, int bytes)
{
	int err = ret_errno(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)));

	return err ? err : ret_errno(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)));
}

bool host_has_ipv6(void)
{
	/* An address that is routed nowhere in particular; connecting a datagram socket sends nothing. */
	const struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(53),
					 .sin6_addr = { .s6_addr = { 0x20, 0x00, [15] = 1 } } };
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool has = fd >= 0 && !connect(fd, (const struct sockaddr *)&to, sizeof(to));

	if (fd >= 0)
		close(fd);
	return has;
}

unsigned host_own_addresses(uint8_t (*ret)[16], unsigned max)
{
	struct ifaddrs *all, *i;
	unsigned n = 0;

	if (getifaddrs(&all))
		return 0;
	for (i = all; i && n < max; i = i->ifa_next) {
		if (!i->ifa_addr)
			continue;
		if (i->ifa_addr->sa_family == AF_INET) {
			memset(ret[n], 0, 10);
			memset(ret[n] + 10, 0xff, 2);
			memcpy(ret[n++] + 12, &((struct sockaddr_in *)i->ifa_addr)->sin_addr, 4);
		} else if (i->ifa_addr->sa_family == AF_INET6) {
			memcpy(ret[n++], &((struct sockaddr_in6 *)i->ifa_addr)->sin6_addr, 16);
		}
	}
	freeifaddrs(all);
	return n;
}

/* --- the filter --- */

/* What libslirp, the C library and the loop around them do once everything is set up. */
#define ANY(call) { SYS_##call, HOST_ALLOW, 0, 0 }
#define NEVER(call) { SYS_##call, HOST_KILL, 0, 0 }
const struct host_syscall_rule host_net_rules[] = {
	ANY(recvmmsg), ANY(sendmmsg), ANY(poll), ANY(ppoll), ANY(recvfrom), ANY(sendto), ANY(recvmsg), ANY(sendmsg), ANY(read),
	ANY(write), ANY(readv), ANY(writev), ANY(clock_gettime), ANY(futex), ANY(close), ANY(accept), ANY(accept4), ANY(bind),
	ANY(connect), ANY(listen), ANY(shutdown), ANY(getsockname), ANY(getpeername), ANY(getsockopt), ANY(setsockopt), ANY(fcntl),
	ANY(ioctl), ANY(fstat), ANY(newfstatat), ANY(stat), ANY(lseek), ANY(brk), ANY(munmap), ANY(mremap), ANY(madvise), ANY(getrandom),
	ANY(gettimeofday), ANY(time), ANY(clock_nanosleep), ANY(nanosleep), ANY(rt_sigprocmask), ANY(rt_sigaction), ANY(rt_sigreturn),
	ANY(restart_syscall), ANY(getpid), ANY(gettid), ANY(tgkill), ANY(exit), ANY(exit_group),
	{ SYS_socket, HOST_ALLOW_EQUAL, 0, AF_INET },
	{ SYS_socket, HOST_ALLOW_EQUAL, 0, AF_INET6 },
	/* resolv.conf is looked at again when it changes. */
	{ SYS_openat, HOST_ALLOW_WITHOUT, 2, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC },
	{ SYS_mmap, HOST_ALLOW_WITHOUT, 2, PROT_EXEC },
	{ SYS_mprotect, HOST_ALLOW_WITHOUT, 2, PROT_EXEC },
	/* What no library tries by itself; the rest fails. */
	NEVER(execve), NEVER(execveat), NEVER(fork), NEVER(vfork), NEVER(ptrace), NEVER(process_vm_readv), NEVER(process_vm_writev),
	NEVER(mount), NEVER(unshare), NEVER(setns), NEVER(bpf), NEVER(pidfd_getfd),
};
const unsigned host_nr_net_rules = sizeof(host_net_rules) / sizeof(host_net_rules[0]);
