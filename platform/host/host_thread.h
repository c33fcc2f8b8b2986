/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Threads of the sentry that serve no task: they wait for descriptors of the host, tick, or make things ready.
 *
 * They start, and stay, with all signals blocked: a signal to the sentry's process is for the threads that wait for it, and a task's
 * thread is interrupted by name.
 */
#ifndef PLATFORM_HOST_HOST_THREAD_H
#define PLATFORM_HOST_HOST_THREAD_H

#include <pthread.h>
#include <stddef.h>

/* One to be joined by the caller, with the host's usual stack.  0, or -EAGAIN. */
int host_thread_start(void *(*fn)(void *), void *arg, pthread_t *ret_thread);
/* One that nobody joins.  @stack_size is in bytes.  0, -EAGAIN, or -ENOMEM. */
int host_thread_start_detached(void *(*fn)(void *), void *arg, size_t stack_size);

#endif
