/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks: ids, resolutions, order, agreement between vDSO and system call, the wall clock, refusals. */
#include "tests/contract/contract.h"
#include <sys/timex.h>

static long k_gettime(int id, struct timespec *ts)
{
	return syscall(SYS_clock_gettime, id, ts);
}

static int64_t ns(struct timespec ts)
{
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int main(void)
{
	static const struct {
		const char *name;
		int id;
	} clocks[] = { { "REALTIME", 0 }, { "MONOTONIC", 1 }, { "PROCESS_CPUTIME", 2 }, { "THREAD_CPUTIME", 3 },
		       { "MONOTONIC_RAW", 4 }, { "REALTIME_COARSE", 5 }, { "MONOTONIC_COARSE", 6 }, { "BOOTTIME", 7 },
		       { "TAI", 11 } };
	struct timespec a, b, c, res;
	struct timeval tv;
	struct timezone tz;

	for (size_t i = 0; i < ARRAY_SIZE(clocks); i++) {
		int id = clocks[i].id, back = 0;
		int64_t last = 0;

		memset(&a, 0, sizeof(a));
		say("%s: gettime %d getres %d", clocks[i].name, clock_gettime(id, &a), clock_getres(id, &res));
		say("plausible %d, resolution sane %d", a.tv_nsec >= 0 && a.tv_nsec < 1000000000 && ns(a) > 0,
		    res.tv_sec == 0 && res.tv_nsec >= 1 && res.tv_nsec <= 100000000);
		for (int k = 0; k < 1000; k++) {
			if (k % 2)
				clock_gettime(id, &a);
			else
				k_gettime(id, &a);
			back += ns(a) < last;
			last = ns(a);
		}
		say("went back %d times", back);
		CALL(syscall(SYS_clock_getres, id, NULL));
	}
	SECTION("vDSO and system call agree");
	for (int id = 0; id < 2; id++) {
		clock_gettime(id, &a);
		k_gettime(id, &b);
		clock_gettime(id, &c);
		YES(ns(a) <= ns(b) && ns(b) <= ns(c));
	}
	SECTION("the wall clock");
	CALL(gettimeofday(&tv, &tz));
	clock_gettime(CLOCK_REALTIME, &a);
	YES(labs(tv.tv_sec - a.tv_sec) <= 1);
	YES(labs(time(NULL) - a.tv_sec) <= 1);
	YES(syscall(SYS_time, NULL) - a.tv_sec <= 1);
	YES(a.tv_sec > 1700000000);
	CALL(syscall(SYS_gettimeofday, NULL, NULL));
	SHOW(tz.tz_minuteswest);
	SECTION("a file's time is the same clock");
	struct stat st;
	scratch();
	clock_gettime(CLOCK_REALTIME_COARSE, &a);
	put_file("f", "x", 0644);
	clock_gettime(CLOCK_REALTIME, &b);
	MUST(stat("f", &st));
	YES(ns(st.st_mtim) >= ns(a) - 20000000 && ns(st.st_mtim) <= ns(b));
	SECTION("refusals");
	CALL(k_gettime(77, &a));
	CALL(k_gettime(-1000, &a) == -1);
	CALL(clock_getres(77, &a));
	CALL(k_gettime(0, BAD_PTR));
	CALL(syscall(SYS_time, BAD_PTR));
	IN_CHILD("as an ordinary user") {
		drop_privileges();
		a.tv_nsec = 0;
		CALL(clock_settime(CLOCK_REALTIME, &a));
		CALL(clock_settime(CLOCK_MONOTONIC, &a));
		CALL(clock_settime(77, &a));
		a.tv_nsec = -1;
		CALL(clock_settime(CLOCK_REALTIME, &a));
		CALL(settimeofday(&tv, NULL));
		struct timex tx = { .modes = 0 };
		YES(adjtimex(&tx) >= 0);
		tx.modes = ADJ_FREQUENCY;
		CALL(adjtimex(&tx));
	}
	return 0;
}
