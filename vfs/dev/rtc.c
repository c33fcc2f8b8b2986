/* SPDX-License-Identifier: Apache-2.0 */
/* /dev/rtc0, as rtc(4): the host's time of day in UTC.  It can be read, and set to what it is. */
#include <time.h>

#include "vfs/dev/dev.h"
#include "vfs/device.h"

#define RTC_MAJOR 254
#define RTC_RD_TIME 0x80247009
#define RTC_SET_TIME 0x4024700a
#define SLACK 2 /* seconds that count as the same time */

struct linux_rtc_time {
	int32_t tm_sec, tm_min, tm_hour, tm_mday, tm_mon, tm_year, tm_wday, tm_yday, tm_isdst;
};
static_assert(sizeof(struct linux_rtc_time) == 36, "");

static int64_t rtc_read_time(uint64_t arg)
{
	time_t now = (time_t)current_time().sec;
	struct linux_rtc_time out;
	struct tm tm;

	gmtime_r(&now, &tm);
	out = (struct linux_rtc_time){ tm.tm_sec, tm.tm_min, tm.tm_hour, tm.tm_mday, tm.tm_mon, tm.tm_year, 0, 0, 0 };
	return copy_to_user(arg, &out, sizeof(out));
}

static int64_t rtc_set_time(uint64_t arg)
{
	struct linux_rtc_time in;
	struct tm tm = { 0 };
	int64_t off;

	if (!capable(CAP_SYS_TIME))
		return -LINUX_EACCES;
	if (copy_from_user(&in, arg, sizeof(in)))
		return -LINUX_EFAULT;
	tm.tm_sec = in.tm_sec;
	tm.tm_min = in.tm_min;
	tm.tm_hour = in.tm_hour;
	tm.tm_mday = in.tm_mday;
	tm.tm_mon = in.tm_mon;
	tm.tm_year = in.tm_year;
	off = (int64_t)timegm(&tm) - current_time().sec;
	return off >= -SLACK && off <= SLACK ? 0 : -LINUX_EPERM;
}

static int64_t rtc_ioctl(struct file *f __unused, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case RTC_RD_TIME:
		return rtc_read_time(arg);
	case RTC_SET_TIME:
		return rtc_set_time(arg);
	default:
		return -LINUX_ENOTTY; /* no alarms, no interrupts */
	}
}

static const struct file_ops rtc_ops = { .ioctl = rtc_ioctl };

int rtc_init(void)
{
	return chrdev_register(RTC_MAJOR, 0, 1, &rtc_ops);
}
