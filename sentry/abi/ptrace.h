/* SPDX-License-Identifier: Apache-2.0 */
/* Guest ABI: ptrace(2).  x86-64. */
#ifndef SENTRY_ABI_PTRACE_H
#define SENTRY_ABI_PTRACE_H

#include "sentry/base/types.h"

#define LINUX_PTRACE_TRACEME 0
#define LINUX_PTRACE_PEEKTEXT 1
#define LINUX_PTRACE_PEEKDATA 2
#define LINUX_PTRACE_PEEKUSR 3
#define LINUX_PTRACE_POKETEXT 4
#define LINUX_PTRACE_POKEDATA 5
#define LINUX_PTRACE_POKEUSR 6
#define LINUX_PTRACE_CONT 7
#define LINUX_PTRACE_KILL 8
#define LINUX_PTRACE_SINGLESTEP 9
#define LINUX_PTRACE_GETREGS 12
#define LINUX_PTRACE_SETREGS 13
#define LINUX_PTRACE_GETFPREGS 14
#define LINUX_PTRACE_SETFPREGS 15
#define LINUX_PTRACE_ATTACH 16
#define LINUX_PTRACE_DETACH 17
#define LINUX_PTRACE_SYSCALL 24
#define LINUX_PTRACE_ARCH_PRCTL 30
#define LINUX_PTRACE_SYSEMU 31
#define LINUX_PTRACE_SYSEMU_SINGLESTEP 32
#define LINUX_PTRACE_SETOPTIONS 0x4200
#define LINUX_PTRACE_GETEVENTMSG 0x4201
#define LINUX_PTRACE_GETSIGINFO 0x4202
#define LINUX_PTRACE_SETSIGINFO 0x4203
#define LINUX_PTRACE_GETREGSET 0x4204
#define LINUX_PTRACE_SETREGSET 0x4205
#define LINUX_PTRACE_SEIZE 0x4206
#define LINUX_PTRACE_INTERRUPT 0x4207
#define LINUX_PTRACE_LISTEN 0x4208
#define LINUX_PTRACE_PEEKSIGINFO 0x4209
#define LINUX_PTRACE_GETSIGMASK 0x420a
#define LINUX_PTRACE_SETSIGMASK 0x420b
#define LINUX_PTRACE_GET_SYSCALL_INFO 0x420e

#define LINUX_PTRACE_O_TRACESYSGOOD 1
#define LINUX_PTRACE_O_EXITKILL (1 << 20)
#define LINUX_PTRACE_O_SUSPEND_SECCOMP (1 << 21)
#define LINUX_PTRACE_O_MASK (0xff | LINUX_PTRACE_O_EXITKILL | LINUX_PTRACE_O_SUSPEND_SECCOMP)

/* Each has the option bit of its number. */
#define LINUX_PTRACE_EVENT_FORK 1
#define LINUX_PTRACE_EVENT_VFORK 2
#define LINUX_PTRACE_EVENT_CLONE 3
#define LINUX_PTRACE_EVENT_EXEC 4
#define LINUX_PTRACE_EVENT_VFORK_DONE 5
#define LINUX_PTRACE_EVENT_EXIT 6
#define LINUX_PTRACE_EVENT_SECCOMP 7
#define LINUX_PTRACE_EVENT_STOP 128

#define LINUX_PTRACE_EVENTMSG_SYSCALL_ENTRY 1
#define LINUX_PTRACE_EVENTMSG_SYSCALL_EXIT 2

#define LINUX_NT_PRSTATUS 1
#define LINUX_NT_PRFPREG 2
#define LINUX_NT_X86_XSTATE 0x202

#define LINUX_PTRACE_PEEKSIGINFO_SHARED 1
struct linux_ptrace_peeksiginfo_args {
	uint64_t off;
	uint32_t flags;
	int32_t nr;
};

#define LINUX_AUDIT_ARCH_X86_64 0xc000003e
struct linux_ptrace_syscall_info {
	uint8_t op, pad[3];
	uint32_t arch;
	uint64_t instruction_pointer, stack_pointer;
	union {
		struct {
			uint64_t nr, args[6];
		} entry;
		struct {
			int64_t rval;
			uint8_t is_error;
		} exit;
	};
};
static_assert(sizeof(struct linux_ptrace_syscall_info) == 80, "struct ptrace_syscall_info without seccomp");

#endif
