/* SPDX-License-Identifier: Apache-2.0 */
/*
 * restricted - runs a program as on a host that allows less than this one.
 *
 *     restricted [OPTION...] -- COMMAND [ARG...]
 *
 * Options are carried out from left to right, so what needs privileges comes before --uid and --no-caps:
 *
 *     --docker             the system calls of a container: docker's default profile for one without added capabilities
 *     --deny CALL=ERRNO    a system call that fails, with EPERM, ENOSYS, EACCES, EINVAL or ENOMEM
 *     --limit NAME=N       a resource limit, hard and soft: nofile, nproc, as, memlock, stack, fsize, data
 *     --empty DIR          an empty file system on DIR, that can't be written
 *     --read-only DIR      DIR can't be written
 *     --hidepid            a /proc that shows a user's own processes only
 *     --uid N              another user and group, without supplementary groups
 *     --no-caps            no capabilities, nor a way to them
 *     --close FD
 *     --ignore SIGNAL      by its number
 *     --block              all signals
 *     --deleted-cwd        a current directory that was removed
 *     --memfd-noexec N     vm.memfd_noexec
 *     --set-id             the real user is another one than the effective one
 *
 * Exit status 77, with the reason on standard output, when this machine does not let it be set up.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATUS_SKIP 77
#define NR_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

static void skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
static void skip(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf(": %s\n", strerror(errno));
	exit(STATUS_SKIP);
}

static void usage(const char *what) __attribute__((noreturn));
static void usage(const char *what)
{
	fprintf(stderr, "restricted: bad option '%s'\n", what);
	exit(2);
}

/* --- filters --- */

/* The last call that the profile knows; what is newer gets ENOSYS, for libc to fall back. */
#define LAST_KNOWN_CALL 452

/* What the profile leaves out of the calls of x86-64 when no capability was added. */
static const char *const docker_denied[] = {
	"acct", "add_key", "afs_syscall", "bpf", "chroot", "clock_adjtime", "clock_settime", "create_module", "delete_module",
	"fanotify_init", "finit_module", "fsconfig", "fsmount", "fsopen", "fspick", "get_kernel_syms", "get_mempolicy",
	"getpmsg", "init_module", "io_uring_enter", "io_uring_register", "io_uring_setup", "ioperm", "iopl", "kcmp",
	"kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mbind", "migrate_pages", "mount", "mount_setattr",
	"move_mount", "move_pages", "nfsservctl", "open_by_handle_at", "open_tree", "perf_event_open", "pidfd_getfd",
	"pivot_root", "process_madvise", "process_vm_readv", "process_vm_writev", "putpmsg", "query_module", "quotactl",
	"quotactl_fd", "reboot", "request_key", "security", "set_mempolicy", "set_mempolicy_home_node", "setdomainname",
	"sethostname", "setns", "settimeofday", "swapoff", "swapon", "sysfs", "syslog", "tuxcall", "umount2", "unshare",
	"uselib", "userfaultfd", "ustat", "vhangup", "vserver", "_sysctl",
};

/* These it allows for some arguments only. */
static void allow_partly(scmp_filter_ctx ctx)
{
	static const uint64_t personalities[] = { 0, 0x0008, 0x20000, 0x20008, 0xffffffff };
	const uint64_t namespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
				    CLONE_NEWNET;

	for (size_t i = 0; i < NR_ELEMENTS(personalities); i++)
		seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(personality), 1, SCMP_A0(SCMP_CMP_EQ, personalities[i], 0));
	seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces, 0));
	seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
	seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_LT, AF_VSOCK, 0));
	seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, AF_VSOCK, 0));
}

static int is_denied(int nr)
{
	for (size_t i = 0; i < NR_ELEMENTS(docker_denied); i++)
		if (seccomp_syscall_resolve_name(docker_denied[i]) == nr)
			return 1;
	return nr == SYS_personality || nr == SYS_clone || nr == SYS_clone3 || nr == SYS_socket;
}

static void load(scmp_filter_ctx ctx)
{
	/* Without no_new_privs, as in a container, where privileges allow that. */
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
	errno = 0;
	if (seccomp_load(ctx) < 0) {
		seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 1);
		errno = -seccomp_load(ctx);
		if (errno)
			skip("a seccomp filter can't be loaded");
	}
	seccomp_release(ctx);
}

static void do_docker(const char *unused)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ERRNO(EPERM));

	(void)unused;
	for (int nr = 0; nr <= LAST_KNOWN_CALL; nr++)
		if ((nr <= SYS_rseq || nr >= SYS_pidfd_send_signal) && !is_denied(nr))
			seccomp_rule_add(ctx, SCMP_ACT_ALLOW, nr, 0);
	for (int nr = LAST_KNOWN_CALL + 1; nr < LAST_KNOWN_CALL + 50; nr++)
		seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
	allow_partly(ctx);
	load(ctx);
}

static void do_deny(const char *arg)
{
	static const struct {
		const char *name;
		int value;
	} errors[] = { { "EPERM", EPERM }, { "ENOSYS", ENOSYS }, { "EACCES", EACCES }, { "EINVAL", EINVAL }, { "ENOMEM", ENOMEM } };
	const char *sep = strchr(arg, '=');
	char *name = sep ? strndup(arg, (size_t)(sep - arg)) : NULL;
	int nr = name ? seccomp_syscall_resolve_name(name) : __NR_SCMP_ERROR;
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	for (size_t i = 0; i < NR_ELEMENTS(errors) && nr != __NR_SCMP_ERROR; i++) {
		if (strcmp(errors[i].name, sep + 1))
			continue;
		seccomp_rule_add(ctx, SCMP_ACT_ERRNO(errors[i].value), nr, 0);
		load(ctx);
		free(name);
		return;
	}
	usage(arg);
}

/* --- limits, users --- */

static void do_limit(const char *arg)
{
	static const struct {
		const char *name;
		int value;
	} limits[] = { { "nofile", RLIMIT_NOFILE }, { "nproc", RLIMIT_NPROC }, { "as", RLIMIT_AS }, { "memlock", RLIMIT_MEMLOCK },
		       { "stack", RLIMIT_STACK },   { "fsize", RLIMIT_FSIZE }, { "data", RLIMIT_DATA } };
	const char *sep = strchr(arg, '=');

	for (size_t i = 0; i < NR_ELEMENTS(limits) && sep; i++) {
		struct rlimit lim;

		if (strlen(limits[i].name) != (size_t)(sep - arg) || strncmp(limits[i].name, arg, (size_t)(sep - arg)))
			continue;
		lim.rlim_cur = lim.rlim_max = strtoull(sep + 1, NULL, 0);
		if (setrlimit((unsigned)limits[i].value, &lim))
			skip("the limit %s can't be set", arg);
		return;
	}
	usage(arg);
}

static void do_uid(const char *arg)
{
	unsigned id = (unsigned)strtoul(arg, NULL, 0);

	if (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id))
		skip("user %u can't be had", id);
}

static void do_set_id(const char *unused)
{
	(void)unused;
	if (geteuid() || setresuid(65534, (uid_t)-1, (uid_t)-1))
		skip("only root can have another real user");
}

static void do_no_caps(const char *unused)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	(void)unused;
	for (int cap = 0; cap < 64; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
	if (syscall(SYS_capset, &header, data))
		skip("capabilities can't be dropped");
}

/* --- files --- */

static void own_mounts(void)
{
	static int done;

	if (done++)
		return;
	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		skip("no mount namespace can be had");
}

static void do_empty(const char *dir)
{
	own_mounts();
	if (mount("none", dir, "tmpfs", MS_RDONLY, "size=4k"))
		skip("nothing can be mounted on %s", dir);
}

static void do_read_only(const char *dir)
{
	own_mounts();
	if (mount(dir, dir, NULL, MS_BIND, NULL) || mount(NULL, dir, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL))
		skip("%s can't be made read-only", dir);
}

static void do_hidepid(const char *unused)
{
	(void)unused;
	own_mounts();
	if (mount("proc", "/proc", "proc", 0, "hidepid=2"))
		skip("no /proc with hidepid can be mounted");
}

/* For what is started in a namespace of process numbers of its own; the host's setting stays as it is. */
static void do_memfd_noexec(const char *value)
{
	int fd, status;
	pid_t pid;

	if (unshare(CLONE_NEWPID))
		skip("no namespace of processes can be had");
	pid = fork();
	if (pid > 0) {
		while (waitpid(pid, &status, 0) < 0)
			;
		exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open("/proc/sys/vm/memfd_noexec", O_WRONLY);
	if (pid < 0 || fd < 0 || write(fd, value, strlen(value)) < 0)
		skip("vm.memfd_noexec can't be set");
	close(fd);
}

static void do_deleted_cwd(const char *unused)
{
	char dir[] = "/tmp/restricted.XXXXXX";

	(void)unused;
	if (!mkdtemp(dir) || chdir(dir) || rmdir(dir))
		skip("no directory to remove can be made");
}

static void do_close(const char *fd)
{
	close(atoi(fd));
}

/* --- signals --- */

static void do_ignore(const char *sig)
{
	signal(atoi(sig), SIG_IGN);
}

static void do_block(const char *unused)
{
	sigset_t all;

	(void)unused;
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
}

static const struct option {
	const char *name;
	int takes;
	void (*run)(const char *arg);
} options[] = {
	{ "--docker", 0, do_docker },	{ "--deny", 1, do_deny },	  { "--limit", 1, do_limit },
	{ "--empty", 1, do_empty },	{ "--read-only", 1, do_read_only }, { "--hidepid", 0, do_hidepid },
	{ "--uid", 1, do_uid },		{ "--no-caps", 0, do_no_caps },	  { "--close", 1, do_close },
	{ "--ignore", 1, do_ignore },	{ "--block", 0, do_block },	  { "--deleted-cwd", 0, do_deleted_cwd },
	{ "--set-id", 0, do_set_id },	{ "--memfd-noexec", 1, do_memfd_noexec },
};

static int take_option(char **argv)
{
	for (size_t i = 0; i < NR_ELEMENTS(options); i++) {
		if (strcmp(options[i].name, argv[0]))
			continue;
		if (options[i].takes && !argv[1])
			break;
		options[i].run(argv[1]);
		return 1 + options[i].takes;
	}
	usage(argv[0]);
}

int main(int argc, char **argv)
{
	int i = 1;

	while (i < argc && strcmp(argv[i], "--"))
		i += take_option(argv + i);
	if (i + 1 >= argc)
		usage("--");
	fflush(NULL);
	execv(argv[i + 1], argv + i + 1);
	fprintf(stderr, "restricted: cannot run %s: %s\n", argv[i + 1], strerror(errno));
	return 2;
}
