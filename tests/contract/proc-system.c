/* SPDX-License-Identifier: Apache-2.0 */
/* uname, sysinfo, personality, gethostname, getpagesize, sysconf: relations that hold on every Linux. */
#include "tests/contract/contract.h"
#include <sys/personality.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

int main(void)
{
	struct utsname u;
	struct sysinfo si;
	char host[65];
	int major = 0, minor = 0;

	SECTION("uname");
	CALL(uname(&u));
	STR(u.sysname);
	STR(u.machine);
	YES(sscanf(u.release, "%d.%d", &major, &minor) == 2);
	YES(major >= 4);
	YES(u.version[0] == '#');
	CALL(gethostname(host, sizeof(host)));
	YES(strcmp(host, u.nodename) == 0);
	CALL(gethostname(host, 1));
	SECTION("sysinfo");
	CALL(sysinfo(&si));
	YES(si.mem_unit >= 1);
	YES(si.totalram > 0 && si.freeram <= si.totalram);
	YES(si.procs >= 1);
	YES(si.uptime > 0);
	struct timespec ts;
	clock_gettime(CLOCK_BOOTTIME, &ts);
	YES(labs(si.uptime - ts.tv_sec) <= 2);
	FILE *f = fopen("/proc/meminfo", "r");
	unsigned long total = 0;
	YES(f && fscanf(f, "MemTotal: %lu kB", &total) == 1);
	YES(total == si.totalram * si.mem_unit / 1024);
	SECTION("processors");
	YES(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	YES(sysconf(_SC_NPROCESSORS_CONF) >= sysconf(_SC_NPROCESSORS_ONLN));
	SHOW(sysconf(_SC_PAGESIZE));
	SHOW(sysconf(_SC_CLK_TCK));
	YES(sysconf(_SC_OPEN_MAX) > 0);
	YES(sysconf(_SC_PHYS_PAGES) > 0);
	SECTION("personality");
	HEX(personality(0xffffffff));
	HEX(personality(ADDR_NO_RANDOMIZE));
	HEX(personality(0xffffffff));
	IN_CHILD("inherited")
		HEX(personality(0xffffffff));
	HEX(personality(0));
	SECTION("calls that do not exist");
	CALL(syscall(600));
	CALL(syscall(-1));
	CALL(syscall(-1000));
	CALL(syscall(1000000));
	CALL(syscall(0x40000000)); /* the x32 ABI */
	CALL(syscall(SYS_afs_syscall));
	CALL(syscall(SYS_create_module, "x", 0));
	CALL(syscall(SYS_nfsservctl, 0, 0, 0));
	SECTION("load");
	double load[3];
	YES(getloadavg(load, 3) == 3 && load[0] >= 0);
	return 0;
}
