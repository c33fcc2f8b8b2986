/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pool of stub processes.
 *
 * A new stub costs a vfork and an exec, some 300 us, so a thread of its own has the spawner make them, one ahead of need.  One
 * that lost its address space is kept for the next, so that most sentries make few.
 */
#define _GNU_SOURCE 1
#include <pthread.h>
#include <string.h>

#include "platform/host/host.h"
#include "platform/host/host_thread.h"
#include "platform/stub_exec.h"
#include "platform/systrap/systrap.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"

#define STUBS_MAX_IDLE 16
#define FIRST_TAKES 3 /* by systrap_pool_check, the check of a guest thread, and the guest's first process */
#define STUB_TRIES 4 /* exec fails, rarely, when the randomised stack lands on the image */

static struct mutex stubs_lock = MUTEX_INIT;

/* Guarded by stubs_lock, but for what init sets. */
static struct {
	struct stub_start start;
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
	.start = { .image_fd = -1, .memory_fd = -1, .blocks_fd = -1, .memory_ro_fd = -1 },
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

/* --- the maker --- */

/* One that was asked for, or one ahead; but most sentries never need a second. */
static bool maker_has_work(void)
{
	if (stubs.nr_wanted > stubs.nr_ready)
		return true;
	return !stubs.nr_idle && !stubs.nr_ready && stubs.nr_taken > FIRST_TAKES && !stubs.make_error;
}

/* The host may keep its vDSO data where it is (mseal); then no stub can place it. */
static void check_vvar_locked(const struct systrap_stub *stub)
{
	if (!stubs.vvar_checked && !stub->vvar)
		stubs.start.vvar_size = 0;
	stubs.vvar_checked = true;
}

static void maker_step_locked(void)
{
	struct stub_start start = stubs.start;
	struct systrap_stub *stub;

	for (int i = 0;; i++) {
		mutex_unlock(&stubs_lock);
		stub = systrap_stub_new(&start);
		mutex_lock(&stubs_lock);
		if (!IS_ERR(stub) || PTR_ERR(stub) != -LINUX_EAGAIN || i == STUB_TRIES)
			break;
	}
	stubs.nr_made++;
	stubs.make_error = IS_ERR(stub) ? (int)PTR_ERR(stub) : 0;
	if (!IS_ERR(stub)) {
		check_vvar_locked(stub);
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

/* --- callers --- */

/* The next idle one that is fit for a new user, or a new one. */
static struct systrap_stub *idle_take_locked(void)
{
	struct systrap_stub *stub;

	list_for_each_entry(stub, &stubs.idle, link) {
		if (!atomic_load(&stub->dead) && !systrap_stub_is_clean(stub))
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
		stub->used = true;
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

/* Guests can change the protection of what is mapped from it, so they must not have it for writing. */
static int backing_give_locked(int fd)
{
	int ro = fd, err;

	if (stubs.start.nr_backings == STUB_MAX_BACKINGS)
		return -LINUX_ENOSPC;
	if (systrap_pool_have_ro() && (host_fcntl_getfl(fd) & LINUX_O_ACCMODE) != LINUX_O_RDONLY)
		ro = host_reopen(fd, LINUX_O_RDONLY | LINUX_O_CLOEXEC);
	if (ro < 0)
		return ro;
	err = systrap_start_backing(ro);
	if (ro != fd)
		host_close(ro);
	return err;
}

int systrap_pool_backing_add(int fd)
{
	int err, id;

	mutex_lock(&stubs_lock);
	err = backing_give_locked(fd);
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

/* A child puts its descriptors where ours must not be. */
static int high_dup(int fd, int *ret_fd)
{
	int high = host_dup(fd, STUB_HIGH_FD);

	if (high < 0)
		return high;
	*ret_fd = high;
	return 0;
}

/* Does without where there is no /proc. */
static int memory_fds(int memory_fd)
{
	int ro = host_reopen(memory_fd, LINUX_O_RDONLY | LINUX_O_CLOEXEC);
	int err = high_dup(memory_fd, &stubs.start.memory_fd);

	if (ro < 0)
		return err;
	if (!err)
		err = high_dup(ro, &stubs.start.memory_ro_fd);
	host_close(ro);
	return err;
}

bool systrap_pool_have_ro(void)
{
	return stubs.start.memory_ro_fd >= 0;
}

static int maker_start(void)
{
	int err;

	stubs.maker_stop = false;
	stubs.nr_made = stubs.nr_taken = stubs.nr_wanted = 0;
	stubs.make_error = 0;
	err = host_thread_start(maker_main, NULL, &stubs.maker);
	stubs.maker_runs = !err;
	return err;
}

int systrap_pool_init(int memory_fd, const char **ret_why)
{
	int fd, err;

	fd = err = systrap_start_image(ret_why);
	if (err < 0)
		return err;
	err = high_dup(fd, &stubs.start.image_fd);
	host_close(fd);
	if (!err)
		err = memory_fds(memory_fd);
	fd = err ? err : systrap_blocks_init();
	if (!err)
		err = fd < 0 ? fd : high_dup(fd, &stubs.start.blocks_fd);
	if (!err)
		err = systrap_start_init(&stubs.start);
	stubs.vvar_checked = false;
	if (!err)
		err = maker_start();
	if (err) {
		*ret_why = host_why(err);
		systrap_pool_fini();
	}
	return err;
}

int systrap_pool_check(const char **ret_why)
{
	struct systrap_stub *stub = systrap_stub_get();

	if (IS_ERR(stub)) {
		*ret_why = stub_exec_why((int)PTR_ERR(stub));
		return (int)PTR_ERR(stub);
	}
	systrap_stub_put(stub);
	return 0;
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
	systrap_blocks_fini();
}
