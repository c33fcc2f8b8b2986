/* SPDX-License-Identifier: Apache-2.0 */
/* /sys/devices/system/cpu: each processor has a place and caches; the numbers are the machine's. */
#include "tests/contract/contract.h"

static bool there(const char *fmt, int cpu, int index)
{
	char path[128], buf[64];
	int fd;
	ssize_t n;

	snprintf(path, sizeof(path), fmt, cpu, index);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return false;
	n = read(fd, buf, sizeof(buf));
	close(fd);
	return n > 1 && buf[n - 1] == '\n';
}

int main(void)
{
	static const char *const topology[] = { "core_id", "core_siblings_list", "core_siblings", "package_cpus_list", "die_id",
						"physical_package_id", "thread_siblings", "thread_siblings_list" };
	static const char *const cache[] = { "coherency_line_size", "level", "number_of_sets", "shared_cpu_list", "shared_cpu_map",
					     "size", "type", "ways_of_associativity" };
	int cpus = sysconf(_SC_NPROCESSORS_CONF), missing = 0;
	char path[128];

	if (!there("/sys/devices/system/cpu/cpu%d/cache/index%d/size", 0, 0))
		skip("no caches to be seen here");
	for (int c = 0; c < cpus; c++) {
		for (size_t i = 0; i < ARRAY_SIZE(topology); i++) {
			snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%%d/topology/%s", topology[i]);
			missing += !there(path, c, 0);
		}
		for (size_t i = 0; i < ARRAY_SIZE(cache); i++) {
			snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%%d/cache/index%%d/%s", cache[i]);
			missing += !there(path, c, 0);
		}
	}
	SHOW(missing);
	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/size", i);
		show_file(path);
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu0/cache/index%d/type", i);
		show_file(path);
	}
	show_file("/sys/devices/system/node/node0/cpumap");
	show_file("/sys/devices/system/node/node0/cpulist");
	show_file("/sys/devices/system/node/node0/distance");
	CALL(access("/sys/devices/system/cpu/cpu0/cache/index99", F_OK));
	CALL(access("/sys/devices/system/cpu/cpu99999", F_OK));
	CALL(access("/sys/devices/system/cpu/cpu0/nothing", F_OK));
	return 0;
}
