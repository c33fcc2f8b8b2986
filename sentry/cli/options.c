/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The options of run and do.  They end at the first operand, so that the guest program's own options are left alone even
 * without "--".
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "platform/confine/confine.h"
#include "sentry/cli/cli.h"
#include "sentry/cli/rundir.h"

enum {
	OPT_ENV_FILE = 256,
	OPT_CONSOLE,
	OPT_CMDLINE,
	OPT_GRACE,
	OPT_HOSTNAME,
	OPT_PLATFORM,
	OPT_MEMORY,
	OPT_PIDS,
	OPT_PRESERVE_FDS,
	OPT_TIMEOUT,
	OPT_READ_ONLY,
	OPT_REQUIRE,
	OPT_RW,
	OPT_OVERLAY,
	OPT_TMPFS,
	OPT_LOG,
	OPT_NAME,
	OPT_RM,
	OPT_NET,
	OPT_ALLOW,
	OPT_DENY,
	OPT_HOST_LOOPBACK,
	OPT_PCAP,
	OPT_NO_PATCH,
	OPT_SPIN,
	OPT_STRACE,
	OPT_TRACE,
	OPT_VOLUME,
	OPT_VERBOSE
};

static const struct option long_options[] = {
	{ "allow", required_argument, NULL, OPT_ALLOW },
	{ "deny", required_argument, NULL, OPT_DENY },
	{ "console", required_argument, NULL, OPT_CONSOLE },
	{ "detach", no_argument, NULL, 'd' },
	{ "env", required_argument, NULL, 'e' },
	{ "env-file", required_argument, NULL, OPT_ENV_FILE },
	{ "help", no_argument, NULL, 'h' },
	{ "host-loopback", no_argument, NULL, OPT_HOST_LOOPBACK },
	{ "hostname", required_argument, NULL, OPT_HOSTNAME },
	{ "kernel-cmdline", required_argument, NULL, OPT_CMDLINE },
	{ "interactive", no_argument, NULL, 'i' },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "name", required_argument, NULL, OPT_NAME },
	{ "net", required_argument, NULL, OPT_NET },
	{ "no-patch", no_argument, NULL, OPT_NO_PATCH },
	{ "spin", required_argument, NULL, OPT_SPIN },
	{ "pcap", required_argument, NULL, OPT_PCAP },
	{ "pids", required_argument, NULL, OPT_PIDS },
	{ "platform", required_argument, NULL, OPT_PLATFORM },
	{ "preserve-fds", required_argument, NULL, OPT_PRESERVE_FDS },
	{ "publish", required_argument, NULL, 'p' },
	{ "quiet", no_argument, NULL, 'q' },
	{ "read-only", no_argument, NULL, OPT_READ_ONLY },
	{ "require", required_argument, NULL, OPT_REQUIRE },
	{ "overlay", required_argument, NULL, OPT_OVERLAY },
	{ "rm", no_argument, NULL, OPT_RM },
	{ "tmpfs", required_argument, NULL, OPT_TMPFS },
	{ "rw", optional_argument, NULL, OPT_RW },
	{ "stop-timeout", required_argument, NULL, OPT_GRACE },
	{ "strace", optional_argument, NULL, OPT_STRACE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "trace", required_argument, NULL, OPT_TRACE },
	{ "tty", no_argument, NULL, 't' },
	{ "user", required_argument, NULL, 'u' },
	{ "verbose", no_argument, NULL, OPT_VERBOSE },
	{ "volume", required_argument, NULL, OPT_VOLUME },
	{ "workdir", required_argument, NULL, 'w' },
	{ NULL, 0, NULL, 0 },
};

/* A number and what follows it; false without a number, or when it isn't finite and >= 0. */
static bool parse_number(const char *s, double *ret, const char **ret_unit)
{
	char *end;

	if (!strchr("0123456789.", s[0]) || !s[0])
		return false;
	*ret = strtod(s, &end);
	*ret_unit = end;
	return end != s && isfinite(*ret) && *ret >= 0;
}

bool parse_size(const char *s, uint64_t *ret)
{
	static const char *const units = "kmgt";
	const char *unit;
	double n;

	if (!parse_number(s, &n, &unit))
		return false;
	if (*unit) {
		const char *u = strchr(units, *unit | 0x20);

		if (!u)
			return false;
		for (ptrdiff_t i = 0; i <= u - units; i++)
			n *= 1024;
		unit++;
		/* "m", "mb", "MiB" */
		if (strcasecmp(unit, "") != 0 && strcasecmp(unit, "b") != 0 && strcasecmp(unit, "ib") != 0)
			return false;
	}
	if (n >= 0x1p63)
		return false;
	*ret = (uint64_t)n;
	return true;
}

bool parse_duration(const char *s, int64_t *ret_ns)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = { { "", 1 }, { "s", 1 }, { "ms", 1e-3 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 } };
	const char *unit;
	double n;

	if (!parse_number(s, &n, &unit))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(unit, units[i].unit) != 0)
			continue;
		n *= units[i].seconds * 1e9;
		if (n >= 0x1p62)
			return false;
		*ret_ns = (int64_t)n;
		return true;
	}
	return false;
}

/* HOST:GUEST[:ro|rw]; the host's part is made absolute by the host's own lookup. */
static int add_volume(struct run_options *o, const char *spec)
{
	char *host = strdup(spec), *guest = host ? strchr(host, ':') : NULL, *mode;
	struct volume *v = realloc(o->volumes, (o->nr_volumes + 1) * sizeof(*v));

	if (!host || !v)
		return cli_error("out of memory");
	o->volumes = v;
	if (!guest || guest == host || guest[1] != '/')
		return command_usage_error(o->cmd, "'-v %s' is not HOST:GUEST[:ro|rw] with an absolute GUEST", spec);
	*guest++ = '\0';
	v = &o->volumes[o->nr_volumes];
	*v = (struct volume){ host, guest, false };
	mode = strchr(guest, ':');
	if (mode) {
		*mode++ = '\0';
		if (strcmp(mode, "ro") != 0 && strcmp(mode, "rw") != 0)
			return command_usage_error(o->cmd, "'-v %s' ends in neither :ro nor :rw", spec);
		v->read_only = strcmp(mode, "ro") == 0;
	}
	o->nr_volumes++;
	return 0;
}

/* DIR[:OPTION,...], the options of mount(8) for tmpfs: a file system of its own in memory. */
static int add_tmpfs(struct run_options *o, const char *spec)
{
	struct volume *v = realloc(o->tmpfs, (o->nr_tmpfs + 1) * sizeof(*v));
	char *guest = strdup(spec), *data;

	if (!v || !guest)
		return cli_error("out of memory");
	o->tmpfs = v;
	if (guest[0] != '/')
		return command_usage_error(o->cmd, "'--tmpfs %s' is not DIR[:size=SIZE] with an absolute DIR", spec);
	data = strchr(guest, ':');
	if (data)
		*data++ = '\0';
	o->tmpfs[o->nr_tmpfs++] = (struct volume){ data, guest, false };
	return 0;
}

/*
 * -v is both: alone (and -vv) it makes sentry talk, before a HOST:GUEST it is a volume.
 */
static int option_v(struct run_options *o, int argc, char **argv)
{
	const char *next = optind < argc ? argv[optind] : NULL;
	const char *colon = next ? strchr(next, ':') : NULL;

	if (optarg && optarg[strspn(optarg, "v")] == '\0') {
		o->verbosity += 1 + (int)strlen(optarg);
		return 0;
	}
	if (optarg)
		return add_volume(o, optarg);
	if (colon && colon > next && colon[1] == '/') {
		optind++;
		return add_volume(o, next);
	}
	o->verbosity++;
	return 0;
}

static int option_limits(struct run_options *o, int opt)
{
	uint64_t n;

	switch (opt) {
	case OPT_MEMORY:
		if (!parse_size(optarg, &o->memory) || o->memory < (8UL << 20))
			return command_usage_error(o->cmd, "'--memory %s' is not a size of at least 8m, such as 512m",
						   optarg);
		return 0;
	case OPT_PIDS:
		if (!parse_size(optarg, &n) || n == 0 || n > 4194304)
			return command_usage_error(o->cmd, "'--pids %s' is not a number from 1 to 4194304", optarg);
		o->pids = (unsigned)n;
		return 0;
	case OPT_PRESERVE_FDS:
		if (strcmp(optarg, "all") == 0)
			n = UINT_MAX;
		else if (!parse_size(optarg, &n) || n > 65536)
			return command_usage_error(o->cmd, "'--preserve-fds %s' is neither 'all' nor a number up to 65536",
						   optarg);
		o->preserve_fds = (unsigned)n;
		return 0;
	default:
		if (!parse_duration(optarg, &o->timeout_ns) || o->timeout_ns == 0)
			return command_usage_error(o->cmd, "'--timeout %s' is not a duration such as 10s, 2m or 500ms",
						   optarg);
		return 0;
	}
}

static int option_net_mode(struct run_options *o, const char *mode)
{
	static const char *const modes[] = { [NET_USER] = "user", [NET_NONE] = "none", [NET_ALLOWLIST] = "allowlist",
						[NET_HOST] = "host" };

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (strcmp(mode, modes[i]) == 0) {
			o->net = (enum net_mode)i;
			o->policy->allowlist = i == NET_ALLOWLIST;
			return 0;
		}
	return command_usage_error(o->cmd, "'--net %s' is not user, host, allowlist or none", mode);
}

static int option_net(struct run_options *o, int opt)
{
	const char *why;

	if (!o->policy)
		o->policy = calloc(1, sizeof(*o->policy));
	if (!o->policy)
		return cli_error("out of memory");
	switch (opt) {
	case OPT_NET:
		return option_net_mode(o, optarg);
	case OPT_HOST_LOOPBACK:
		o->policy->host_loopback = true;
		return 0;
	case 'p':
		why = policy_add_publish(o->policy, optarg);
		return why ? command_usage_error(o->cmd, "'--publish %s': %s", optarg, why) : 0;
	default:
		why = policy_add_rule(o->policy, opt == OPT_ALLOW, optarg);
		return why ? command_usage_error(o->cmd, "'--%s %s': %s", opt == OPT_ALLOW ? "allow" : "deny", optarg, why) : 0;
	}
}

static int option_boot(struct run_options *o, int opt)
{
	if (o->cmd != &cmd_boot)
		return command_usage_error(o->cmd, "that option is one of 'sentry boot'");
	switch (opt) {
	case OPT_CONSOLE:
		o->console = optarg;
		return 0;
	case OPT_CMDLINE:
		o->cmdline = optarg;
		return 0;
	default:
		if (!parse_duration(optarg, &o->grace_ns))
			return command_usage_error(o->cmd, "'--stop-timeout %s' is not a duration such as 30s", optarg);
		return 0;
	}
}

static int option_spin(struct run_options *o)
{
	static const char *const names[] = {
		[PLATFORM_SPIN_AUTO] = "auto", [PLATFORM_SPIN_NEVER] = "never", [PLATFORM_SPIN_ALWAYS] = "always",
	};

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strcmp(optarg, names[i])) {
			o->spin = (enum platform_spin)i;
			return 0;
		}
	}
	return command_usage_error(o->cmd, "--spin is auto, never or always, not '%s'", optarg);
}

static int option_require(struct run_options *o)
{
	const char *bad;
	unsigned layers = confine_parse_layers(optarg, &bad);

	if (!layers)
		return command_usage_error(o->cmd, "'--require %s': '%.*s' is no layer of 'sentry doctor', nor 'all'", optarg,
					   (int)strcspn(bad, ","), bad);
	o->required |= layers;
	return 0;
}

static int option_take(struct run_options *o, int opt, int argc, char **argv)
{
	switch (opt) {
	case 'e':
		if (!*optarg || *optarg == '=')
			return command_usage_error(o->cmd, "'-e %s' is neither KEY=VALUE nor KEY", optarg);
		string_list_add(&o->env, optarg);
		return 0;
	case OPT_ENV_FILE:
		return env_read_file(optarg, &o->env);
	case 'w':
		o->workdir = optarg;
		return 0;
	case 'u':
		o->user = optarg;
		return 0;
	case 'd':
		o->detach = true;
		return 0;
	case 'i':
	case 't':
		/* The streams are passed on as they are, a terminal as a terminal. */
		return 0;
	case OPT_NAME:
		if (!guest_name_valid(optarg))
			return command_usage_error(o->cmd, "'--name %s': a name is letters, digits, '_', '.' and '-', at most 64", optarg);
		o->name = optarg;
		return 0;
	case OPT_RM:
		o->rm = true;
		return 0;
	case 'q':
		o->verbosity = -1;
		return 0;
	case 'v':
		return option_v(o, argc, argv);
	case OPT_VOLUME:
		return add_volume(o, optarg);
	case OPT_VERBOSE:
		o->verbosity++;
		return 0;
	case OPT_HOSTNAME:
		if (!*optarg || strlen(optarg) > 64)
			return command_usage_error(o->cmd, "a host name has 1 to 64 bytes");
		o->hostname = optarg;
		return 0;
	case OPT_NO_PATCH:
		o->no_patch = true;
		return 0;
	case OPT_SPIN:
		return option_spin(o);
	case OPT_PLATFORM:
		o->platform = optarg;
		return 0;
	case OPT_READ_ONLY:
		o->read_only = true;
		return 0;
	case OPT_REQUIRE:
		return option_require(o);
	case OPT_OVERLAY:
		o->overlay = optarg;
		return 0;
	case OPT_TMPFS:
		return add_tmpfs(o, optarg);
	case OPT_RW:
		if (optarg && strcmp(optarg, "nobarrier") != 0)
			return command_usage_error(o->cmd, "'--rw=%s' is neither --rw nor --rw=nobarrier", optarg);
		o->rw = true;
		o->rw_nobarrier = optarg;
		return 0;
	case OPT_LOG:
		o->log_file = optarg;
		return 0;
	case OPT_STRACE:
		o->strace = true;
		o->strace_file = optarg;
		return 0;
	case OPT_TRACE:
		o->trace_file = optarg;
		return 0;
	case OPT_PCAP:
		o->pcap_file = optarg;
		return 0;
	case OPT_NET:
	case OPT_ALLOW:
	case OPT_DENY:
	case OPT_HOST_LOOPBACK:
	case 'p':
		return option_net(o, opt);
	case OPT_MEMORY:
	case OPT_PIDS:
	case OPT_PRESERVE_FDS:
	case OPT_TIMEOUT:
		return option_limits(o, opt);
	case OPT_CONSOLE:
	case OPT_CMDLINE:
	case OPT_GRACE:
		return option_boot(o, opt);
	case ':':
		return command_usage_error(o->cmd, "option '%s' needs an argument", argv[optind - 1]);
	default:
		return command_usage_error(o->cmd, "there is no option '%s'", argv[optind - 1]);
	}
}

static int options_take_all(const struct command *cmd, int argc, char **argv, struct run_options *ret, bool *ret_done)
{
	int opt, err;

	optind = 1;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:de:hip:qtu:v::w:", long_options, NULL)) != -1) {
		if (opt == 'h') {
			command_help(cmd);
			*ret_done = true;
			return 0;
		}
		err = option_take(ret, opt, argc, argv);
		if (err)
			return err;
	}
	if (cmd == &cmd_run || cmd == &cmd_boot) {
		/* getopt eats a "--" in front of IMAGE; the one behind it is ours. */
		if (optind >= argc)
			return command_usage_error(cmd, "IMAGE is missing");
		ret->image = argv[optind++];
		if (optind < argc && strcmp(argv[optind], "--") == 0)
			optind++;
	}
	if (optind >= argc && cmd != &cmd_boot)
		return command_usage_error(cmd, "the command to run is missing");
	ret->argv = argv + optind;
	return 0;
}

static void options_fini(struct run_options *o)
{
	for (size_t i = 0; i < o->env.nr; i++)
		free(o->env.v[i]);
	free(o->env.v);
	for (unsigned i = 0; i < o->nr_volumes; i++) {
		free(o->volumes[i].host);
		free(o->volumes[i].guest);
	}
	free(o->volumes);
}

int options_parse(const struct command *cmd, int argc, char **argv, struct run_options *ret, bool *ret_done)
{
	int err;

	*ret = (struct run_options){ .cmd = cmd };
	*ret_done = false;
	string_list_init(&ret->env);
	err = options_take_all(cmd, argc, argv, ret, ret_done);
	if (err || *ret_done)
		options_fini(ret);
	return err;
}
