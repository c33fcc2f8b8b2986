/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line: subcommands, their options, and the way from them to a running guest.
 *
 *     cli.c       subcommands, --help, --version
 *     options.c   options of run and do
 *     env.c       the guest's environment
 *     user.c      names of users and groups, looked up in the guest
 *     setup.c     memory, VFS, mounts, platform: everything that has to be there before the first task
 *     confine.c   what of the host the sentry keeps for a run
 *     net.c       the network helper and its interface
 *     stdio.c     the standard streams
 *     run.c       run and do
 *     boot.c      boot
 *     console.c   the console of a booted machine
 *     signals.c   the host's signals, passed on
 *     terminal.c  the host's terminal, left as found
 *     trace_cmd.c sentry trace
 *     commit.c    sentry commit
 *     diff.c      sentry diff
 *     doctor.c    sentry doctor
 *     rundir.c    the user's guests: names, states, stale ones (rundir.h)
 *     register.c  a guest makes itself known, and goes into the background
 *     control.c   the sentry answers (control.h); control_exec.c, exec; control_proto.c, messages
 *     client.c    who asks; exec.c, sentry exec; guests.c, ls, ps, stats, kill, stop, logs, rm
 *
 * Functions here run in the main thread before the guest starts.  An int result is 0 or, after the error was reported in
 * one sentence on standard error, the exit status.
 */
#ifndef SENTRY_CLI_CLI_H
#define SENTRY_CLI_CLI_H

#include "netstack/slirp/policy.h"
#include "platform/platform.h"
#include "sentry/base/strbuf.h"
#include "sentry/base/types.h"
#include "vfs/vfs.h"

enum exit_status {
	STATUS_TIMEOUT = 124,
	STATUS_SENTRY = 125,	     /* sentry's own error */
	STATUS_NOT_EXECUTABLE = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_SIGNAL = 128,	     /* plus the signal's number */
};

/* "sentry: ..." on standard error; returns STATUS_SENTRY. */
int cli_error(const char *fmt, ...) __printf(1, 2);
/* The text of a (positive or negative) guest errno. */
const char *cli_strerror(int64_t err);

struct command {
	const char *name;
	const char *usage;   /* behind "sentry NAME " */
	const char *summary; /* one line */
	const char *help;    /* the rest of `sentry help NAME` */
	/* @argv[0] is the command's name.  Returns the exit status. */
	int (*main)(int argc, char **argv);
};
extern const struct command cmd_run, cmd_do, cmd_boot, cmd_cp, cmd_exec, cmd_ls, cmd_ps, cmd_stats, cmd_kill, cmd_stop, cmd_logs, cmd_rm,
	cmd_commit, cmd_diff, cmd_trace, cmd_doctor;

int cli_main(int argc, char **argv);
/* Prints the help of @cmd on standard output. */
void command_help(const struct command *cmd);
/* Reports a wrong command line and where to read; returns STATUS_SENTRY. */
int command_usage_error(const struct command *cmd, const char *fmt, ...) __printf(2, 3);

/* --- a growing list of strings, as argv --- */

struct string_list {
	char **v; /* malloc, NULL-terminated */
	size_t nr;
};
/* Running out of memory in these ends the program: there is no guest yet. */
void string_list_init(struct string_list *l);
/* Copies @s. */
void string_list_add(struct string_list *l, const char *s);

/* --- options.c --- */

struct volume {
	char *host, *guest;
	bool read_only;
};

enum net_mode { NET_USER, NET_NONE, NET_ALLOWLIST, NET_HOST };

struct run_options {
	const struct command *cmd;
	struct string_list env;	     /* -e as given, in order; of --env-file too */
	const char *workdir, *user, *hostname, *platform, *log_file, *strace_file, *trace_file, *pcap_file;
	struct volume *volumes;
	unsigned nr_volumes;
	struct volume *tmpfs;	     /* host: the mount's options, or NULL */
	unsigned nr_tmpfs;
	const char *overlay;	     /* the file that has the image's changes */
	uint64_t memory;	     /* bytes; 0: none */
	unsigned pids;		     /* 0: none */
	unsigned preserve_fds;	     /* from 3 on; UINT_MAX: all */
	int64_t timeout_ns;	     /* 0: none */
	const char *name;	     /* of the guest; NULL: one is made */
	bool detach, rm;
	const char *console, *cmdline; /* boot only */
	int64_t grace_ns;	     /* boot only */
	bool read_only, strace, no_patch;
	enum platform_spin spin;
	enum net_mode net;
	struct policy *policy;	     /* malloc; NULL: as it is without options */
	bool rw, rw_nobarrier;	     /* the image itself is written */
	unsigned required;	     /* layers of confinement, as bits */
	int verbosity;		     /* -1 quiet, 0, 1, 2 */
	/* operands */
	const char *image;	     /* not of do */
	char **argv;
};

/* Fills @ret, or reports and returns a status; *ret_done when --help was served. */
int options_parse(const struct command *cmd, int argc, char **argv, struct run_options *ret, bool *ret_done);
/* "512m", "2g", "4096"; false when it is none. */
bool parse_size(const char *s, uint64_t *ret);
/* "10s", "1.5m", "2h", "10" (seconds), "100ms". */
bool parse_duration(const char *s, int64_t *ret_ns);

/* --- env.c --- */

/* K=V replaces an older K. */
void env_set(struct string_list *env, const char *assignment);
const char *env_get(const struct string_list *env, const char *key);
/* Applies -e: K=V as it is, K from the host's environment if it is there. */
void env_apply(struct string_list *env, const struct string_list *opts);
/* docker's format: K=V or K lines, # comments.  Appends to @opts. */
int env_read_file(const char *path, struct string_list *opts);
void env_from_host(struct string_list *env);
const char *host_getenv(const char *key);

/* --- user.c --- */

struct guest_user {
	uint32_t uid, gid;
	uint32_t *groups; /* malloc */
	unsigned nr_groups;
	char *home; /* malloc; "/" when the guest's passwd does not know */
};
/*
 * @spec: "uid[:gid]" or "name[:group]", NULL for root.  Reads /etc/passwd and /etc/group in current_fs.  0, or -errno with the reason in
 * @why.
 */
int user_resolve(const char *spec, struct guest_user *ret, struct strbuf *why);
/* The caller's own ids on the host. */
int user_from_host(struct guest_user *ret);

/* --- setup.c --- */

/* First of all: the limits that this machine sets. */
int setup_limits(void);
/* Log, memory, VFS core, network.  Once. */
int setup_core(struct run_options *opts);
/* The root and all mounts; leaves the result in current_fs of the main thread.  @root: image file, directory, or NULL (host). */
int setup_mounts(const struct run_options *opts, const char *root);
/* After confine_setup: the processes that it makes are confined like the sentry. */
int setup_platform(const struct run_options *opts);
/* The end: what the guest wrote reaches the image.  No task runs any more. */
void setup_fini(void);

/* --- net.c --- */

/* Forks the network helper: before there is a second thread, or much memory. */
int net_fork_helper(struct run_options *opts, int log_fd);
/* eth0; after net_init(). */
int net_setup(const struct run_options *opts);
/* /etc/resolv.conf in current_fs, where the one that is there leads nowhere.  @always: whatever it says. */
void net_setup_resolver(const struct run_options *opts, bool always);

/* --- confine.c --- */

/*
 * Everything that a name of the host is needed for has been opened, and no thread and no helper that must be out of Landlock's
 * reach is still to be made: gives up what confine/confine.h says.  @root as for setup_mounts.
 */
int confine_setup(const struct run_options *opts, const char *root);
/* The rest of it, when the first program is loaded. */
int confine_finish(const struct run_options *opts);

/* --- stdio.c --- */

/* Before anything is opened: which descriptors the caller passed on; of 0-2 and of @more behind them.  Closes the rest. */
void stdio_note_inherited(unsigned more);
/* The descriptors themselves, for who must know what was passed on. */
unsigned stdio_inherited(const int **ret_fds);
/* Those, for the first task, in whose place the caller is; owned by @uid and @gid there. */
int setup_stdio(uint32_t uid, uint32_t gid);

/* --- register.c --- */

/*
 * Claims the guest's name and makes its control socket; with --detach, goes into the background first: returns in the child, whose
 * streams are the log.  After stdio_note_inherited, before there is a second thread.  @kind: static, as guest_state.kind.
 */
int guest_claim(const struct run_options *o, const char *kind);
/* The first program runs: who waits for that is told, and the control socket answers.  @env: what exec starts from, borrowed for ever. */
int guest_started(char *const *env);

/* --- trace_cmd.c --- */

/* --strace and --trace. */
int setup_tracing(const struct run_options *opts);

/* --- signals.c --- */

/* Blocks what is passed on; before the first thread. */
void signals_init(void);
/* Who is asked first, in that thread: true when there is nothing to be passed on.  @code as si_code.  NULL: nobody. */
extern bool (*signals_taken)(int sig, int code);
/* Starts the threads that wait for them and pass them on; after kernel_start. */
int signals_start(void);
#define SIGNALS_END_GRACE_NS (5 * 1000000000LL)	 /* for a guest that was killed to be gone */
#define SIGNALS_FINI_GRACE_NS (60 * 1000000000LL) /* for what it wrote to reach the image after that */
/*
 * Any thread, after signals_init: the process ends with @status when it hasn't otherwise after @ns, whatever its threads are stuck
 * in; replaces an earlier time.  Takes no lock.  To be called before kernel_kill_all(), which does.
 */
void signals_end_within(int64_t ns, int status);
/* Gives a process that is to end, if it is, another such time: the guest has ended. */
void signals_end_extend(int64_t ns);

/* --- boot.c --- */

struct string_list;
/* What mounts a machine has before its init runs. */
int setup_boot_mounts(const struct run_options *opts, const char *root);

/* --- console.c --- */

/* The guest's console on @where: NULL, descriptors 0 and 1; else a file, a device, or a socket that somebody listens on. */
int console_setup(const char *where);
/* Starts carrying; after setup_core. */
int console_start(void);
/* Everything printed has been carried. */
void console_finish(void);
void console_resized(void);
/* What the key sequences ^] q and ^] c do; set before console_start. */
extern void (*console_quit)(void);

/* --- terminal.c --- */

/* The terminal on @fd delivers every key as it is, until terminal_restore(). */
void terminal_raw(int fd);
/* Remembers the modes of the terminals on descriptors 0-2, and restores them whatever way the sentry dies but by SIGKILL. */
void terminal_save(void);
void terminal_restore(void);
/* The same without waiting for what is still to be printed.  Takes no lock. */
void terminal_restore_now(void);

#endif
