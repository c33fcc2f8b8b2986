/* SPDX-License-Identifier: Apache-2.0 */
/* NUMA policy: set_mempolicy, get_mempolicy, mbind, move_pages, migrate_pages, as on a machine with one node. */
#include "tests/contract/contract.h"

#include <linux/mempolicy.h>

static unsigned long mask[64];
static int mode;

static long set(int m, unsigned long nodes, unsigned long max)
{
	mask[0] = nodes;
	return syscall(SYS_set_mempolicy, m, mask, max);
}

static long bind(void *p, size_t len, int m, unsigned long nodes, unsigned flags)
{
	mask[0] = nodes;
	return syscall(SYS_mbind, p, len, m, mask, 64, flags);
}

static void show(void *addr, unsigned long flags)
{
	long r;

	mode = -1;
	memset(mask, 0xff, sizeof(mask));
	errno = 0;
	r = syscall(SYS_get_mempolicy, &mode, mask, 4096, addr, flags);
	if (r)
		say("flags %lu: %s", flags, errno_name(errno));
	else
		say("flags %lu: mode %#x, nodes %#lx, the rest %s", flags, mode, mask[0], all_bytes(mask + 1, 0, 448) ? "0" : "not 0");
}

static void tasks(void)
{
	SECTION("tasks");
	show(NULL, 0);
	CALL(set(MPOL_BIND, 1, 64));
	show(NULL, 0);
	CALL(set(MPOL_BIND, 0, 64));
	CALL(set(MPOL_BIND, 1UL << 62, 64));
	CALL(set(99, 1, 64));
	CALL(set(MPOL_DEFAULT, 1, 64));
	CALL(set(MPOL_LOCAL, 1, 64));
	CALL(set(MPOL_PREFERRED | MPOL_F_STATIC_NODES, 0, 64));
	CALL(set(MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, 1, 64));
	CALL(set(MPOL_BIND, 1, 1 << 20));
	CALL(syscall(SYS_set_mempolicy, MPOL_BIND, BAD_PTR, 64));
	CALL(set(MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, 1, 64));
	show(NULL, 0);
	show(NULL, MPOL_F_NODE);
	IN_CHILD("a child's")
		show(NULL, 0);
	CALL(set(MPOL_PREFERRED, 0, 64));
	show(NULL, 0);
	show(NULL, MPOL_F_NODE);
	show(NULL, MPOL_F_MEMS_ALLOWED);
	show(NULL, MPOL_F_MEMS_ALLOWED | MPOL_F_NODE);
	show(NULL, 99);
	show(mask, 0);
	show(BAD_PTR, MPOL_F_ADDR);
	CALL(syscall(SYS_get_mempolicy, BAD_PTR, NULL, 0, NULL, 0));
	CALL(syscall(SYS_get_mempolicy, NULL, BAD_PTR, 4096, NULL, 0));
	CALL(syscall(SYS_get_mempolicy, NULL, NULL, 0, NULL, 0));
	CALL(syscall(SYS_set_mempolicy, MPOL_DEFAULT, NULL, 0));
	show(NULL, 0);
}

static void ranges(void)
{
	char *p = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *pages[4] = { p, p + PAGE, p + 7 * PAGE, BAD_PTR };
	int status[4] = { 9, 9, 9, 9 }, nodes[4] = { 0, 5, 0, 0 };

	SECTION("ranges");
	MUST(munmap(p + 7 * PAGE, PAGE));
	p[0] = 1;
	CALL(bind(p, 2 * PAGE, MPOL_BIND, 1, 0));
	show(p, MPOL_F_ADDR);
	show(p + 2 * PAGE, MPOL_F_ADDR);
	show(p, MPOL_F_ADDR | MPOL_F_NODE);
	CALL(bind(p + 1, PAGE, MPOL_BIND, 1, 0));
	CALL(bind(p, 8 * PAGE, MPOL_BIND, 1, 0));
	CALL(bind(p, 0, MPOL_BIND, 1, 0));
	CALL(bind(p, -1UL, MPOL_BIND, 1, 0));
	CALL(bind(p, PAGE, MPOL_BIND, 0, 0));
	CALL(bind(p, PAGE, MPOL_BIND, 1, 99));
	CALL(bind(p, PAGE, MPOL_DEFAULT, 0, MPOL_MF_STRICT));
	show(p, MPOL_F_ADDR);
	show(p + PAGE, MPOL_F_ADDR);
	CALL(syscall(SYS_move_pages, 0, 4, pages, NULL, status, 0));
	say("status %d %d %d %d", status[0], status[1] == -ENOENT, status[2] == -EFAULT, status[3] == -EFAULT);
	CALL(syscall(SYS_move_pages, 0, 1, pages, nodes, status, MPOL_MF_MOVE));
	SHOW(status[0]);
	CALL(syscall(SYS_move_pages, 0, 2, pages, nodes, status, MPOL_MF_MOVE));
	CALL(syscall(SYS_move_pages, 0, 1, pages, NULL, status, 99));
	CALL(syscall(SYS_move_pages, 0, 1, BAD_PTR, NULL, status, 0));
	CALL(syscall(SYS_move_pages, 0, 1, pages, NULL, BAD_PTR, 0));
	CALL(syscall(SYS_move_pages, 0x7ffffff0, 1, pages, NULL, status, 0));
	mask[0] = 1;
	CALL(syscall(SYS_migrate_pages, 0, 64, mask, mask));
	CALL(syscall(SYS_migrate_pages, 0, 64, mask, NULL));
	CALL(syscall(SYS_migrate_pages, 0x7ffffff0, 64, mask, mask));
	CALL(syscall(SYS_migrate_pages, 0, 64, BAD_PTR, mask));
}

int main(void)
{
	if (access("/sys/devices/system/node/node1", F_OK) == 0)
		skip("this machine has more than one NUMA node");
	tasks();
	ranges();
	return 0;
}
