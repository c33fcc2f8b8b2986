/* SPDX-License-Identifier: Apache-2.0 */
/*
 * timeout: 120
 * CPU time is the time on a processor, not on the wall: several that compute on one processor use no more than it has.  And all
 * the clocks that show it agree.
 */
#include "tests/contract/contract.h"

#include <sched.h>
#include <sys/times.h>

#define NR 3
#define MS 1000000LL

static long long now(clockid_t clock)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static long long tv_ns(struct timeval tv)
{
	return tv.tv_sec * 1000000000LL + tv.tv_usec * 1000LL;
}

static void compute(void)
{
	static volatile unsigned n;

	for (int i = 0; i < 20000; i++)
		n += (unsigned)i;
}

static void compute_until(clockid_t clock, long long ns)
{
	while (now(clock) < ns)
		compute();
}

static void one_processor(void)
{
	cpu_set_t set;
	int cpu = sched_getcpu();

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	OK(sched_setaffinity(0, sizeof(set), &set) == 0);
}

/* NR children do @child at the same time; prints whether that took them together what they used. */
static void together(const char *name, void (*child)(void), bool ticks)
{
	long long begin, used = 0, wall;
	struct rusage ru;
	int status;

	begin = now(CLOCK_MONOTONIC);
	for (int i = 0; i < NR; i++) {
		if (fork() == 0) {
			child();
			_exit(0);
		}
	}
	for (int i = 0; i < NR; i++) {
		wait4(-1, &status, 0, &ru);
		used += tv_ns(ru.ru_utime) + tv_ns(ru.ru_stime);
	}
	wall = now(CLOCK_MONOTONIC) - begin;
	/* With some room for what is rounded; Linux's timers count ticks, and whom those meet is luck. */
	printf("%s: took %s, used %s, %s\n", name, wall >= NR * 100 * MS * 8 / 10 ? "as long as one processor needs" : "less",
	       ticks || used >= NR * 100 * MS * 8 / 10 ? "enough" : "too little",
	       used <= wall * 13 / 10 ? "not more than there is" : "too much");
}

static void by_process(void)
{
	compute_until(CLOCK_PROCESS_CPUTIME_ID, 100 * MS);
}

static void by_thread(void)
{
	compute_until(CLOCK_THREAD_CPUTIME_ID, 100 * MS);
}

static void by_times(void)
{
	struct tms tms;

	do {
		compute();
		times(&tms);
	} while ((tms.tms_utime + tms.tms_stime) * (1000 / sysconf(_SC_CLK_TCK)) < 100);
}

static void by_rusage(void)
{
	struct rusage ru;

	do {
		compute();
		getrusage(RUSAGE_SELF, &ru);
	} while (tv_ns(ru.ru_utime) + tv_ns(ru.ru_stime) < 100 * MS);
}

static void by_stat(void)
{
	unsigned long utime, stime;

	do {
		FILE *f = fopen("/proc/self/stat", "r");

		compute();
		if (!f || fscanf(f, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &utime, &stime) != 2)
			_exit(1);
		fclose(f);
	} while ((utime + stime) * (unsigned long)(1000 / sysconf(_SC_CLK_TCK)) < 100);
}

static volatile sig_atomic_t rang;

static void ring(int sig)
{
	rang = sig;
}

static void by_itimer(void)
{
	struct itimerval it = { .it_value = { 0, 100000 } };

	signal(SIGPROF, ring);
	setitimer(ITIMER_PROF, &it, NULL);
	while (!rang)
		compute();
}

static void by_virtual(void)
{
	struct itimerval it = { .it_value = { 0, 100000 } };

	signal(SIGVTALRM, ring);
	setitimer(ITIMER_VIRTUAL, &it, NULL);
	while (!rang)
		compute();
}

static void by_timer(void)
{
	struct itimerspec its = { .it_value = { 0, 100 * MS } };
	struct sigevent ev;
	timer_t timer;

	memset(&ev, 0, sizeof(ev));
	ev.sigev_notify = SIGEV_SIGNAL;
	ev.sigev_signo = SIGUSR1;
	signal(SIGUSR1, ring);
	if (timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &timer) || timer_settime(timer, 0, &its, NULL))
		_exit(1);
	while (!rang)
		compute();
}

static void *thread_main(void *arg)
{
	compute_until(CLOCK_THREAD_CPUTIME_ID, 33 * MS);
	*(long long *)arg = now(CLOCK_THREAD_CPUTIME_ID);
	return NULL;
}

/* Three threads at a third each. */
static void by_threads(void)
{
	long long used[3], sum = now(CLOCK_THREAD_CPUTIME_ID);
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, thread_main, &used[i]);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		sum += used[i];
	}
	if (now(CLOCK_PROCESS_CPUTIME_ID) < sum * 7 / 10)
		printf("threads: more than their process\n"), fflush(stdout);
}

/* A program's time is its process's, and goes on over exec. */
static void exec_keeps(char **argv)
{
	long long used;
	int status;
	pid_t pid;

	pid = fork();
	if (pid == 0) {
		compute_until(CLOCK_PROCESS_CPUTIME_ID, 60 * MS);
		execl(argv[0], argv[0], "after", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	printf("over exec: %s\n", WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "kept" : "lost");
	/* A child that shares the address space has a time of its own. */
	used = now(CLOCK_PROCESS_CPUTIME_ID);
	pid = vfork();
	if (pid == 0) {
		execl(argv[0], argv[0], "fresh", NULL);
		_exit(1);
	}
	waitpid(pid, &status, 0);
	printf("after vfork: %s\n", WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "its own" : "not its own");
	printf("the parent's: %s\n", now(CLOCK_PROCESS_CPUTIME_ID) >= used ? "goes on" : "goes back");
}

/* Who sleeps uses nothing, and no clock goes back. */
static void sleeps(void)
{
	long long before = now(CLOCK_PROCESS_CPUTIME_ID), last = 0, t;
	struct timespec ts = { 0, 300 * MS };
	bool back = false;

	nanosleep(&ts, NULL);
	printf("asleep: %s\n", now(CLOCK_PROCESS_CPUTIME_ID) - before < 150 * MS ? "little" : "much");
	for (int i = 0; i < 2000; i++) {
		t = now(i % 2 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_THREAD_CPUTIME_ID);
		if (i % 2 == 0 && t < last)
			back = true;
		if (i % 2 == 0)
			last = t;
	}
	printf("goes back: %s\n", back ? "yes" : "no");
}

static void by_rlimit(void)
{
	const struct rlimit limit = { 1, 2 };

	signal(SIGXCPU, ring);
	setrlimit(RLIMIT_CPU, &limit);
	while (!rang)
		compute();
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "after"))
		return now(CLOCK_PROCESS_CPUTIME_ID) < 60 * MS;
	if (argc > 1)
		return now(CLOCK_PROCESS_CPUTIME_ID) >= 60 * MS;
	setvbuf(stdout, NULL, _IONBF, 0);
	compute_until(CLOCK_PROCESS_CPUTIME_ID, 80 * MS);
	exec_keeps(argv);
	sleeps();
	one_processor();
	together("CLOCK_PROCESS_CPUTIME_ID", by_process, false);
	together("CLOCK_THREAD_CPUTIME_ID", by_thread, false);
	together("times", by_times, false);
	together("getrusage", by_rusage, false);
	together("/proc/self/stat", by_stat, false);
	together("ITIMER_PROF", by_itimer, true);
	together("ITIMER_VIRTUAL", by_virtual, true);
	together("a timer", by_timer, true);
	together("threads", by_threads, false);
	together("RLIMIT_CPU", by_rlimit, true);
	return 0;
}
