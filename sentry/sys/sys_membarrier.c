/* SPDX-License-Identifier: Apache-2.0 */
/*
 * membarrier(2).  Guest threads run in other processes of the host, which the host's private commands do not reach; its
 * MEMBARRIER_CMD_GLOBAL reaches every running thread of the machine.  So every command is that one: slower than the real
 * thing, never weaker.  What the host does not have is not offered.
 */
#include "platform/host/host.h"
#include "sentry/kernel/task.h"
#include "sentry/sys/syscall.h"

enum membarrier_cmd {
	CMD_QUERY = 0,
	CMD_GLOBAL = 1,
	CMD_GLOBAL_EXPEDITED = 2,
	CMD_REGISTER_GLOBAL_EXPEDITED = 4,
	CMD_PRIVATE_EXPEDITED = 8,
	CMD_REGISTER_PRIVATE_EXPEDITED = 16,
};
#define CMD_ALL                                                                                                        \
	(CMD_GLOBAL | CMD_GLOBAL_EXPEDITED | CMD_REGISTER_GLOBAL_EXPEDITED | CMD_PRIVATE_EXPEDITED |                   \
	 CMD_REGISTER_PRIVATE_EXPEDITED)

static int supported_commands(void)
{
	int host = host_membarrier(CMD_QUERY, 0);

	return host >= 0 && (host & CMD_GLOBAL) ? CMD_ALL : 0;
}

SYSCALL_DEFINE3(membarrier, int, cmd, unsigned, flags, int, cpu __unused)
{
	int supported = supported_commands();

	if (flags)
		return -LINUX_EINVAL;
	if (cmd == CMD_QUERY)
		return supported;
	if (cmd < 0 || (cmd & (cmd - 1)) || !(cmd & supported))
		return -LINUX_EINVAL;
	switch (cmd) {
	case CMD_REGISTER_GLOBAL_EXPEDITED:
		return 0;
	case CMD_REGISTER_PRIVATE_EXPEDITED:
		atomic_store(&current_mm->membarrier_private, true);
		return 0;
	case CMD_PRIVATE_EXPEDITED:
		if (!atomic_load(&current_mm->membarrier_private))
			return -LINUX_EPERM;
		/* The caller's own entry into the kernel is barrier enough when nobody else runs in its memory. */
		if (ref_read(&current_mm->users) == 1)
			return 0;
		break;
	}
	return host_membarrier(CMD_GLOBAL, 0);
}
