/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stub processes: the pool, orders to the mapper, guest threads.
 *
 * A new stub costs a vfork and an exec, some 300 us, so a thread of its own has the spawner make them, one ahead of need.  A stub
 * is a child of the sentry, and dies with its main thread (PR_SET_PDEATHSIG), however the sentry dies.
 *
 * The orders and blocks of all stubs are one sparse memfd, mapped once.  Its units are given out by number.
 */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "platform/host/host.h"
#include "platform/stub_exec.h"
#include "platform/systrap/systrap.h"
#include "platform/vdso.h"
#include "sentry/abi/errno.h"
#include "sentry/base/log.h"

#define STUBS_MAX_IDLE 16
#define STUB_TRIES 4 /* exec fails, rarely, when the randomised stack lands on the image */
#define LEAVING_MIN 16
#define MAX_UNITS 32768
#define BLOCKS_SIZE ((size_t)MAX_UNITS * SYSTRAP_UNIT_SIZE)

static struct mutex stubs_lock = MUTEX_INIT;

/* Guarded by stubs_lock, but for what init sets. */
static struct {
	struct stub_start start;
	char *blocks; /* the file, mapped */
	uint64_t unit_used[MAX_UNITS / 64];
	bool vvar_checked; /* the first stub told whether the host lets its vDSO data be moved */
	struct list_head idle;
	unsigned nr_idle;
	/* The thread that makes stubs. */
	pthread_t maker;
	bool maker_runs, maker_stop;
	struct list_head ready; /* made, and not used yet */
	unsigned nr_ready;
	unsigned nr_wanted;	/* callers that wait for one */
	unsigned nr_made;	/* attempts that are over */
	unsigned nr_taken;	/* from the pool, ever */
	int make_error;		/* of the last attempt */
	pthread_cond_t for_maker, for_callers;
} stubs = {
	.start = { .image_fd = -1, .memory_fd = -1, .blocks_fd = -1 },
	.idle = LIST_HEAD_INIT(stubs.idle),
	.ready = LIST_HEAD_INIT(stubs.ready),
	.for_maker = PTHREAD_COND_INITIALIZER,
	.for_callers = PTHREAD_COND_INITIALIZER,
};

static void stubs_wait_locked(pthread_cond_t *cond)
{
	stubs_lock.held = false;
	pthread_cond_wait(cond, &stubs_lock.m);
	stubs_lock.owner = pthread_self();
	stubs_lock.held = true;
}

/* --- units --- */

/* The number of a free unit, whose memory is zero; or -LINUX_ENOMEM. */
static int unit_get(void)
{
	MUTEX_GUARD(&stubs_lock);
	for (unsigned i = 0; i < MAX_UNITS / 64; i++) {
		int bit = __builtin_ffsll((long long)~stubs.unit_used[i]);

		if (!bit)
			continue;
		stubs.unit_used[i] |= BIT(bit - 1);
		return (int)(i * 64) + bit - 1;
	}
	return -LINUX_ENOMEM;
}

static void unit_put(unsigned unit)
{
	host_punch_hole(stubs.start.blocks_fd, (uint64_t)unit * SYSTRAP_UNIT_SIZE, SYSTRAP_UNIT_SIZE);
	mutex_lock(&stubs_lock);
	stubs.unit_used[unit / 64] &= ~BIT(unit % 64);
	mutex_unlock(&stubs_lock);
}

static char *unit_memory(unsigned unit)
{
	return stubs.blocks + (size_t)unit * SYSTRAP_UNIT_SIZE;
}

void *systrap_stub_block(const struct systrap_stub *stub, unsigned slot)
{
	return unit_memory(stub->units[slot / SYSTRAP_UNIT_BLOCKS]) + slot % SYSTRAP_UNIT_BLOCKS * SYSTRAP_BLOCK_SIZE;
}

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

/* --- guest threads --- */

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

bool systrap_stub_is_alone(struct systrap_stub *stub)
{
	leaving_prune(stub);
	return !stub->nr_leaving && !stub->nr_parked && !stub->nr_attached;
}

static int unit_add(struct systrap_stub *stub)
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
	unit = units ? unit_get() : -LINUX_ENOMEM;
	if (unit < 0) {
		free(units);
		return unit;
	}
	map.arg[5] = (uint64_t)unit * SYSTRAP_UNIT_SIZE;
	err = stub->pid ? systrap_stub_order(stub, &map) : 0;
	if (err) {
		free(units);
		unit_put((unsigned)unit);
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
		err = unit_add(stub);
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
	memset(page, 0, sizeof(*page));
	page->self = addr;
	atomic_store(&page->turn, SYSTRAP_TURN_STOPPED);
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
	*ret_thread = (struct stub_thread){ tid, (unsigned)slot };
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
	while (!stub->nr_attached && stub->nr_parked)
		thread_end(stub, &stub->parked[--stub->nr_parked]);
}

/* --- making and ending --- */

static void stub_free(struct systrap_stub *stub)
{
	for (unsigned i = 0; i < stub->nr_units; i++)
		unit_put(stub->units[i]);
	if (stub->pidfd >= 0)
		host_close(stub->pidfd);
	if (stub->ack_fd >= 0)
		host_close(stub->ack_fd);
	free(stub->leaving);
	free(stub->units);
	free(stub->free_slots);
	free(stub);
}

/* The host may keep its vDSO data where it is (mseal); then no stub can place it. */
static void stub_check_vvar(unsigned blame)
{
	if (!stubs.vvar_checked && blame & SYSTRAP_BLAME_VVAR)
		stubs.start.vvar_size = 0;
	stubs.vvar_checked = true;
}

/* The child puts its descriptors where ours must not be. */
static int high_dup(int fd, int *ret_fd)
{
	int high = host_dup(fd, STUB_HIGH_FD);

	if (high < 0)
		return high;
	*ret_fd = high;
	return 0;
}

static int stub_ack_fd(int *ret_fd)
{
	int fd = host_eventfd(0, 0), err;

	if (fd < 0)
		return fd;
	err = high_dup(fd, ret_fd);
	host_close(fd);
	return err;
}

/* The maker's, which alone changes what it reads without lock. */
static struct systrap_stub *stub_new(const struct stub_start *start)
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
	stub->ack_fd = -1;
	err = stub_ack_fd(&stub->ack_fd);
	if (!err)
		err = unit_add(stub);
	if (!err) {
		stub->orders = (void *)unit_memory(stub->units[0]);
		err = systrap_start_stub(start, stub, &blame);
	}
	if (!err)
		err = systrap_watch_stub_add(stub);
	if (err) {
		systrap_stub_destroy(stub);
		return ERR_PTR(err);
	}
	stub->vvar = start->vvar_size && !(blame & SYSTRAP_BLAME_VVAR) ? SYSTRAP_VVAR : 0;
	mutex_lock(&stubs_lock);
	stub_check_vvar(blame);
	mutex_unlock(&stubs_lock);
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

/* --- the pool --- */

/* One that was asked for, or one ahead; but most sentries never need a second. */
static bool maker_has_work(void)
{
	if (stubs.nr_wanted > stubs.nr_ready)
		return true;
	return !stubs.nr_idle && !stubs.nr_ready && stubs.nr_taken > 2 && !stubs.make_error;
}

static void maker_step_locked(void)
{
	struct stub_start start = stubs.start;
	struct systrap_stub *stub;

	for (int i = 0;; i++) {
		mutex_unlock(&stubs_lock);
		stub = stub_new(&start);
		mutex_lock(&stubs_lock);
		if (!IS_ERR(stub) || PTR_ERR(stub) != -LINUX_EAGAIN || i == STUB_TRIES)
			break;
	}
	stubs.nr_made++;
	stubs.make_error = IS_ERR(stub) ? (int)PTR_ERR(stub) : 0;
	if (!IS_ERR(stub)) {
		list_add_tail(&stub->link, &stubs.ready);
		stubs.nr_ready++;
	}
	pthread_cond_broadcast(&stubs.for_callers);
}

static void *maker_main(void *unused __unused)
{
	/* Began before anything was pinned, so on whatever core is free. */
	mutex_lock(&stubs_lock);
	while (!stubs.maker_stop) {
		if (maker_has_work())
			maker_step_locked();
		else
			stubs_wait_locked(&stubs.for_maker);
	}
	mutex_unlock(&stubs_lock);
	return NULL;
}

/* The next idle one that is fit for a new user, or a new one. */
static struct systrap_stub *idle_take_locked(void)
{
	struct systrap_stub *stub;

	list_for_each_entry(stub, &stubs.idle, link) {
		if (!atomic_load(&stub->dead) && !systrap_stub_is_alone(stub))
			continue;
		list_del(&stub->link);
		stubs.nr_idle--;
		return stub;
	}
	stub = list_first_entry_or_null(&stubs.ready, struct systrap_stub, link);
	if (stub) {
		list_del(&stub->link);
		stubs.nr_ready--;
	}
	return stub;
}

static struct systrap_stub *stub_take(void)
{
	struct systrap_stub *stub;

	MUTEX_GUARD(&stubs_lock);
	stub = idle_take_locked();
	if (!stub) {
		stubs.nr_wanted++;
		do {
			unsigned made = stubs.nr_made;

			pthread_cond_signal(&stubs.for_maker);
			while (stubs.nr_made == made)
				stubs_wait_locked(&stubs.for_callers);
			stub = idle_take_locked();
		} while (!stub && !stubs.make_error);
		stubs.nr_wanted--;
		if (!stub)
			return ERR_PTR(stubs.make_error);
	}
	stubs.nr_taken++;
	if (maker_has_work())
		pthread_cond_signal(&stubs.for_maker);
	return stub;
}

struct systrap_stub *systrap_stub_get(void)
{
	for (;;) {
		struct systrap_stub *stub = stub_take();

		if (IS_ERR(stub) || !atomic_load(&stub->dead))
			return stub;
		systrap_stub_destroy(stub);
	}
}

void systrap_stub_put(struct systrap_stub *stub)
{
	bool keep;

	BUG_ON(stub->nr_attached);
	mutex_lock(&stubs_lock);
	keep = !atomic_load(&stub->dead) && stubs.nr_idle < STUBS_MAX_IDLE && (stub->vvar || !stubs.start.vvar_size) &&
	       stub->nr_backings == stubs.start.nr_backings && stub->nr_units == 1;
	if (keep) {
		/* The last one used is the first one reused: its pages are warm. */
		list_add(&stub->link, &stubs.idle);
		stubs.nr_idle++;
	}
	mutex_unlock(&stubs_lock);
	if (!keep)
		systrap_stub_destroy(stub);
}

/* --- the whole --- */

bool systrap_pool_have_vvar(void)
{
	return READ_ONCE(stubs.start.vvar_size) != 0;
}

bool systrap_pool_backing_exists(int id)
{
	return id > 0 && (unsigned)id <= READ_ONCE(stubs.start.nr_backings);
}

static void idle_destroy(void)
{
	LIST_HEAD(old);
	struct systrap_stub *stub, *tmp;

	mutex_lock(&stubs_lock);
	list_splice_tail(&stubs.idle, &old);
	list_splice_tail(&stubs.ready, &old);
	stubs.nr_idle = stubs.nr_ready = 0;
	mutex_unlock(&stubs_lock);
	list_for_each_entry_safe(stub, tmp, &old, link) {
		list_del(&stub->link);
		systrap_stub_destroy(stub);
	}
}

int systrap_pool_backing_add(int fd)
{
	int err, id;

	mutex_lock(&stubs_lock);
	if (stubs.start.nr_backings == STUB_MAX_BACKINGS) {
		mutex_unlock(&stubs_lock);
		return -LINUX_ENOSPC;
	}
	err = systrap_start_backing(fd);
	if (err) {
		mutex_unlock(&stubs_lock);
		return err;
	}
	stubs.start.nr_backings++;
	id = (int)stubs.start.nr_backings;
	mutex_unlock(&stubs_lock);
	idle_destroy();
	return id;
}

/* The file of blocks, mapped; sparse, so its size costs nothing. */
static int blocks_init(void)
{
	int fd = host_memfd_create("sentry-blocks", 0), err;
	void *p;

	if (fd < 0)
		return fd;
	err = host_ftruncate(fd, BLOCKS_SIZE);
	if (!err)
		err = host_mmap(NULL, BLOCKS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0, &p);
	if (!err) {
		stubs.blocks = p;
		err = high_dup(fd, &stubs.start.blocks_fd);
	}
	host_close(fd);
	return err;
}

static int maker_start(void)
{
	uint64_t mask = host_signals_block();
	int err;

	stubs.maker_stop = false;
	stubs.nr_made = stubs.nr_taken = stubs.nr_wanted = 0;
	stubs.make_error = 0;
	err = -pthread_create(&stubs.maker, NULL, maker_main, NULL);
	host_signals_restore(mask);
	stubs.maker_runs = !err;
	return err;
}

int systrap_pool_init(int memory_fd, const char **ret_why)
{
	struct systrap_stub *stub;
	int fd, err;

	fd = err = systrap_start_image(ret_why);
	if (err < 0)
		return err;
	*ret_why = "out of descriptors or memory";
	err = high_dup(fd, &stubs.start.image_fd);
	host_close(fd);
	if (!err)
		err = high_dup(memory_fd, &stubs.start.memory_fd);
	if (!err)
		err = blocks_init();
	if (!err)
		err = systrap_start_init(&stubs.start);
	stubs.vvar_checked = false;
	if (!err)
		err = maker_start();
	if (!err) {
		*ret_why = "a stub process could not be started: the host refuses a seccomp filter, or to execute a memfd";
		stub = systrap_stub_get();
		err = IS_ERR(stub) ? (int)PTR_ERR(stub) : 0;
		if (!err)
			systrap_stub_put(stub);
	}
	if (err)
		systrap_pool_fini();
	return err;
}

void systrap_pool_fini(void)
{
	if (stubs.maker_runs) {
		mutex_lock(&stubs_lock);
		stubs.maker_stop = true;
		pthread_cond_signal(&stubs.for_maker);
		mutex_unlock(&stubs_lock);
		pthread_join(stubs.maker, NULL);
		stubs.maker_runs = false;
	}
	idle_destroy();
	systrap_start_fini(&stubs.start);
	if (stubs.blocks)
		host_munmap(stubs.blocks, BLOCKS_SIZE);
	stubs.blocks = NULL;
	memset(stubs.unit_used, 0, sizeof(stubs.unit_used));
}
