/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Micro benchmarks: prints "NAME NANOSECONDS" per operation, one line each.  Self-contained and static, so that it runs the
 * same natively and in every sandbox.
 *
 *     micro [-t MILLISECONDS] [-l] [NAME...]      -t: how long to measure each (default 50); -l: only list
 *
 * Each benchmark is a function of a number of rounds; rounds are doubled until the time is spent, and the last run counts.
 * It works in the current directory.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096UL

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void die(const char *what)
{
	fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
	exit(1);
}

static long must(long r, const char *what)
{
	if (r < 0)
		die(what);
	return r;
}

static char *map(size_t len, int flags, int fd)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (p == MAP_FAILED)
		die("mmap");
	return p;
}

/* A file of @size bytes, unlinked at exit by the caller's directory. */
static int file(const char *name, size_t size)
{
	char buf[65536];
	int fd = must(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644), name);

	memset(buf, 'b', sizeof(buf));
	for (size_t n = 0; n < size; n += sizeof(buf))
		must(write(fd, buf, size - n < sizeof(buf) ? size - n : sizeof(buf)), "write");
	return fd;
}

/* ---- system calls and files ---- */

static int64_t bench_getppid(long n)
{
	int64_t t = now();

	while (n--)
		syscall(SYS_getppid);
	return now() - t;
}

static int64_t bench_getpid(long n)
{
	int64_t t = now();

	while (n--)
		getpid();
	return now() - t;
}

/* No system call at all. */
static int64_t bench_compute(long n)
{
	uint64_t x = 1;
	int64_t t = now();

	while (n--)
		for (int i = 0; i < 1000; i++)
			x = x * 6364136223846793005UL + 1442695040888963407UL;
	__asm__ volatile("" : : "r"(x));
	return now() - t;
}

static int64_t bench_clock(long n)
{
	int64_t t = now();

	while (n--)
		now();
	return now() - t;
}

static int64_t rw(long n, const char *path, int flags, size_t len, int writing)
{
	static char buf[65536];
	int fd = must(open(path, flags), path);
	int64_t t = now();

	while (n--)
		if (writing)
			must(write(fd, buf, len), "write");
		else
			must(read(fd, buf, len), "read");
	t = now() - t;
	close(fd);
	return t;
}

static int64_t bench_read1(long n) { return rw(n, "/dev/zero", O_RDONLY, 1, 0); }
static int64_t bench_write1(long n) { return rw(n, "/dev/null", O_WRONLY, 1, 1); }

static int64_t bench_pread4k(long n)
{
	char buf[4096];
	int fd = file("pread", 1 << 20);
	int64_t t = now();

	for (long i = 0; i < n; i++)
		must(pread(fd, buf, sizeof(buf), i % 256 * 4096), "pread");
	t = now() - t;
	close(fd);
	unlink("pread");
	return t;
}

static int64_t bench_lseek(long n)
{
	int fd = file("lseek", 1);
	int64_t t = now();

	while (n--)
		must(lseek(fd, 0, SEEK_SET), "lseek");
	t = now() - t;
	close(fd);
	unlink("lseek");
	return t;
}

static int64_t bench_fstat(long n)
{
	int fd = file("fstat", 1);
	struct stat st;
	int64_t t = now();

	while (n--)
		must(fstat(fd, &st), "fstat");
	t = now() - t;
	close(fd);
	unlink("fstat");
	return t;
}

static int64_t bench_open_read(long n)
{
	int64_t t;
	char c;

	close(file("open", 1));
	t = now();
	while (n--) {
		int fd = must(open("open", O_RDONLY), "open");

		must(read(fd, &c, 1), "read");
		close(fd);
	}
	t = now() - t;
	unlink("open");
	return t;
}

static int64_t bench_open(long n)
{
	int64_t t;

	close(file("open", 1));
	t = now();
	while (n--)
		close(must(open("open", O_RDONLY), "open"));
	t = now() - t;
	unlink("open");
	return t;
}

static int64_t bench_stat(long n)
{
	struct stat st;
	int64_t t;

	mkdir("a", 0755);
	mkdir("a/b", 0755);
	mkdir("a/b/c", 0755);
	mkdir("a/b/c/d", 0755);
	close(file("a/b/c/d/f", 1));
	t = now();
	while (n--)
		must(stat("a/b/c/d/f", &st), "stat");
	return now() - t;
}

static int64_t bench_create(long n)
{
	int64_t t = now();

	while (n--) {
		int fd = must(open("create", O_WRONLY | O_CREAT | O_EXCL, 0644), "create");

		must(write(fd, "x", 1), "write");
		close(fd);
		unlink("create");
	}
	return now() - t;
}

static int64_t bench_readdir(long n)
{
	char name[32];
	int64_t t;

	if (mkdir("dir", 0755) == 0)
		for (int i = 0; i < 1000; i++) {
			snprintf(name, sizeof(name), "dir/f%d", i);
			close(file(name, 0));
		}
	t = now();
	while (n--) {
		DIR *d = opendir("dir");

		while (readdir(d))
			;
		closedir(d);
	}
	return now() - t;
}

/* Per megabyte. */
static int64_t bench_seqread(long n)
{
	static char buf[1 << 20];
	int fd = file("seq", 16 << 20);
	int64_t t = now();

	for (long i = 0; i < n; i++)
		must(pread(fd, buf, sizeof(buf), i % 16 << 20), "pread");
	t = now() - t;
	close(fd);
	unlink("seq");
	return t;
}

static int64_t bench_seqwrite(long n)
{
	static char buf[1 << 20];
	int fd = file("seqw", 0);
	int64_t t = now();

	for (long i = 0; i < n; i++)
		must(pwrite(fd, buf, sizeof(buf), i % 16 << 20), "pwrite");
	t = now() - t;
	close(fd);
	unlink("seqw");
	return t;
}

/* ---- memory ---- */

static int64_t bench_touch(long n)
{
	char *p = map(n * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int64_t t;

	madvise(p, n * PAGE, MADV_NOHUGEPAGE);
	t = now();
	for (long i = 0; i < n; i++)
		p[i * PAGE] = 1;
	t = now() - t;
	munmap(p, n * PAGE);
	return t;
}

static int64_t bench_mmap(long n)
{
	int64_t t = now();

	while (n--) {
		char *p = map(4 * PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);

		p[0] = 1;
		munmap(p, 4 * PAGE);
	}
	return now() - t;
}

static int64_t bench_cow(long n)
{
	long pages = n < 256 ? n : 256;
	int fd = file("cow", 256 * PAGE);
	int64_t t = 0;

	for (long done = 0; done < n; done += pages) {
		/* Present but read-only, so that each write makes a copy and nothing else. */
		char *p = mmap(NULL, pages * PAGE, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
		int64_t start;

		if (p == MAP_FAILED)
			die("mmap");
		mprotect(p, pages * PAGE, PROT_READ | PROT_WRITE);
		start = now();
		for (long i = 0; i < pages; i++)
			p[i * PAGE] = 1;
		t += now() - start;
		munmap(p, pages * PAGE);
	}
	close(fd);
	unlink("cow");
	return t;
}

static int64_t mprotect_flip(long n, size_t len)
{
	char *p = map(len, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	int64_t t;

	memset(p, 1, len);
	t = now();
	while (n--) {
		mprotect(p, len, PROT_READ);
		mprotect(p, len, PROT_READ | PROT_WRITE);
		p[0] = 2;
	}
	t = now() - t;
	munmap(p, len);
	return t;
}

static int64_t bench_mprotect(long n) { return mprotect_flip(n, PAGE); }
static int64_t bench_mprotect_1m(long n) { return mprotect_flip(n, 1 << 20); }

static char *mend_page;

static void mend(int sig)
{
	(void)sig;
	mprotect(mend_page, PAGE, PROT_READ | PROT_WRITE);
}

static int64_t bench_segv(long n)
{
	int64_t t;

	mend_page = map(PAGE, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	signal(SIGSEGV, mend);
	t = now();
	while (n--) {
		mprotect(mend_page, PAGE, PROT_READ);
		*(volatile char *)mend_page = 1;
	}
	t = now() - t;
	signal(SIGSEGV, SIG_DFL);
	munmap(mend_page, PAGE);
	return t;
}

static void nothing(int sig)
{
	(void)sig;
}

static int64_t bench_signal(long n)
{
	pid_t me = getpid();
	int64_t t;

	signal(SIGUSR1, nothing);
	t = now();
	while (n--)
		kill(me, SIGUSR1);
	return now() - t;
}

/* ---- processes and threads ---- */

static int64_t bench_pipe(long n)
{
	int a[2], b[2];
	char c = 'p';
	int64_t t;
	pid_t pid;

	must(pipe(a), "pipe");
	must(pipe(b), "pipe");
	pid = must(fork(), "fork");
	if (pid == 0) {
		close(a[1]);
		while (read(a[0], &c, 1) == 1)
			must(write(b[1], &c, 1), "write");
		_exit(0);
	}
	t = now();
	while (n--) {
		must(write(a[1], &c, 1), "write");
		must(read(b[0], &c, 1), "read");
	}
	t = now() - t;
	close(a[1]);
	waitpid(pid, NULL, 0);
	close(a[0]);
	close(b[0]);
	close(b[1]);
	return t;
}

static int ball;
static long ball_rounds;

static void await_ball(int who)
{
	int v;

	while ((v = __atomic_load_n(&ball, __ATOMIC_ACQUIRE)) != who)
		syscall(SYS_futex, &ball, FUTEX_WAIT_PRIVATE, v, NULL);
}

static void pass_ball(int to)
{
	__atomic_store_n(&ball, to, __ATOMIC_RELEASE);
	syscall(SYS_futex, &ball, FUTEX_WAKE_PRIVATE, 1);
}

static void *player(void *arg)
{
	for (long i = 0; i < ball_rounds; i++) {
		await_ball(1);
		pass_ball(0);
	}
	return arg;
}

static int64_t bench_futex(long n)
{
	pthread_t th;
	int64_t t;

	ball = 0;
	ball_rounds = n;
	pthread_create(&th, NULL, player, NULL);
	t = now();
	while (n--) {
		pass_ball(1);
		await_ball(0);
	}
	t = now() - t;
	pthread_join(th, NULL);
	return t;
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t mutex_start;
static volatile long mutex_value;

static void *contender(void *arg)
{
	pthread_barrier_wait(&mutex_start);
	for (long i = (long)arg; i > 0; i--) {
		pthread_mutex_lock(&mutex);
		mutex_value++;
		pthread_mutex_unlock(&mutex);
	}
	return NULL;
}

static int64_t bench_mutex(long n)
{
	pthread_t th[4];
	int64_t t;

	pthread_barrier_init(&mutex_start, NULL, 5);
	for (int i = 0; i < 4; i++)
		pthread_create(&th[i], NULL, contender, (void *)(n / 4 + 1));
	pthread_barrier_wait(&mutex_start);
	t = now();
	for (int i = 0; i < 4; i++)
		pthread_join(th[i], NULL);
	return now() - t;
}

static void *idle_thread(void *arg)
{
	return arg;
}

static int64_t bench_thread(long n)
{
	int64_t t = now();

	while (n--) {
		pthread_t th;

		if (pthread_create(&th, NULL, idle_thread, NULL))
			die("pthread_create");
		pthread_join(th, NULL);
	}
	return now() - t;
}

static int64_t bench_fork(long n)
{
	int64_t t = now();

	while (n--) {
		pid_t pid = must(fork(), "fork");

		if (pid == 0)
			_exit(0);
		waitpid(pid, NULL, 0);
	}
	return now() - t;
}

static int64_t exec_wait(long n, const char *path, const char *arg)
{
	int64_t t = now();

	while (n--) {
		pid_t pid = must(vfork(), "vfork");

		if (pid == 0) {
			execl(path, path, arg, NULL);
			_exit(1);
		}
		waitpid(pid, NULL, 0);
	}
	return now() - t;
}

static int64_t bench_exec(long n) { return exec_wait(n, "/proc/self/exe", "--nothing"); }
static int64_t bench_exec_dynamic(long n) { return exec_wait(n, "/bin/true", NULL); }

/* ---- network ---- */

static int listener(struct sockaddr_in *a)
{
	socklen_t len = sizeof(*a);
	int l = must(socket(AF_INET, SOCK_STREAM, 0), "socket");

	*a = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	must(bind(l, (struct sockaddr *)a, sizeof(*a)), "bind");
	must(listen(l, 16), "listen");
	must(getsockname(l, (struct sockaddr *)a, &len), "getsockname");
	return l;
}

static int64_t bench_connect(long n)
{
	struct linger lg = { 1, 0 };
	struct sockaddr_in a;
	int l = listener(&a);
	int64_t t = now();

	while (n--) {
		int s = must(socket(AF_INET, SOCK_STREAM, 0), "socket"), c;

		must(connect(s, (struct sockaddr *)&a, sizeof(a)), "connect");
		c = must(accept(l, NULL, NULL), "accept");
		setsockopt(s, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg));
		close(s);
		close(c);
	}
	t = now() - t;
	close(l);
	return t;
}

static void connected(int sv[2])
{
	struct sockaddr_in a;
	int l = listener(&a), on = 1;

	sv[0] = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(connect(sv[0], (struct sockaddr *)&a, sizeof(a)), "connect");
	sv[1] = must(accept(l, NULL, NULL), "accept");
	setsockopt(sv[0], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(sv[1], IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	close(l);
}

static int64_t bench_tcp_echo(long n)
{
	int sv[2];
	char c = 'e';
	int64_t t;
	pid_t pid;

	connected(sv);
	pid = must(fork(), "fork");
	if (pid == 0) {
		close(sv[0]);
		while (read(sv[1], &c, 1) == 1)
			must(write(sv[1], &c, 1), "write");
		_exit(0);
	}
	close(sv[1]);
	t = now();
	while (n--) {
		must(write(sv[0], &c, 1), "write");
		must(read(sv[0], &c, 1), "read");
	}
	t = now() - t;
	close(sv[0]);
	waitpid(pid, NULL, 0);
	return t;
}

/* Per megabyte. */
static int64_t bench_tcp_stream(long n)
{
	static char buf[1 << 16];
	int sv[2];
	int64_t t;
	pid_t pid;

	connected(sv);
	pid = must(fork(), "fork");
	if (pid == 0) {
		close(sv[0]);
		while (read(sv[1], buf, sizeof(buf)) > 0)
			;
		_exit(0);
	}
	close(sv[1]);
	t = now();
	for (long i = 0; i < n * 16; i++)
		for (size_t off = 0; off < sizeof(buf);)
			off += must(write(sv[0], buf + off, sizeof(buf) - off), "write");
	close(sv[0]);
	waitpid(pid, NULL, 0);
	return now() - t;
}

/* ---- the list ---- */

static const struct bench {
	const char *name;
	int64_t (*run)(long n);
	long max; /* rounds at most, for what uses up something */
} benches[] = {
	{ "compute-1000", bench_compute, 0 },
	{ "getpid", bench_getpid, 0 },
	{ "getppid", bench_getppid, 0 },
	{ "clock_gettime", bench_clock, 0 },
	{ "read-1-zero", bench_read1, 0 },
	{ "write-1-null", bench_write1, 0 },
	{ "pread-4k", bench_pread4k, 0 },
	{ "lseek", bench_lseek, 0 },
	{ "fstat", bench_fstat, 0 },
	{ "open-close", bench_open, 0 },
	{ "open-read-close", bench_open_read, 0 },
	{ "stat-deep", bench_stat, 0 },
	{ "create-unlink", bench_create, 0 },
	{ "readdir-1000", bench_readdir, 0 },
	{ "read-1M", bench_seqread, 0 },
	{ "write-1M", bench_seqwrite, 0 },
	{ "touch-page", bench_touch, 65536 },
	{ "mmap-touch-munmap", bench_mmap, 0 },
	{ "cow-file-page", bench_cow, 65536 },
	{ "mprotect-flip", bench_mprotect, 0 },
	{ "mprotect-flip-1M", bench_mprotect_1m, 0 },
	{ "segv-mend", bench_segv, 0 },
	{ "signal-self", bench_signal, 0 },
	{ "pipe-ping-pong", bench_pipe, 0 },
	{ "futex-ping-pong", bench_futex, 0 },
	{ "mutex-4-threads", bench_mutex, 0 },
	{ "thread-create-join", bench_thread, 0 },
	{ "fork-exit-wait", bench_fork, 0 },
	{ "vfork-exec-wait", bench_exec, 0 },
	{ "exec-dynamic-wait", bench_exec_dynamic, 0 },
	{ "tcp-connect", bench_connect, 20000 },
	{ "tcp-echo", bench_tcp_echo, 0 },
	{ "tcp-stream-1M", bench_tcp_stream, 0 },
};

static void measure(const struct bench *b, int64_t budget)
{
	int64_t t;
	long n = 1;

	for (;;) {
		t = b->run(n);
		if (t >= budget / 2 || (b->max && n >= b->max))
			break;
		n *= t > 0 && t < budget / 20 ? 10 : 2;
		if (b->max && n > b->max)
			n = b->max;
	}
	printf("%s %.1f\n", b->name, (double)t / (double)n);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	int64_t budget = 50 * 1000000LL;
	int opt, list = 0;

	if (argc == 2 && !strcmp(argv[1], "--nothing"))
		return 0;
	signal(SIGPIPE, SIG_IGN);
	while ((opt = getopt(argc, argv, "t:l")) != -1) {
		if (opt == 't')
			budget = atol(optarg) * 1000000LL;
		else if (opt == 'l')
			list = 1;
		else
			return 2;
	}
	for (size_t i = 0; i < sizeof(benches) / sizeof(benches[0]); i++) {
		int wanted = optind == argc;

		for (int k = optind; k < argc; k++)
			wanted |= strstr(benches[i].name, argv[k]) != NULL;
		if (!wanted)
			continue;
		if (list)
			puts(benches[i].name);
		else
			measure(&benches[i], budget);
	}
	return 0;
}
