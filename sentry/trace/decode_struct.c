/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "sentry/abi/dirent.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/sched.h"
#include "sentry/abi/signal.h"
#include "sentry/abi/stat.h"
#include "sentry/abi/time.h"
#include "sentry/mm/uaccess.h"
#include "sentry/trace/decode.h"

typedef long long ll;
typedef unsigned long long ull;

/* --- files --- */

void decode_stat(struct decode *d, uint64_t v)
{
	struct linux_stat st;

	if (!decode_fetch(d, v, &st, sizeof(st)))
		return;
	strbuf_adds(d->sb, "{st_mode=");
	decode_mode_value(d->sb, st.st_mode);
	if (LINUX_S_ISCHR(st.st_mode) || LINUX_S_ISBLK(st.st_mode))
		strbuf_addf(d->sb, ", st_rdev=makedev(%#llx, %#llx), ...}", (ull)LINUX_MAJOR(st.st_rdev),
			    (ull)LINUX_MINOR(st.st_rdev));
	else
		strbuf_addf(d->sb, ", st_size=%lld, ...}", (ll)st.st_size);
}

void decode_statx(struct decode *d, uint64_t v)
{
	struct linux_statx st;

	if (!decode_fetch(d, v, &st, sizeof(st)))
		return;
	strbuf_adds(d->sb, "{stx_mask=");
	xlat_print_by(d->sb, "statx_mask", st.stx_mask);
	strbuf_adds(d->sb, ", stx_attributes=");
	strbuf_addf(d->sb, st.stx_attributes ? "%#llx" : "%lld", (ull)st.stx_attributes);
	strbuf_adds(d->sb, ", stx_mode=");
	decode_mode_value(d->sb, st.stx_mode);
	strbuf_addf(d->sb, ", stx_size=%llu, ...}", (ull)st.stx_size);
}

void decode_statfs(struct decode *d, uint64_t v)
{
	struct linux_statfs st;

	if (!decode_fetch(d, v, &st, sizeof(st)))
		return;
	strbuf_adds(d->sb, "{f_type=");
	xlat_print_by(d->sb, "fs_magic", (uint64_t)st.f_type);
	strbuf_addf(d->sb, ", f_bsize=%lld, f_blocks=%lld, f_bfree=%lld, f_bavail=%lld, f_files=%lld, f_ffree=%lld, ",
		    (ll)st.f_bsize, (ll)st.f_blocks, (ll)st.f_bfree, (ll)st.f_bavail, (ll)st.f_files, (ll)st.f_ffree);
	strbuf_addf(d->sb, "f_fsid={val=[%#x, %#x]}, f_namelen=%lld, f_frsize=%lld, f_flags=", st.f_fsid[0],
		    st.f_fsid[1], (ll)st.f_namelen, (ll)st.f_frsize);
	xlat_print_by(d->sb, "st_flags", (uint64_t)st.f_flags);
	strbuf_addc(d->sb, '}');
}

/* The number of records; the first field behind d_off is their length in both forms. */
static void decode_records(struct decode *d, uint64_t v)
{
	uint64_t pos = 0;
	unsigned n = 0;
	uint16_t len;

	decode_addr(d->sb, v);
	if (decode_failed(d))
		return;
	while (pos + 18 < (uint64_t)d->ret && !copy_from_user(&len, v + pos + 16, sizeof(len)) && len) {
		pos += len;
		n++;
	}
	strbuf_addf(d->sb, " /* %u entr%s */", n, n == 1 ? "y" : "ies");
}

void decode_dirents64(struct decode *d, uint64_t v)
{
	decode_records(d, v);
}

void decode_dirents(struct decode *d, uint64_t v)
{
	decode_records(d, v);
}

/* "[0] => [4096]" */
void decode_offset(struct decode *d, uint64_t v)
{
	int64_t now;

	if (!v || copy_from_user(&now, v, sizeof(now))) {
		decode_addr(d->sb, v);
		return;
	}
	strbuf_addf(d->sb, "[%lld]", (ll)d->saved[d->index]);
	if (d->exiting && now != (int64_t)d->saved[d->index])
		strbuf_addf(d->sb, " => [%lld]", (ll)now);
}

void decode_iovec_array(struct decode *d, uint64_t addr, uint64_t nr, uint64_t bytes, bool contents)
{
	struct linux_iovec iov;

	if (!addr || !nr || copy_from_user(&iov, addr, sizeof(iov))) {
		if (addr && !nr)
			strbuf_adds(d->sb, "[]");
		else
			decode_addr(d->sb, addr);
		return;
	}
	strbuf_addc(d->sb, '[');
	for (uint64_t i = 0; i < nr; i++) {
		uint64_t here;

		strbuf_adds(d->sb, i ? ", " : "");
		if (i == DECODE_MAX_ITEMS || copy_from_user(&iov, addr + i * sizeof(iov), sizeof(iov))) {
			strbuf_adds(d->sb, "...");
			break;
		}
		here = MIN(iov.len, bytes);
		strbuf_adds(d->sb, "{iov_base=");
		if (contents)
			decode_bytes(d, iov.base, here);
		else
			decode_addr(d->sb, iov.base);
		strbuf_addf(d->sb, ", iov_len=%llu}", (ull)iov.len);
		bytes -= here;
	}
	strbuf_addc(d->sb, ']');
}

void decode_iovec(struct decode *d, uint64_t v)
{
	uint64_t bytes = d->exiting ? (decode_failed(d) ? 0 : (uint64_t)d->ret) : UINT64_MAX;

	decode_iovec_array(d, v, decode_param(d), bytes, !decode_failed(d));
}

void decode_iovec_addr(struct decode *d, uint64_t v)
{
	decode_iovec_array(d, v, decode_param(d), 0, false);
}

void decode_fdpair(struct decode *d, uint64_t v)
{
	int32_t fd[2];

	if (decode_fetch(d, v, fd, sizeof(fd)))
		strbuf_addf(d->sb, "[%d, %d]", fd[0], fd[1]);
}

/* --- time --- */

static void print_timespec(struct strbuf *sb, const struct linux_timespec *ts)
{
	strbuf_addf(sb, "{tv_sec=%lld, tv_nsec=%lld}", (ll)ts->tv_sec, (ll)ts->tv_nsec);
}

static void print_timeval(struct strbuf *sb, const struct linux_timeval *tv)
{
	strbuf_addf(sb, "{tv_sec=%lld, tv_usec=%lld}", (ll)tv->tv_sec, (ll)tv->tv_usec);
}

void decode_timespec(struct decode *d, uint64_t v)
{
	struct linux_timespec ts;

	if (decode_fetch(d, v, &ts, sizeof(ts)))
		print_timespec(d->sb, &ts);
}

/* Filled only when a signal cut the sleep short. */
void decode_timespec_rem(struct decode *d, uint64_t v)
{
	struct linux_timespec ts;

	if (v && d->ret < 0 && !copy_from_user(&ts, v, sizeof(ts)))
		print_timespec(d->sb, &ts);
	else
		decode_addr(d->sb, v);
}

/* The time as a comment, in the host's time zone, with @digits of a fraction. */
static void print_date(struct strbuf *sb, int64_t sec, int64_t fraction, int digits)
{
	char date[32], zone[8];
	time_t t = sec;
	struct tm tm;

	if (!localtime_r(&t, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) ||
	    !strftime(zone, sizeof(zone), "%z", &tm))
		return;
	strbuf_addf(sb, " /* %s", date);
	if (fraction)
		strbuf_addf(sb, ".%0*lld", digits, (ll)fraction);
	strbuf_addf(sb, "%s */", zone);
}

static const char *utime_word(int64_t nsec)
{
	return nsec == 0x3fffffff ? "UTIME_NOW" : nsec == 0x3ffffffe ? "UTIME_OMIT" : NULL;
}

static void print_stamp(struct strbuf *sb, const struct linux_timespec *ts)
{
	print_timespec(sb, ts);
	print_date(sb, ts->tv_sec, ts->tv_nsec, 9);
}

void decode_timespec2(struct decode *d, uint64_t v)
{
	struct linux_timespec ts[2];

	if (!decode_fetch(d, v, ts, sizeof(ts)))
		return;
	for (int i = 0; i < 2; i++) {
		const char *word = utime_word(ts[i].tv_nsec);

		strbuf_adds(d->sb, i ? ", " : "[");
		if (word)
			strbuf_adds(d->sb, word);
		else
			print_stamp(d->sb, &ts[i]);
	}
	strbuf_addc(d->sb, ']');
}

void decode_timeval(struct decode *d, uint64_t v)
{
	struct linux_timeval tv;

	if (decode_fetch(d, v, &tv, sizeof(tv)))
		print_timeval(d->sb, &tv);
}

void decode_timeval2(struct decode *d, uint64_t v)
{
	struct linux_timeval tv[2];

	if (!decode_fetch(d, v, tv, sizeof(tv)))
		return;
	for (int i = 0; i < 2; i++) {
		strbuf_adds(d->sb, i ? ", " : "[");
		print_timeval(d->sb, &tv[i]);
		print_date(d->sb, tv[i].tv_sec, tv[i].tv_usec, 6);
	}
	strbuf_addc(d->sb, ']');
}

void decode_utimbuf(struct decode *d, uint64_t v)
{
	int64_t t[2];

	if (decode_fetch(d, v, t, sizeof(t)))
		strbuf_addf(d->sb, "{actime=%lld, modtime=%lld}", (ll)t[0], (ll)t[1]);
}

void decode_timezone(struct decode *d, uint64_t v)
{
	struct linux_timezone tz;

	if (decode_fetch(d, v, &tz, sizeof(tz)))
		strbuf_addf(d->sb, "{tz_minuteswest=%d, tz_dsttime=%d}", tz.tz_minuteswest, tz.tz_dsttime);
}

void decode_itimerval(struct decode *d, uint64_t v)
{
	struct linux_itimerval it;

	if (!decode_fetch(d, v, &it, sizeof(it)))
		return;
	strbuf_adds(d->sb, "{it_interval=");
	print_timeval(d->sb, &it.it_interval);
	strbuf_adds(d->sb, ", it_value=");
	print_timeval(d->sb, &it.it_value);
	strbuf_addc(d->sb, '}');
}

void decode_itimerspec(struct decode *d, uint64_t v)
{
	struct linux_itimerspec it;

	if (!decode_fetch(d, v, &it, sizeof(it)))
		return;
	strbuf_adds(d->sb, "{it_interval=");
	print_timespec(d->sb, &it.it_interval);
	strbuf_adds(d->sb, ", it_value=");
	print_timespec(d->sb, &it.it_value);
	strbuf_addc(d->sb, '}');
}

void decode_time_t(struct decode *d, uint64_t v)
{
	int64_t t;

	if (decode_fetch(d, v, &t, sizeof(t)))
		strbuf_addf(d->sb, "[%lld]", (ll)t);
}

void decode_timerid(struct decode *d, uint64_t v)
{
	int32_t id;

	if (decode_fetch(d, v, &id, sizeof(id)))
		strbuf_addf(d->sb, "[%d]", id);
}

void decode_tms(struct decode *d, uint64_t v)
{
	struct linux_tms t;

	if (decode_fetch(d, v, &t, sizeof(t)))
		strbuf_addf(d->sb, "{tms_utime=%lld, tms_stime=%lld, tms_cutime=%lld, tms_cstime=%lld}",
			    (ll)t.tms_utime, (ll)t.tms_stime, (ll)t.tms_cutime, (ll)t.tms_cstime);
}

/* --- processes --- */

static void print_rlim(struct strbuf *sb, uint64_t v)
{
	if (v == UINT64_MAX)
		strbuf_adds(sb, "RLIM64_INFINITY");
	else if (v > 1024 && v % 1024 == 0)
		strbuf_addf(sb, "%llu*1024", (ull)(v / 1024));
	else
		strbuf_addf(sb, "%llu", (ull)v);
}

void decode_rlimit64(struct decode *d, uint64_t v)
{
	struct linux_rlimit r;

	if (!decode_fetch(d, v, &r, sizeof(r)))
		return;
	strbuf_adds(d->sb, "{rlim_cur=");
	print_rlim(d->sb, r.rlim_cur);
	strbuf_adds(d->sb, ", rlim_max=");
	print_rlim(d->sb, r.rlim_max);
	strbuf_addc(d->sb, '}');
}

void decode_rusage(struct decode *d, uint64_t v)
{
	struct linux_rusage r;

	/* wait4 with WNOHANG and nothing to tell fills nothing. */
	if (!d->ret && d->index == 3) {
		decode_addr(d->sb, v);
		return;
	}
	if (!decode_fetch(d, v, &r, sizeof(r)))
		return;
	strbuf_adds(d->sb, "{ru_utime=");
	print_timeval(d->sb, &r.ru_utime);
	strbuf_adds(d->sb, ", ru_stime=");
	print_timeval(d->sb, &r.ru_stime);
	strbuf_adds(d->sb, ", ...}");
}

static void print_wstatus(struct strbuf *sb, uint32_t st)
{
	unsigned sig = st & 0x7f;

	if (st == 0xffff) {
		strbuf_adds(sb, "WIFCONTINUED(s)");
	} else if ((st & 0xff) == 0x7f) {
		strbuf_adds(sb, "WIFSTOPPED(s) && WSTOPSIG(s) == ");
		decode_signal_value(sb, (st >> 8) & 0xff);
	} else if (!sig) {
		strbuf_addf(sb, "WIFEXITED(s) && WEXITSTATUS(s) == %u", (st >> 8) & 0xff);
	} else {
		strbuf_adds(sb, "WIFSIGNALED(s) && WTERMSIG(s) == ");
		decode_signal_value(sb, sig);
		strbuf_adds(sb, st & 0x80 ? " && WCOREDUMP(s)" : "");
	}
}

void decode_wstatus(struct decode *d, uint64_t v)
{
	uint32_t st;

	if (!d->ret) {
		decode_addr(d->sb, v);
		return;
	}
	if (!decode_fetch(d, v, &st, sizeof(st)))
		return;
	strbuf_adds(d->sb, "[{");
	print_wstatus(d->sb, st);
	strbuf_adds(d->sb, "}]");
}

void decode_utsname(struct decode *d, uint64_t v)
{
	struct linux_utsname u;

	if (!decode_fetch(d, v, &u, sizeof(u)))
		return;
	strbuf_adds(d->sb, "{sysname=");
	decode_quote(d->sb, u.sysname, strnlen(u.sysname, 65), false);
	strbuf_adds(d->sb, ", nodename=");
	decode_quote(d->sb, u.nodename, strnlen(u.nodename, 65), false);
	strbuf_adds(d->sb, ", ...}");
}

void decode_sysinfo(struct decode *d, uint64_t v)
{
	struct linux_sysinfo s;

	if (decode_fetch(d, v, &s, sizeof(s)))
		strbuf_addf(d->sb,
			    "{uptime=%lld, loads=[%llu, %llu, %llu], totalram=%llu, freeram=%llu, ..., procs=%u, ...}",
			    (ll)s.uptime, (ull)s.loads[0], (ull)s.loads[1], (ull)s.loads[2], (ull)s.totalram,
			    (ull)s.freeram, s.procs);
}

static void print_ids(struct decode *d, uint64_t addr, uint64_t nr)
{
	uint32_t id;

	strbuf_addc(d->sb, '[');
	for (uint64_t i = 0; i < nr; i++) {
		strbuf_adds(d->sb, i ? ", " : "");
		if (i == DECODE_MAX_ITEMS || copy_from_user(&id, addr + 4 * i, sizeof(id))) {
			strbuf_adds(d->sb, "...");
			break;
		}
		strbuf_addf(d->sb, "%u", id);
	}
	strbuf_addc(d->sb, ']');
}

void decode_gidlist(struct decode *d, uint64_t v)
{
	if (!v || decode_failed(d))
		decode_addr(d->sb, v);
	else
		print_ids(d, v, d->exiting ? (uint64_t)d->ret : decode_param(d));
}

void decode_uidp(struct decode *d, uint64_t v)
{
	uint32_t id;

	if (decode_fetch(d, v, &id, sizeof(id)))
		strbuf_addf(d->sb, "[%u]", id);
}

void decode_uintp(struct decode *d, uint64_t v)
{
	decode_uidp(d, v);
}

void decode_ptrp(struct decode *d, uint64_t v)
{
	uint64_t p;

	if (decode_fetch(d, v, &p, sizeof(p))) {
		strbuf_addc(d->sb, '[');
		decode_addr(d->sb, p);
		strbuf_addc(d->sb, ']');
	}
}

void decode_sizep(struct decode *d, uint64_t v)
{
	uint64_t n;

	if (decode_fetch(d, v, &n, sizeof(n)))
		strbuf_addf(d->sb, "[%llu]", (ull)n);
}

void decode_cpuset(struct decode *d, uint64_t v)
{
	uint64_t size = d->exiting && d->ret > 0 ? (uint64_t)d->ret : decode_param(d);
	uint8_t mask[128];
	const char *sep = "";

	size = MIN(size, sizeof(mask));
	if (!decode_fetch(d, v, mask, size))
		return;
	strbuf_addc(d->sb, '[');
	for (unsigned cpu = 0; cpu < size * 8; cpu++) {
		if (!(mask[cpu / 8] & (1 << cpu % 8)))
			continue;
		strbuf_addf(d->sb, "%s%u", sep, cpu);
		sep = " ";
	}
	strbuf_addc(d->sb, ']');
}

void decode_sched_param(struct decode *d, uint64_t v)
{
	int32_t prio;

	if (decode_fetch(d, v, &prio, sizeof(prio)))
		strbuf_addf(d->sb, "[%d]", prio);
}

void decode_sched_attr(struct decode *d, uint64_t v)
{
	struct linux_sched_attr a;

	if (!decode_fetch(d, v, &a, 48))
		return;
	strbuf_addf(d->sb, "{size=%u, sched_policy=", a.size);
	xlat_print_by(d->sb, "sched", a.sched_policy);
	strbuf_addf(d->sb,
		    ", sched_flags=%llu, sched_nice=%d, sched_priority=%u, sched_runtime=%llu, sched_deadline=%llu, "
		    "sched_period=%llu}",
		    (ull)a.sched_flags, a.sched_nice, a.sched_priority, (ull)a.sched_runtime, (ull)a.sched_deadline,
		    (ull)a.sched_period);
}

/* --- readiness --- */

void decode_fdset(struct decode *d, uint64_t v)
{
	int nfds = (int)CLAMP((int64_t)(int)decode_param(d), 0, 1024);
	uint8_t set[128] = { 0 };
	const char *sep = "";

	if (!v || copy_from_user(set, v, (size_t)(nfds + 7) / 8)) {
		decode_addr(d->sb, v);
		return;
	}
	strbuf_addc(d->sb, '[');
	for (int fd = 0; fd < nfds; fd++) {
		if (!(set[fd / 8] & (1 << fd % 8)))
			continue;
		strbuf_addf(d->sb, "%s%d", sep, fd);
		sep = " ";
	}
	strbuf_addc(d->sb, ']');
}

void decode_pollfds(struct decode *d, uint64_t v)
{
	uint64_t nr = (uint32_t)decode_param(d);
	struct linux_pollfd p;

	if (!v || !nr) {
		decode_addr(d->sb, v);
		return;
	}
	strbuf_addc(d->sb, '[');
	for (uint64_t i = 0; i < nr; i++) {
		strbuf_adds(d->sb, i ? ", " : "");
		if (i == DECODE_MAX_ITEMS || copy_from_user(&p, v + i * sizeof(p), sizeof(p))) {
			strbuf_adds(d->sb, "...");
			break;
		}
		if (p.fd < 0) {
			strbuf_addf(d->sb, "{fd=%d}", p.fd);
			continue;
		}
		strbuf_addf(d->sb, "{fd=%d, events=", p.fd);
		xlat_print_by(d->sb, "poll_bits", (uint16_t)p.events);
		strbuf_addc(d->sb, '}');
	}
	strbuf_addc(d->sb, ']');
}

static void print_epoll_event(struct strbuf *sb, const struct linux_epoll_event *e)
{
	strbuf_adds(sb, "{events=");
	xlat_print_by(sb, "epoll", e->events);
	strbuf_addf(sb, ", data={u32=%u, u64=%llu}}", (uint32_t)e->data, (ull)e->data);
}

void decode_epoll_event(struct decode *d, uint64_t v)
{
	struct linux_epoll_event e;

	if (decode_fetch(d, v, &e, sizeof(e)))
		print_epoll_event(d->sb, &e);
}

void decode_epoll_events(struct decode *d, uint64_t v)
{
	struct linux_epoll_event e;

	if (decode_failed(d)) {
		decode_addr(d->sb, v);
		return;
	}
	strbuf_addc(d->sb, '[');
	for (int64_t i = 0; i < d->ret; i++) {
		strbuf_adds(d->sb, i ? ", " : "");
		if (i == DECODE_MAX_ITEMS || copy_from_user(&e, v + (uint64_t)i * sizeof(e), sizeof(e))) {
			strbuf_adds(d->sb, "...");
			break;
		}
		print_epoll_event(d->sb, &e);
	}
	strbuf_addc(d->sb, ']');
}
