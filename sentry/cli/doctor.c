/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sentry doctor: what this machine lets sentry do, what mends the rest, and what the processes of a run may do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/slirp/helper.h"
#include "platform/confine/confine.h"
#include "platform/host/host.h"
#include "platform/platform.h"
#include "platform/spawner.h"
#include "platform/stub_exec.h"
#include "platform/systrap/systrap.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/json.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/rundir.h"

struct check {
	bool ok;
	bool needed;	  /* no guest runs without it */
	char what[240];	  /* as it is */
	const char *mend; /* NULL: nothing to do, or @what says it */
};

static void say(struct check *c, bool ok, const char *fmt, ...) __printf(3, 4);
static void say(struct check *c, bool ok, const char *fmt, ...)
{
	va_list ap;

	c->ok = ok;
	va_start(ap, fmt);
	vsnprintf(c->what, sizeof(c->what), fmt, ap);
	va_end(ap);
}

/* --- the checks --- */

static void check_kernel(struct check *c)
{
	struct host_utsname uts = { 0 };
	unsigned major = 0, minor = 0;

	host_uname(&uts);
	sscanf(uts.release, "%u.%u", &major, &minor);
	c->needed = true;
	say(c, major > 5 || (major == 5 && minor >= 3), "%s %s %s, %u processors", uts.sysname, uts.release, uts.machine,
	    host_nr_cpus());
	if (!c->ok)
		c->mend = "sentry needs Linux 5.3 at least";
}

static void check_limits(struct check *c)
{
	const char *why = NULL;

	c->needed = true;
	if (host_limits_raise(&why))
		say(c, false, "%s", why);
	else
		say(c, true, "resource limits are high enough to begin with");
}

static void check_seccomp(struct check *c)
{
	const char *why = NULL;

	c->needed = true;
	if (stub_exec_check(&why))
		say(c, false, "%s", why);
	else
		say(c, true, "seccomp filters and pidfds can be had");
}

static void check_platform(struct check *c, const struct platform_ops *p)
{
	const char *why = NULL;
	int err = p->probe(&why);

	if (err)
		say(c, false, "%s", why ? why : host_why(err));
	else
		say(c, true, "%s", p->summary);
}

static void check_systrap(struct check *c)
{
	check_platform(c, &systrap_platform);
}

static void check_ptrace(struct check *c)
{
	for (const struct platform_ops *const *p = platforms; *p; p++)
		if ((*p)->uses_ptrace)
			check_platform(c, *p);
}

static void check_landlock(struct check *c)
{
	int abi = landlock_abi();

	say(c, abi > 0, abi ? "ABI %d" : "this host has none", abi);
	if (!abi)
		c->mend = "a second wall around the sentry, from Linux 5.13 on: CONFIG_SECURITY_LANDLOCK and lsm=landlock,...";
}

static void check_network(struct check *c)
{
	const char *why = helper_check();

	say(c, !why, "%s", why ? why : "libslirp is there");
	if (why)
		c->mend = "install libslirp0; guests have loopback only until then";
}

static void check_rundir(struct check *c)
{
	_cleanup_strbuf_ struct strbuf why = STRBUF_INIT;
	int fd = rundir_open(true, &why);

	say(c, fd >= 0, "%s", fd >= 0 ? "guests can be found by 'sentry exec' and the like" : strbuf_str(&why));
	if (fd >= 0)
		host_close(fd);
	else
		c->mend = "set XDG_RUNTIME_DIR to a directory of yours";
}

static void check_proc(struct check *c)
{
	int fd = host_openat(HOST_AT_FDCWD, "/proc/self/auxv", LINUX_O_RDONLY, 0);

	say(c, fd >= 0, fd >= 0 ? "it is mounted" : "it is not mounted, or hidden");
	if (fd >= 0)
		host_close(fd);
	else
		c->mend = "mount -t proc proc /proc; without it xattrs of shared files and 'sentry exec' are missing";
}

static const struct {
	const char *name;
	void (*run)(struct check *c);
} checks[] = {
	{ "kernel", check_kernel },	{ "limits", check_limits },   { "seccomp", check_seccomp }, { "systrap", check_systrap },
	{ "ptrace", check_ptrace },	{ "landlock", check_landlock }, { "network", check_network }, { "rundir", check_rundir },
	{ "/proc", check_proc },
};

static bool is_platform(size_t i)
{
	return checks[i].run == check_systrap || checks[i].run == check_ptrace;
}

/* --- the filters --- */

struct process {
	const char *name, *how;
	struct host_filter_count count;
};

/* What a run without shared directories has; a shared one adds the calls that take names. */
static unsigned count_filters(struct process *p)
{
	struct filter_params sentry = { .pid = host_getpid() };

	p[0] = (struct process){ "sentry", "a call that is not on its list kills it", { 0 } };
	filter_count(&sentry, &p[0].count);
	p[1] = (struct process){ "stub", "each from an instruction of its own", { 0 } };
	p[2] = (struct process){ "guest thread", "each from an instruction of its own; all else is served by the sentry", { 0 } };
	systrap_filter_count(&p[1].count, &p[2].count);
	p[3] = (struct process){ "spawner", "those of the stubs it makes among them", { 0 } };
	host_confine_count(spawner_rules, nr_spawner_rules, &p[3].count);
	p[4] = (struct process){ "network helper", "others fail; programs, processes and ptrace kill it", { 0 } };
	host_confine_count(host_net_rules, host_nr_net_rules, &p[4].count);
	return 5;
}

/* --- the report --- */

static void report_text(const struct check *c, const struct process *p, unsigned nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		printf("%-8s %-9s %s\n", c[i].ok ? "ok" : c[i].needed ? "FAILS" : "missing", checks[i].name, c[i].what);
		if (!c[i].ok && c[i].mend)
			printf("%18s %s\n", "", c[i].mend);
	}
	puts("host calls that the processes of a run may make, and how many of them by their arguments:");
	for (unsigned i = 0; i < nr; i++)
		printf("  %-15s %3u %3u  %s\n", p[i].name, p[i].count.calls, p[i].count.restricted, p[i].how);
	puts("the sentry has no privileges but those that shared directories need, no_new_privs, and can't be dumped");
}

static void report_json(const struct check *c, const struct process *p, unsigned nr, bool works)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;

	strbuf_addf(&out, "{\"works\":%s,\"checks\":[", works ? "true" : "false");
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		strbuf_addf(&out, "%s\n {\"name\":", i ? "," : "");
		json_string(&out, checks[i].name);
		strbuf_addf(&out, ",\"ok\":%s,\"needed\":%s", c[i].ok ? "true" : "false", c[i].needed ? "true" : "false");
		json_member(&out, "what", c[i].what);
		if (!c[i].ok && c[i].mend)
			json_member(&out, "mend", c[i].mend);
		strbuf_addc(&out, '}');
	}
	strbuf_adds(&out, "\n],\"filters\":[");
	for (unsigned i = 0; i < nr; i++) {
		strbuf_addf(&out, "%s\n {\"process\":", i ? "," : "");
		json_string(&out, p[i].name);
		strbuf_addf(&out, ",\"calls\":%u,\"by_arguments\":%u}", p[i].count.calls, p[i].count.restricted);
	}
	strbuf_adds(&out, "\n]}\n");
	fwrite(strbuf_str(&out), 1, out.len, stdout);
}

static int doctor_main(int argc, char **argv)
{
	struct check c[ARRAY_SIZE(checks)] = { 0 };
	struct process p[8];
	bool json = false, works = true, platform_works = false;
	unsigned nr;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
			command_help(&cmd_doctor);
			return 0;
		}
		if (strcmp(argv[i], "--json"))
			return command_usage_error(&cmd_doctor, "it takes no argument, and there is '%s'", argv[i]);
		json = true;
	}
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
		checks[i].run(&c[i]);
		works &= c[i].ok || !c[i].needed;
		platform_works |= is_platform(i) && c[i].ok;
	}
	works &= platform_works;
	for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
		c[i].needed |= is_platform(i) && !platform_works;
	nr = count_filters(p);
	if (json)
		report_json(c, p, nr, works);
	else
		report_text(c, p, nr);
	if (!works && !json)
		puts("sentry can't run guests here");
	return !works;
}

const struct command cmd_doctor = {
	.name = "doctor",
	.usage = "[--json]",
	.summary = "tell what works on this machine",
	.help = "Tries what a run needs of this machine, and tells what is missing and what mends it; and how many calls of the\n"
		"host each process of a run may make.\n"
		"\n"
		"Options:\n"
		"  --json  as JSON\n"
		"\n"
		"The exit status is 0 when guests can be run, else 1.",
	.main = doctor_main,
};
