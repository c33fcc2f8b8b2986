/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/systrap/patch_memory.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/base/lock.h"

#define NR_PAGES 65536U

static struct {
	struct mutex lock;
	int fd;
	char *base;
	unsigned next;	/* never used from here on */
	unsigned *free; /* a stack */
	unsigned nr_free, max_free;
} memory = { .lock = MUTEX_INIT, .fd = -1, .next = 1 };

int patch_memory_init(int *ret_fd)
{
	void *base;
	int fd, err;

	if (memory.fd < 0) {
		fd = host_memfd_create("sentry-patch", 0);
		if (fd < 0)
			return fd;
		err = host_ftruncate(fd, (uint64_t)NR_PAGES << PAGE_SHIFT);
		if (!err)
			err = host_mmap(NULL, (size_t)NR_PAGES << PAGE_SHIFT, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_NORESERVE, fd, 0, &base);
		if (err) {
			host_close(fd);
			return err;
		}
		memory.fd = fd;
		memory.base = base;
	}
	*ret_fd = memory.fd;
	return 0;
}

unsigned patch_memory_alloc(void)
{
	MUTEX_GUARD(&memory.lock);
	if (memory.nr_free)
		return memory.free[--memory.nr_free];
	if (!memory.base || memory.next == NR_PAGES)
		return 0;
	return memory.next++;
}

void patch_memory_free(unsigned page)
{
	if (!page)
		return;
	MUTEX_GUARD(&memory.lock);
	if (memory.nr_free == memory.max_free) {
		unsigned max = memory.max_free ? memory.max_free * 2 : 64;
		unsigned *bigger = realloc(memory.free, max * sizeof(*bigger));

		if (!bigger)
			return; /* lost, which is better than failing here */
		memory.free = bigger;
		memory.max_free = max;
	}
	memory.free[memory.nr_free++] = page;
}

void *patch_memory_ptr(unsigned page)
{
	return memory.base + patch_memory_off(page);
}
