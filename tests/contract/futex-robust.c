/* SPDX-License-Identifier: Apache-2.0 */
/* Robust lists walked by the kernel at exit, kill and exec: the owner-died bit, the wake-up, broken and endless lists. */
#include "tests/contract/futex.h"

struct lock {
	struct robust_list list;
	uint32_t word;
};

struct area {
	struct robust_list_head head;
	struct lock locks[4];
	struct lock pending;
};

static struct area *area;

static void init(int n)
{
	memset(area, 0, sizeof(*area));
	area->head.futex_offset = offsetof(struct lock, word);
	area->head.list.next = &area->head.list;
	for (int i = n - 1; i >= 0; i--) {
		area->locks[i].list.next = area->head.list.next;
		area->head.list.next = &area->locks[i].list;
	}
}

static void take(struct lock *l)
{
	l->word = get_tid();
}

static const char *state(uint32_t w)
{
	static char text[8][64];
	static int n;
	char *t = text[n++ % 8];

	snprintf(t, 64, "%s%s%s", w & FUTEX_TID_MASK ? "owned" : "free", w & FUTEX_WAITERS ? " waiters" : "",
		 w & FUTEX_OWNER_DIED ? " died" : "");
	return t;
}

static void show(const char *what)
{
	say("%s: %s, %s, %s, %s; pending %s", what, state(area->locks[0].word), state(area->locks[1].word),
	    state(area->locks[2].word), state(area->locks[3].word), state(area->pending.word));
}

static void registers(void)
{
	MUST(syscall(SYS_set_robust_list, &area->head, sizeof(area->head)));
}

int main(void)
{
	area = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	SECTION("exit");
	init(3);
	IN_CHILD("child") {
		registers();
		take(&area->locks[0]);
		take(&area->locks[2]);
		area->locks[1].word = 12345; /* somebody else's */
	}
	show("after");
	SECTION("killed, with waiters");
	init(2);
	pid_t pid = MUST(fork());
	if (pid == 0) {
		registers();
		take(&area->locks[0]);
		for (;;)
			pause();
	}
	while (!__atomic_load_n(&area->locks[0].word, __ATOMIC_SEQ_CST))
		sleep_ms(1);
	uint32_t owned = area->locks[0].word | FUTEX_WAITERS;
	area->locks[0].word = owned;
	pid_t waiter = MUST(fork());
	if (waiter == 0)
		_exit(futex(&area->locks[0].word, FUTEX_WAIT, owned, NULL, NULL, 0) == 0 ? 5 : 6);
	wait_asleep(waiter);
	kill(pid, SIGKILL);
	reap("owner", pid);
	reap("waiter", waiter);
	show("after");
	SECTION("exec");
	init(1);
	IN_CHILD("child") {
		registers();
		take(&area->locks[0]);
		execl("/bin/true", "true", NULL);
	}
	show("after");
	SECTION("the pending operation");
	init(0);
	IN_CHILD("child") {
		registers();
		take(&area->pending);
		area->head.list_op_pending = &area->pending.list;
	}
	show("after");
	SECTION("a list that loops, and one that leads nowhere");
	init(2);
	IN_CHILD("loop") {
		registers();
		take(&area->locks[0]);
		take(&area->locks[1]);
		area->locks[1].list.next = &area->locks[0].list;
	}
	show("after");
	init(2);
	IN_CHILD("bad pointer") {
		registers();
		take(&area->locks[0]);
		area->locks[0].list.next = BAD_PTR;
		take(&area->locks[1]);
	}
	show("after");
	IN_CHILD("bad head")
		CALL(syscall(SYS_set_robust_list, BAD_PTR, sizeof(area->head)));
	return 0;
}
