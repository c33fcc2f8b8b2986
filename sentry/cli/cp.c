/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry cp: files between the host and a guest, with docker cp's rules about names:
 *
 *     to a directory      below it, by its own name; what is in it with "DIR/."
 *     to a file           in its place
 *     to what is missing  by that name, in a directory that is there
 */
#include <getopt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/stat.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/control.h"
#include "sentry/cli/tar.h"

enum kind { MISSING, FILE_THERE, DIRECTORY };

/* One of the two sides. */
struct place {
	char *guest;	   /* its name; NULL: the host */
	const char *path;  /* as given */
	struct strbuf dir; /* of a destination: where to unpack */
	struct strbuf top; /* the name there; "" for the names of the archive */
};

struct cp_options {
	bool archive, follow;
	struct place from, to;
};

/* --- the guest's side --- */

/* A request about @path: a socket to close, or -1 after reporting. */
static int ask(const char *guest, enum control_type type, uint32_t flags, const char *path, const char *top, const int *fd)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct control_copy req = { .flags = flags };
	int sock = client_connect(guest);

	if (sock < 0)
		return -1;
	strbuf_add(&out, &req, sizeof(req));
	strbuf_addf(&out, "%s%s", *path == '/' ? "" : "/", path);
	strbuf_add(&out, "", 1);
	strbuf_add(&out, top, strlen(top) + 1);
	if (!strbuf_err(&out) && !control_send(sock, type, strbuf_str(&out), out.len, fd, fd ? 1 : 0))
		return sock;
	host_close(sock);
	return cli_error("guest '%s' has ended", guest), -1;
}

static int answer(const char *guest, int sock, enum control_type want, struct control_message *m)
{
	int err = control_recv(sock, CONTROL_ANSWER_MAX, m);

	host_close(sock);
	return err || m->type != want ? client_failed(guest, err, m) : 0;
}

/* --- names --- */

static int kind_of(const struct place *p, bool follow, enum kind *ret)
{
	struct control_message m;
	struct tree_node n;
	int sock, err;

	if (!p->guest) {
		err = tree_host_ops.stat(p->path, follow, &n);
		if (err && err != -LINUX_ENOENT)
			return cli_error("'%s': %s", p->path, cli_strerror(err));
		*ret = err ? MISSING : LINUX_S_ISDIR(n.mode) ? DIRECTORY : FILE_THERE;
		return 0;
	}
	sock = ask(p->guest, CONTROL_COPY_STAT, follow ? CONTROL_COPY_FOLLOW : 0, p->path, "", NULL);
	if (sock < 0)
		return STATUS_SENTRY;
	err = answer(p->guest, sock, CONTROL_TEXT, &m);
	if (!err)
		*ret = !strcmp((char *)m.data, "missing") ? MISSING : !strcmp((char *)m.data, "directory") ? DIRECTORY : FILE_THERE;
	control_message_fini(&m);
	return err;
}

/* Splits at the last slash that has something behind it; "." and ".." are no names. */
static void split(const char *path, struct strbuf *dir, struct strbuf *name)
{
	size_t end = strlen(path), start;

	while (end > 1 && path[end - 1] == '/')
		end--;
	for (start = end; start && path[start - 1] != '/'; start--)
		;
	strbuf_add(name, path + start, end - start);
	if (start)
		strbuf_add(dir, path, MAX(start - 1, 1U));
	else
		strbuf_adds(dir, ".");
}

static bool ends_with(const char *path, const char *end)
{
	size_t len = strlen(path), n = strlen(end);

	return len >= n && !strcmp(path + len - n, end);
}

/* "DIR/." and what amounts to it: its contents, not itself. */
static bool wants_contents(const char *path)
{
	return ends_with(path, "/.") || ends_with(path, "/..") || !strcmp(path, ".") || !strcmp(path, "..") || !strcmp(path, "/");
}

/* Where the copy is to be: o->to's dir and top. */
static int resolve(struct cp_options *o, enum kind from)
{
	_cleanup_strbuf_ struct strbuf unused = STRBUF_INIT;
	struct place *to = &o->to, above = { .guest = to->guest };
	enum kind kind;
	int err = kind_of(to, true, &kind);

	if (err)
		return err;
	if (kind == DIRECTORY) {
		strbuf_adds(&to->dir, to->path);
		if (wants_contents(o->from.path))
			strbuf_adds(&to->top, ".");
		else
			split(o->from.path, &unused, &to->top);
		return 0;
	}
	if (kind == FILE_THERE && from == DIRECTORY)
		return cli_error("'%s' is a file: a directory can't be copied over it", to->path);
	if (from != DIRECTORY && ends_with(to->path, "/"))
		return cli_error("there is no directory '%s'", to->path);
	split(to->path, &to->dir, &to->top);
	above.path = strbuf_str(&to->dir);
	err = kind_of(&above, true, &kind);
	return err ? err : kind == DIRECTORY ? 0 : cli_error("there is no directory '%s'", above.path);
}

/* --- carrying --- */

struct host_side {
	const struct cp_options *o;
	const char *top;
	int fd, err;
	struct strbuf bad;
};

static void *host_packs(void *data)
{
	struct host_side *h = data;

	h->err = tar_pack(&tree_host_ops, h->o->from.path, h->o->follow || wants_contents(h->o->from.path), h->top, h->fd);
	host_close(h->fd);
	return NULL;
}

static void *host_unpacks(void *data)
{
	struct host_side *h = data;
	const char *dir = strbuf_str(&h->o->to.dir);

	h->err = tar_unpack(&tree_host_ops, dir, strcmp(h->top, ".") ? h->top : NULL, h->o->archive, h->fd, &h->bad);
	host_close(h->fd);
	return NULL;
}

static int host_failed(const struct host_side *h, const char *path)
{
	return cli_error("copying '%s'%s%s: %s", path, h->bad.len ? ", " : "", strbuf_str(&h->bad), cli_strerror(h->err));
}

/* One end of a stream for the guest, the other for a thread that works on the host's files. */
static int carry(struct cp_options *o, const char *guest, enum control_type type, uint32_t flags, const char *path, const char *top,
		 void *(*side)(void *), struct host_side *h)
{
	struct control_message m = { 0 };
	pthread_t thread;
	int pair[2], sock, status, err = host_socketpair(1 /* SOCK_STREAM */, pair);

	if (err)
		return cli_error("cannot make a socket: %s", cli_strerror(err));
	sock = ask(guest, type, flags, path, top, &pair[1]);
	host_close(pair[1]);
	if (sock < 0)
		return STATUS_SENTRY;
	h->o = o;
	h->fd = pair[0];
	if (pthread_create(&thread, NULL, side, h))
		return cli_error("cannot start a thread");
	pthread_join(thread, NULL);
	status = answer(guest, sock, CONTROL_DONE, &m);
	control_message_fini(&m);
	/* Who broke the stream has the better reason. */
	if (h->err && h->err != -LINUX_EPIPE && !status)
		status = host_failed(h, side == host_packs ? o->from.path : o->to.path);
	strbuf_fini(&h->bad);
	return status;
}

static int copy_in(struct cp_options *o)
{
	const char *top = strbuf_str(&o->to.top);
	struct host_side h = { .top = top, .bad = STRBUF_INIT };

	return carry(o, o->to.guest, CONTROL_COPY_IN, o->archive ? CONTROL_COPY_OWNER : 0, strbuf_str(&o->to.dir), "", host_packs, &h);
}

static int copy_out(struct cp_options *o)
{
	const char *top = strbuf_str(&o->to.top);
	struct host_side h = { .top = ".", .bad = STRBUF_INIT };

	return carry(o, o->from.guest, CONTROL_COPY_OUT, o->follow || wants_contents(o->from.path) ? CONTROL_COPY_FOLLOW : 0, o->from.path,
		     top, host_unpacks, &h);
}

/* "-": the stream itself. */
static int stream_with(const struct cp_options *o, bool out)
{
	_cleanup_strbuf_ struct strbuf dir = STRBUF_INIT, top = STRBUF_INIT;
	const struct place *p = out ? &o->from : &o->to;
	struct control_message m = { 0 };
	int fd = out ? 1 : 0, sock, status;

	if (out && wants_contents(p->path))
		strbuf_adds(&top, ".");
	else if (out)
		split(p->path, &dir, &top);
	sock = ask(p->guest, out ? CONTROL_COPY_OUT : CONTROL_COPY_IN,
		   (o->follow ? CONTROL_COPY_FOLLOW : 0) | (o->archive ? CONTROL_COPY_OWNER : 0), p->path, strbuf_str(&top), &fd);
	if (sock < 0)
		return STATUS_SENTRY;
	status = answer(p->guest, sock, CONTROL_DONE, &m);
	control_message_fini(&m);
	return status;
}

static int copy(struct cp_options *o)
{
	bool into = o->to.guest;
	enum kind kind;
	int err;

	if (!into && !strcmp(o->to.path, "-"))
		return host_isatty(1) ? cli_error("an archive is not for a terminal: redirect the output") : stream_with(o, true);
	if (into && !strcmp(o->from.path, "-")) {
		err = kind_of(&o->to, true, &kind);
		if (err)
			return err;
		return kind == DIRECTORY ? stream_with(o, false) : cli_error("there is no directory '%s'", o->to.path);
	}
	err = kind_of(&o->from, o->follow || wants_contents(o->from.path), &kind);
	if (err)
		return err;
	if (kind == MISSING)
		return cli_error("there is no '%s'", o->from.path);
	err = resolve(o, kind);
	return err ? err : into ? copy_in(o) : copy_out(o);
}

/* --- the command line --- */

/* NAME:PATH is a guest's; what has a slash before the colon is not. */
static void parse_place(char *arg, struct place *p)
{
	char *colon = strchr(arg, ':'), *slash = strchr(arg, '/');

	*p = (struct place){ .path = arg, .dir = STRBUF_INIT, .top = STRBUF_INIT };
	if (!colon || colon == arg || *arg == '.' || (slash && slash < colon))
		return;
	*colon = '\0';
	p->guest = arg;
	p->path = colon[1] ? colon + 1 : "/";
}

static int cp_main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "archive", no_argument, NULL, 'a' }, { "follow-link", no_argument, NULL, 'L' }, { "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	struct cp_options o = { 0 };
	int opt, status;

	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "aLh", longs, NULL)) != -1) {
		if (opt == 'h') {
			command_help(&cmd_cp);
			return 0;
		}
		if (opt == '?')
			return command_usage_error(&cmd_cp, "there is no option '%s'", argv[optind - 1]);
		o.archive |= opt == 'a';
		o.follow |= opt == 'L';
	}
	if (argc - optind != 2)
		return command_usage_error(&cmd_cp, "a source and a destination are wanted");
	parse_place(argv[optind], &o.from);
	parse_place(argv[optind + 1], &o.to);
	if (!o.from.guest == !o.to.guest)
		return command_usage_error(&cmd_cp, "one of the two must be NAME:PATH, in a guest");
	host_sigaction(LINUX_SIGPIPE, HOST_SIG_IGN, 0);
	status = copy(&o);
	strbuf_fini(&o.to.dir);
	strbuf_fini(&o.to.top);
	return status;
}

const struct command cmd_cp = {
	.name = "cp",
	.usage = "[OPTIONS] NAME:SOURCE DEST | SOURCE NAME:DEST",
	.summary = "copy files from or to a guest that runs",
	.help = "Copies a file or a directory with all in it between the host and the guest NAME of 'sentry ls', as docker cp: into\n"
		"DEST when that is a directory, else by that name; with SOURCE/. what is in a directory.  '-' as DEST prints a tar\n"
		"archive, and as SOURCE unpacks one into the directory DEST.  Modes, times and symbolic links are kept; the copies\n"
		"belong to root in the guest, and to you on the host.\n"
		"\n"
		"Options:\n"
		"  -a, --archive          keep owners, too\n"
		"  -L, --follow-link      when SOURCE is a symbolic link, copy what it leads to\n"
		"  -h, --help             show this",
	.main = cp_main,
};
