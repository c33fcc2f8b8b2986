/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a stub comes to be.  The child execs the image, whose code is the mapper from the beginning: the first orders in its ring
 * turn an ordinary new process into a stub, the filter is the last but one of them, and the last says that it is done.
 */
#define _GNU_SOURCE 1
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "platform/host/host.h"
#include "platform/stub_exec.h"
#include "platform/systrap/systrap.h"
#include "platform/vdso.h"
#include "sentry/abi/errno.h"

#define START_TIMEOUT_MS 10000

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#endif

/* --- the image --- */

int systrap_start_image(const char **ret_why)
{
	const struct stub_image image = {
		systrap_text, sizeof(systrap_text), SYSTRAP_TEXT_SIZE, SYSTRAP_TEXT, SYSTRAP_ENTRY_OFF,
	};

	return stub_image_new(&image, ret_why);
}

/* --- the first orders --- */

struct host_sigaction_raw {
	uint64_t handler, flags, restorer, mask;
};

/* What the calls point to; in systrap_orders.data, but for the guest filter not needed later. */
struct start_data {
	uint64_t sigmask;
	struct host_sigaction_raw action;
	struct sock_fprog filter;
	struct sock_filter insn[FILTER_MAX], guest_insn[FILTER_MAX];
};
static_assert(sizeof(struct start_data) <= sizeof(((struct systrap_orders *)0)->data), "the orders' data area");
#define START_DATA(field)                                                                                              \
	(SYSTRAP_ORDERS + offsetof(struct systrap_orders, data) + offsetof(struct start_data, field))

static const uint8_t handled_signals[] = { SIGSYS, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SYSTRAP_INTERRUPT_SIGNAL };

/* The first batch goes straight into the ring: nobody reads it yet. */
static struct systrap_order *order_add(struct systrap_stub *stub, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct systrap_order *order = &stub->orders->ring[stub->head++];

	BUG_ON(stub->head > SYSTRAP_NR_ORDERS);
	*order = (struct systrap_order){ .nr = nr, .arg = { a, b, c, d }, .blame = SYSTRAP_BLAME_ORDER };
	return order;
}

static void order_unmap(struct systrap_stub *stub, uint64_t from, uint64_t to)
{
	if (from < to)
		order_add(stub, SYS_munmap, from, to - from, 0, 0);
}

static void order_memory(struct systrap_stub *stub, size_t vvar_size)
{
	const struct vdso_layout *vdso = vdso_layout();
	struct systrap_order *order;

	for (unsigned i = 0; vvar_size && i < vdso->nr_pieces; i++) {
		const struct vdso_piece *p = &vdso->piece[i];

		order = order_add(stub, SYS_mremap, -(uint64_t)p->below, p->size, p->size, MREMAP_MAYMOVE | MREMAP_FIXED);
		order->arg[4] = SYSTRAP_VVAR + vvar_size - p->below;
		order->flags = SYSTRAP_ORDER_VDSO;
		order->blame = SYSTRAP_BLAME_VVAR;
	}
	order_unmap(stub, 0, SYSTRAP_TEXT);
	order_unmap(stub, SYSTRAP_TEXT + SYSTRAP_TEXT_SIZE, SYSTRAP_ORDERS);
	order_unmap(stub, SYSTRAP_ORDERS + SYSTRAP_ORDERS_SIZE, SYSTRAP_VVAR);
	order_unmap(stub, SYSTRAP_VVAR + vvar_size, STUB_USER_HALF_END);
	order = order_add(stub, SYS_mmap, SYSTRAP_BLOCKS + SYSTRAP_MAPPER_PAGE, SYSTRAP_UNIT_SIZE - SYSTRAP_MAPPER_PAGE,
			  PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED);
	order->arg[4] = SYSTRAP_FD_BLOCKS;
	order->arg[5] = (uint64_t)stub->units[0] * SYSTRAP_UNIT_SIZE + SYSTRAP_MAPPER_PAGE;
}

static void first_orders(const struct stub_start *start, struct systrap_stub *stub)
{
	struct systrap_orders *orders = stub->orders;
	struct start_data *data = (struct start_data *)orders->data;
	struct sock_fprog *guest_filter = (struct sock_fprog *)orders->guest_filter;
	struct systrap_order *order;

	static_assert(sizeof(struct sock_fprog) == sizeof(orders->guest_filter), "struct sock_fprog");
	for (unsigned i = 0; i < ARRAY_SIZE(orders->acks); i++)
		orders->acks[i] = 1 | (uint64_t)i << 32;
	order_memory(stub, start->vvar_size);

	data->sigmask = ~0ULL;
	order_add(stub, SYS_rt_sigprocmask, SIG_SETMASK, START_DATA(sigmask), 0, sizeof(data->sigmask));
	data->action = (struct host_sigaction_raw){
		.handler = SYSTRAP_TEXT + SYSTRAP_HANDLER_OFF,
		.flags = SA_SIGINFO | SA_ONSTACK | 0x04000000 /* SA_RESTORER */,
		.restorer = SYSTRAP_TEXT + SYSTRAP_RESTORER_OFF,
		.mask = ~0ULL,
	};
	for (unsigned i = 0; i < ARRAY_SIZE(handled_signals); i++)
		order_add(stub, SYS_rt_sigaction, handled_signals[i], START_DATA(action), 0, sizeof(data->sigmask));

	guest_filter->len = (unsigned short)systrap_filter_build_guest(data->guest_insn, start->memory_ro_fd >= 0);
	guest_filter->filter = (struct sock_filter *)START_DATA(guest_insn);
	data->filter.len = (unsigned short)systrap_filter_build_stub(data->insn, start->memory_ro_fd >= 0);
	data->filter.filter = (struct sock_filter *)START_DATA(insn);
	order_add(stub, SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, START_DATA(filter), 0);
	order = order_add(stub, SYS_write, SYSTRAP_FD_ACK, 0, sizeof(uint64_t), 0);
	order->flags = SYSTRAP_ORDER_ACK;
	atomic_store(&orders->head, stub->head);
}

/* --- the process --- */

/* In the spawner (platform/spawner.h). */
struct child_args {
	const struct stub_start *start;
	int ack_fd;
	unsigned unit;
	pid_t parent;
	int err;
};

static int child_files(const struct child_args *a)
{
	const struct stub_start *start = a->start;
	int exec_fd = SYSTRAP_FD_BACKING + (int)start->nr_backings;
	int ro_fd = start->memory_ro_fd >= 0 ? start->memory_ro_fd : start->memory_fd;

	if (host_dup2(start->memory_fd, SYSTRAP_FD_MEMORY) < 0 || host_dup2(start->blocks_fd, SYSTRAP_FD_BLOCKS) < 0 ||
	    host_dup2(a->ack_fd, SYSTRAP_FD_ACK) < 0 || host_dup2(ro_fd, SYSTRAP_FD_MEMORY_RO) < 0 ||
	    host_dup3(start->image_fd, exec_fd) < 0)
		return -LINUX_EBADF;
	for (unsigned i = 0; i < start->nr_backings; i++)
		if (host_dup2(start->backing_fd[i], SYSTRAP_FD_BACKING + (int)i) < 0)
			return -LINUX_EBADF;
	host_close_range((unsigned)exec_fd + 1, ~0U);
	return exec_fd;
}

/* Between vfork and exec: shares the spawner's memory, has its own descriptors and signal actions. */
static int child_main(void *arg)
{
	struct child_args *a = arg;
	char unit[7];
	int exec_fd;

	/* First.  Its parent is the sentry's main thread. */
	host_prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (host_getppid() != a->parent)
		host_exit_group(1);
	exec_fd = a->err = child_files(a);
	if (exec_fd < 0)
		host_exit_group(1);
	for (unsigned i = 0; i < sizeof(unit) - 1; i++)
		unit[i] = (char)('a' + (a->unit >> (4 * (5 - i)) & 15));
	unit[6] = '\0';
	a->err = 0;
	a->err = stub_exec(exec_fd, unit);
	host_exit_group(1);
}

/* Waits for the first acknowledgement.  0, -LINUX_EAGAIN: it has died, or -errno. */
static int wait_ready(struct systrap_stub *stub, unsigned *ret_blame)
{
	struct pollfd fds[2] = { { .fd = stub->ack_fd, .events = POLLIN }, { .fd = stub->pidfd, .events = POLLIN } };
	int64_t deadline = host_clock_ns(1 /* CLOCK_MONOTONIC */) + START_TIMEOUT_MS * 1000000LL;

	for (;;) {
		int n = host_poll(fds, 2, 100);

		if (n > 0 && fds[0].revents)
			return systrap_stub_ack_read(stub, ret_blame);
		if (n > 0 && fds[1].revents)
			return -LINUX_EAGAIN;
		if (host_clock_ns(1) > deadline)
			return -LINUX_ETIMEDOUT;
	}
}

/* What the spawner has of it, since it was forked. */
static struct stub_start *spawned;

#define REQUEST_NEW 1U
#define REQUEST_BACKING 2U

/* With the stub's ack_fd, or the backing. */
struct start_request {
	uint32_t kind, unit;
};

/* With a pidfd when there is a process; which the sentry reaps in any case. */
struct start_reply {
	int32_t err, pid;
};

static void spawn_stub(struct spawner_msg *req, unsigned unit, struct spawner_msg *reply, struct start_reply *r)
{
	struct child_args args = { spawned, -1, unit, host_getppid(), -LINUX_ECHILD };
	uint64_t mask;

	args.ack_fd = host_dup(req->fd[0], STUB_HIGH_FD);
	if (args.ack_fd < 0) {
		r->err = args.ack_fd;
		return;
	}
	mask = host_signals_block();
	r->pid = host_vfork(child_main, &args, (char *)spawned->child_stack + STUB_CHILD_STACK_SIZE, CLONE_PARENT);
	host_signals_restore(mask);
	host_close(args.ack_fd);
	r->err = r->pid < 0 ? r->pid : args.err;
	reply->fd[0] = r->err ? r->err : host_pidfd_open(r->pid);
	if (reply->fd[0] < 0)
		r->err = reply->fd[0];
	else
		reply->nr_fds = 1;
	if (r->err && r->pid > 0)
		host_kill(r->pid, SIGKILL);
}

static int spawn_add_backing(int fd)
{
	int high;

	if (spawned->nr_backings == STUB_MAX_BACKINGS)
		return -LINUX_ENOSPC;
	high = host_dup(fd, STUB_HIGH_FD);
	if (high >= 0)
		spawned->backing_fd[spawned->nr_backings++] = high;
	return MIN(high, 0);
}

static void spawn_handle(struct spawner_msg *req, struct spawner_msg *reply)
{
	struct start_request request = { 0 };
	struct start_reply r = { -LINUX_EINVAL, 0 };

	memcpy(&request, req->data, MIN(req->len, sizeof(request)));
	if (req->nr_fds == 1 && request.kind == REQUEST_NEW)
		spawn_stub(req, request.unit, reply, &r);
	else if (req->nr_fds == 1 && request.kind == REQUEST_BACKING)
		r.err = spawn_add_backing(req->fd[0]);
	memcpy(reply->data, &r, sizeof(r));
	reply->len = sizeof(r);
}

static void spawn_start(int sock)
{
	const int keep[] = { sock, spawned->image_fd, spawned->memory_fd, spawned->blocks_fd, spawned->memory_ro_fd };

	spawner_keep_fds(keep, ARRAY_SIZE(keep) - (spawned->memory_ro_fd < 0));
}

static const struct spawner_ops spawn_ops = { .start = spawn_start, .handle = spawn_handle };

static int spawner_ask(uint32_t kind, unsigned unit, int fd, struct start_reply *ret, int *ret_fd)
{
	const struct start_request request = { kind, unit };
	struct spawner_msg req = { .len = sizeof(request), .fd = { fd }, .nr_fds = 1 }, reply;
	int err;

	memcpy(req.data, &request, sizeof(request));
	err = spawner_call(&req, &reply);
	if (err)
		return err;
	if (reply.len != sizeof(*ret))
		return -LINUX_EPROTO;
	memcpy(ret, reply.data, sizeof(*ret));
	*ret_fd = reply.nr_fds ? reply.fd[0] : -1;
	return ret->err;
}

int systrap_start_backing(int fd)
{
	struct start_reply reply;
	int none;

	return spawner_ask(REQUEST_BACKING, 0, fd, &reply, &none);
}

int systrap_start_stub(const struct stub_start *start, struct systrap_stub *stub, unsigned *ret_blame)
{
	struct start_reply reply = { 0 };
	int status, err;

	first_orders(start, stub);
	err = spawner_ask(REQUEST_NEW, stub->units[0], stub->ack_fd, &reply, &stub->pidfd);
	if (err || stub->pidfd < 0) {
		if (reply.pid > 0)
			host_waitpid(reply.pid, &status, __WALL);
		return err ? err : -LINUX_EMFILE;
	}
	stub->pid = reply.pid;
	err = wait_ready(stub, ret_blame);
	if (!err && (*ret_blame & SYSTRAP_BLAME_ORDER))
		err = -LINUX_EPERM;
	return err;
}

/* --- once --- */

int systrap_start_init(struct stub_start *start)
{
	const struct vdso_layout *vdso = vdso_layout();

	int err;

	start->vvar_size = vdso->pub.vvar_size <= SYSTRAP_VVAR_MAX ? vdso->pub.vvar_size : 0;
	err = host_mmap(NULL, STUB_CHILD_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
			&start->child_stack);
	if (err)
		return err;
	spawned = start;
	return spawner_start(&spawn_ops);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		host_close(*fd);
	*fd = -1;
}

void systrap_start_fini(struct stub_start *start)
{
	spawner_stop();
	start->nr_backings = 0; /* the spawner had them */
	close_fd(&start->image_fd);
	close_fd(&start->memory_fd);
	close_fd(&start->memory_ro_fd);
	close_fd(&start->blocks_fd);
	if (start->child_stack)
		host_munmap(start->child_stack, STUB_CHILD_STACK_SIZE);
	start->child_stack = NULL;
}
