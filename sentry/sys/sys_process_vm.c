/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory of other processes: process_vm_readv(2), process_vm_writev(2), process_madvise(2).
 */
#include <stdlib.h>

#include "sentry/abi/mman.h"
#include "sentry/kernel/pidfd.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

/* Bytes moved through the sentry at a time. */
#define BOUNCE_SIZE (64UL << 10)

/* The address space of task @t for current, with a reference, or ERR_PTR: -LINUX_ESRCH without one, -LINUX_EPERM. */
static struct mm *mm_access(struct task *t, bool attach)
{
	struct mm *mm = task_mm_get(t);

	if (!mm)
		return ERR_PTR(-LINUX_ESRCH);
	if (mm == current_mm || task_may_access(t, attach))
		return mm;
	mm_put(mm);
	return ERR_PTR(-LINUX_EPERM);
}

/* The other side's segments: addresses are not looked at before they are used. */
static int remote_iovec(uaddr_t uvec, uint64_t nr, struct linux_iovec **ret)
{
	struct linux_iovec *vec;

	if (nr > LINUX_UIO_MAXIOV)
		return -LINUX_EINVAL;
	vec = malloc(MAX(nr, 1UL) * sizeof(*vec));
	if (!vec)
		return -LINUX_ENOMEM;
	if (copy_from_user(vec, uvec, nr * sizeof(*vec))) {
		free(vec);
		return -LINUX_EFAULT;
	}
	for (uint64_t i = 0; i < nr; i++)
		if (vec[i].len > INT64_MAX) {
			free(vec);
			return -LINUX_EINVAL;
		}
	*ret = vec;
	return 0;
}

/* Moves one piece; fewer bytes than asked for only where either side ends. */
static size_t move_piece(struct mm *mm, struct iov_iter *local, uaddr_t addr, size_t len, bool write, char *bounce)
{
	size_t n;

	if (!write) {
		n = mm_copy_from(mm, bounce, addr, len, false);
		return iov_iter_copy_to(local, bounce, n);
	}
	n = iov_iter_copy_from(local, bounce, len);
	return mm_copy_to(mm, addr, bounce, n, false);
}

static int64_t move_all(struct mm *mm, struct iov_iter *local, const struct linux_iovec *remote, uint64_t nr, bool write)
{
	char *bounce = malloc(BOUNCE_SIZE);
	int64_t done = 0;

	if (!bounce)
		return -LINUX_ENOMEM;
	for (uint64_t i = 0; i < nr && local->count; i++) {
		for (uint64_t off = 0; off < remote[i].len && local->count;) {
			size_t want = MIN(MIN(remote[i].len - off, local->count), BOUNCE_SIZE);
			size_t n = move_piece(mm, local, remote[i].base + off, want, write, bounce);

			done += n;
			off += n;
			if (n < want) {
				free(bounce);
				return done ? done : -LINUX_EFAULT;
			}
		}
	}
	free(bounce);
	return done;
}

static int64_t process_vm_task(int pid, struct iov_iter *local, const struct linux_iovec *remote, uint64_t nr, bool write)
{
	_cleanup_task_ struct task *t = NULL;
	uint64_t total = 0;
	struct mm *mm;
	int64_t ret;

	for (uint64_t i = 0; i < nr; i++)
		total |= remote[i].len;
	if (!total)
		return 0;
	t = task_find_get(pid);
	if (!t)
		return -LINUX_ESRCH;
	mm = mm_access(t, true);
	if (IS_ERR(mm))
		return PTR_ERR(mm);
	ret = move_all(mm, local, remote, nr, write);
	mm_put(mm);
	return ret;
}

static int64_t process_vm_rw(int pid, uaddr_t lvec, uint64_t nr_local, uaddr_t rvec, uint64_t nr_remote, uint64_t flags,
			     bool write)
{
	struct linux_iovec *storage = NULL, *remote = NULL;
	struct iov_iter local;
	int64_t ret;

	if (flags)
		return -LINUX_EINVAL;
	ret = iov_iter_import(&local, lvec, nr_local, &storage);
	if (ret)
		return ret;
	if (local.count) {
		ret = remote_iovec(rvec, nr_remote, &remote);
		if (!ret)
			ret = process_vm_task(pid, &local, remote, nr_remote, write);
	}
	free(remote);
	free(storage);
	return ret;
}

SYSCALL_DEFINE6(process_vm_readv, int, pid, uaddr_t, lvec, uint64_t, nr_local, uaddr_t, rvec, uint64_t, nr_remote, uint64_t,
		flags)
{
	return process_vm_rw(pid, lvec, nr_local, rvec, nr_remote, flags, false);
}

SYSCALL_DEFINE6(process_vm_writev, int, pid, uaddr_t, lvec, uint64_t, nr_local, uaddr_t, rvec, uint64_t, nr_remote, uint64_t,
		flags)
{
	return process_vm_rw(pid, lvec, nr_local, rvec, nr_remote, flags, true);
}

/* --- process_madvise --- */

static int64_t advise_all(struct mm *mm, const struct linux_iovec *vec, uint64_t nr, int advice)
{
	int64_t done = 0;

	for (uint64_t i = 0; i < nr; i++) {
		int err = mm_madvise(mm, vec[i].base, vec[i].len, advice);

		if (err)
			return done ? done : err;
		done += vec[i].len;
	}
	return done;
}

static struct mm *pidfd_mm(int pidfd)
{
	struct pid *pid = pidfd_get_pid(pidfd, NULL);
	struct task *t;
	struct mm *mm;

	if (IS_ERR(pid))
		return (struct mm *)pid;
	t = task_find_get(pid_nr(pid));
	pid_put(pid);
	if (!t)
		return ERR_PTR(-LINUX_ESRCH);
	mm = mm_access(t, false);
	task_put(t);
	return mm;
}

/* Advice that changes no contents, of Linux 6.1. */
static bool advice_for_others(int advice)
{
	return advice == LINUX_MADV_COLD || advice == LINUX_MADV_PAGEOUT || advice == LINUX_MADV_WILLNEED;
}

SYSCALL_DEFINE5(process_madvise, int, pidfd, uaddr_t, uvec, uint64_t, nr, int, advice, unsigned, flags)
{
	struct linux_iovec *vec = NULL;
	struct mm *mm;
	int64_t ret;

	if (flags)
		return -LINUX_EINVAL;
	ret = remote_iovec(uvec, nr, &vec);
	if (ret)
		return ret;
	mm = pidfd_mm(pidfd);
	if (IS_ERR(mm)) {
		free(vec);
		return PTR_ERR(mm);
	}
	if (!advice_for_others(advice))
		ret = -LINUX_EINVAL;
	else if (mm != current_mm && !capable(CAP_SYS_NICE))
		ret = -LINUX_EPERM;
	else
		ret = advise_all(mm, vec, nr, advice);
	mm_put(mm);
	free(vec);
	return ret;
}
