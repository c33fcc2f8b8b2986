/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry run and sentry do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "platform/platform.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/rundir.h"
#include "sentry/kernel/kernel.h"
#include "sentry/trace/trace.h"

#define DEFAULT_PATH "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/* What both have in common, gathered before the kernel starts. */
struct run {
	struct run_options opts;
	struct guest_user user;
	struct string_list env;
	char hostname[65];
};

static void env_setf(struct string_list *env, const char *key, const char *value)
{
	char *assignment;

	if (asprintf(&assignment, "%s=%s", key, value) < 0)
		return;
	env_set(env, assignment);
	free(assignment);
}

static void run_default_env(struct run *r)
{
	const char *term = host_getenv("TERM");

	env_set(&r->env, DEFAULT_PATH);
	env_setf(&r->env, "HOME", r->user.home);
	env_setf(&r->env, "HOSTNAME", r->hostname);
	if (term && host_isatty(0))
		env_setf(&r->env, "TERM", term);
}

static int run_user(struct run *r)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;

	return user_resolve(r->opts.user, &r->user, &why) ? cli_error("%s", strbuf_str(&why)) : 0;
}

/* @path: NULL keeps "/". */
static int run_chdir(const char *path)
{
	struct path pwd;
	int err;

	if (!path)
		return 0;
	err = path_lookupat(LINUX_AT_FDCWD, path, LOOKUP_FOLLOW | LOOKUP_DIRECTORY, &pwd);
	if (err)
		return cli_error("cannot use '%s' as the working directory in the guest: %s", path, cli_strerror(err));
	mutex_lock(&current_fs->lock);
	path_put(&current_fs->pwd);
	current_fs->pwd = pwd;
	mutex_unlock(&current_fs->lock);
	return 0;
}

static int start_error(const struct run *r, int err)
{
	const char *cmd = r->opts.argv[0];

	switch (err) {
	case -LINUX_ENOENT:
	case -LINUX_ENOTDIR:
		if (strchr(cmd, '/'))
			cli_error("cannot run '%s': it, or the interpreter that it names, is not in the guest", cmd);
		else
			cli_error("cannot run '%s': not found in the guest's PATH (%s)", cmd, env_get(&r->env, "PATH"));
		return STATUS_NOT_FOUND;
	case -LINUX_EACCES:
	case -LINUX_EISDIR:
		cli_error("cannot run '%s': it is not an executable file for this user", cmd);
		return STATUS_NOT_EXECUTABLE;
	case -LINUX_ENOEXEC:
		cli_error("cannot run '%s': not a program for x86-64 Linux, and no #! script", cmd);
		return STATUS_NOT_EXECUTABLE;
	case -LINUX_ELIBBAD:
		cli_error("cannot run '%s': its program interpreter is damaged", cmd);
		return STATUS_NOT_EXECUTABLE;
	case -LINUX_ELOOP:
	case -LINUX_E2BIG:
	case -LINUX_ETXTBSY:
	case -LINUX_ENAMETOOLONG:
		cli_error("cannot run '%s': %s", cmd, cli_strerror(err));
		return STATUS_NOT_EXECUTABLE;
	case -LINUX_ECANCELED:
		return STATUS_SENTRY; /* reported where it happened */
	default:
		return cli_error("cannot run '%s': %s", cmd, host_why(err));
	}
}

/* As the first task, before it runs: 0 or -errno for kernel_start, which passes it on. */
static int run_setup_task(void *data)
{
	const struct run *r = data;

	if (r->opts.strace)
		strace_note_exec(r->opts.argv[0], r->opts.argv, r->env.v);
	if (setup_stdio(r->user.uid, r->user.gid) || confine_finish(&r->opts))
		return -LINUX_ECANCELED;
	return 0;
}

static int run_start(struct run *r)
{
	struct cred *cred = cred_new(r->user.uid, r->user.gid, r->user.nr_groups, r->user.groups);
	struct kernel_boot boot = {
		.fs = current_fs,
		.files = files_new(),
		.cred = cred,
		.path = r->opts.argv[0],
		.argv = r->opts.argv,
		.envp = r->env.v,
		.hostname = r->hostname,
		.pid_limit = r->opts.pids,
		.setup = run_setup_task,
		.setup_data = r,
	};
	int err;

	if (!cred || !boot.files)
		return cli_error("out of memory");
	err = kernel_start(&boot);
	if (err)
		return start_error(r, err);
	err = signals_start();
	return err ? err : guest_started(r->env.v);
}

static int status_of(int wait_status)
{
	int sig = wait_status & 0x7f;

	return sig ? STATUS_SIGNAL + sig : (wait_status >> 8) & 0xff;
}

static int run_wait(const struct run *r)
{
	int status;

	if (!r->opts.timeout_ns)
		return status_of(kernel_wait());
	if (!kernel_wait_deadline(deadline_after(r->opts.timeout_ns), &status))
		return status_of(status);
	signals_end_within(SIGNALS_END_GRACE_NS, STATUS_TIMEOUT);
	log_error("stopped after %g s, as --timeout says", (double)r->opts.timeout_ns / 1e9);
	kernel_kill_all();
	kernel_wait();
	return STATUS_TIMEOUT;
}

/* The kernel's objects go with the process: taking them apart would only cost time. */
static void run_exit(int status) __noreturn;
static void run_exit(int status)
{
	signals_end_extend(SIGNALS_FINI_GRACE_NS);
	ktrace_stop();
	if (platform && platform->report)
		platform->report();
	setup_fini();
	terminal_restore();
	fflush(NULL);
	rundir_note_status(status);
	host_exit_group(status);
}

/* From a set-up kernel to the exit status. */
static int run_guest(struct run *r)
{
	int err = run_start(r);

	return err ? err : run_wait(r);
}

static int run_prepare(struct run *r)
{
	int err;

	string_list_init(&r->env);
	err = setup_limits();
	if (err)
		return err;
	stdio_note_inherited(r->opts.preserve_fds);
	err = guest_claim(&r->opts, r->opts.cmd->name);
	if (err)
		return err;
	signals_init();
	terminal_save();
	err = setup_core(&r->opts);
	if (!err)
		err = setup_mounts(&r->opts, r->opts.image);
	if (!err)
		err = setup_tracing(&r->opts);
	if (!err)
		err = confine_setup(&r->opts, r->opts.image);
	if (!err)
		err = setup_platform(&r->opts);
	return err;
}

static int run_main(int argc, char **argv)
{
	struct run r = { 0 };
	bool done;
	int err;

	err = options_parse(&cmd_run, argc, argv, &r.opts, &done);
	if (err || done)
		return err;
	strcpy(r.hostname, r.opts.hostname ? r.opts.hostname : "sentry");
	err = run_prepare(&r);
	if (!err)
		err = run_user(&r);
	if (!err) {
		run_default_env(&r);
		env_apply(&r.env, &r.opts.env);
		err = run_chdir(r.opts.workdir);
	}
	if (!err)
		err = run_guest(&r);
	run_exit(err);
}

/* The working directory of `do` is the caller's, where it can be reached by its name. */
static int do_chdir(const struct run *r)
{
	char cwd[PATH_MAX_LEN];
	int len;

	if (r->opts.workdir)
		return run_chdir(r->opts.workdir);
	len = host_getcwd(cwd, sizeof(cwd));
	if (len < 0)
		return cli_error("cannot tell the current directory: %s; try -w DIR", cli_strerror(len));
	return run_chdir(cwd);
}

static int do_main(int argc, char **argv)
{
	struct host_utsname uts;
	struct run r = { 0 };
	bool done;
	int err;

	err = options_parse(&cmd_do, argc, argv, &r.opts, &done);
	if (err || done)
		return err;
	if (r.opts.hostname)
		strcpy(r.hostname, r.opts.hostname);
	else if (!host_uname(&uts))
		strcpy(r.hostname, uts.nodename);
	err = run_prepare(&r);
	if (!err)
		err = r.opts.user ? run_user(&r) : user_from_host(&r.user);
	if (!err) {
		env_from_host(&r.env);
		env_apply(&r.env, &r.opts.env);
		err = do_chdir(&r);
	}
	if (!err)
		err = run_guest(&r);
	run_exit(err);
}

#define OPTIONS_HELP                                                                                                   \
	"Options:\n"                                                                                                   \
	"  -e, --env K=V          set an environment variable; with K alone, to its value on the host\n"               \
	"      --env-file FILE    read such lines from FILE\n"                                                         \
	"  -w, --workdir DIR      start in DIR\n"                                                                      \
	"  -u, --user U[:G]       run as this user and group of the guest, by name or number\n"                        \
	"  -v, --volume H:G[:ro]  show the host's H (file or directory) as G; changes go to the host unless :ro\n"     \
	"      --read-only        no changes, not even throw-away ones, to the root\n"                                 \
	"      --tmpfs D[:OPT]    an empty file system in memory on D; OPT as for mount(8): size=64m,mode=700\n"           \
	"      --overlay FILE     keep the changes to the image in FILE, which is made when it isn't there\n"            \
	"      --rw[=nobarrier]   write the image itself; with nobarrier a crash of this machine may damage it\n"      \
	"      --hostname NAME    the guest's host name\n"                                                             \
	"      --net MODE         user (the default): its own address, and what it asks for goes out in the caller's name;\n" \
	"                         none: loopback only; allowlist: only where --allow says\n"                          \
	"      --allow WHERE      open a closed or unlisted host name, address or network, with [:PORT]\n"           \
	"      --deny WHERE       close one\n"                                                                        \
	"      --host-loopback    let the guest reach this machine's 127.0.0.1, as 10.0.2.2\n"                        \
	"  -p, --publish [IP:]H:G[/udp]  pass connections to this machine's port H on to the guest's port G\n"       \
	"      --pcap FILE        record the frames of the guest's network, as pcapng\n"                                  \
	"      --name NAME        a name for 'sentry exec' and the like\n"                                                \
	"  -d, --detach           go into the background when CMD runs, and print the name\n"                               \
	"      --rm               with -d: forget it when it has ended\n"                                              \
	"      --memory SIZE      limit of guest memory, such as 512m or 2g\n"                                         \
	"      --pids N           limit of processes and threads\n"                                                    \
	"      --preserve-fds N   pass on N descriptors from 3 on, or 'all' that are open\n"                            \
	"      --timeout TIME     kill the guest after TIME, such as 10s or 2m; the exit status is then 124\n"         \
	"      --platform NAME    how guest code runs: auto, systrap, ptrace\n"                                        \
	"      --require LAYERS   fail unless these can be had, such as landlock,seccomp ('sentry doctor' lists them)\n"      \
	"      --no-patch         leave program text as it is where it runs\n"                                         \
	"      --spin WHEN        guest and sentry wait for each other awake: auto (on an idle core), never, always\n"            \
	"      --strace[=FILE]    print the guest's system calls on standard error or into FILE\n"                     \
	"      --trace FILE       record events into FILE, for 'sentry trace FILE'\n"                                  \
	"  -q, --quiet            say nothing but errors\n"                                                            \
	"  -v, --verbose          say more, -vv even more\n"                                                           \
	"      --log FILE         say it to FILE\n"                                                                    \
	"  -h, --help             show this\n"                                                                         \
	"\n"                                                                                                           \
	"The exit status is that of CMD; 128+N when signal N killed it; 124 after --timeout, 125 for an error of\n"    \
	"sentry's own, 126 when CMD can't be executed, 127 when it isn't found."

const struct command cmd_run = {
	.name = "run",
	.usage = "[OPTIONS] IMAGE -- CMD [ARG...]",
	.summary = "run a program from an image or a directory",
	.help = "Runs CMD in a guest whose root is IMAGE: a file with an ext2, ext3 or ext4 file system, or a "
		"directory.\n"
		"Changes are thrown away in the end, unless --rw or --overlay is given.\n"
		"\n" OPTIONS_HELP,
	.main = run_main,
};

const struct command cmd_do = {
	.name = "do",
	.usage = "[OPTIONS] -- CMD [ARG...]",
	.summary = "run a program of this machine in a sandbox",
	.help = "Runs CMD with this machine's own files, environment, user and current directory.  Changes to files "
		"are\n"
		"seen by the guest alone, and thrown away in the end.\n"
		"\n" OPTIONS_HELP,
	.main = do_main,
};
