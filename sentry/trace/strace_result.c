/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/trace/strace_result.h"

#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/poll.h"
#include "sentry/mm/uaccess.h"

typedef long long ll;
typedef unsigned long long ull;

bool decode_waits(const struct decode_arg *a)
{
	return a->fn == decode_offset || a->fn == decode_socklen || a->fn == decode_clone_args;
}

void decode_save(const struct decode_arg *a, unsigned nr, const uint64_t *args, uint64_t *ret_saved)
{
	for (unsigned i = 0; i < nr; i++) {
		size_t size = a[i].fn == decode_socklen ? 4 : 8;

		ret_saved[i] = 0;
		if (a[i].inout && decode_waits(&a[i]) && args[i] && copy_from_user(&ret_saved[i], args[i], size))
			ret_saved[i] = 0;
	}
}

static bool print_restart(struct strbuf *sb, int64_t ret)
{
	switch (-ret) {
	case LINUX_ERESTARTSYS:
		strbuf_adds(sb, "= ? ERESTARTSYS (To be restarted if SA_RESTART is set)");
		return true;
	case LINUX_ERESTARTNOINTR:
		strbuf_adds(sb, "= ? ERESTARTNOINTR (To be restarted)");
		return true;
	case LINUX_ERESTARTNOHAND:
		strbuf_adds(sb, "= ? ERESTARTNOHAND (To be restarted if no handler)");
		return true;
	case LINUX_ERESTART_RESTARTBLOCK:
		strbuf_adds(sb, "= ? ERESTART_RESTARTBLOCK (Interrupted by signal)");
		return true;
	default:
		return false;
	}
}

static void print_error(struct strbuf *sb, int64_t ret)
{
	const char *name = strerrorname_np((int)-ret);

	if (print_restart(sb, ret))
		return;
	if (name)
		strbuf_addf(sb, "= -1 %s (%s)", name, strerrordesc_np((int)-ret));
	else
		strbuf_addf(sb, "= -1 (errno %d)", (int)-ret);
}

/* --- what is behind the number --- */

/* ppoll and the selects tell how much of the time was left. */
static void print_left(struct decode *d, uint64_t addr, const char *unit, bool wanted)
{
	int64_t t[2];

	if (wanted && addr && !copy_from_user(t, addr, sizeof(t)))
		strbuf_addf(d->sb, ", left {tv_sec=%lld, tv_%s=%lld}", (ll)t[0], unit, (ll)t[1]);
}

static void print_poll(struct decode *d, bool is_ppoll)
{
	uint64_t nr = (uint32_t)d->args[1];
	const char *sep = "";
	struct linux_pollfd p;

	if (!d->ret) {
		strbuf_adds(d->sb, " (Timeout)");
		return;
	}
	strbuf_adds(d->sb, " ([");
	for (uint64_t i = 0; i < nr && !copy_from_user(&p, d->args[0] + i * sizeof(p), sizeof(p)); i++) {
		if (!p.revents)
			continue;
		strbuf_addf(d->sb, "%s{fd=%d, revents=", sep, p.fd);
		xlat_print_by(d->sb, "poll_bits", (uint16_t)p.revents);
		strbuf_addc(d->sb, '}');
		sep = ", ";
	}
	strbuf_addc(d->sb, ']');
	print_left(d, d->args[2], "nsec", is_ppoll);
	strbuf_addc(d->sb, ')');
}

static bool fdset_any(uint64_t addr, int nfds)
{
	uint8_t set[128] = { 0 };

	if (!addr || copy_from_user(set, addr, (size_t)(nfds + 7) / 8))
		return false;
	for (int fd = 0; fd < nfds; fd++)
		if (set[fd / 8] & (1 << fd % 8))
			return true;
	return false;
}

static void print_select(struct decode *d, bool is_pselect)
{
	static const char *const names[] = { "in ", "out ", "except " };
	int nfds = (int)CLAMP((int64_t)(int)d->args[0], 0, 1024);
	uint64_t nr = (uint64_t)nfds;
	struct decode sub = *d;
	const char *sep = "";

	if (!d->ret) {
		strbuf_adds(d->sb, " (Timeout)");
		return;
	}
	strbuf_adds(d->sb, " (");
	sub.param = &nr;
	for (int i = 0; i < 3; i++) {
		if (!fdset_any(d->args[1 + i], nfds))
			continue;
		strbuf_addf(d->sb, "%s%s", sep, names[i]);
		decode_fdset(&sub, d->args[1 + i]);
		sep = ", ";
	}
	print_left(d, d->args[4], is_pselect ? "nsec" : "usec", true);
	strbuf_addc(d->sb, ')');
}

static void print_fcntl(struct decode *d)
{
	switch ((int)d->args[1]) {
	case LINUX_F_GETFD:
		if (d->ret)
			strbuf_addf(d->sb, "= %#llx (flags FD_CLOEXEC)", (ull)d->ret);
		else
			strbuf_adds(d->sb, "= 0");
		return;
	case LINUX_F_GET_SEALS:
		strbuf_addf(d->sb, "= %#llx (seals ", (ull)d->ret);
		xlat_print_by(d->sb, "seals", (uint64_t)d->ret);
		strbuf_addc(d->sb, ')');
		return;
	case LINUX_F_GETFL:
		strbuf_addf(d->sb, "= %#llx (flags ", (ull)d->ret);
		decode_open(d, (uint64_t)d->ret);
		strbuf_addc(d->sb, ')');
		return;
	default:
		strbuf_addf(d->sb, "= %lld", (ll)d->ret);
	}
}

void print_result(struct decode *d, const struct syscall_desc *desc)
{
	const char *kind = desc && desc->ret ? desc->ret : "";

	if (decode_failed(d)) {
		print_error(d->sb, d->ret);
		return;
	}
	if (strcmp(kind, "fcntl") == 0) {
		print_fcntl(d);
		return;
	}
	if (strcmp(kind, "hex") == 0 || strcmp(kind, "personality") == 0) {
		strbuf_addf(d->sb, d->ret ? "= %#llx" : "= %llu", (ull)d->ret);
		return;
	}
	if (strcmp(kind, "umask") == 0) {
		strbuf_addf(d->sb, "= %#03llo", (ull)d->ret);
		return;
	}
	strbuf_addf(d->sb, "= %lld", (ll)d->ret);
	if (strcmp(kind, "poll") == 0) {
		print_poll(d, desc->name[1] == 'p');
	} else if (strcmp(kind, "select") == 0) {
		print_select(d, desc->name[0] == 'p');
	} else if (strcmp(kind, "signal") == 0 || strcmp(kind, "sched") == 0) {
		strbuf_adds(d->sb, " (");
		if (*kind == 's' && kind[1] == 'i')
			decode_signal_value(d->sb, (uint64_t)d->ret);
		else
			xlat_print_by(d->sb, "sched", (uint64_t)d->ret);
		strbuf_addc(d->sb, ')');
	}
}
