/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry boot: an image's own init as PID 1.
 *
 *     running --SIGTERM--> poweroff(8) is run in the guest --it ends, or the time is over--> off
 *                                        --SIGTERM--> everything is killed
 *     running --reboot(2)--> the machine starts again: sentry executes itself, so that nothing of the old one is left
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/mman.h"
#include "sentry/abi/signal.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/rundir.h"
#include "sentry/kernel/kernel.h"
#include "sentry/trace/trace.h"
#include "vfs/dev/dev.h"
#include "vfs/devpts/conpty.h"

#define DEFAULT_GRACE_NS (30 * 1000000000LL)
#define HELPER_PATIENCE_NS (5 * 1000000000LL)
#define DEFAULT_CMDLINE "console=ttyS0"
#define BOOT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct boot {
	struct run_options opts;
	struct string_list env, argv;
	char *cmdline;
};

static int64_t grace_ns = DEFAULT_GRACE_NS;

/* --- the end --- */

static void *kill_later(void *arg __unused)
{
	int64_t end = host_clock_ns(LINUX_CLOCK_MONOTONIC) + grace_ns, now;

	while ((now = host_clock_ns(LINUX_CLOCK_MONOTONIC)) < end)
		host_nanosleep(end - now);
	signals_end_within(SIGNALS_END_GRACE_NS, STATUS_SIGNAL + LINUX_SIGKILL);
	log_warn("the machine is not off after %g s: killing it", (double)grace_ns / 1e9);
	kernel_kill_all();
	return NULL;
}

/* As orderly_poweroff() in Linux: the guest's own program knows how its init is told. */
static void power_off(void)
{
	static char *const argv[] = { (char *)"/sbin/poweroff", NULL };
	static char *const envp[] = { (char *)"HOME=/", (char *)BOOT_PATH, NULL };
	pthread_t thread;
	int err = kernel_spawn(argv[0], argv, envp);

	if (err) {
		log_info("cannot run %s in the guest (%s): its init gets SIGTERM", argv[0], cli_strerror(err));
		kernel_kill_init(LINUX_SIGTERM);
	}
	if (!pthread_create(&thread, NULL, kill_later, NULL))
		pthread_detach(thread);
}

static bool boot_signal(int sig, int code __unused)
{
	static unsigned nr_terms;

	switch (sig) {
	case LINUX_SIGTERM:
	case LINUX_SIGINT:
	case LINUX_SIGHUP:
	case LINUX_SIGQUIT:
		if (!nr_terms++) {
			power_off();
			break;
		}
		signals_end_within(SIGNALS_END_GRACE_NS, STATUS_SIGNAL + LINUX_SIGKILL);
		kernel_kill_all();
		break;
	case LINUX_SIGWINCH:
		console_resized();
		break;
	default:
		break;
	}
	return true;
}

/* --- the start --- */

static void boot_words(struct boot *b)
{
	const char *given = b->opts.cmdline ? b->opts.cmdline : "";
	char *words, *save = NULL, **argv = b->opts.argv;

	if (asprintf(&b->cmdline, "%s%s%s", DEFAULT_CMDLINE, *given ? " " : "", given) < 0)
		b->cmdline = NULL;
	string_list_init(&b->argv);
	string_list_init(&b->env);
	string_list_add(&b->argv, "");
	env_set(&b->env, "HOME=/");
	env_set(&b->env, "TERM=linux");
	words = strdup(given);
	/* What the kernel does not know is init's: as unknown_bootoption() in Linux. */
	for (char *w = words ? strtok_r(words, " ", &save) : NULL; w; w = strtok_r(NULL, " ", &save)) {
		if (!strncmp(w, "init=", 5) || strchr(w, '.') || !strcmp(w, "quiet") || !strcmp(w, "ro") || !strcmp(w, "rw"))
			continue;
		if (strchr(w, '='))
			env_set(&b->env, w);
		else
			string_list_add(&b->argv, w);
	}
	free(words);
	for (; argv && *argv; argv++)
		string_list_add(&b->argv, *argv);
	if (host_getenv("TERM") && host_isatty(0)) {
		char *term;

		if (asprintf(&term, "TERM=%s", host_getenv("TERM")) > 0) {
			env_set(&b->env, term);
			free(term);
		}
	}
	env_apply(&b->env, &b->opts.env);
}

/* The value of @key on the command line in malloc'ed storage, or NULL. */
static char *cmdline_value(const char *cmdline, const char *key)
{
	const char *at = cmdline ? strstr(cmdline, key) : NULL;

	if (!at || (at > cmdline && at[-1] != ' '))
		return NULL;
	at += strlen(key);
	return strndup(at, strcspn(at, " "));
}

/* As PID 1 before it runs: descriptors 0 to 2 are the console, which is nobody's controlling terminal yet. */
static int boot_setup_task(void *data)
{
	const struct boot *b = data;
	struct file *f = filp_open("/dev/console", LINUX_O_RDWR | LINUX_O_NOCTTY, 0);
	int err = 0;

	if (b->opts.strace)
		strace_note_exec(b->argv.v[0], b->argv.v, b->env.v);
	if (IS_ERR(f))
		log_warn("the guest has no /dev/console: %s", cli_strerror(PTR_ERR(f)));
	for (int fd = 0; fd <= 2 && err >= 0 && !IS_ERR(f); fd++)
		err = fd_dup2(f, fd, false);
	if (!IS_ERR(f))
		fput(f);
	if (err < 0)
		return err;
	return confine_finish(&b->opts) ? -LINUX_ECANCELED : 0;
}

static int boot_try(struct boot *b, const char *init)
{
	struct cred *cred = cred_new(0, 0, 0, NULL);
	struct kernel_boot boot = {
		.fs = fs_struct_get(current_fs),
		.files = files_new(),
		.cred = cred,
		.path = init,
		.argv = b->argv.v,
		.envp = b->env.v,
		.hostname = b->opts.hostname ? b->opts.hostname : "(none)",
		.pid_limit = b->opts.pids,
		.protect_init = true,
		.setup = boot_setup_task,
		.setup_data = b,
	};

	if (!cred || !boot.files)
		return -LINUX_ENOMEM;
	free(b->argv.v[0]);
	b->argv.v[0] = strdup(init);
	return kernel_start(&boot);
}

/* The places where Linux looks for an init; one that is named must be there. */
static const char *find_init(const char *named)
{
	static const char *const places[] = { "/sbin/init", "/etc/init", "/bin/init", "/bin/sh" };
	struct path path;

	if (named)
		return named;
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		if (path_lookupat(LINUX_AT_FDCWD, places[i], LOOKUP_FOLLOW, &path))
			continue;
		path_put(&path);
		return places[i];
	}
	return NULL;
}

static int boot_start(struct boot *b)
{
	const char *init = find_init(cmdline_value(b->opts.cmdline, "init="));
	int err;

	if (!init)
		return cli_error("'%s' has no init: none of /sbin/init, /etc/init, /bin/init, /bin/sh is there", b->opts.image);
	kernel_cmdline = b->cmdline ? b->cmdline : DEFAULT_CMDLINE;
	err = boot_try(b, init);
	if (err)
		return cli_error("cannot run '%s' of '%s': %s", init, b->opts.image, cli_strerror(err));
	signals_taken = boot_signal;
	err = signals_start();
	if (!err)
		err = console_start();
	/* What init's shell would have set. */
	if (!env_get(&b->env, "PATH"))
		env_set(&b->env, BOOT_PATH);
	return err ? err : guest_started(b->env.v);
}

static int boot_wait(const struct boot *b)
{
	int status, sig;

	if (!b->opts.timeout_ns) {
		status = kernel_wait();
	} else if (kernel_wait_deadline(deadline_after(b->opts.timeout_ns), &status)) {
		signals_end_within(SIGNALS_END_GRACE_NS, STATUS_TIMEOUT);
		log_error("stopped after %g s, as --timeout says", (double)b->opts.timeout_ns / 1e9);
		kernel_kill_all();
		kernel_wait();
		return STATUS_TIMEOUT;
	}
	sig = status & 0x7f;
	return sig ? STATUS_SIGNAL + sig : (status >> 8) & 0xff;
}

/*
 * The machine is a child of the process that was started, which waits to make a new one: a sentry that has run a guest can
 * start nothing any more (platform/confine/confine.h).  Signals sent to it are the child's; those of the terminal come to both.
 */
struct restart {
	atomic_bool wanted; /* written by the child */
};

#define FORWARDED                                                                                                      \
	(LINUX_SIGMASK(LINUX_SIGHUP) | LINUX_SIGMASK(LINUX_SIGINT) | LINUX_SIGMASK(LINUX_SIGQUIT) |                    \
	 LINUX_SIGMASK(LINUX_SIGTERM))

static int supervise(pid_t child)
{
	int status, code;

	for (;;) {
		int sig = host_sigtimedwait(FORWARDED | LINUX_SIGMASK(LINUX_SIGCHLD), -1, &code);

		if (sig == LINUX_SIGCHLD && host_waitpid(child, &status, 1 /* WNOHANG */) != 0)
			return status & 0x7f ? STATUS_SIGNAL + (status & 0x7f) : (status >> 8) & 0xff;
		if (sig > 0 && sig != LINUX_SIGCHLD && code != LINUX_SI_KERNEL)
			host_kill(child, sig);
	}
}

/*
 * The dead machine's helpers are this process's children now, and end by themselves; the next machine wants their ports.  Who is still
 * there after a while is left alone.
 */
static void reap_helpers(void)
{
	deadline_t deadline = deadline_after(HELPER_PATIENCE_NS);
	int status;
	pid_t pid;

	while ((pid = host_waitpid(-1, &status, 1 /* WNOHANG */)) >= 0 && monotonic_ns() < deadline)
		if (!pid)
			host_nanosleep(1000000);
}

/* Returns in the child, as often as a machine is wanted. */
static struct restart *machines(void)
{
	struct restart *r;
	void *shared;
	pid_t parent = host_getpid(), child;
	uint64_t mask;
	int status;

	if (host_mmap(NULL, PAGE_SIZE, LINUX_PROT_READ | LINUX_PROT_WRITE, LINUX_MAP_SHARED | LINUX_MAP_ANONYMOUS, -1, 0, &shared))
		host_exit_group(cli_error("out of memory"));
	r = shared;
	host_prctl(36 /* PR_SET_CHILD_SUBREAPER */, 1, 0, 0, 0);
	do {
		atomic_store(&r->wanted, false);
		host_sigprocmask(LINUX_SIG_BLOCK, FORWARDED | LINUX_SIGMASK(LINUX_SIGCHLD), &mask);
		child = host_fork();
		if (!child) {
			host_prctl(1 /* PR_SET_PDEATHSIG */, LINUX_SIGKILL, 0, 0, 0);
			if (host_getppid() != parent)
				host_exit_group(STATUS_SENTRY);
			host_sigprocmask(LINUX_SIG_SETMASK, mask, NULL);
			return r;
		}
		if (child < 0)
			host_exit_group(cli_error("cannot make a process: %s", cli_strerror(child)));
		status = supervise(child);
		if (atomic_load(&r->wanted))
			reap_helpers();
	} while (atomic_load(&r->wanted));
	rundir_note_status(status);
	host_exit_group(status);
}

static void quit(void)
{
	signals_end_within(SIGNALS_END_GRACE_NS, STATUS_SIGNAL + LINUX_SIGKILL);
	kernel_kill_all();
}

static int boot_main(int argc, char **argv)
{
	struct boot b = { 0 };
	bool done, started = false;
	struct restart *restart;
	int err;

	err = options_parse(&cmd_boot, argc, argv, &b.opts, &done);
	if (err || done)
		return err;
	if (b.opts.grace_ns)
		grace_ns = b.opts.grace_ns;
	err = setup_limits();
	if (!err)
		err = guest_claim(&b.opts, "boot");
	if (err)
		return err;
	restart = machines();
	console_quit = quit;
	boot_words(&b);
	signals_init();
	terminal_save();
	err = console_setup(b.opts.console);
	if (!err)
		err = setup_core(&b.opts);
	if (!err && (conpty_init() || rtc_init()))
		err = cli_error("cannot set up the console and the clock: out of memory");
	if (!err)
		err = setup_boot_mounts(&b.opts, b.opts.image);
	if (!err)
		err = setup_tracing(&b.opts);
	if (!err)
		err = confine_setup(&b.opts, b.opts.image);
	if (!err)
		err = setup_platform(&b.opts);
	if (!err) {
		err = boot_start(&b);
		started = !err;
	}
	if (started) {
		err = boot_wait(&b);
		console_finish();
	}
	signals_end_extend(SIGNALS_FINI_GRACE_NS);
	ktrace_stop();
	setup_fini();
	terminal_restore();
	fflush(NULL);
	if (started && kernel_reboot_requested())
		atomic_store(&restart->wanted, true);
	host_exit_group(err);
}

const struct command cmd_boot = {
	.name = "boot",
	.usage = "[OPTIONS] IMAGE [INIT-ARG...]",
	.summary = "boot an image: its own init, a console, a login",
	.help = "Runs /sbin/init of IMAGE, a file with an ext2, ext3 or ext4 file system or a directory, as PID 1 of a machine\n"
		"whose console is this terminal.  Changes are thrown away when the machine is off or restarts.\n"
		"\n"
		"Options:\n"
		"      --console WHERE    the console is WHERE instead: a file to append to, a device, or the path of a unix\n"
		"                         socket that somebody listens on\n"
		"      --kernel-cmdline S words for /proc/cmdline; as with Linux, init= names the init, and what the kernel does\n"
		"                         not know is passed to it\n"
		"      --name NAME        a name for 'sentry exec' and the like\n"
		"  -d, --detach           go into the background, and print the name; 'sentry logs' has the console's output\n"
		"      --stop-timeout T   after SIGTERM the guest's poweroff has T to end (30s); then everything is killed\n"
		"  and of those of 'sentry run': -e, -v, -p, --net, --hostname, --memory, --pids, --timeout, --platform,\n"
		"  --strace, --trace, --log, -q\n"
		"\n"
		"SIGTERM powers the machine off, a second one kills it.  On a terminal, ^] q kills it, ^] c is ctrl-alt-del, and\n"
		"^] ^] the key itself.  The exit status is 0 after poweroff or halt, and that of init if it ends.",
	.main = boot_main,
};
