/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's side of threads: set_tid_address, CLONE_CHILD_CLEARTID, robust lists, rseq registration. */
#include "tests/contract/contract.h"
#include <linux/futex.h>
#include <sched.h>

static char stack[65536] __attribute__((aligned(64)));
static int ctid;

static long futex(int *addr, int op, int val, const struct timespec *ts)
{
	return syscall(SYS_futex, addr, op, val, ts, NULL, 0);
}

static int child(void *arg)
{
	(void)arg;
	sleep_ms(20);
	syscall(SYS_exit, 0);
	return 0;
}

struct rseq_area {
	uint32_t cpu_id_start, cpu_id;
	uint64_t rseq_cs;
	uint32_t flags, node_id, mm_cid, pad;
} __attribute__((aligned(32)));

static void *robust_thread(void *arg)
{
	static struct robust_list_head head;
	static struct {
		struct robust_list list;
		int futex;
	} entry;
	int **ret = arg;

	head.list.next = &entry.list;
	entry.list.next = &head.list;
	head.futex_offset = offsetof(__typeof__(entry), futex);
	entry.futex = get_tid();
	*ret = &entry.futex;
	MUST(syscall(SYS_set_robust_list, &head, sizeof(head)));
	syscall(SYS_exit, 0);
	return NULL;
}

static void *rseq_thread(void *arg)
{
	static struct rseq_area area;

	(void)arg;
	/* glibc registered an area of its own for this thread, or did not; both refusals are honest */
	CALL(syscall(SYS_rseq, BAD_PTR, 32, 0, 0x53053053) == -1);
	CALL(syscall(SYS_rseq, &area, 31, 0, 0x53053053) == -1);
	CALL(syscall(SYS_rseq, (char *)&area + 1, 32, 0, 0x53053053) == -1);
	return NULL;
}

int main(void)
{
	struct robust_list_head *head = NULL;
	size_t len = 0;
	int *word = NULL;
	pthread_t t;

	SECTION("set_tid_address returns the tid");
	YES(syscall(SYS_set_tid_address, &ctid) == get_tid());
	YES(syscall(SYS_set_tid_address, BAD_PTR) == get_tid());
	YES(syscall(SYS_set_tid_address, NULL) == get_tid());
	SECTION("CLONE_CHILD_CLEARTID clears and wakes");
	ctid = 77;
	int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM |
		    CLONE_CHILD_CLEARTID | CLONE_CHILD_SETTID;
	int tid = MUST(clone(child, stack + sizeof(stack), flags, NULL, NULL, NULL, &ctid));
	while (__atomic_load_n(&ctid, __ATOMIC_SEQ_CST) == 77)
		sched_yield();
	int seen = __atomic_load_n(&ctid, __ATOMIC_SEQ_CST);
	YES(seen == tid || seen == 0);
	while (seen) {
		futex(&ctid, FUTEX_WAIT, seen, NULL);
		seen = __atomic_load_n(&ctid, __ATOMIC_SEQ_CST);
	}
	SHOW(ctid);
	SECTION("a child process with a page of its own: cleared there, not here");
	ctid = 5;
	int pid = syscall(SYS_clone, CLONE_CHILD_CLEARTID | SIGCHLD, NULL, NULL, &ctid, 0);
	if (pid == 0)
		_exit(0);
	reap("child", pid);
	SHOW(ctid);
	SECTION("robust lists");
	CALL(syscall(SYS_get_robust_list, 0, &head, &len));
	SHOW(len);
	CALL(syscall(SYS_set_robust_list, head, 5));
	CALL(syscall(SYS_get_robust_list, 0x7ffffff0, &head, &len));
	CALL(syscall(SYS_get_robust_list, 0, BAD_PTR, &len));
	pthread_create(&t, NULL, robust_thread, &word);
	pthread_join(t, NULL);
	/* The join above waits for CLEARTID, which comes after the robust list in the exit. */
	YES(*word & FUTEX_OWNER_DIED);
	SHOW(*word & FUTEX_TID_MASK);
	SECTION("rseq");
	pthread_create(&t, NULL, rseq_thread, NULL);
	pthread_join(t, NULL);
	return 0;
}
