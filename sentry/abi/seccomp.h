/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: seccomp(2) and the classic BPF of its filters.  x86-64. */
#ifndef SENTRY_ABI_SECCOMP_H
#define SENTRY_ABI_SECCOMP_H

#include "sentry/base/types.h"

#define LINUX_SECCOMP_MODE_DISABLED 0
#define LINUX_SECCOMP_MODE_STRICT 1
#define LINUX_SECCOMP_MODE_FILTER 2

#define LINUX_SECCOMP_SET_MODE_STRICT 0
#define LINUX_SECCOMP_SET_MODE_FILTER 1
#define LINUX_SECCOMP_GET_ACTION_AVAIL 2
#define LINUX_SECCOMP_GET_NOTIF_SIZES 3

#define LINUX_SECCOMP_FILTER_FLAG_TSYNC 1
#define LINUX_SECCOMP_FILTER_FLAG_LOG 2
#define LINUX_SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#define LINUX_SECCOMP_FILTER_FLAG_NEW_LISTENER 8
#define LINUX_SECCOMP_FILTER_FLAG_TSYNC_ESRCH 16

#define LINUX_SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV 32

#define LINUX_SECCOMP_USER_NOTIF_FLAG_CONTINUE 1U
#define LINUX_SECCOMP_ADDFD_FLAG_SETFD 1U
#define LINUX_SECCOMP_ADDFD_FLAG_SEND 2U
#define LINUX_SECCOMP_IOCTL_NOTIF_RECV 0xc0502100U
#define LINUX_SECCOMP_IOCTL_NOTIF_SEND 0xc0182101U
#define LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID 0x40082102U
#define LINUX_SECCOMP_IOCTL_NOTIF_ID_VALID_OLD 0x80082102U /* its direction was wrong at first */
#define LINUX_SECCOMP_IOCTL_NOTIF_ADDFD 0x40182103U
#define LINUX_IOC_SIZE_BITS 0x3fff0000U

#define LINUX_SECCOMP_RET_KILL_PROCESS 0x80000000U
#define LINUX_SECCOMP_RET_KILL_THREAD 0x00000000U
#define LINUX_SECCOMP_RET_TRAP 0x00030000U
#define LINUX_SECCOMP_RET_ERRNO 0x00050000U
#define LINUX_SECCOMP_RET_USER_NOTIF 0x7fc00000U
#define LINUX_SECCOMP_RET_TRACE 0x7ff00000U
#define LINUX_SECCOMP_RET_LOG 0x7ffc0000U
#define LINUX_SECCOMP_RET_ALLOW 0x7fff0000U
#define LINUX_SECCOMP_RET_ACTION_FULL 0xffff0000U
#define LINUX_SECCOMP_RET_DATA 0x0000ffffU

struct linux_seccomp_data {
	int32_t nr;
	uint32_t arch;
	uint64_t instruction_pointer, args[6];
};
static_assert(sizeof(struct linux_seccomp_data) == 64, "struct seccomp_data");

struct linux_seccomp_notif_sizes {
	uint16_t notif, resp, data;
};

struct linux_seccomp_notif {
	uint64_t id;
	uint32_t pid, flags;
	struct linux_seccomp_data data;
};
static_assert(sizeof(struct linux_seccomp_notif) == 80, "struct seccomp_notif");

struct linux_seccomp_notif_resp {
	uint64_t id;
	int64_t val;
	int32_t error;
	uint32_t flags;
};
static_assert(sizeof(struct linux_seccomp_notif_resp) == 24, "struct seccomp_notif_resp");

struct linux_seccomp_notif_addfd {
	uint64_t id;
	uint32_t flags, srcfd, newfd, newfd_flags;
};
static_assert(sizeof(struct linux_seccomp_notif_addfd) == 24, "struct seccomp_notif_addfd");

struct linux_sock_filter {
	uint16_t code;
	uint8_t jt, jf;
	uint32_t k;
};
static_assert(sizeof(struct linux_sock_filter) == 8, "struct sock_filter");

struct linux_sock_fprog {
	uint16_t len, pad[3];
	uint64_t filter;
};
static_assert(sizeof(struct linux_sock_fprog) == 16, "struct sock_fprog");

#define LINUX_BPF_MAXINSNS 4096
#define LINUX_BPF_MEMWORDS 16

/* code */
#define LINUX_BPF_CLASS(code) ((code) & 7)
#define LINUX_BPF_LD 0
#define LINUX_BPF_LDX 1
#define LINUX_BPF_ST 2
#define LINUX_BPF_STX 3
#define LINUX_BPF_ALU 4
#define LINUX_BPF_JMP 5
#define LINUX_BPF_RET 6
#define LINUX_BPF_MISC 7
#define LINUX_BPF_IMM 0x00
#define LINUX_BPF_ABS 0x20
#define LINUX_BPF_MEM 0x60
#define LINUX_BPF_LEN 0x80
#define LINUX_BPF_OP(code) ((code) & 0xf0)
#define LINUX_BPF_ADD 0x00
#define LINUX_BPF_SUB 0x10
#define LINUX_BPF_MUL 0x20
#define LINUX_BPF_DIV 0x30
#define LINUX_BPF_OR 0x40
#define LINUX_BPF_AND 0x50
#define LINUX_BPF_LSH 0x60
#define LINUX_BPF_RSH 0x70
#define LINUX_BPF_NEG 0x80
#define LINUX_BPF_XOR 0xa0
#define LINUX_BPF_JA 0x00
#define LINUX_BPF_JEQ 0x10
#define LINUX_BPF_JGT 0x20
#define LINUX_BPF_JGE 0x30
#define LINUX_BPF_JSET 0x40
#define LINUX_BPF_X 0x08
#define LINUX_BPF_A 0x10
#define LINUX_BPF_TAX 0x00
#define LINUX_BPF_TXA 0x80

#endif
