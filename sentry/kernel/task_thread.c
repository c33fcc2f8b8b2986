/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentry threads of tasks.  To make one and to end it costs as much as half a dozen system calls of the guest's, so a few
 * that have lost their task wait a while for the next one: that of a shell's next command.
 *
 *     started with a task -> task_run -> idle -> task_run -> ... -> nobody needed it for IDLE_NS: it ends
 *
 * An idle thread is pinned to the core of its last task (platform/pairing.h), and to wake up another core costs more than a
 * new thread; so a task takes one that is where its parent is.
 */
#include <stdlib.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/base/futex_host.h"
#include "sentry/kernel/task.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TASK_STACK_SIZE (2UL << 20)
#else
#define TASK_STACK_SIZE (256UL << 10)
#endif

#define MAX_IDLE 8
#define IDLE_NS 500000000

struct task_thread {
	struct list_head link;	/* idle_lock: on idle_threads, or empty */
	pthread_t thread;	/* immutable */
	struct task *task;	/* who runs it; handed over by `woken` */
	atomic_uint woken;	/* futex */
	int cpu;		/* idle_lock: where it waits */
	uint64_t cpu_time;	/* idle_lock: of the tasks before, ns */
};

static struct mutex idle_lock = MUTEX_INIT;
static LIST_HEAD(idle_threads);	/* idle_lock; the last one used first */
static unsigned nr_idle;	/* idle_lock */

/* True: it has another task. */
static bool thread_wait(struct task_thread *tt)
{
	deadline_t deadline = deadline_after(IDLE_NS);
	bool taken;
	int err = 0;

	mutex_lock(&idle_lock);
	if (nr_idle == MAX_IDLE) {
		mutex_unlock(&idle_lock);
		return false;
	}
	atomic_store(&tt->woken, 0);
	tt->task = NULL;
	tt->cpu = host_sched_getcpu();
	tt->cpu_time = (uint64_t)host_thread_cpu_ns();
	list_add(&tt->link, &idle_threads);
	nr_idle++;
	mutex_unlock(&idle_lock);

	while (!atomic_load(&tt->woken) && err != -LINUX_ETIMEDOUT)
		err = host_futex_wait(&tt->woken, 0, deadline);
	if (atomic_load(&tt->woken))
		return true;
	mutex_lock(&idle_lock);
	taken = list_empty(&tt->link);
	if (!taken) {
		list_del(&tt->link);
		nr_idle--;
	}
	mutex_unlock(&idle_lock);
	/* Who took it in the last moment is about to say what for. */
	while (taken && !atomic_load(&tt->woken))
		host_futex_wait(&tt->woken, 0, INT64_MAX);
	return taken;
}

static void *thread_main(void *arg)
{
	struct task_thread *tt = arg;

	do
		task_run(tt->task);
	while (thread_wait(tt));
	free(tt);
	return NULL;
}

static struct task_thread *idle_take(void)
{
	int cpu = host_sched_getcpu();
	struct task_thread *tt;

	MUTEX_GUARD(&idle_lock);
	list_for_each_entry(tt, &idle_threads, link) {
		if (tt->cpu != cpu)
			continue;
		list_del(&tt->link);
		nr_idle--;
		return tt;
	}
	return NULL;
}

static int thread_new(struct task *t)
{
	struct task_thread *tt = calloc(1, sizeof(*tt));
	pthread_attr_t attr;
	int err;

	if (!tt)
		return -LINUX_EAGAIN;
	list_init(&tt->link);
	tt->task = t;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, TASK_STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	mutex_lock(&t->tg->siglock);
	/* The thread itself does not look at tt->thread before it has lost its task, which takes this lock. */
	err = pthread_create(&tt->thread, &attr, thread_main, tt);
	if (!err)
		t->thread = tt->thread;
	t->thread_stime = 0;
	t->has_thread = !err;
	mutex_unlock(&t->tg->siglock);
	pthread_attr_destroy(&attr);
	if (err)
		free(tt);
	return err ? -LINUX_EAGAIN : 0;
}

int task_start_thread(struct task *t)
{
	struct task_thread *tt = idle_take();
	int err = 0;

	/* The thread's own reference. */
	task_get(t);
	if (!tt) {
		err = thread_new(t);
		if (err)
			task_put(t);
		return err;
	}
	mutex_lock(&t->tg->siglock);
	t->thread = tt->thread;
	t->thread_stime = tt->cpu_time;
	t->has_thread = true;
	mutex_unlock(&t->tg->siglock);
	tt->task = t;
	atomic_store(&tt->woken, 1);
	host_futex_wake(&tt->woken, 1);
	return 0;
}
