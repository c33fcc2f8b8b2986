/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The orders and blocks of all stubs: one sparse memfd, mapped once.  Its units are given out by number, and each is mapped by
 * one stub only.
 */
#define _GNU_SOURCE 1
#include <sys/mman.h>
#include <string.h>

#include "platform/host/host.h"
#include "platform/stub_exec.h"
#include "platform/systrap/systrap.h"
#include "sentry/abi/errno.h"

#define MAX_UNITS 32768
#define BLOCKS_SIZE ((size_t)MAX_UNITS * SYSTRAP_UNIT_SIZE)

static struct mutex units_lock = MUTEX_INIT;

static struct {
	int fd;	      /* set by init */
	char *memory; /* the same */
	uint64_t unit_used[MAX_UNITS / 64]; /* units_lock */
} blocks = { .fd = -1 };

int systrap_unit_get(void)
{
	MUTEX_GUARD(&units_lock);
	for (unsigned i = 0; i < MAX_UNITS / 64; i++) {
		int bit = __builtin_ffsll((long long)~blocks.unit_used[i]);

		if (!bit)
			continue;
		blocks.unit_used[i] |= BIT(bit - 1);
		return (int)(i * 64) + bit - 1;
	}
	return -LINUX_ENOMEM;
}

void systrap_unit_put(unsigned unit)
{
	host_punch_hole(blocks.fd, (uint64_t)unit * SYSTRAP_UNIT_SIZE, SYSTRAP_UNIT_SIZE);
	mutex_lock(&units_lock);
	blocks.unit_used[unit / 64] &= ~BIT(unit % 64);
	mutex_unlock(&units_lock);
}

void *systrap_unit_memory(unsigned unit)
{
	return blocks.memory + (size_t)unit * SYSTRAP_UNIT_SIZE;
}

void *systrap_stub_block(const struct systrap_stub *stub, unsigned slot)
{
	char *unit = systrap_unit_memory(stub->units[slot / SYSTRAP_UNIT_BLOCKS]);

	return unit + slot % SYSTRAP_UNIT_BLOCKS * SYSTRAP_BLOCK_SIZE;
}

/* Frames are at the top of a signal stack, below the page; what is below the middle was rarely touched. */
#define WARM_OFF (SYSTRAP_BLOCK_SIZE / 2)

void systrap_stub_blocks_wipe(const struct systrap_stub *stub, unsigned kept)
{
	unsigned nr_slots = atomic_load(&stub->nr_slots);

	for (unsigned slot = 1; slot < nr_slots; slot++) {
		char *block = systrap_stub_block(stub, slot);
		size_t len = slot == kept ? WARM_OFF : SYSTRAP_BLOCK_SIZE;

		host_punch_hole(blocks.fd, (uint64_t)(block - blocks.memory), len);
		if (slot == kept)
			memset(block + WARM_OFF, 0, SYSTRAP_PAGE_OFF - WARM_OFF);
	}
}

/* Its size costs nothing. */
int systrap_blocks_init(void)
{
	int fd = host_memfd_create("sentry-blocks", 0), err;
	void *p;

	if (fd < 0)
		return fd;
	err = host_ftruncate(fd, BLOCKS_SIZE);
	if (!err)
		err = host_mmap(NULL, BLOCKS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0, &p);
	if (!err) {
		blocks.memory = p;
		err = blocks.fd = host_dup(fd, STUB_HIGH_FD);
	}
	host_close(fd);
	return err;
}

void systrap_blocks_fini(void)
{
	if (blocks.memory)
		host_munmap(blocks.memory, BLOCKS_SIZE);
	blocks.memory = NULL;
	if (blocks.fd >= 0)
		host_close(blocks.fd);
	blocks.fd = -1;
	memset(blocks.unit_used, 0, sizeof(blocks.unit_used));
}
