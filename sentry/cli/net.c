/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's network, as the options have it.
 */
#include <stdlib.h>
#include <string.h>

#include "netstack/direct.h"
#include "netstack/pcap.h"
#include "netstack/slirp/helper.h"
#include "netstack/uplink.h"
#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"

#define RESOLV_CONF "/etc/resolv.conf"
#define RESOLVER "nameserver 10.0.2.3\n"
#define RESOLV_CONF_MAX 4096

static int helper_fd = -1, helper_ctl = -1;

int net_fork_helper(struct run_options *o, int log_fd)
{
	char why[160] = "";
	int err, fds[2];

	if (o->net == NET_NONE) {
		if (o->policy && (o->policy->nr_publish || o->policy->nr_rules || o->policy->host_loopback))
			return command_usage_error(o->cmd, "with --net=none there is nothing to open, close or publish");
		return 0;
	}
	if (!o->policy)
		o->policy = calloc(1, sizeof(*o->policy));
	if (!o->policy)
		return cli_error("out of memory");
	if (o->net == NET_HOST && o->pcap_file)
		return command_usage_error(o->cmd, "--pcap records frames, which --net=host does not make");
	o->policy->ipv6 = host_has_ipv6();
	o->policy->host_listens = o->net == NET_HOST;
	o->policy->frames = o->pcap_file; /* which is to have all */
	err = helper_start(o->policy, log_fd, fds, why, sizeof(why));
	if (err)
		return cli_error("cannot start the network helper: %s", *why ? why : host_why(err));
	helper_fd = fds[0];
	helper_ctl = fds[1];
	return 0;
}

int net_setup(const struct run_options *o)
{
	int err = 0;

	if (o->pcap_file && helper_fd < 0)
		return command_usage_error(o->cmd, "with --net=none there is nothing for --pcap to record");
	if (o->pcap_file) {
		err = host_openat(HOST_AT_FDCWD, o->pcap_file, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC, 0666);
		if (err >= 0)
			err = pcap_start(err, "eth0");
		if (err)
			return cli_error("cannot write '%s': %s", o->pcap_file, cli_strerror(err));
	}
	if (o->net == NET_HOST)
		direct_set_host_listens();
	if (helper_fd >= 0)
		err = uplink_init(helper_fd, o->policy->frames ? -1 : helper_ctl, o->policy->nr_publish,
				  o->policy->ipv6);
	return err ? cli_error("cannot set up the network: %s", host_why(err)) : 0;
}

/* --- names --- */

/* The file's text in @buf, terminated; its length. */
static size_t resolver_read(char *buf, size_t size)
{
	_cleanup_fput_ struct file *f = filp_open(RESOLV_CONF, LINUX_O_RDONLY | LINUX_O_NONBLOCK, 0);
	int64_t n;

	buf[0] = '\0';
	if (IS_ERR(f)) {
		f = NULL;
		return 0;
	}
	n = kernel_read(f, buf, size - 1, 0);
	n = MAX(n, 0);
	buf[n] = '\0';
	return (size_t)n;
}

/* Whether the line at @s names a resolver that the guest can reach. */
static bool line_is_usable(const struct run_options *o, const char *s)
{
	struct policy probe = { .nr_rules = 0 };
	uint8_t addr[16];
	char spec[64];
	size_t n;

	s += strspn(s, " \t");
	if (strncmp(s, "nameserver", 10) || !strchr(" \t", s[10]) || !s[10])
		return false;
	s += 10 + strspn(s + 10, " \t");
	n = strcspn(s, " \t\n#;");
	if (!n || n >= sizeof(spec))
		return false;
	memcpy(spec, s, n);
	spec[n] = '\0';
	if (!strcmp(spec, "10.0.2.3"))
		return true;
	if (policy_add_rule(&probe, true, spec) || probe.rules[0].name) {
		free(probe.rules[0].name);
		return false;
	}
	memcpy(addr, probe.rules[0].addr, 16);
	return addr_is_v4(addr) && policy_allows(o->policy, addr, 53, 0);
}

/* Keeps what is not about servers: search, options. */
static void resolver_compose(const char *old, char *new, size_t size)
{
	size_t len = 0;

	for (const char *line = old, *next; *line; line = next) {
		const char *word = line + strspn(line, " \t");
		size_t n = strcspn(line, "\n");

		next = line + n + (line[n] == '\n');
		if ((!strncmp(word, "search", 6) || !strncmp(word, "domain", 6) || !strncmp(word, "options", 7)) && len + n + 2 < size) {
			memcpy(new + len, line, n);
			len += n;
			new[len++] = '\n';
		}
	}
	memcpy(new + len, RESOLVER, MIN(sizeof(RESOLVER), size - len));
}

static int resolver_write(const char *text)
{
	_cleanup_fput_ struct file *f = filp_open(RESOLV_CONF, LINUX_O_WRONLY | LINUX_O_CREAT | LINUX_O_TRUNC, 0644);
	size_t len = strlen(text);
	int64_t n;

	if (IS_ERR(f)) {
		int err = (int)PTR_ERR(f);

		f = NULL;
		return err;
	}
	n = kernel_write(f, text, len, 0);
	return n == (int64_t)len ? 0 : n < 0 ? (int)n : -LINUX_EIO;
}

void net_setup_resolver(const struct run_options *o, bool always)
{
	char old[RESOLV_CONF_MAX], new[RESOLV_CONF_MAX + sizeof(RESOLVER)];
	bool usable = false;
	int err;

	if (helper_fd < 0)
		return;
	resolver_read(old, sizeof(old));
	for (const char *line = old; *line && !always && !usable; line += strcspn(line, "\n"), line += *line == '\n')
		usable = line_is_usable(o, line);
	if (usable)
		return;
	resolver_compose(old, new, sizeof(new));
	err = resolver_write(new);
	if (err == -LINUX_ENOENT) { /* a link to where nothing is */
		do_unlinkat(LINUX_AT_FDCWD, RESOLV_CONF);
		err = resolver_write(new);
	}
	if (err)
		log_info("cannot write %s: %s", RESOLV_CONF, cli_strerror(err));
}
