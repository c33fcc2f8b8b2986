/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stub process: orders to its mapper, how it begins and ends.
 *
 * A stub is a child of the sentry, and dies with its main thread (PR_SET_PDEATHSIG), however the sentry dies.
 */
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "platform/host/host.h"
#include "platform/stub_exec.h"
#include "platform/systrap/systrap.h"
#include "sentry/abi/errno.h"

/* --- orders --- */

int systrap_stub_ack_read(struct systrap_stub *stub, unsigned *ret_blame)
{
	uint64_t value = 0;
	ssize_t n;

	/* The end of the stub is told by the same descriptor (watch.c). */
	do
		n = host_read(stub->ack_fd, &value, sizeof(value));
	while (n == -LINUX_EINTR);
	if (n != sizeof(value) || atomic_load(&stub->dead))
		return systrap_stub_fail(stub);
	*ret_blame = (unsigned)(value >> 32);
	stub->acked = stub->head;
	return 0;
}

static void order_put(struct systrap_stub *stub, const struct systrap_order *order)
{
	stub->orders->ring[stub->head % SYSTRAP_NR_ORDERS] = *order;
	atomic_store_explicit(&stub->orders->head, ++stub->head, memory_order_release);
}

void systrap_stub_order_wake(struct systrap_stub *stub)
{
	atomic_thread_fence(memory_order_seq_cst);
	host_shared_futex_wake(&stub->orders->head);
}

int systrap_stub_order_wait(struct systrap_stub *stub, unsigned *ret_blame)
{
	static const struct systrap_order ack = {
		.nr = SYS_write, .arg = { SYSTRAP_FD_ACK, 0, sizeof(uint64_t) }, .flags = SYSTRAP_ORDER_ACK,
	};

	if (atomic_load(&stub->dead))
		return -LINUX_ESRCH;
	order_put(stub, &ack);
	systrap_stub_order_wake(stub);
	return systrap_stub_ack_read(stub, ret_blame);
}

/* One place is kept for the acknowledgement. */
int systrap_stub_order(struct systrap_stub *stub, const struct systrap_order *order)
{
	unsigned blame;
	int err;

	if (unlikely(stub->head - stub->acked >= SYSTRAP_NR_ORDERS - 1)) {
		err = systrap_stub_order_wait(stub, &blame);
		if (err)
			return err;
		/* Who looks for failures finds it in the mapper's word. */
	}
	order_put(stub, order);
	return 0;
}

void systrap_stub_mapper_near(struct systrap_stub *stub)
{
	pairing_bring(stub->pid, &stub->mapper_cpu);
}

/* --- making and ending --- */

static void stub_free(struct systrap_stub *stub)
{
	for (unsigned i = 0; i < stub->nr_units; i++)
		systrap_unit_put(stub->units[i]);
	if (stub->pidfd >= 0)
		host_close(stub->pidfd);
	if (stub->ack_fd >= 0)
		host_close(stub->ack_fd);
	free(stub->leaving);
	free(stub->units);
	free(stub->free_slots);
	free(stub);
}

/* The child puts its descriptors where ours must not be. */
static int stub_ack_fd(void)
{
	int fd = host_eventfd(0, 0), high;

	if (fd < 0)
		return fd;
	high = host_dup(fd, STUB_HIGH_FD);
	host_close(fd);
	return high;
}

struct systrap_stub *systrap_stub_new(const struct stub_start *start)
{
	struct systrap_stub *stub = calloc(1, sizeof(*stub));
	unsigned blame = 0;
	int err;

	if (!stub)
		return ERR_PTR(-LINUX_ENOMEM);
	list_init(&stub->link);
	list_init(&stub->watch);
	stub->pidfd = -1;
	stub->mapper_cpu = -1;
	atomic_init(&stub->nr_slots, 1);
	stub->nr_backings = start->nr_backings;
	err = stub->ack_fd = stub_ack_fd();
	if (err >= 0)
		err = systrap_stub_unit_add(stub);
	if (!err) {
		stub->orders = systrap_unit_memory(stub->units[0]);
		err = systrap_start_stub(start, stub, &blame);
	}
	if (!err)
		err = systrap_watch_stub_add(stub);
	if (err) {
		systrap_stub_destroy(stub);
		return ERR_PTR(err);
	}
	stub->vvar = start->vvar_size && !(blame & SYSTRAP_BLAME_VVAR) ? SYSTRAP_VVAR : 0;
	return stub;
}

int systrap_stub_fail(struct systrap_stub *stub)
{
	atomic_store(&stub->dead, true);
	host_pidfd_send_signal(stub->pidfd, SIGKILL);
	return -LINUX_ESRCH;
}

void systrap_stub_destroy(struct systrap_stub *stub)
{
	int status;

	systrap_watch_stub_del(stub);
	if (stub->pid) {
		host_pidfd_send_signal(stub->pidfd, SIGKILL);
		host_waitpid(stub->pid, &status, __WALL);
	}
	stub_free(stub);
}
