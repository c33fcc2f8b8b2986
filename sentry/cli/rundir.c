/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/cli/rundir.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/dirent.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/stat.h"
#include "sentry/cli/cli.h"

#define STATE_MAX 65536
#define LOCK_EX_NB (2 | 4)
#define AT_REMOVEDIR_HOST 0x200
#define PR_SET_NAME_HOST 15
/* How long a name's last keeper may take to clean up. */
#define KEEPER_PATIENCE 200
#define KEEPER_PAUSE_NS 10000000LL

static const char *const kinds[] = { "run", "do", "boot" };
static int status_fd = -1; /* to the keeper */

bool guest_name_valid(const char *name)
{
	static const char more[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";
	size_t len = strlen(name);

	return len && len <= GUEST_NAME_MAX && strspn(name, more) == len && !strchr("_.-", name[0]);
}

/* --- the user's directory --- */

static int open_private(int at, const char *path, bool create, struct strbuf *why)
{
	struct host_stat st;
	int err = create ? host_mkdirat(at, path, 0700) : 0, fd;

	if (err && err != -LINUX_EEXIST) {
		strbuf_addf(why, "cannot make '%s': %s", path, cli_strerror(err));
		return err;
	}
	fd = host_openat(at, path, LINUX_O_RDONLY | LINUX_O_DIRECTORY | LINUX_O_NOFOLLOW, 0);
	if (fd < 0) {
		strbuf_addf(why, "cannot open '%s': %s", path, cli_strerror(fd));
		return fd;
	}
	err = host_fstat(fd, &st);
	if (!err && (st.uid != host_geteuid() || st.mode & 077)) {
		strbuf_addf(why, "'%s' must belong to you alone (mode 0700): it does not, and is not used", path);
		err = -LINUX_EPERM;
	}
	if (err)
		host_close(fd);
	return err ? err : fd;
}

int rundir_open(bool create, struct strbuf *why)
{
	const char *base = host_getenv("XDG_RUNTIME_DIR");
	char path[PATH_MAX_LEN];
	int n;

	if (base && base[0] == '/')
		n = snprintf(path, sizeof(path), "%s/sentry", base);
	else
		n = snprintf(path, sizeof(path), "/tmp/sentry-%u", host_geteuid());
	if ((size_t)n >= sizeof(path)) {
		strbuf_adds(why, "the name of the runtime directory is too long");
		return -LINUX_ENAMETOOLONG;
	}
	return open_private(HOST_AT_FDCWD, path, create, why);
}

/* --- state --- */

static void state_line(struct strbuf *out, const char *key, const char *value)
{
	strbuf_addf(out, "%s ", key);
	strbuf_add_escaped(out, value, "\n\\");
	strbuf_addc(out, '\n');
}

/* Whole or not at all. */
static int state_write(int dir, const struct guest_state *s)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	int fd, err;

	state_line(&out, "name", s->name);
	state_line(&out, "kind", s->kind);
	state_line(&out, "image", s->image ? s->image : "");
	state_line(&out, "command", s->command ? s->command : "");
	strbuf_addf(&out, "pid %d\nstarted %lld\ndetached %d\n", s->pid, (long long)s->started, s->detached);
	if (s->ended)
		strbuf_addf(&out, "status %d\n", s->status);
	if (strbuf_err(&out))
		return -LINUX_ENOMEM;
	fd = host_openat(dir, "state.new", LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC | LINUX_O_NOFOLLOW, 0600);
	if (fd < 0)
		return fd;
	err = host_write_full(fd, strbuf_str(&out), out.len);
	host_close(fd);
	return err ? err : host_renameat2(dir, "state.new", dir, "state", 0);
}

/* Undoes strbuf_add_escaped (octal) in place. */
static void state_unescape(char *s)
{
	char *to = s;

	while (*s) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static void state_take(struct guest_state *s, const char *key, char *value)
{
	if (!strcmp(key, "pid"))
		s->pid = atoi(value);
	else if (!strcmp(key, "started"))
		s->started = atoll(value);
	else if (!strcmp(key, "detached"))
		s->detached = atoi(value);
	else if (!strcmp(key, "status"))
		s->ended = true, s->status = atoi(value);
	state_unescape(value);
	if (!strcmp(key, "image") && !s->image)
		s->image = strdup(value);
	else if (!strcmp(key, "command") && !s->command)
		s->command = strdup(value);
	for (size_t i = 0; i < ARRAY_SIZE(kinds) && !strcmp(key, "kind"); i++)
		if (!strcmp(value, kinds[i]))
			s->kind = kinds[i];
}

static int state_read(int dir, const char *name, struct guest_state *ret)
{
	int fd = host_openat(dir, "state", LINUX_O_RDONLY | LINUX_O_NOFOLLOW | LINUX_O_NONBLOCK, 0);
	char *buf = malloc(STATE_MAX), *save = NULL;
	ssize_t n = fd < 0 ? fd : !buf ? -LINUX_ENOMEM : host_read(fd, buf, STATE_MAX - 1);

	if (fd >= 0)
		host_close(fd);
	*ret = (struct guest_state){ .kind = kinds[0] };
	if (n >= 0) {
		buf[n] = '\0';
		snprintf(ret->name, sizeof(ret->name), "%s", name);
		for (char *line = strtok_r(buf, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
			char *value = strchr(line, ' ');

			if (!value)
				continue;
			*value++ = '\0';
			state_take(ret, line, value);
		}
	}
	free(buf);
	return n < 0 ? (int)n : 0;
}

void guest_state_fini(struct guest_state *s)
{
	free(s->image);
	free(s->command);
}

/* --- one guest's directory --- */

static void empty_dir(int dir, bool keep_log)
{
	host_unlinkat(dir, "control", 0);
	host_unlinkat(dir, "state.new", 0);
	if (keep_log)
		return;
	host_unlinkat(dir, "state", 0);
	host_unlinkat(dir, "log", 0);
}

static void remove_dir(int rundir, const char *name, int dir)
{
	empty_dir(dir, false);
	host_unlinkat(rundir, name, AT_REMOVEDIR_HOST);
}

/* Whether @dir is still what @name names: it may have been removed between open and lock. */
static bool still_named(int rundir, const char *name, int dir)
{
	struct host_stat a, b;

	return !host_fstat(dir, &a) && !host_fstatat(rundir, name, 0x100 /* AT_SYMLINK_NOFOLLOW */, &b) && a.ino == b.ino &&
	       a.dev == b.dev;
}

/* A locked directory for @name, empty: a descriptor; -LINUX_EBUSY when a guest has it. */
static int claim_name(int rundir, const char *name)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;

	for (int tries = 0; tries < KEEPER_PATIENCE; tries++) {
		int dir = open_private(rundir, name, true, &why), sock;

		if (dir < 0)
			return dir;
		if (!host_flock(dir, LOCK_EX_NB)) {
			if (still_named(rundir, name, dir)) {
				empty_dir(dir, false);
				return dir;
			}
			host_close(dir);
			continue;
		}
		sock = host_unix_connect_at(dir, "control");
		host_close(dir);
		if (sock >= 0) {
			host_close(sock);
			return -LINUX_EBUSY;
		}
		/* Its sentry is gone and the keeper about to go, or it is only starting. */
		host_nanosleep(KEEPER_PAUSE_NS);
	}
	return -LINUX_EBUSY;
}

static int claim_any(int rundir, struct guest_state *s)
{
	const char *image = s->image && *s->image ? s->image : s->kind, *slash = strrchr(image, '/');
	char base[33];
	size_t n = 0;

	for (const char *p = slash && slash[1] ? slash + 1 : image; *p && *p != '.' && n < sizeof(base) - 1; p++)
		if ((*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z') || (n && (*p == '-' || *p == '_')))
			base[n++] = *p;
	base[n] = '\0';
	for (int i = 0, err; i < 100; i++) {
		int len = snprintf(s->name, sizeof(s->name), "%s-%d", n ? base : "guest", s->pid);

		if (i)
			snprintf(s->name + len, sizeof(s->name) - (size_t)len, "-%d", i);
		err = claim_name(rundir, s->name);
		if (err != -LINUX_EBUSY)
			return err;
	}
	return -LINUX_EBUSY;
}

/* --- the keeper --- */

/* Waits for the end of the sentry, however it comes, on a pipe whose other end only the sentry has. */
static void keeper_main(int rundir, int dir, int pipe, struct guest_state *s) __noreturn;
static void keeper_main(int rundir, int dir, int pipe, struct guest_state *s)
{
	int keep[3] = { rundir, dir, pipe }, status;

	host_setsid();
	host_sigprocmask(LINUX_SIG_BLOCK, ~0ULL, NULL);
	host_prctl(PR_SET_NAME_HOST, (unsigned long)"sentry-keeper", 0, 0, 0);
	/* To 0, 1 and 2 by way of above, so that none overwrites another. */
	for (int i = 0; i < 3; i++)
		keep[i] = host_dup(keep[i], 16);
	for (int i = 0; i < 3; i++)
		host_dup2(keep[i], i);
	host_close_range(3, ~0U);
	s->status = STATUS_SIGNAL + LINUX_SIGKILL;
	while (host_read(2, &status, sizeof(status)) == (ssize_t)sizeof(status))
		s->status = status;
	if (s->keep) {
		s->ended = true;
		empty_dir(1, true);
		if (!state_write(1, s))
			host_exit_group(0);
	}
	remove_dir(0, s->name, 1);
	host_exit_group(0);
}

static int keeper_start(int rundir, int dir, int listen, struct guest_state *s)
{
	int pipe[2], err = host_pipe2(pipe, 0);
	pid_t pid;

	if (err)
		return err;
	pid = host_fork();
	if (!pid) {
		host_close(pipe[1]);
		host_close(listen);
		/* Nobody waits for the grandchild. */
		pid = host_fork();
		if (pid)
			host_exit_group(0);
		keeper_main(rundir, dir, pipe[0], s);
	}
	host_close(pipe[0]);
	if (pid < 0) {
		host_close(pipe[1]);
		return pid;
	}
	host_waitpid(pid, &err, 0);
	status_fd = host_dup(pipe[1], 16);
	host_close(pipe[1]);
	return status_fd < 0 ? status_fd : 0;
}

void rundir_note_status(int status)
{
	if (status_fd >= 0)
		host_write_full(status_fd, &status, sizeof(status));
}

int rundir_claim(struct guest_state *s, int *ret_listen, struct strbuf *why)
{
	int rundir = rundir_open(true, why), dir, listen = -1, err;

	if (rundir < 0)
		return rundir;
	if (*s->name)
		dir = claim_name(rundir, s->name);
	else
		dir = claim_any(rundir, s);
	if (dir == -LINUX_EBUSY)
		strbuf_addf(why, "there is a guest named '%s' already", s->name);
	else if (dir < 0)
		strbuf_addf(why, "cannot claim the name '%s': %s", s->name, cli_strerror(dir));
	if (dir < 0) {
		host_close(rundir);
		return dir;
	}
	err = state_write(dir, s);
	if (!err)
		listen = host_unix_listen_at(dir, "control");
	if (!err && listen < 0)
		err = listen;
	if (!err)
		err = host_fchmodat(dir, "control", 0600, 0);
	if (!err)
		err = keeper_start(rundir, dir, listen, s);
	if (err) {
		strbuf_addf(why, "cannot keep the state of '%s': %s", s->name, cli_strerror(err));
		remove_dir(rundir, s->name, dir);
		host_close(dir);
	}
	host_close(rundir);
	*ret_listen = listen;
	return err ? err : dir;
}

/* --- for others --- */

/* What is in @dir: 0, -LINUX_ENOENT (and removed), or -LINUX_EAGAIN: its sentry is gone or starting, and its keeper at work. */
static int look_at(int rundir, const char *name, int dir, struct guest_state *ret)
{
	bool alone = !host_flock(dir, LOCK_EX_NB);
	int err = state_read(dir, name, ret), sock;

	if (alone) {
		/* Nobody holds it and it did not end in order: killed, with its keeper. */
		if ((err || !ret->ended) && still_named(rundir, name, dir)) {
			remove_dir(rundir, name, dir);
			err = -LINUX_ENOENT;
		}
		host_flock(dir, 8 /* LOCK_UN */);
	} else if (!err && !ret->ended) {
		sock = host_unix_connect_at(dir, "control");
		if (sock >= 0)
			host_close(sock);
		err = sock < 0 ? -LINUX_EAGAIN : 0;
	} else if (err && still_named(rundir, name, dir)) {
		err = -LINUX_EAGAIN;
	}
	if (err)
		guest_state_fini(ret);
	return err;
}

int rundir_find(int rundir, const char *name, struct guest_state *ret, int *ret_dir)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	int dir = guest_name_valid(name) ? open_private(rundir, name, false, &why) : -LINUX_ENOENT, err;

	if (dir < 0)
		return dir;
	for (int tries = 0; (err = look_at(rundir, name, dir, ret)) == -LINUX_EAGAIN && tries < KEEPER_PATIENCE; tries++)
		host_nanosleep(KEEPER_PAUSE_NS);
	if (err || !ret_dir)
		host_close(dir);
	else
		*ret_dir = dir;
	return err ? -LINUX_ENOENT : 0;
}

static int name_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int rundir_each(int rundir, void (*fn)(const struct guest_state *s, int dir, void *data), void *data)
{
	struct string_list names;
	char buf[4096];
	ssize_t len;

	string_list_init(&names);
	while ((len = host_getdents64(rundir, buf, sizeof(buf))) > 0)
		for (ssize_t pos = 0; pos < len;) {
			const struct linux_dirent64 *d = (const void *)(buf + pos);

			pos += d->d_reclen;
			if (guest_name_valid(d->d_name))
				string_list_add(&names, d->d_name);
		}
	qsort(names.v, names.nr, sizeof(*names.v), name_compare);
	for (size_t i = 0; i < names.nr; i++) {
		struct guest_state s;
		int dir;

		if (!rundir_find(rundir, names.v[i], &s, &dir)) {
			fn(&s, dir, data);
			guest_state_fini(&s);
			host_close(dir);
		}
		free(names.v[i]);
	}
	free(names.v);
	return (int)MIN(len, 0);
}

int rundir_remove(int rundir, const char *name)
{
	struct guest_state s;
	int dir, err = rundir_find(rundir, name, &s, &dir);

	if (err)
		return err;
	err = host_flock(dir, LOCK_EX_NB);
	if (!err && still_named(rundir, name, dir))
		remove_dir(rundir, name, dir);
	guest_state_fini(&s);
	host_close(dir);
	return err ? -LINUX_EBUSY : 0;
}
