/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: poll(2), select(2), epoll(7). */
#ifndef SENTRY_ABI_POLL_H
#define SENTRY_ABI_POLL_H

#include "sentry/base/types.h"

#define LINUX_EPOLLIN 0x001U
#define LINUX_EPOLLPRI 0x002U
#define LINUX_EPOLLOUT 0x004U
#define LINUX_EPOLLERR 0x008U
#define LINUX_EPOLLHUP 0x010U
#define LINUX_EPOLLNVAL 0x020U
#define LINUX_EPOLLRDNORM 0x040U
#define LINUX_EPOLLRDBAND 0x080U
#define LINUX_EPOLLWRNORM 0x100U
#define LINUX_EPOLLWRBAND 0x200U
#define LINUX_EPOLLMSG 0x400U
#define LINUX_EPOLLRDHUP 0x2000U
#define LINUX_EPOLLEXCLUSIVE (1U << 28)
#define LINUX_EPOLLWAKEUP (1U << 29)
#define LINUX_EPOLLONESHOT (1U << 30)
#define LINUX_EPOLLET (1U << 31)

#define LINUX_EPOLL_CTL_ADD 1
#define LINUX_EPOLL_CTL_DEL 2
#define LINUX_EPOLL_CTL_MOD 3
#define LINUX_EPOLL_CLOEXEC 02000000

struct linux_epoll_event {
	uint32_t events;
	uint64_t data;
} __attribute__((packed));
static_assert(sizeof(struct linux_epoll_event) == 12, "struct epoll_event");

struct linux_pollfd {
	int32_t fd;
	int16_t events, revents;
};
static_assert(sizeof(struct linux_pollfd) == 8, "struct pollfd");

#endif
