/* SPDX-License-Identifier: Apache-2.0 */
/* Memory accounting moves with what is mapped and touched: statm, status, smaps, smaps_rollup, getrusage. */
#include "tests/contract/contract.h"

static long value(const char *file, const char *key)
{
	char line[512];
	long v = -1;
	size_t n = strlen(key);
	FILE *f = fopen(file, "re");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, n) && line[n] == ':') {
			v = strtol(line + n + 1, NULL, 10);
			break;
		}
	if (f)
		fclose(f);
	return v;
}

static void statm(long *size, long *rss)
{
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f || fscanf(f, "%ld %ld", size, rss) != 2)
		say("statm does not parse");
	if (f)
		fclose(f);
}

int main(void)
{
	long size0, rss0, size1, rss1, vm0, r0;
	char *p;

	/* what stdio needs is there before the first look */
	statm(&size0, &rss0);
	value("/proc/self/status", "VmSize");
	value("/proc/self/smaps_rollup", "Rss");
	statm(&size0, &rss0);
	vm0 = value("/proc/self/status", "VmSize");
	r0 = value("/proc/self/smaps_rollup", "Rss");
	p = mmap(NULL, 8192 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	madvise(p, 8192 * PAGE, MADV_NOHUGEPAGE);
	statm(&size1, &rss1);
	YES(size1 - size0 == 8192);
	YES(rss1 - rss0 < 100);
	YES(value("/proc/self/status", "VmSize") - vm0 == 8192 * 4);
	/* a kernel may fault in a few neighbours too */
	SECTION("touched");
	for (int i = 0; i < 4096; i++)
		p[i * PAGE] = 1;
	statm(&size1, &rss1);
	YES(rss1 - rss0 >= 4000 && rss1 - rss0 < 5200);
	YES(value("/proc/self/status", "VmRSS") > 4000 * 4);
	long r1 = value("/proc/self/smaps_rollup", "Rss");
	YES(r1 - r0 >= 4000 * 4 && r1 - r0 < 5200 * 4);
	YES(value("/proc/self/smaps_rollup", "Private_Dirty") >= 4000 * 4);
	SECTION("given back");
	MUST(madvise(p, 2048 * PAGE, MADV_DONTNEED));
	statm(&size1, &rss1);
	YES(rss1 - rss0 >= 2000 && rss1 - rss0 < 3200);
	MUST(munmap(p, 8192 * PAGE));
	statm(&size1, &rss1);
	YES(size1 == size0);
	YES(rss1 - rss0 < 100);
	struct rusage ru;
	getrusage(RUSAGE_SELF, &ru);
	YES(ru.ru_maxrss >= 4000 * 4);
	YES(value("/proc/self/status", "VmHWM") >= 4000 * 4);
	YES(value("/proc/self/status", "VmPeak") >= vm0 + 8192 * 4);
	return 0;
}
