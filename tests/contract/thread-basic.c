/* SPDX-License-Identifier: Apache-2.0 */
/* Threads: creation, joining, detaching, TLS, identities, many at once. */
#include "tests/contract/contract.h"

static __thread int tls_zero;
static __thread int tls_set = 42;
static __thread char tls_big[20000];
static pthread_key_t key;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static long counter;
static int destroyed;

static void destroy(void *p)
{
	__atomic_add_fetch(&destroyed, (int)(long)p, __ATOMIC_SEQ_CST);
}

static void *worker(void *arg)
{
	long me = (long)arg;

	if (tls_zero != 0 || tls_set != 42 || !all_bytes(tls_big, 0, sizeof(tls_big)))
		return (void *)-1;
	tls_zero = (int)me;
	tls_set = (int)me * 2;
	memset(tls_big, (int)me, sizeof(tls_big));
	pthread_setspecific(key, (void *)1);
	for (int i = 0; i < 1000; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	if (tls_zero != me || tls_set != me * 2 || !all_bytes(tls_big, (int)me, sizeof(tls_big)))
		return (void *)-2;
	return (void *)(me * 10);
}

static void *identities(void *arg)
{
	pid_t *ids = arg;

	ids[0] = getpid();
	ids[1] = get_tid();
	ids[2] = getppid();
	return NULL;
}

static void *detached(void *arg)
{
	gate_open(arg);
	return NULL;
}

int main(void)
{
	pthread_t t[20];
	pthread_attr_t attr;
	struct gate g;
	long sum = 0;
	void *r;
	pid_t ids[3];

	pthread_key_create(&key, destroy);
	SECTION("twenty workers");
	for (long i = 0; i < 20; i++)
		SHOW(pthread_create(&t[i], NULL, worker, (void *)(i + 1)) == 0);
	for (int i = 0; i < 20; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	SHOW(sum);
	SHOW(counter);
	SHOW(destroyed);
	SHOW(tls_set);
	SECTION("identities");
	pthread_create(&t[0], NULL, identities, ids);
	pthread_join(t[0], NULL);
	YES(ids[0] == getpid());
	YES(ids[1] != getpid());
	YES(ids[2] == getppid());
	SECTION("a thousand, one after another");
	int failed = 0;
	for (int i = 0; i < 1000; i++)
		failed += pthread_create(&t[0], NULL, identities, ids) != 0 || pthread_join(t[0], NULL) != 0;
	SHOW(failed);
	SECTION("detached, with a small stack");
	gate_init(&g);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, 64 * 1024);
	for (int i = 0; i < 10; i++)
		SHOW(pthread_create(&t[0], &attr, detached, &g));
	for (int i = 0; i < 10; i++)
		gate_wait(&g);
	SECTION("kill of threads: tgkill and tkill");
	CALL(syscall(SYS_tgkill, getpid(), get_tid(), 0));
	CALL(syscall(SYS_tgkill, getpid(), 0x7ffffff0, 0));
	CALL(syscall(SYS_tgkill, 0x7ffffff0, get_tid(), 0));
	CALL(syscall(SYS_tgkill, -1, get_tid(), 0));
	CALL(syscall(SYS_tgkill, getpid(), -1, 0));
	CALL(syscall(SYS_tkill, get_tid(), 0));
	CALL(syscall(SYS_tkill, 0, 0));
	CALL(syscall(SYS_tgkill, getpid(), get_tid(), 65));
	return 0;
}
