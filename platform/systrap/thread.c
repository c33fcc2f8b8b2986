/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest threads of a stub: made by the mapper, each on a slot of its own, parked between two contexts of the same address
 * space.  What a thread leaves when it ends, it may still be using until the host says that it is gone.
 *
 * A new thread costs a clone and a seccomp filter of its own, which is as much as all else that fork needs.  So one goes with
 * the stub to the next address space.  That it has stopped is only what it says; what is known about it comes from the host:
 *
 *     - All others of the stub are gone.
 *     - FUTEX_CMP_REQUEUE moves one waiter from its turn word to another and back.  The filter lets it wait from one instruction
 *       only, without a timeout, and only this stub maps the word: so that thread is in this call with the word's address in rdi.
 *     - Nobody is left who could write to its page, which is written anew then, or wake it, but the sentry.
 *     - The code behind the call takes nothing from the thread but rdi, and the rest from the page (stub_text.S); the frame to
 *       go on from holds everything else, the signal stack and mask too.
 */
#define _GNU_SOURCE 1
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "platform/host/host.h"
#include "platform/systrap/systrap.h"
#include "sentry/abi/errno.h"
#include "sentry/base/log.h"

#define LEAVING_MIN 16

static bool thread_is_gone(const struct systrap_stub *stub, pid_t tid)
{
	return host_tgkill(stub->pid, tid, 0) == -LINUX_ESRCH;
}

static void slot_free(struct systrap_stub *stub, unsigned slot)
{
	stub->free_slots[stub->nr_free++] = slot;
}

/* Takes back the slots of those that are gone. */
static void leaving_prune(struct systrap_stub *stub)
{
	unsigned left = 0;

	for (unsigned i = 0; i < stub->nr_leaving; i++) {
		if (thread_is_gone(stub, stub->leaving[i].tid))
			slot_free(stub, stub->leaving[i].slot);
		else
			stub->leaving[left++] = stub->leaving[i];
	}
	stub->nr_leaving = left;
}

int systrap_stub_unit_add(struct systrap_stub *stub)
{
	struct systrap_order map = {
		.nr = SYS_mmap,
		.arg = { systrap_stub_block_addr(stub->nr_units * SYSTRAP_UNIT_BLOCKS), SYSTRAP_UNIT_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, SYSTRAP_FD_BLOCKS },
		.blame = SYSTRAP_BLAME_ORDER,
	};
	unsigned *units, *slots;
	int unit, err;

	if (stub->nr_units == SYSTRAP_MAX_UNITS)
		return -LINUX_EAGAIN;
	slots = realloc(stub->free_slots, (stub->nr_units + 1) * SYSTRAP_UNIT_BLOCKS * sizeof(*slots));
	if (!slots)
		return -LINUX_ENOMEM;
	stub->free_slots = slots;
	units = malloc((stub->nr_units + 1) * sizeof(*units));
	unit = units ? systrap_unit_get() : -LINUX_ENOMEM;
	if (unit < 0) {
		free(units);
		return unit;
	}
	map.arg[5] = (uint64_t)unit * SYSTRAP_UNIT_SIZE;
	err = stub->pid ? systrap_stub_order(stub, &map) : 0;
	if (err) {
		free(units);
		systrap_unit_put((unsigned)unit);
		return err;
	}
	if (stub->nr_units)
		memcpy(units, stub->units, stub->nr_units * sizeof(*units));
	units[stub->nr_units] = (unsigned)unit;
	free(systrap_watch_stub_units(stub, units));
	return 0;
}

static int slot_get(struct systrap_stub *stub)
{
	int err;

	if (!stub->nr_free && stub->nr_leaving)
		leaving_prune(stub);
	if (stub->nr_free)
		return (int)stub->free_slots[--stub->nr_free];
	if (stub->nr_slots == stub->nr_units * SYSTRAP_UNIT_BLOCKS) {
		err = systrap_stub_unit_add(stub);
		if (err)
			return err;
	}
	return (int)atomic_fetch_add(&stub->nr_slots, 1);
}

static struct systrap_page *slot_page(const struct systrap_stub *stub, unsigned slot)
{
	return (void *)((char *)systrap_stub_block(stub, slot) + SYSTRAP_PAGE_OFF);
}

/*
 * The number of a new thread comes through memory that the others of the guest can write.  It is believed if it is a thread of
 * this stub that was not known before: there is only one such.
 */
static bool tid_is_new(const struct systrap_stub *stub, pid_t tid)
{
	if (tid <= 0 || tid == stub->pid || thread_is_gone(stub, tid))
		return false;
	for (unsigned i = 0; i < stub->nr_parked; i++)
		if (stub->parked[i].tid == tid)
			return false;
	for (unsigned i = 0; i < stub->nr_leaving; i++)
		if (stub->leaving[i].tid == tid)
			return false;
	return true;
}

/* A page for a thread that waits for its turn. */
static void page_init(struct systrap_page *page, unsigned slot, bool asleep)
{
	memset(page, 0, sizeof(*page));
	page->self = systrap_stub_block_addr(slot) + SYSTRAP_PAGE_OFF;
	atomic_store(&page->stub_sleeps, asleep);
	atomic_store(&page->turn, SYSTRAP_TURN_STOPPED);
}

/* Whether the kept thread, the only one that is left, waits for its turn; then nobody but the sentry can write its page. */
static bool kept_waits(struct systrap_stub *stub)
{
	struct systrap_page *page = slot_page(stub, stub->kept.slot);

	return host_shared_futex_requeue(&page->turn, &page->stops, SYSTRAP_TURN_STOPPED) == 1 &&
	       host_shared_futex_requeue(&page->stops, &page->turn, atomic_load(&page->stops)) == 1;
}

bool systrap_stub_is_clean(struct systrap_stub *stub)
{
	leaving_prune(stub);
	if (stub->nr_leaving || stub->nr_attached)
		return false;
	if (stub->kept.tid && !kept_waits(stub))
		return false;
	systrap_stub_blocks_wipe(stub, stub->kept.tid ? stub->kept.slot : 0);
	if (!stub->kept.tid)
		return true;
	page_init(slot_page(stub, stub->kept.slot), stub->kept.slot, true);
	stub->parked[stub->nr_parked++] = stub->kept;
	stub->kept.tid = 0;
	return true;
}

static int thread_clone(struct systrap_stub *stub, struct stub_thread *ret_thread)
{
	int slot = slot_get(stub), err;
	struct systrap_order clone = { .nr = SYS_clone, .flags = SYSTRAP_ORDER_CLONE, .blame = SYSTRAP_BLAME_ORDER };
	struct systrap_page *page;
	unsigned blame;
	uaddr_t addr;
	pid_t tid;

	if (slot < 0)
		return slot;
	page = slot_page(stub, (unsigned)slot);
	addr = systrap_stub_block_addr((unsigned)slot) + SYSTRAP_PAGE_OFF;
	page_init(page, (unsigned)slot, false);
	clone.arg[0] = SYSTRAP_CLONE_FLAGS;
	clone.arg[1] = addr;
	clone.arg[2] = addr + offsetof(struct systrap_page, tid);
	err = systrap_stub_order(stub, &clone);
	if (!err)
		err = systrap_stub_order_wait(stub, &blame);
	if (err)
		return err;
	tid = READ_ONCE(page->tid);
	if (blame & SYSTRAP_BLAME_ORDER || !tid) {
		slot_free(stub, (unsigned)slot);
		return -LINUX_EAGAIN;
	}
	if (!tid_is_new(stub, tid)) {
		log_error("stub %d: a guest has tampered with the number of a new thread", stub->pid);
		return systrap_stub_fail(stub);
	}
	/* It inherits the mapper's core. */
	*ret_thread = (struct stub_thread){ tid, (unsigned)slot, stub->mapper_cpu };
	return 0;
}

int systrap_stub_thread_get(struct systrap_stub *stub, struct stub_thread *ret_thread)
{
	int err = 0;

	if (stub->nr_parked)
		*ret_thread = stub->parked[--stub->nr_parked];
	else
		err = thread_clone(stub, ret_thread);
	if (!err)
		stub->nr_attached++;
	return err;
}

/* Room for one more. */
static bool leaving_reserve(struct systrap_stub *stub)
{
	unsigned max = MAX(2 * stub->max_leaving, LEAVING_MIN);
	struct stub_thread *leaving;

	if (stub->nr_leaving == stub->max_leaving && stub->nr_leaving)
		leaving_prune(stub);
	if (stub->nr_leaving < stub->max_leaving)
		return true;
	leaving = realloc(stub->leaving, max * sizeof(*leaving));
	if (!leaving)
		return false;
	stub->leaving = leaving;
	stub->max_leaving = max;
	return true;
}

static void thread_end(struct systrap_stub *stub, const struct stub_thread *thread)
{
	struct systrap_page *page = slot_page(stub, thread->slot);

	if (!leaving_reserve(stub)) {
		systrap_stub_fail(stub);
		return;
	}
	stub->leaving[stub->nr_leaving++] = *thread;
	atomic_store(&page->turn, SYSTRAP_TURN_EXIT);
	host_shared_futex_wake(&page->turn);
}

void systrap_stub_thread_put(struct systrap_stub *stub, const struct stub_thread *thread, bool keep)
{
	stub->nr_attached--;
	if (atomic_load(&stub->dead))
		return;
	if (keep && stub->nr_parked < STUB_MAX_PARKED)
		stub->parked[stub->nr_parked++] = *thread;
	else
		thread_end(stub, thread);
	if (stub->nr_attached)
		return;
	if (stub->nr_parked)
		stub->kept = stub->parked[--stub->nr_parked];
	while (stub->nr_parked)
		thread_end(stub, &stub->parked[--stub->nr_parked]);
}
