/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "platform/confine/confine.h"

#include <errno.h>
#include <linux/capability.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/host/host.h"
#include "sentry/base/bug.h"

const char *const confine_layer_names[NR_CONFINE_LAYERS] = {
	[CONFINE_SECCOMP] = "seccomp",
	[CONFINE_NO_NEW_PRIVS] = "no_new_privs",
	[CONFINE_LANDLOCK] = "landlock",
	[CONFINE_UNDUMPABLE] = "undumpable",
	[CONFINE_CAPS] = "capabilities",
};

static struct {
	bool begun, sealed;
	bool names, writes;
	unsigned active;
} confine;

unsigned confine_parse_layers(const char *list, const char **ret_bad)
{
	unsigned layers = 0;

	for (const char *word = list;; word++) {
		size_t len = strcspn(word, ",");
		unsigned found = 0;

		for (unsigned i = 0; i < NR_CONFINE_LAYERS; i++)
			if (strlen(confine_layer_names[i]) == len && !memcmp(confine_layer_names[i], word, len))
				found = BIT(i);
		if (len == 3 && !memcmp(word, "all", len))
			found = BIT(NR_CONFINE_LAYERS) - 1;
		if (!found) {
			*ret_bad = word;
			return 0;
		}
		layers |= found;
		word += len;
		if (!*word)
			return layers;
	}
}

/*
 * What root keeps: to serve a shared directory it reads, and changes where it may, what belongs to others.  Stubs are made
 * after this, and no_new_privs keeps their exec from giving anything back.
 */
static int caps_drop(bool names, bool writes)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	uint32_t keep = 0;

	if (syscall(SYS_capget, &header, data) < 0)
		return -errno;
	if (names)
		keep |= BIT(CAP_DAC_READ_SEARCH);
	if (names && writes)
		keep |= BIT(CAP_DAC_OVERRIDE) | BIT(CAP_CHOWN) | BIT(CAP_FOWNER) | BIT(CAP_FSETID) | BIT(CAP_SETFCAP);
	data[0].permitted &= keep;
	data[0].effective &= keep;
	data[0].inheritable = 0;
	memset(&data[1], 0, sizeof(data[1]));
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static void note(enum confine_layer layer, int err)
{
	if (!err)
		confine.active |= BIT(layer);
}

static int check_required(unsigned required, const char **ret_why)
{
	static char why[160];

	for (unsigned i = 0; i < NR_CONFINE_LAYERS; i++) {
		if (!(required & ~confine.active & BIT(i)) || i == CONFINE_SECCOMP)
			continue;
		snprintf(why, sizeof(why), "this host, or what is shared with the guest, does not allow the layer '%s'",
			 confine_layer_names[i]);
		*ret_why = why;
		return -EOPNOTSUPP;
	}
	return 0;
}

int confine_begin(const struct confine_params *p, const char **ret_why)
{
	int err;

	BUG_ON(confine.begun);
	confine.begun = true;
	bug_prepare();
	confine.names = p->shares_names;
	confine.writes = p->shares_writes;
	err = host_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	note(CONFINE_NO_NEW_PRIVS, err);
	if (err) {
		*ret_why = "the host refuses no_new_privs";
		return err;
	}
	/* Others of the same user can't look into the sentry or take its descriptors, nor can its own stubs. */
	note(CONFINE_UNDUMPABLE, host_prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
	note(CONFINE_CAPS, caps_drop(p->shares_names, p->shares_writes));
	note(CONFINE_LANDLOCK, landlock_apply(p->shares, p->nr_shares));
	return check_required(p->required, ret_why);
}

unsigned confine_active(void)
{
	return confine.active;
}

/* The filter has stopped a call that is not on the list: ours to mend, in filter.c. */
static void violation(int sig __unused, siginfo_t *info, void *ucontext __unused)
{
	char *name = seccomp_syscall_resolve_num_arch(info->si_arch, info->si_syscall);
	char what[128];

	snprintf(what, sizeof(what), "host call %d (%s) is not allowed by the filter", info->si_syscall,
		 name ? name : "?");
	bug_report(__FILE__, __LINE__, what);
}

static void trap_violations(void)
{
	struct sigaction sa = { .sa_sigaction = violation, .sa_flags = SA_SIGINFO | SA_NODEFER };
	sigset_t set;

	sigaction(SIGSYS, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGSYS);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

int confine_seal(enum confine_mode mode, bool ptrace, const char **ret_why)
{
	struct filter_params p = {
		.names = confine.names,
		.writes = confine.writes,
		.ptrace = ptrace,
		.trap = mode == CONFINE_TRAP,
		.pid = host_getpid(),
	};
	int err;

	BUG_ON(!confine.begun || confine.sealed);
	if (p.trap)
		trap_violations();
	err = filter_load(&p);
	note(CONFINE_SECCOMP, err);
	confine.sealed = !err;
	if (err)
		*ret_why = "the host refuses the system call filter";
	return err;
}
