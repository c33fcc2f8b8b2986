/* SPDX-License-Identifier: Apache-2.0 */
/* Entries of io_setup(2) and its kin; the bodies are in sentry/kernel/aio.c. */
#include "sentry/abi/time.h"
#include "sentry/kernel/aio.h"
#include "sentry/kernel/signal.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"

SYSCALL_DEFINE2(io_setup, unsigned, nr, uaddr_t, ctx)
{
	return aio_setup(nr, ctx);
}

SYSCALL_DEFINE1(io_destroy, uint64_t, ctx)
{
	return aio_destroy(ctx);
}

SYSCALL_DEFINE3(io_submit, uint64_t, ctx, int64_t, nr, uaddr_t, iocbs)
{
	return aio_submit(ctx, nr, iocbs);
}

SYSCALL_DEFINE3(io_cancel, uint64_t, ctx, uaddr_t, iocb, uaddr_t, result)
{
	(void)result;
	return aio_cancel(ctx, iocb);
}

/* As Linux, any time that is not positive means not to wait. */
static int get_deadline(uaddr_t utimeout, deadline_t *ret)
{
	struct linux_timespec ts;

	*ret = NO_DEADLINE;
	if (!utimeout)
		return 0;
	if (get_user(&ts, utimeout))
		return -LINUX_EFAULT;
	if (ts.tv_sec < 0 || ts.tv_nsec < 0 || !(ts.tv_sec | ts.tv_nsec))
		*ret = 0;
	else if (ts.tv_sec < INT64_MAX / 1000000000 - 2 && ts.tv_nsec < 1000000000)
		*ret = deadline_after(ts.tv_sec * 1000000000 + ts.tv_nsec);
	return 0;
}

SYSCALL_DEFINE5(io_getevents, uint64_t, ctx, int64_t, min, int64_t, nr, uaddr_t, events, uaddr_t, utimeout)
{
	deadline_t deadline;
	int err = get_deadline(utimeout, &deadline);

	return err ? err : aio_getevents(ctx, min, nr, events, deadline);
}

SYSCALL_DEFINE6(io_pgetevents, uint64_t, ctx, int64_t, min, int64_t, nr, uaddr_t, events, uaddr_t, utimeout, uaddr_t, usig)
{
	struct {
		uint64_t mask, size;
	} sig = { 0, 0 };
	deadline_t deadline;
	int64_t ret = get_deadline(utimeout, &deadline);

	if (ret)
		return ret;
	if (usig && get_user(&sig, usig))
		return -LINUX_EFAULT;
	ret = sigmask_set_user(sig.mask, sig.size);
	if (ret)
		return ret;
	ret = aio_getevents(ctx, min, nr, events, deadline);
	sigmask_restore_unless(ret == -LINUX_EINTR);
	return ret;
}
