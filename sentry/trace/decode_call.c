/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Arguments whose meaning hangs on another argument.
 */
#include "sentry/abi/fcntl.h"
#include "sentry/abi/mman.h"
#include "sentry/abi/sched.h"
#include "sentry/abi/time.h"
#include "sentry/mm/uaccess.h"
#include "sentry/trace/decode.h"

typedef unsigned long long ull;

/* --- open --- */

static void print_open_flags(struct strbuf *sb, uint64_t flags)
{
	static const char *const modes[] = { "O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE" };
	uint64_t rest = flags & ~(uint64_t)LINUX_O_ACCMODE;

	strbuf_adds(sb, modes[flags & LINUX_O_ACCMODE]);
	if (rest) {
		strbuf_addc(sb, '|');
		xlat_print_by(sb, "open", rest);
	}
}

void decode_open(struct decode *d, uint64_t v)
{
	print_open_flags(d->sb, (uint32_t)v);
}

/* Looked at only when the call may make a file. */
void decode_omode(struct decode *d, uint64_t v)
{
	if (decode_param(d) & (LINUX_O_CREAT | LINUX___O_TMPFILE))
		decode_perm(d, v);
}

void decode_open_how(struct decode *d, uint64_t v)
{
	struct linux_open_how how;

	if (!decode_fetch(d, v, &how, sizeof(how)))
		return;
	strbuf_adds(d->sb, "{flags=");
	print_open_flags(d->sb, how.flags);
	if (how.flags & (LINUX_O_CREAT | LINUX___O_TMPFILE))
		strbuf_addf(d->sb, ", mode=%#03llo", (ull)how.mode);
	strbuf_adds(d->sb, ", resolve=");
	xlat_print_by(d->sb, "resolve", how.resolve);
	strbuf_addc(d->sb, '}');
}

void decode_access(struct decode *d, uint64_t v)
{
	if (!v)
		strbuf_adds(d->sb, "F_OK");
	else
		xlat_print(d->sb, xlat_find("access"), (uint32_t)v);
}

void decode_at_statx(struct decode *d, uint64_t v)
{
	uint64_t rest = v & ~(uint64_t)LINUX_AT_STATX_SYNC_TYPE;

	if (v & LINUX_AT_STATX_SYNC_TYPE) {
		xlat_print_by(d->sb, "at_statx", (uint32_t)v);
		return;
	}
	strbuf_adds(d->sb, "AT_STATX_SYNC_AS_STAT");
	if (rest) {
		strbuf_addc(d->sb, '|');
		xlat_print_by(d->sb, "at_statx", (uint32_t)rest);
	}
}

/* --- memory --- */

void decode_mmap(struct decode *d, uint64_t v)
{
	static const char *const types[] = { NULL, "MAP_SHARED", "MAP_PRIVATE", "MAP_SHARED_VALIDATE" };
	uint64_t type = v & LINUX_MAP_TYPE, rest = v & ~(uint64_t)LINUX_MAP_TYPE;

	if (type && type < ARRAY_SIZE(types))
		strbuf_adds(d->sb, types[type]);
	else
		strbuf_addf(d->sb, "%#llx /* MAP_??? */", (ull)type);
	if (rest) {
		strbuf_addc(d->sb, '|');
		xlat_print_by(d->sb, "mmap", (uint32_t)rest);
	}
}

void decode_mremap_addr(struct decode *d, uint64_t v)
{
	if (decode_param(d) & (LINUX_MREMAP_FIXED | LINUX_MREMAP_DONTUNMAP))
		decode_addr(d->sb, v);
}

/* --- clone --- */

/* strace names the arguments, and puts the stack first and the child's tid last. */
void decode_clone(struct decode *d, uint64_t v)
{
	uint64_t flags = v & ~0xffULL, sig = v & 0xff;

	strbuf_adds(d->sb, "child_stack=");
	decode_addr(d->sb, decode_param(d));
	strbuf_adds(d->sb, ", flags=");
	xlat_print_bits(d->sb, xlat_find("clone"), flags);
	if (flags && sig)
		strbuf_addc(d->sb, '|');
	if (sig)
		decode_signal_value(d->sb, sig);
	else if (!flags)
		strbuf_addc(d->sb, '0');
}

void decode_clone_ptid(struct decode *d, uint64_t v)
{
	int32_t tid;

	if (!(decode_param(d) & (LINUX_CLONE_PARENT_SETTID | LINUX_CLONE_PIDFD)))
		return;
	strbuf_adds(d->sb, "parent_tid=");
	if (decode_fetch(d, v, &tid, sizeof(tid)))
		strbuf_addf(d->sb, "[%d]", tid);
}

/* In the place of the other one. */
void decode_clone_tls_arg(struct decode *d, uint64_t v __unused)
{
	if (d->args[0] & LINUX_CLONE_SETTLS) {
		strbuf_adds(d->sb, "tls=");
		decode_addr(d->sb, decode_param(d));
	}
}

void decode_clone_ctid_arg(struct decode *d, uint64_t v __unused)
{
	if (d->args[0] & (LINUX_CLONE_CHILD_SETTID | LINUX_CLONE_CHILD_CLEARTID)) {
		strbuf_adds(d->sb, "child_tidptr=");
		decode_addr(d->sb, decode_param(d));
	}
}

void decode_clone_args(struct decode *d, uint64_t v)
{
	struct linux_clone_args a = { 0 };
	uint64_t size = MIN(decode_param(d), sizeof(a));

	if (!decode_fetch(d, v, &a, size))
		return;
	strbuf_adds(d->sb, "{flags=");
	if (!xlat_print_bits(d->sb, xlat_find("clone"), a.flags))
		strbuf_addc(d->sb, '0');
	if (a.flags & (LINUX_CLONE_CHILD_SETTID | LINUX_CLONE_CHILD_CLEARTID))
		strbuf_addf(d->sb, ", child_tid=%#llx", (ull)a.child_tid);
	if (a.flags & LINUX_CLONE_PARENT_SETTID)
		strbuf_addf(d->sb, ", parent_tid=%#llx", (ull)a.parent_tid);
	strbuf_adds(d->sb, ", exit_signal=");
	decode_signal_value(d->sb, a.exit_signal);
	strbuf_adds(d->sb, ", stack=");
	decode_addr(d->sb, a.stack);
	strbuf_addf(d->sb, ", stack_size=%#llx", (ull)a.stack_size);
	if (a.flags & LINUX_CLONE_SETTLS)
		strbuf_addf(d->sb, ", tls=%#llx", (ull)a.tls);
	strbuf_addc(d->sb, '}');
	if (!decode_failed(d) && a.flags & LINUX_CLONE_PARENT_SETTID)
		strbuf_addf(d->sb, " => {parent_tid=[%d]}", (int)d->ret);
}

/* --- futex --- */

enum {
	FUTEX_WAIT,
	FUTEX_WAKE,
	FUTEX_FD,
	FUTEX_REQUEUE,
	FUTEX_CMP_REQUEUE,
	FUTEX_WAKE_OP,
	FUTEX_LOCK_PI,
	FUTEX_UNLOCK_PI,
	FUTEX_TRYLOCK_PI,
	FUTEX_WAIT_BITSET,
	FUTEX_WAKE_BITSET,
	FUTEX_WAIT_REQUEUE_PI,
	FUTEX_CMP_REQUEUE_PI,
	FUTEX_LOCK_PI2
};
#define FUTEX_PRIVATE 128
#define FUTEX_REALTIME 256

static unsigned futex_op(const struct decode *d)
{
	return (unsigned)decode_param(d) & 127;
}

void decode_futex(struct decode *d, uint64_t v)
{
	const char *name = xlat_name(xlat_find("futex_op"), v & 127);

	if (name)
		strbuf_addf(d->sb, "%s%s%s", name, v & FUTEX_PRIVATE ? "_PRIVATE" : "",
			    v & FUTEX_REALTIME ? "|FUTEX_CLOCK_REALTIME" : "");
	else
		strbuf_addf(d->sb, "%#x /* FUTEX_??? */", (unsigned)v);
}

void decode_futex_val(struct decode *d, uint64_t v)
{
	switch (futex_op(d)) {
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_UNLOCK_PI:
	case FUTEX_TRYLOCK_PI:
		return;
	default:
		decode_uint(d, v);
	}
}

void decode_futex_timeout(struct decode *d, uint64_t v)
{
	switch (futex_op(d)) {
	case FUTEX_WAIT:
	case FUTEX_WAIT_BITSET:
	case FUTEX_LOCK_PI:
	case FUTEX_LOCK_PI2:
	case FUTEX_WAIT_REQUEUE_PI:
		decode_timespec(d, v);
		return;
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_CMP_REQUEUE_PI:
	case FUTEX_WAKE_OP:
		decode_uint(d, v);
		return;
	default:
		return;
	}
}

void decode_futex_uaddr2(struct decode *d, uint64_t v)
{
	switch (futex_op(d)) {
	case FUTEX_REQUEUE:
	case FUTEX_CMP_REQUEUE:
	case FUTEX_CMP_REQUEUE_PI:
	case FUTEX_WAIT_REQUEUE_PI:
	case FUTEX_WAKE_OP:
		decode_addr(d->sb, v);
		return;
	case FUTEX_WAIT_BITSET:
		strbuf_adds(d->sb, "NULL");
		return;
	default:
		return;
	}
}

void decode_futex_val3(struct decode *d, uint64_t v)
{
	switch (futex_op(d)) {
	case FUTEX_WAIT_BITSET:
	case FUTEX_WAKE_BITSET:
		if ((uint32_t)v == UINT32_MAX)
			strbuf_adds(d->sb, "FUTEX_BITSET_MATCH_ANY");
		else
			strbuf_addf(d->sb, "%#x", (unsigned)v);
		return;
	case FUTEX_CMP_REQUEUE:
	case FUTEX_CMP_REQUEUE_PI:
		decode_uint(d, v);
		return;
	case FUTEX_WAKE_OP:
		strbuf_addf(d->sb, "%#x", (unsigned)v);
		return;
	default:
		return;
	}
}

/* --- fcntl --- */

static void decode_flock_struct(struct decode *d, uint64_t v)
{
	struct linux_flock l;

	if (!decode_fetch(d, v, &l, sizeof(l)))
		return;
	strbuf_adds(d->sb, "{l_type=");
	xlat_print_by(d->sb, "lock_type", (uint16_t)l.l_type);
	strbuf_adds(d->sb, ", l_whence=");
	xlat_print_by(d->sb, "whence", (uint16_t)l.l_whence);
	strbuf_addf(d->sb, ", l_start=%lld, l_len=%lld}", (long long)l.l_start, (long long)l.l_len);
}

void decode_fcntl_arg(struct decode *d, uint64_t v)
{
	switch ((int)decode_param(d)) {
	case LINUX_F_GETFD:
	case LINUX_F_GETFL:
	case LINUX_F_GETOWN:
	case LINUX_F_GETSIG:
	case LINUX_F_GETLEASE:
	case LINUX_F_GETPIPE_SZ:
	case LINUX_F_GET_SEALS:
		return;
	case LINUX_F_SETFD:
		xlat_print_by(d->sb, "fdflags", v);
		return;
	case LINUX_F_SETFL:
		print_open_flags(d->sb, (uint32_t)v);
		return;
	case LINUX_F_ADD_SEALS:
		xlat_print_by(d->sb, "seals", v);
		return;
	case LINUX_F_GETLK:
	case LINUX_F_SETLK:
	case LINUX_F_SETLKW:
	case LINUX_F_OFD_GETLK:
	case LINUX_F_OFD_SETLK:
	case LINUX_F_OFD_SETLKW:
		decode_flock_struct(d, v);
		return;
	case LINUX_F_DUPFD:
	case LINUX_F_DUPFD_CLOEXEC:
	case LINUX_F_SETOWN:
	case LINUX_F_SETPIPE_SZ:
		decode_int(d, v);
		return;
	default:
		decode_hex(d, v);
	}
}

/* --- ioctl --- */

#define TCGETS 0x5401
#define TCSETS 0x5402
#define TCSETSF 0x5404
#define TIOCGPGRP 0x540f
#define TIOCSPGRP 0x5410
#define TIOCGWINSZ 0x5413
#define TIOCSWINSZ 0x5414
#define FIONREAD 0x541b
#define FIONBIO 0x5421
#define TIOCGSID 0x5429
#define TIOCGPTN 0x80045430

/* As strace's abbreviated form. */
static void decode_termios(struct decode *d, uint64_t v)
{
	static const struct xlat iflags[] = { { 0x100, "icrnl" }, { 0x400, "ixon" } };
	static const struct xlat lflags[] = { { 1, "isig" }, { 2, "icanon" }, { 8, "echo" } };
	uint32_t t[4];

	if (!decode_fetch(d, v, t, sizeof(t)))
		return;
	strbuf_addf(d->sb, "{%s %copost", (t[2] & 0x100f) == 0xf ? "B38400" : "B...", t[1] & 1 ? '+' : '-');
	for (size_t i = 0; i < ARRAY_SIZE(iflags); i++)
		strbuf_addf(d->sb, " %c%s", t[0] & iflags[i].value ? '+' : '-', iflags[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(lflags); i++)
		strbuf_addf(d->sb, " %c%s", t[3] & lflags[i].value ? '+' : '-', lflags[i].name);
	strbuf_adds(d->sb, " ...}");
}

static void decode_winsize(struct decode *d, uint64_t v)
{
	uint16_t w[4];

	if (decode_fetch(d, v, w, sizeof(w)))
		strbuf_addf(d->sb, "{ws_row=%u, ws_col=%u, ws_xpixel=%u, ws_ypixel=%u}", w[0], w[1], w[2], w[3]);
}

/* Results are shown as they are in memory at entry when the call only reads; ioctl arguments are decoded on exit. */
void decode_ioctl_arg(struct decode *d, uint64_t v)
{
	uint32_t n;

	switch ((uint32_t)decode_param(d)) {
	case TCGETS:
	case TCSETS:
	case TCSETS + 1:
	case TCSETSF:
		decode_termios(d, v);
		return;
	case TIOCGWINSZ:
	case TIOCSWINSZ:
		decode_winsize(d, v);
		return;
	case TIOCGPGRP:
	case TIOCSPGRP:
	case TIOCGSID:
	case TIOCGPTN:
	case FIONREAD:
	case FIONBIO:
		if (decode_fetch(d, v, &n, sizeof(n)))
			strbuf_addf(d->sb, "[%d]", (int)n);
		return;
	default:
		decode_hex(d, v);
	}
}

/* --- prctl, capabilities and others --- */

enum { PR_SET_PDEATHSIG = 1, PR_SET_NAME = 15 };

/* How many arguments behind the option are looked at; all four of one that is not listed. */
static unsigned prctl_nr_args(int option)
{
	static const struct {
		int option;
		unsigned nr;
	} table[] = {
		{ PR_SET_PDEATHSIG, 1 },
		{ 2, 1 },
		{ 3, 0 },
		{ 4, 1 },
		{ 7, 0 },
		{ 8, 1 },
		{ PR_SET_NAME, 1 },
		{ 16, 1 },
		{ 21, 0 },
		{ 22, 2 },
		{ 23, 1 },
		{ 24, 1 },
		{ 25, 1 },
		{ 26, 1 },
		{ 27, 0 },
		{ 28, 1 },
		{ 29, 1 },
		{ 30, 0 },
		{ 36, 1 },
		{ 37, 1 },
		{ 40, 1 },
		{ 0x59616d61, 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].option == option)
			return table[i].nr;
	return 4;
}

void decode_prctl_arg(struct decode *d, uint64_t v)
{
	int option = (int)decode_param(d);

	if (!prctl_nr_args(option))
		return;
	if (option == PR_SET_NAME)
		decode_cstr(d, v, 15);
	else if (option == PR_SET_PDEATHSIG)
		decode_signal_value(d->sb, v);
	else
		decode_hex(d, v);
}

void decode_prctl_more(struct decode *d, uint64_t v)
{
	if (d->index <= prctl_nr_args((int)decode_param(d)))
		decode_hex(d, v);
}

void decode_arch_prctl_arg(struct decode *d, uint64_t v)
{
	decode_hex(d, v);
}

void decode_caphdr(struct decode *d, uint64_t v)
{
	struct linux_cap_header h;

	if (!decode_fetch(d, v, &h, sizeof(h)))
		return;
	if (h.version == 0x20080522)
		strbuf_addf(d->sb, "{version=_LINUX_CAPABILITY_VERSION_3, pid=%d}", h.pid);
	else
		strbuf_addf(d->sb, "{version=%#x, pid=%d}", h.version, h.pid);
}

static void print_caps(struct strbuf *sb, uint64_t caps)
{
	static const char *const names[] = {
		"CHOWN",
		"DAC_OVERRIDE",
		"DAC_READ_SEARCH",
		"FOWNER",
		"FSETID",
		"KILL",
		"SETGID",
		"SETUID",
		"SETPCAP",
		"LINUX_IMMUTABLE",
		"NET_BIND_SERVICE",
		"NET_BROADCAST",
		"NET_ADMIN",
		"NET_RAW",
		"IPC_LOCK",
		"IPC_OWNER",
		"SYS_MODULE",
		"SYS_RAWIO",
		"SYS_CHROOT",
		"SYS_PTRACE",
		"SYS_PACCT",
		"SYS_ADMIN",
		"SYS_BOOT",
		"SYS_NICE",
		"SYS_RESOURCE",
		"SYS_TIME",
		"SYS_TTY_CONFIG",
		"MKNOD",
		"LEASE",
		"AUDIT_WRITE",
		"AUDIT_CONTROL",
		"SETFCAP",
		"MAC_OVERRIDE",
		"MAC_ADMIN",
		"SYSLOG",
		"WAKE_ALARM",
		"BLOCK_SUSPEND",
		"AUDIT_READ",
		"PERFMON",
		"BPF",
		"CHECKPOINT_RESTORE",
	};
	const char *sep = "";

	if (!caps)
		strbuf_addc(sb, '0');
	for (size_t i = 0; i < 64; i++) {
		if (!(caps & BIT(i)))
			continue;
		if (i < ARRAY_SIZE(names))
			strbuf_addf(sb, "%s1<<CAP_%s", sep, names[i]);
		else
			strbuf_addf(sb, "%s1<<%zu", sep, i);
		sep = "|";
	}
}

void decode_capdata(struct decode *d, uint64_t v)
{
	struct linux_cap_data c[2];

	if (!decode_fetch(d, v, c, sizeof(c)))
		return;
	strbuf_adds(d->sb, "{effective=");
	print_caps(d->sb, (uint64_t)c[1].effective << 32 | c[0].effective);
	strbuf_adds(d->sb, ", permitted=");
	print_caps(d->sb, (uint64_t)c[1].permitted << 32 | c[0].permitted);
	strbuf_adds(d->sb, ", inheritable=");
	print_caps(d->sb, (uint64_t)c[1].inheritable << 32 | c[0].inheritable);
	strbuf_addc(d->sb, '}');
}

void decode_ipckey(struct decode *d, uint64_t v)
{
	if ((uint32_t)v)
		strbuf_addf(d->sb, "%#x", (unsigned)v);
	else
		strbuf_adds(d->sb, "IPC_PRIVATE");
}

void decode_mountdata(struct decode *d, uint64_t v)
{
	decode_cstr(d, v, 255);
}
