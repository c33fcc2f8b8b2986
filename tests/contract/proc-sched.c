/* SPDX-License-Identifier: Apache-2.0 */
/* Scheduling calls: policies, priorities, affinity, yields; as an ordinary user. */
#include "tests/contract/contract.h"
#include <sched.h>
#include <sys/sysinfo.h>

int main(void)
{
	struct sched_param sp = { 0 };
	struct timespec ts;
	unsigned cpu = 99999, node = 99999;
	cpu_set_t set, one;

	drop_privileges();
	SECTION("policy");
	SHOW(sched_getscheduler(0));
	CALL(sched_getparam(0, &sp));
	SHOW(sp.sched_priority);
	SHOW(sched_get_priority_min(SCHED_FIFO));
	SHOW(sched_get_priority_max(SCHED_FIFO));
	SHOW(sched_get_priority_min(SCHED_RR));
	SHOW(sched_get_priority_max(SCHED_RR));
	SHOW(sched_get_priority_min(SCHED_OTHER));
	SHOW(sched_get_priority_max(SCHED_BATCH));
	CALL(sched_get_priority_max(77));
	CALL(sched_setscheduler(0, SCHED_OTHER, &sp));
	CALL(sched_setscheduler(0, SCHED_BATCH, &sp));
	SHOW(sched_getscheduler(0));
	IN_CHILD("inherited")
		SHOW(sched_getscheduler(0));
	CALL(sched_setscheduler(0, SCHED_OTHER, &sp));
	sp.sched_priority = 1;
	CALL(sched_setscheduler(0, SCHED_OTHER, &sp));
	CALL(sched_setscheduler(0, SCHED_FIFO, &sp));
	CALL(sched_setscheduler(0, 77, &sp));
	CALL(sched_setscheduler(-1, SCHED_OTHER, &sp));
	CALL(sched_setscheduler(0x7ffffff0, SCHED_OTHER, &sp));
	CALL(sched_setscheduler(0, SCHED_OTHER, NULL));
	CALL(sched_getscheduler(-1));
	CALL(sched_getscheduler(0x7ffffff0));
	CALL(sched_getparam(0, NULL));
	CALL(sched_rr_get_interval(0, &ts));
	CALL(sched_rr_get_interval(-1, &ts));
	CALL(sched_yield());
	SECTION("affinity");
	CPU_ZERO(&set);
	CALL(syscall(SYS_sched_getaffinity, 0, 1, &set));
	CALL(syscall(SYS_sched_getaffinity, 0, 0, &set));
	CALL(syscall(SYS_sched_getaffinity, -1, sizeof(set), &set));
	CALL(syscall(SYS_sched_getaffinity, 0x7ffffff0, sizeof(set), &set));
	YES(syscall(SYS_sched_getaffinity, 0, sizeof(set), &set) > 0);
	YES(CPU_COUNT(&set) >= 1);
	YES(CPU_COUNT(&set) <= get_nprocs_conf());
	CPU_ZERO(&one);
	for (int i = 0; i < CPU_SETSIZE; i++)
		if (CPU_ISSET(i, &set)) {
			CPU_SET(i, &one);
			break;
		}
	CALL(sched_setaffinity(0, sizeof(one), &one));
	CALL(sched_getaffinity(0, sizeof(set), &set));
	YES(CPU_EQUAL(&set, &one));
	IN_CHILD("inherited") {
		sched_getaffinity(0, sizeof(set), &set);
		YES(CPU_EQUAL(&set, &one));
	}
	CPU_ZERO(&one);
	CALL(sched_setaffinity(0, sizeof(one), &one));
	CALL(sched_setaffinity(0, sizeof(one), BAD_PTR));
	SECTION("where am I");
	CALL(syscall(SYS_getcpu, &cpu, &node, NULL));
	YES(CPU_ISSET(cpu, &set));
	YES(node < 1024);
	CALL(syscall(SYS_getcpu, NULL, NULL, NULL));
	CALL(syscall(SYS_getcpu, BAD_PTR, NULL, NULL));
	SECTION("priorities");
	CALL(setpriority(PRIO_PROCESS, 0, 10));
	SHOW(getpriority(PRIO_PROCESS, 0));
	CALL(setpriority(PRIO_PROCESS, 0, 100));
	SHOW(getpriority(PRIO_PROCESS, 0));
	CALL(setpriority(PRIO_PROCESS, 0, 0));
	CALL(getpriority(77, 0));
	CALL(getpriority(PRIO_PROCESS, 0x7ffffff0));
	CALL(setpriority(PRIO_PGRP, 0x7ffffff0, 0));
	CALL(setpriority(77, 0, 0));
	SHOW(syscall(SYS_getpriority, PRIO_PROCESS, 0));
	return 0;
}
