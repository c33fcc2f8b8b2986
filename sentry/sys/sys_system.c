/* SPDX-License-Identifier: Apache-2.0 */
/* The system as a whole: names, memory, randomness, the kernel log, reboot, and what only a host administrator may do. */
#include <string.h>

#include "platform/host/host.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/cred.h"
#include "vfs/devpts/conpty.h"

/* --- names --- */

SYSCALL_DEFINE1(uname, uaddr_t, uname)
{
	struct linux_utsname uts;

	kernel_utsname(&uts);
	/* Programs for 2.6 that parse the number (setarch --uname-2.6) see one. */
	if (current->personality & 0x0020000)
		strcpy(uts.release, "2.6.61");
	return copy_to_user(uname, &uts, sizeof(uts));
}

static int64_t set_name(uaddr_t uname, int len, int (*set)(const char *name, size_t len))
{
	char name[LINUX_NEW_UTS_LEN];

	if (!ns_capable(current_uts()->ns.user_ns, CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	if (len < 0 || len > LINUX_NEW_UTS_LEN)
		return -LINUX_EINVAL;
	if (copy_from_user(name, uname, (size_t)len))
		return -LINUX_EFAULT;
	return set(name, (size_t)len);
}

SYSCALL_DEFINE2(sethostname, uaddr_t, uname, int, len)
{
	return set_name(uname, len, kernel_set_hostname);
}

SYSCALL_DEFINE2(setdomainname, uaddr_t, uname, int, len)
{
	return set_name(uname, len, kernel_set_domainname);
}

SYSCALL_DEFINE1(sysinfo, uaddr_t, uinfo)
{
	struct host_sysinfo host = { 0 };
	struct frame_stats frames;
	struct linux_sysinfo info;

	host_sysinfo(&host);
	frame_get_stats(&frames);
	info = (struct linux_sysinfo){
		.uptime = boottime_ns() / 1000000000,
		.loads = { host.loads[0], host.loads[1], host.loads[2] },
		.totalram = frames.limit << PAGE_SHIFT,
		.freeram = (frames.limit - MIN(frames.used, frames.limit)) << PAGE_SHIFT,
		.procs = (uint16_t)MIN(pids_count(), 65535U),
		.mem_unit = 1,
	};
	return copy_to_user(uinfo, &info, sizeof(info));
}

/* --- getrandom --- */

#define GRND_NONBLOCK 1
#define GRND_RANDOM 2
#define GRND_INSECURE 4

SYSCALL_DEFINE3(getrandom, uaddr_t, ubuf, size_t, len, unsigned, flags)
{
	uint8_t buf[PAGE_SIZE / 4];
	size_t done = 0;
	int err = 0;

	if (flags & ~(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE) ||
	    (flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
		return -LINUX_EINVAL;
	len = MIN(len, (size_t)INT32_MAX);
	if (!access_ok(ubuf, len))
		return -LINUX_EFAULT;
	while (done < len) {
		size_t n = MIN(len - done, sizeof(buf));

		err = host_getrandom(buf, n);
		if (!err) {
			size_t copied = copy_to_user_partial(ubuf + done, buf, n);

			done += copied;
			err = copied < n ? -LINUX_EFAULT : 0;
		}
		if (err)
			break;
		/* Up to 256 bytes are never cut short: getrandom(2). */
		if (done % PAGE_SIZE == 0 && done < len && signal_pending()) {
			err = -LINUX_EINTR;
			break;
		}
	}
	explicit_bzero(buf, sizeof(buf));
	return done ? (int64_t)done : err;
}

/* --- syslog: a log that nobody writes to --- */

enum { SYSLOG_CLOSE, SYSLOG_OPEN, SYSLOG_READ, SYSLOG_READ_ALL, SYSLOG_READ_CLEAR, SYSLOG_CLEAR, SYSLOG_CONSOLE_OFF,
       SYSLOG_CONSOLE_ON, SYSLOG_CONSOLE_LEVEL, SYSLOG_SIZE_UNREAD, SYSLOG_SIZE_BUFFER };
#define SYSLOG_BUFFER_SIZE 262144

SYSCALL_DEFINE3(syslog, int, type, uaddr_t, ubuf, int, len)
{
	/* dmesg_restrict is on. */
	if (!capable(CAP_SYSLOG) && !capable(CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	switch (type) {
	case SYSLOG_READ:
	case SYSLOG_READ_ALL:
	case SYSLOG_READ_CLEAR:
		if (!ubuf || len < 0)
			return -LINUX_EINVAL;
		if (!len)
			return 0;
		if (!access_ok(ubuf, (uint64_t)len))
			return -LINUX_EFAULT;
		while (type == SYSLOG_READ && !signal_pending())
			sleeper_sleep(SLEEP_INTERRUPTIBLE, NO_DEADLINE);
		return type == SYSLOG_READ ? -LINUX_ERESTARTSYS : 0;
	case SYSLOG_CONSOLE_LEVEL:
		return len < 1 || len > 8 ? -LINUX_EINVAL : 0;
	case SYSLOG_CLOSE:
	case SYSLOG_OPEN:
	case SYSLOG_CLEAR:
	case SYSLOG_CONSOLE_OFF:
	case SYSLOG_CONSOLE_ON:
	case SYSLOG_SIZE_UNREAD:
		return 0;
	case SYSLOG_SIZE_BUFFER:
		return SYSLOG_BUFFER_SIZE;
	default:
		return -LINUX_EINVAL;
	}
}

/* --- reboot --- */

#define REBOOT_MAGIC1 0xfee1dead
#define REBOOT_MAGIC2 672274793
#define REBOOT_MAGIC2A 85072278
#define REBOOT_MAGIC2B 369367448
#define REBOOT_MAGIC2C 537993216
#define REBOOT_RESTART 0x01234567
#define REBOOT_HALT 0xcdef0123
#define REBOOT_CAD_ON 0x89abcdef
#define REBOOT_CAD_OFF 0
#define REBOOT_POWER_OFF 0x4321fedc
#define REBOOT_RESTART2 0xa1b2c3d4

SYSCALL_DEFINE4(reboot, uint32_t, magic1, uint32_t, magic2, uint32_t, cmd, uaddr_t, arg __unused)
{
	struct pid_namespace *ns = pid_ns_of(current->tg->pid);
	bool restart = cmd == REBOOT_RESTART || cmd == REBOOT_RESTART2;

	if (!ns_capable(ns->ns.user_ns, CAP_SYS_BOOT))
		return -LINUX_EPERM;
	if (magic1 != REBOOT_MAGIC1 || (magic2 != REBOOT_MAGIC2 && magic2 != REBOOT_MAGIC2A &&
					magic2 != REBOOT_MAGIC2B && magic2 != REBOOT_MAGIC2C))
		return -LINUX_EINVAL;
	switch (cmd) {
	case REBOOT_CAD_ON:
	case REBOOT_CAD_OFF:
		if (ns != &init_pid_ns)
			return -LINUX_EINVAL;
		kernel_cad_enable(cmd == REBOOT_CAD_ON);
		return 0;
	case REBOOT_RESTART:
	case REBOOT_RESTART2:
	case REBOOT_HALT:
	case REBOOT_POWER_OFF:
		if (ns == &init_pid_ns)
			kernel_reboot(restart);
		else
			pid_ns_reboot(ns, restart);
		return 0;
	default:
		return -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE0(vhangup)
{
	return tty_vhangup_self();
}

/* --- what needs the machine itself: refused as to an administrator who lacks the capability --- */

SYSCALL_DEFINE1(iopl, unsigned, level)
{
	return level > 3 ? -LINUX_EINVAL : level ? -LINUX_EPERM : 0;
}

SYSCALL_DEFINE3(ioperm, uint64_t, from, uint64_t, num, int, on)
{
	if (from + num <= from || from + num > 65536)
		return -LINUX_EINVAL;
	return on ? -LINUX_EPERM : 0;
}

SYSCALL_DEFINE3(init_module, uaddr_t, image __unused, uint64_t, len __unused, uaddr_t, params __unused)
{
	return -LINUX_EPERM;
}

SYSCALL_DEFINE3(finit_module, int, fd __unused, uaddr_t, params __unused, int, flags __unused)
{
	return -LINUX_EPERM;
}

SYSCALL_DEFINE2(delete_module, uaddr_t, name __unused, unsigned, flags __unused)
{
	return -LINUX_EPERM;
}
