/* SPDX-License-Identifier: Apache-2.0 */
/* What looks at guests: sentry ls, ps, stats, logs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/stat.h"
#include "sentry/base/json.h"
#include "sentry/base/waitq.h"
#include "sentry/cli/control.h"
#include "sentry/cli/guests.h"
#include "sentry/cli/rundir.h"

#define LOG_PAUSE_NS 100000000LL
#define MAX_FIELDS 8

/* --- output --- */

static void print_out(struct strbuf *out)
{
	fwrite(strbuf_str(out), 1, out->len, stdout);
}

/* --- ls --- */

struct listing {
	const struct guests_options *o;
	struct strbuf out;
	unsigned nr;
};

static void time_text(int64_t seconds, char *buf, size_t size)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	if (!gmtime_r(&t, &tm) || !strftime(buf, size, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(buf, size, "-");
}

static void list_json(struct listing *l, const struct guest_state *s, const char *started)
{
	strbuf_adds(&l->out, l->nr ? ",\n {\"name\":" : "\n {\"name\":");
	json_string(&l->out, s->name);
	json_member(&l->out, "kind", s->kind);
	json_member(&l->out, "state", s->ended ? "exited" : "running");
	strbuf_addf(&l->out, ",\"pid\":%d", s->ended ? 0 : s->pid);
	if (s->ended)
		strbuf_addf(&l->out, ",\"status\":%d", s->status);
	json_member(&l->out, "started", started);
	strbuf_addf(&l->out, ",\"detached\":%s", s->detached ? "true" : "false");
	json_member(&l->out, "image", s->image ? s->image : "");
	json_member(&l->out, "command", s->command ? s->command : "");
	strbuf_addc(&l->out, '}');
}

static void list_one(const struct guest_state *s, int dir __unused, void *data)
{
	struct listing *l = data;
	char started[32], state[24] = "running", pid[16] = "-";

	if (s->ended && !l->o->all)
		return;
	time_text(s->started, started, sizeof(started));
	if (s->ended)
		snprintf(state, sizeof(state), "exited (%d)", s->status);
	else
		snprintf(pid, sizeof(pid), "%d", s->pid);
	if (l->o->json)
		list_json(l, s, started);
	else if (l->o->quiet)
		strbuf_addf(&l->out, "%s\n", s->name);
	else
		strbuf_addf(&l->out, "%-20s %-5s %-12s %-8s %-20s  %s%s%s\n", s->name, s->kind, state, pid, started,
			    s->image ? s->image : "", s->image && *s->image ? "  " : "", s->command ? s->command : "");
	l->nr++;
}

static int list_guests(const struct guests_options *o)
{
	struct listing l = { .o = o, .out = STRBUF_INIT };
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	int rundir = rundir_open(false, &why);

	if (rundir < 0 && rundir != -LINUX_ENOENT)
		return cli_error("%s", strbuf_str(&why));
	if (o->json)
		strbuf_addc(&l.out, '[');
	else if (!o->quiet)
		strbuf_addf(&l.out, "%-20s %-5s %-12s %-8s %-20s  %s\n", "NAME", "KIND", "STATE", "PID", "STARTED", "IMAGE, COMMAND");
	if (rundir >= 0)
		rundir_each(rundir, list_one, &l);
	if (o->json)
		strbuf_adds(&l.out, l.nr ? "\n]\n" : "]\n");
	print_out(&l.out);
	strbuf_fini(&l.out);
	return 0;
}

static int ls_main(int argc, char **argv)
{
	struct guests_options o;
	bool done;
	int err = guests_options(&cmd_ls, "aqJ", argc, argv, &o, &done);

	if (err || done)
		return err;
	return *o.names ? command_usage_error(&cmd_ls, "there are no operands") : list_guests(&o);
}

/* --- ps and stats: lines of fields --- */

/* Takes the text of an answer: 0 with the caller's to fini, or the exit status. */
static int ask_text(const char *name, enum control_type type, struct control_message *ret)
{
	int sock = client_connect(name), err;

	if (sock < 0)
		return STATUS_SENTRY;
	err = client_ask(sock, name, type, NULL, 0, CONTROL_TEXT, ret);
	host_close(sock);
	return err;
}

/* The next line of @text, split at tabs; false at the end.  Missing fields are "". */
static bool next_fields(char **text, char *field[MAX_FIELDS])
{
	char *line = *text, *end = line ? strchr(line, '\n') : NULL;

	if (!end)
		return false;
	*end = '\0';
	*text = end + 1;
	for (int i = 0; i < MAX_FIELDS; i++) {
		char *tab = strchr(line, '\t');

		field[i] = line;
		line = tab ? tab + 1 : line + strlen(line);
		if (tab)
			*tab = '\0';
	}
	return true;
}

static void ps_line(const struct guests_options *o, char *const f[MAX_FIELDS], bool first)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	unsigned long ms = strtoul(f[4], NULL, 10), rss = strtoul(f[5], NULL, 10);

	if (o->json) {
		strbuf_addf(&out, "%s\n {\"pid\":%d,\"ppid\":%d,\"uid\":%lu", first ? "" : ",", atoi(f[0]), atoi(f[1]),
			    strtoul(f[2], NULL, 10));
		json_member(&out, "state", f[3]);
		strbuf_addf(&out, ",\"cpu_ms\":%lu,\"rss\":%lu", ms, rss);
		json_member(&out, "command", f[6]);
		strbuf_addc(&out, '}');
	} else {
		strbuf_addf(&out, "%7s %7s %6s %s %6lu.%02lu %7luK %s\n", f[0], f[1], f[2], f[3], ms / 1000, ms % 1000 / 10,
			    rss / 1024, f[6]);
	}
	print_out(&out);
}

static int ps_main(int argc, char **argv)
{
	struct guests_options o;
	struct control_message m;
	char *field[MAX_FIELDS], *text;
	bool done, first = true;
	int err = guests_options(&cmd_ps, "aqJ", argc, argv, &o, &done);

	if (err || done)
		return err;
	if (!*o.names)
		return list_guests(&o);
	err = ask_text(*o.names, CONTROL_PS, &m);
	if (err)
		return err;
	if (o.json)
		putchar('[');
	else
		printf("%7s %7s %6s S %9s %8s %s\n", "PID", "PPID", "UID", "TIME", "RSS", "COMMAND");
	text = (char *)m.data;
	while (next_fields(&text, field)) {
		ps_line(&o, field, first);
		first = false;
	}
	if (o.json)
		puts("\n]");
	control_message_fini(&m);
	return 0;
}

static void stats_line(const struct guests_options *o, const char *name, char *text, bool first)
{
	static const char *const keys[] = { "memory", "memory_limit", "cached", "tasks", "cpu_ms" };
	unsigned long value[ARRAY_SIZE(keys)] = { 0 };
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	char *field[MAX_FIELDS];

	while (next_fields(&text, field))
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			if (!strcmp(field[0], keys[i]))
				value[i] = strtoul(field[1], NULL, 10);
	if (o->json) {
		strbuf_adds(&out, first ? "\n {\"name\":" : ",\n {\"name\":");
		json_string(&out, name);
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			strbuf_addf(&out, ",\"%s\":%lu", keys[i], value[i]);
		strbuf_addc(&out, '}');
	} else {
		strbuf_addf(&out, "%-20s %9lu.%02lu %10luK %10luK %10luK %6lu\n", name, value[4] / 1000, value[4] % 1000 / 10,
			    value[0] / 1024, value[2] / 1024, value[1] / 1024, value[3]);
	}
	print_out(&out);
}

static void note_name(const struct guest_state *s, int dir __unused, void *data)
{
	if (!s->ended)
		string_list_add(data, s->name);
}

/* Of all guests when none is named. */
static int stats_main(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	struct guests_options o;
	struct string_list all;
	bool done, first = true;
	int err = guests_options(&cmd_stats, "J", argc, argv, &o, &done), status = 0, rundir;

	if (err || done)
		return err;
	string_list_init(&all);
	if (!*o.names) {
		rundir = rundir_open(false, &why);
		if (rundir >= 0)
			rundir_each(rundir, note_name, &all);
		o.names = all.v;
	}
	if (o.json)
		putchar('[');
	else
		printf("%-20s %12s %11s %11s %11s %6s\n", "NAME", "CPU", "MEMORY", "CACHED", "LIMIT", "TASKS");
	for (char **name = o.names; *name; name++) {
		struct control_message m;

		err = ask_text(*name, CONTROL_STATS, &m);
		status = err ? err : status;
		if (err)
			continue;
		stats_line(&o, *name, (char *)m.data, first);
		first = false;
		control_message_fini(&m);
	}
	if (o.json)
		puts("\n]");
	return status;
}

/* --- logs --- */

/* Where the last @lines lines of @fd begin. */
static uint64_t tail_start(int fd, long lines)
{
	struct host_stat st;
	uint64_t pos;
	char buf[4096];

	if (host_fstat(fd, &st))
		return 0;
	pos = st.size;
	if (lines == 0)
		return pos;
	while (pos) {
		size_t len = MIN(pos, sizeof(buf));
		ssize_t n = host_pread(fd, buf, len, pos - len);

		if (n != (ssize_t)len)
			return 0;
		while (len) {
			len--;
			/* The newline at the very end closes the last line. */
			if (buf[len] == '\n' && pos != st.size && --lines == 0)
				return pos;
			pos--;
		}
	}
	return 0;
}

static int logs_main(int argc, char **argv)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	struct guests_options o;
	struct guest_state s;
	bool done, ended;
	char buf[65536];
	ssize_t n;
	int err = guests_options(&cmd_logs, "fn:", argc, argv, &o, &done), rundir, dir, fd;

	if (err || done)
		return err;
	if (!*o.names || o.names[1])
		return command_usage_error(&cmd_logs, "one NAME is wanted");
	rundir = rundir_open(false, &why);
	if (rundir < 0 || rundir_find(rundir, *o.names, &s, &dir))
		return cli_error("there is no guest '%s'", *o.names);
	fd = host_openat(dir, "log", LINUX_O_RDONLY | LINUX_O_NOFOLLOW, 0);
	if (fd < 0)
		return cli_error("guest '%s' has no log: what it prints goes where 'sentry %s' was started", *o.names, s.kind);
	if (o.tail >= 0)
		host_lseek(fd, (int64_t)tail_start(fd, o.tail), 0);
	for (;;) {
		struct guest_state now;

		/* Before the reading: what came until then is there. */
		ended = rundir_find(rundir, *o.names, &now, NULL) != 0;
		if (!ended) {
			ended = now.ended;
			guest_state_fini(&now);
		}
		while ((n = host_read(fd, buf, sizeof(buf))) > 0)
			if (host_write_full(1, buf, (size_t)n))
				return STATUS_SENTRY;
		if (!o.follow || ended)
			return 0;
		host_nanosleep(LOG_PAUSE_NS);
	}
}

/* --- the commands --- */

const struct command cmd_ls = {
	.name = "ls", .usage = "[OPTIONS]", .summary = "list the guests that run", .main = ls_main,
	.help = "Lists your guests that run, with the names that the other commands take.\n"
		"\n"
		"Options:\n"
		"  -a, --all              also detached ones that have ended\n"
		"  -q, --quiet            only names\n"
		"      --json             as JSON, an array of objects" NAMED_HELP,
};

const struct command cmd_ps = {
	.name = "ps", .usage = "[OPTIONS] [NAME]", .summary = "list the processes of a guest", .main = ps_main,
	.help = "Lists the processes of guest NAME; without NAME the guests, as 'sentry ls'.\n"
		"\n"
		"Options:\n"
		"      --json             as JSON, an array of objects\n"
		"  -a, -q                 those of 'sentry ls'" NAMED_HELP,
};

const struct command cmd_stats = {
	.name = "stats", .usage = "[OPTIONS] [NAME...]", .summary = "show what guests use", .main = stats_main,
	.help = "Shows processor time in seconds, memory, of it cached files, its limit, and the number of tasks of the guests NAME, or of "
		"all.\n"
		"\n"
		"Options:\n"
		"      --json             as JSON, an array of objects" NAMED_HELP,
};

const struct command cmd_logs = {
	.name = "logs", .usage = "[OPTIONS] NAME", .summary = "show what a detached guest printed", .main = logs_main,
	.help = "Prints what guest NAME, started with --detach, wrote to its standard output and error, or to its console.\n"
		"\n"
		"Options:\n"
		"  -f, --follow           go on until it ends\n"
		"  -n, --tail N           only the last N lines" NAMED_HELP,
};
