/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of sysvipc(7); the bodies are in sentry/kernel/ipc_*.c. */
#include "sentry/abi/time.h"
#include "sentry/kernel/ipc.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

SYSCALL_DEFINE3(semget, int32_t, key, int, nsems, unsigned, flags)
{
	return do_semget(key, nsems, flags);
}

SYSCALL_DEFINE3(semop, int, id, uaddr_t, ops, unsigned, nr)
{
	return do_semop(id, ops, nr, NO_DEADLINE);
}

SYSCALL_DEFINE4(semtimedop, int, id, uaddr_t, ops, unsigned, nr, uaddr_t, utimeout)
{
	deadline_t deadline = NO_DEADLINE;
	struct linux_timespec ts;

	if (utimeout) {
		if (get_user(&ts, utimeout))
			return -LINUX_EFAULT;
		if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= 1000000000)
			return -LINUX_EINVAL;
		if (ts.tv_sec < INT64_MAX / 1000000000 - 1)
			deadline = deadline_after(ts.tv_sec * 1000000000 + ts.tv_nsec);
	}
	return do_semop(id, ops, nr, deadline);
}

SYSCALL_DEFINE4(semctl, int, id, int, num, int, cmd, uint64_t, arg)
{
	return do_semctl(id, num, cmd, arg);
}

SYSCALL_DEFINE3(shmget, int32_t, key, uint64_t, size, unsigned, flags)
{
	return do_shmget(key, size, flags);
}

SYSCALL_DEFINE3(shmat, int, id, uaddr_t, addr, unsigned, flags)
{
	return do_shmat(id, addr, flags);
}

SYSCALL_DEFINE1(shmdt, uaddr_t, addr)
{
	return do_shmdt(addr);
}

SYSCALL_DEFINE3(shmctl, int, id, int, cmd, uaddr_t, buf)
{
	return do_shmctl(id, cmd, buf);
}

SYSCALL_DEFINE2(msgget, int32_t, key, unsigned, flags)
{
	return do_msgget(key, flags);
}

SYSCALL_DEFINE4(msgsnd, int, id, uaddr_t, msg, uint64_t, size, unsigned, flags)
{
	return do_msgsnd(id, msg, size, flags);
}

SYSCALL_DEFINE5(msgrcv, int, id, uaddr_t, msg, uint64_t, size, int64_t, type, unsigned, flags)
{
	return do_msgrcv(id, msg, size, type, flags);
}

SYSCALL_DEFINE3(msgctl, int, id, int, cmd, uaddr_t, buf)
{
	return do_msgctl(id, cmd, buf);
}
