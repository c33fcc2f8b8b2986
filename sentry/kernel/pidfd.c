/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/pidfd.h"

#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "sentry/kernel/task.h"
#include "vfs/proc/proc.h"

/* Readable once the process has no running thread, whether or not it was waited for. */
static unsigned pidfd_poll(struct file *f, struct poll_table *pt)
{
	struct pid *pid = f->private_data;
	struct task *leader;
	unsigned events = 0;

	poll_wait(f, &pid->wait, pt);
	MUTEX_GUARD(&pids_lock);
	leader = pid->tgroup ? pid->tgroup->leader : NULL;
	if (!leader)
		events = LINUX_EPOLLIN | LINUX_EPOLLRDNORM | LINUX_EPOLLHUP;
	else if (leader->exit_state != EXIT_NONE && leader->tg->nr_threads == 1)
		events = LINUX_EPOLLIN | LINUX_EPOLLRDNORM;
	return events;
}

static void pidfd_release(struct file *f)
{
	pid_put(f->private_data);
}

static void pidfd_show_fdinfo(struct file *f, struct strbuf *sb)
{
	struct pid *pid = f->private_data;
	int nr = READ_ONCE(pid->tgroup) ? pid_nr(pid) : -1;

	strbuf_addf(sb, "Pid:\t%d\n", nr);
	if (nr >= 0)
		strbuf_addf(sb, "NSpid:\t%d\n", nr);
}

static const struct file_ops pidfd_ops = {
	.poll = pidfd_poll,
	.release = pidfd_release,
	.show_fdinfo = pidfd_show_fdinfo,
};

int pidfd_new(struct pid *pid, uint32_t flags)
{
	struct file *f = anon_file_new("anon_inode:[pidfd]", 0600, &pidfd_ops, LINUX_O_RDWR | flags, pid_get(pid));

	if (IS_ERR(f))
		pid_put(pid);
	return fd_install_or_put(f, true);
}

int pidfd_open_tgid(int32_t tgid)
{
	struct pid *pid = pid_find_get(tgid);
	int fd;

	if (!pid)
		return -LINUX_ESRCH;
	fd = pidfd_new(pid, 0);
	pid_put(pid);
	return fd;
}

struct pid *pidfd_pid(struct file *f)
{
	return f->ops == &pidfd_ops ? f->private_data : NULL;
}

struct pid *pidfd_get_pid(int fd, uint32_t *ret_flags)
{
	_cleanup_fput_ struct file *f = fget(fd);

	if (!f || f->ops != &pidfd_ops)
		return ERR_PTR(-LINUX_EBADF);
	if (ret_flags)
		*ret_flags = atomic_load(&f->flags);
	return pid_get(f->private_data);
}

struct pid *pidfd_get_pid_or_proc(int fd)
{
	_cleanup_fput_ struct file *f = fget(fd);

	if (f && f->inode && f->inode->sb->type == &proc_type && PROC_I(f->inode)->entry == &proc_tgid_entry)
		return pid_get(PROC_I(f->inode)->tg->pid);
	return pidfd_get_pid(fd, NULL);
}
