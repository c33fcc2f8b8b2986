/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: the kernel connector's events of processes, linux/connector.h and linux/cn_proc.h. */
#ifndef SENTRY_ABI_CONNECTOR_H
#define SENTRY_ABI_CONNECTOR_H

#include "sentry/base/types.h"

#define LINUX_CN_IDX_PROC 1
#define LINUX_CN_VAL_PROC 1
#define LINUX_PROC_CN_MCAST_LISTEN 1
#define LINUX_PROC_CN_MCAST_IGNORE 2

struct linux_cn_msg {
	uint32_t idx, val, seq, ack;
	uint16_t len, flags;
};
static_assert(sizeof(struct linux_cn_msg) == 20, "struct cn_msg");

#define LINUX_PROC_EVENT_NONE 0
#define LINUX_PROC_EVENT_FORK 1
#define LINUX_PROC_EVENT_EXEC 2
#define LINUX_PROC_EVENT_UID 4
#define LINUX_PROC_EVENT_GID 0x40
#define LINUX_PROC_EVENT_SID 0x80
#define LINUX_PROC_EVENT_COMM 0x200
#define LINUX_PROC_EVENT_EXIT 0x80000000

struct linux_proc_event {
	uint32_t what, cpu;
	uint64_t timestamp_ns;
	union {
		struct {
			uint32_t err;
		} ack;
		struct {
			int32_t parent_pid, parent_tgid, child_pid, child_tgid;
		} fork;
		struct {
			int32_t pid, tgid;
			uint32_t real, effective;
		} id;
		struct {
			int32_t pid, tgid;
			char comm[16];
		} comm;
		struct {
			int32_t pid, tgid;
			uint32_t code, signal;
			int32_t parent_pid, parent_tgid;
		} exit;
	};
};
static_assert(sizeof(struct linux_proc_event) == 40, "struct proc_event");

#endif
