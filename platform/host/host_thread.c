/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>

#include "platform/host/host.h"
#include "platform/host/host_thread.h"

static int thread_create(pthread_t *ret_thread, const pthread_attr_t *attr, void *(*fn)(void *), void *arg)
{
	uint64_t mask = host_signals_block();
	int err = pthread_create(ret_thread, attr, fn, arg);

	host_signals_restore(mask);
	return -err;
}

int host_thread_start(void *(*fn)(void *), void *arg, pthread_t *ret_thread)
{
	return thread_create(ret_thread, NULL, fn, arg);
}

int host_thread_start_detached(void *(*fn)(void *), void *arg, size_t stack_size)
{
	pthread_attr_t attr;
	pthread_t thread;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, stack_size);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	err = thread_create(&thread, &attr, fn, arg);
	pthread_attr_destroy(&attr);
	return err;
}
