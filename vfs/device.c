/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/device.h"

#include <stdlib.h>

struct chrdev {
	struct list_head link;
	uint32_t major, minor_first, nr;
	const struct file_ops *ops;
};

static struct mutex chrdevs_lock = MUTEX_INIT;
static LIST_HEAD(chrdevs); /* chrdevs_lock; registrations stay for ever */

static struct chrdev *chrdev_overlap_locked(uint32_t major, uint32_t first, uint32_t nr)
{
	struct chrdev *c;

	list_for_each_entry(c, &chrdevs, link)
		if (c->major == major && first < c->minor_first + c->nr && c->minor_first < first + nr)
			return c;
	return NULL;
}

int chrdev_register(uint32_t major, uint32_t minor_first, uint32_t nr, const struct file_ops *ops)
{
	struct chrdev *c;

	MUTEX_GUARD(&chrdevs_lock);
	if (chrdev_overlap_locked(major, minor_first, nr))
		return -LINUX_EBUSY;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -LINUX_ENOMEM;
	*c = (struct chrdev){ .major = major, .minor_first = minor_first, .nr = nr, .ops = ops };
	list_add_tail(&c->link, &chrdevs);
	return 0;
}

const struct file_ops *chrdev_find(uint64_t rdev)
{
	struct chrdev *c;

	MUTEX_GUARD(&chrdevs_lock);
	c = chrdev_overlap_locked(LINUX_MAJOR(rdev), LINUX_MINOR(rdev), 1);
	return c ? c->ops : NULL;
}
