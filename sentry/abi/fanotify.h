/* SPDX-License-Identifier: Apache-2.0 */
/* fanotify(7): include/uapi/linux/fanotify.h. */
#ifndef SENTRY_ABI_FANOTIFY_H
#define SENTRY_ABI_FANOTIFY_H

#include "sentry/base/types.h"

#define LINUX_FAN_ACCESS 0x1U
#define LINUX_FAN_MODIFY 0x2U
#define LINUX_FAN_CLOSE_WRITE 0x8U
#define LINUX_FAN_CLOSE_NOWRITE 0x10U
#define LINUX_FAN_OPEN 0x20U
#define LINUX_FAN_OPEN_EXEC 0x1000U
#define LINUX_FAN_Q_OVERFLOW 0x4000U
#define LINUX_FAN_OPEN_PERM 0x10000U
#define LINUX_FAN_ACCESS_PERM 0x20000U
#define LINUX_FAN_OPEN_EXEC_PERM 0x40000U
#define LINUX_FAN_EVENT_ON_CHILD 0x08000000U
#define LINUX_FAN_ONDIR 0x40000000U

#define LINUX_FAN_CLOEXEC 0x1U
#define LINUX_FAN_NONBLOCK 0x2U
#define LINUX_FAN_CLASS_CONTENT 0x4U
#define LINUX_FAN_CLASS_PRE_CONTENT 0x8U
#define LINUX_FAN_UNLIMITED_QUEUE 0x10U
#define LINUX_FAN_UNLIMITED_MARKS 0x20U
#define LINUX_FAN_REPORT_TID 0x100U

#define LINUX_FAN_MARK_ADD 0x1U
#define LINUX_FAN_MARK_REMOVE 0x2U
#define LINUX_FAN_MARK_DONT_FOLLOW 0x4U
#define LINUX_FAN_MARK_ONLYDIR 0x8U
#define LINUX_FAN_MARK_MOUNT 0x10U
#define LINUX_FAN_MARK_IGNORED_MASK 0x20U
#define LINUX_FAN_MARK_IGNORED_SURV_MODIFY 0x40U
#define LINUX_FAN_MARK_FLUSH 0x80U
#define LINUX_FAN_MARK_FILESYSTEM 0x100U

#define LINUX_FAN_ALLOW 1U
#define LINUX_FAN_DENY 2U
#define LINUX_FAN_NOFD (-1)
#define LINUX_FANOTIFY_METADATA_VERSION 3

struct linux_fanotify_event_metadata {
	uint32_t event_len;
	uint8_t vers, reserved;
	uint16_t metadata_len;
	uint64_t mask;
	int32_t fd, pid;
};
static_assert(sizeof(struct linux_fanotify_event_metadata) == 24, "struct fanotify_event_metadata");

struct linux_fanotify_response {
	int32_t fd;
	uint32_t response;
};

#endif
