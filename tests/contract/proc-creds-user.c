/* SPDX-License-Identifier: Apache-2.0 */
/* Credentials of an ordinary user: which changes are allowed, which are EPERM, and what they do to exec and access. */
#include "tests/contract/contract.h"
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#define OTHER 12345

static void show(void)
{
	uid_t r, e, s;
	gid_t rg, eg, sg;

	syscall(SYS_getresuid, &r, &e, &s);
	syscall(SYS_getresgid, &rg, &eg, &sg);
	uid_t me = r;
	say("uids %s, gids %s", r == me && e == me && s == me ? "all equal" : "differ",
	    rg == eg && eg == sg ? "all equal" : "differ");
}

int main(void)
{
	gid_t groups[64];
	uid_t me;
	gid_t mine;

	drop_privileges();
	me = getuid();
	mine = getgid();
	show();
	SECTION("not to somebody else");
	CALL(syscall(SYS_setuid, OTHER));
	CALL(syscall(SYS_setuid, 0));
	CALL(syscall(SYS_setgid, OTHER));
	CALL(syscall(SYS_setreuid, OTHER, -1));
	CALL(syscall(SYS_setreuid, -1, OTHER));
	CALL(syscall(SYS_setregid, OTHER, -1));
	CALL(syscall(SYS_setregid, -1, OTHER));
	CALL(syscall(SYS_setresuid, OTHER, -1, -1));
	CALL(syscall(SYS_setresuid, -1, OTHER, -1));
	CALL(syscall(SYS_setresuid, -1, -1, OTHER));
	CALL(syscall(SYS_setresgid, -1, -1, OTHER));
	CALL(syscall(SYS_setgroups, 0, NULL));
	CALL(syscall(SYS_setgroups, 1, &mine));
	SECTION("to oneself, or not at all");
	CALL(syscall(SYS_setuid, me));
	CALL(syscall(SYS_setgid, mine));
	CALL(syscall(SYS_setreuid, me, me));
	CALL(syscall(SYS_setregid, -1, -1));
	CALL(syscall(SYS_setresuid, -1, -1, -1));
	CALL(syscall(SYS_setresuid, me, me, me));
	CALL(syscall(SYS_setuid, -1));
	CALL(syscall(SYS_setgid, -1));
	show();
	SECTION("fsuid: the old value, whatever happens");
	YES(setfsuid(OTHER) == (int)me);
	YES(setfsuid(-1) == (int)me);
	YES(setfsgid(OTHER) == (int)mine);
	YES(setfsgid(-1) == (int)mine);
	SECTION("groups");
	int n = getgroups(0, NULL);
	YES(n >= 0);
	YES(getgroups(64, groups) == n);
	CALL(getgroups(-1, groups));
	if (n > 0)
		YES(getgroups(n - 1, groups) == (n > 1 ? -1 : n));
	CALL(syscall(SYS_getresuid, BAD_PTR, BAD_PTR, BAD_PTR));
	CALL(syscall(SYS_getgroups, 0, BAD_PTR));
	SECTION("privileged calls");
	CALL(chroot("/"));
	CALL(sethostname("x", 1));
	CALL(syscall(SYS_setdomainname, "x", 1));
	CALL(syscall(SYS_reboot, 1, 2, 3, NULL));
	CALL(syscall(SYS_mount, "x", "/", "tmpfs", 0, NULL));
	CALL(syscall(SYS_umount2, "/", 0));
	CALL(syscall(SYS_pivot_root, "/", "/"));
	CALL(syscall(SYS_vhangup));
	CALL(syscall(SYS_setns, -1, 0));
	struct timeval tv = { 0, 0 };
	CALL(syscall(SYS_settimeofday, &tv, NULL));
	struct timespec ts = { 0, 0 };
	CALL(clock_settime(CLOCK_REALTIME, &ts));
	CALL(clock_settime(CLOCK_MONOTONIC, &ts));
	SECTION("kill and priority of somebody else's processes");
	CALL(kill(1, 0) == 0 || errno == EPERM || errno == ESRCH);
	CALL(setpriority(PRIO_PROCESS, 0, -5));
	CALL(setpriority(PRIO_PROCESS, 0, 5));
	CALL(setpriority(PRIO_PROCESS, 0, 4));
	CALL(nice(1));
	CALL(nice(-3));
	return 0;
}
