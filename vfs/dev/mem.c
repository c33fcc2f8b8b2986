/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory devices: null(4), full(4), random(4), and kmsg.
 */
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/mman.h"
#include "sentry/abi/poll.h"
#include "sentry/base/log.h"
#include "sentry/mm/mm.h"
#include "vfs/dev/dev.h"
#include "vfs/device.h"

#define RANDOM_CHUNK 4096

static int64_t null_read(struct file *f __unused, struct iov_iter *to __unused, uint64_t *pos __unused)
{
	return 0;
}

static int64_t null_write(struct file *f __unused, struct iov_iter *from, uint64_t *pos __unused)
{
	size_t n = from->count;

	iov_iter_advance(from, n);
	return n;
}

static int64_t null_llseek(struct file *f, int64_t off __unused, int whence __unused)
{
	f->pos = 0;
	return 0;
}

static int64_t zero_read(struct file *f __unused, struct iov_iter *to, uint64_t *pos __unused)
{
	size_t done = 0;

	/* In pieces, so that a signal ends a huge read. */
	while (to->count) {
		size_t want = MIN(to->count, 1UL << 20), n = iov_iter_zero(to, want);

		done += n;
		if (n < want)
			break;
		if (to->count && kernel_signal_pending())
			break;
	}
	return done ? (int64_t)done : to->count ? -LINUX_EFAULT : 0;
}

static int64_t full_write(struct file *f __unused, struct iov_iter *from __unused, uint64_t *pos __unused)
{
	return -LINUX_ENOSPC;
}

/* /dev/zero maps as anonymous memory: private plainly, shared as an unlinked tmpfs file. */
static int zero_mmap(struct file *f __unused, struct mmap_args *a)
{
	if (a->flags & LINUX_MAP_SHARED) {
		struct file *shm = shmem_file_setup("/dev/zero", a->len, 0);

		if (IS_ERR(shm))
			return (int)PTR_ERR(shm);
		a->file = &shm->vm; /* one reference, which sys_mmap drops once mapped */
		a->off = 0;
		a->file_taken = true;
		return 0;
	}
	a->file = NULL;
	return 0;
}

static int64_t random_read(struct file *f __unused, struct iov_iter *to, uint64_t *pos __unused)
{
	uint8_t buf[RANDOM_CHUNK];
	int64_t done = 0;

	while (to->count) {
		size_t want = MIN(to->count, sizeof(buf)), n;
		int err = host_getrandom(buf, want);

		if (err)
			return done ? done : err;
		n = iov_iter_copy_to(to, buf, want);
		done += n;
		if (n < want)
			return done ? done : -LINUX_EFAULT;
		if (to->count && kernel_signal_pending())
			break;
	}
	explicit_bzero(buf, sizeof(buf));
	return done;
}

#define LINUX_RNDGETENTCNT 0x80045200
#define LINUX_RNDADDTOENTCNT 0x40045201
#define LINUX_RNDADDENTROPY 0x40085203
#define LINUX_RNDCLEARPOOL 0x5206
#define LINUX_RNDRESEEDCRNG 0x5207

static int64_t random_ioctl(struct file *f __unused, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case LINUX_RNDGETENTCNT:
		return put_user(256, arg, int32_t);
	case LINUX_RNDADDTOENTCNT:
	case LINUX_RNDADDENTROPY:
	case LINUX_RNDCLEARPOOL:
	case LINUX_RNDRESEEDCRNG:
		/* The host's generator is in use; nothing a guest adds can weaken or needs to strengthen it. */
		return capable(CAP_SYS_ADMIN) ? 0 : -LINUX_EPERM;
	default:
		return -LINUX_EINVAL;
	}
}

static unsigned random_poll(struct file *f __unused, struct poll_table *pt __unused)
{
	return LINUX_EPOLLIN | LINUX_EPOLLRDNORM | LINUX_EPOLLOUT | LINUX_EPOLLWRNORM;
}

static const struct file_ops null_ops = {
	.read = null_read, .write = null_write, .llseek = null_llseek };
static const struct file_ops zero_ops = {
	.read = zero_read, .write = null_write, .llseek = null_llseek, .mmap = zero_mmap };
static const struct file_ops full_ops = { .read = zero_read, .write = full_write, .llseek = null_llseek };
static const struct file_ops random_ops = {
	.read = random_read, .write = null_write, .llseek = null_llseek, .ioctl = random_ioctl, .poll = random_poll };

/* --- /dev/kmsg: syslog(2) has no log of its own here; what is written goes to the sentry's log. --- */

static int64_t kmsg_write(struct file *f __unused, struct iov_iter *from, uint64_t *pos __unused)
{
	char line[1024];
	size_t want = from->count, n = iov_iter_copy_from(from, line, MIN(want, sizeof(line) - 1));

	if (!n && want)
		return -LINUX_EFAULT;
	line[n] = '\0';
	line[strcspn(line, "\n")] = '\0';
	log_info("guest kmsg: %s", line);
	iov_iter_advance(from, from->count);
	return want;
}

static int64_t kmsg_read(struct file *f, struct iov_iter *to __unused, uint64_t *pos __unused)
{
	struct waitq q = WAITQ_INIT(q);

	if (atomic_load(&f->flags) & LINUX_O_NONBLOCK)
		return -LINUX_EAGAIN;
	return waitq_wait(&q, false, SLEEP_INTERRUPTIBLE, NO_DEADLINE);
}

static const struct file_ops kmsg_ops = { .read = kmsg_read, .write = kmsg_write, .llseek = null_llseek };

static const struct {
	unsigned minor;
	const struct file_ops *ops;
} mem_devices[] = {
	{ 3, &null_ops }, { 5, &zero_ops }, { 7, &full_ops }, { 8, &random_ops }, { 9, &random_ops }, { 11, &kmsg_ops },
};

int mem_devices_init(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(mem_devices); i++) {
		int err = chrdev_register(1, mem_devices[i].minor, 1, mem_devices[i].ops);

		if (err)
			return err;
	}
	return 0;
}
