/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Job control of terminals: credentials of a session, the foreground group, and who may change what (tty_jobctrl.c in Linux).
 */
#include "vfs/devpts/tty.h"

#include <string.h>

static const struct linux_termios2 tty_std_termios = {
	.c_iflag = LINUX_ICRNL | LINUX_IXON,
	.c_oflag = LINUX_OPOST | LINUX_ONLCR,
	.c_cflag = LINUX_B38400 | LINUX_CS8 | LINUX_CREAD | LINUX_HUPCL,
	.c_lflag = LINUX_ISIG | LINUX_ICANON | LINUX_ECHO | LINUX_ECHOE | LINUX_ECHOK | LINUX_ECHOCTL | LINUX_ECHOKE | LINUX_IEXTEN,
	.c_cc = { [LINUX_VINTR] = 3, [LINUX_VQUIT] = 28, [LINUX_VERASE] = 127, [LINUX_VKILL] = 21, [LINUX_VEOF] = 4,
		  [LINUX_VMIN] = 1, [LINUX_VSTART] = 17, [LINUX_VSTOP] = 19, [LINUX_VSUSP] = 26, [LINUX_VREPRINT] = 18,
		  [LINUX_VDISCARD] = 15, [LINUX_VWERASE] = 23, [LINUX_VLNEXT] = 22 },
	.c_ispeed = 38400,
	.c_ospeed = 38400,
};

void tty_init(struct tty *tty, const struct tty_ops *ops, uint64_t rdev)
{
	ref_init(&tty->ref);
	tty->ops = ops;
	tty->rdev = rdev;
	mutex_init(&tty->ctrl_lock);
	mutex_init(&tty->lock);
	tty->termios = tty_std_termios;
}

void tty_fini(struct tty *tty)
{
	if (tty->session)
		pid_put(tty->session);
	if (tty->pgrp)
		pid_put(tty->pgrp);
	mutex_fini(&tty->ctrl_lock);
	mutex_fini(&tty->lock);
}

void tty_put(struct tty *tty)
{
	if (ref_put(&tty->ref))
		tty->ops->free(tty);
}

/* Replaces a pid reference under ctrl_lock; takes @new. */
static void tty_set_pid_locked(struct pid **slot, struct pid *new)
{
	struct pid *old = *slot;

	*slot = new;
	if (old)
		pid_put(old);
}

int tty_foreground_nr(struct tty *tty)
{
	MUTEX_GUARD(&tty->ctrl_lock);

	return pid_nr(tty->pgrp);
}

static int tty_session_nr(struct tty *tty)
{
	MUTEX_GUARD(&tty->ctrl_lock);

	return pid_nr(tty->session);
}

void tty_signal_foreground(struct tty *tty, int sig)
{
	PID_VIEW_GUARD(NULL);
	int pgrp = tty_foreground_nr(tty);

	if (pgrp)
		kernel_signal_pgrp(pgrp, sig);
}

static void tty_set_foreground(struct tty *tty, int pgrp)
{
	struct pid *pid = pid_find_get(pgrp);

	mutex_lock(&tty->ctrl_lock);
	tty_set_pid_locked(&tty->pgrp, pid);
	mutex_unlock(&tty->ctrl_lock);
}

/* Gives @tty to the caller's session. */
static void tty_take(struct tty *tty)
{
	PID_VIEW_GUARD(NULL);
	struct pid *session = pid_find_get(current_session());

	mutex_lock(&tty->ctrl_lock);
	tty_set_pid_locked(&tty->session, session);
	mutex_unlock(&tty->ctrl_lock);
	tty_set_foreground(tty, current_pgrp());
	current_set_tty(tty);
}

void tty_open_controlling(struct tty *tty)
{
	PID_VIEW_GUARD(NULL);
	struct tty *mine = current_tty_get();

	if (mine) {
		tty_hooks->put(mine);
		return;
	}
	if (current_is_session_leader() && !tty_session_nr(tty))
		tty_take(tty);
}

int tty_check_change(struct tty *tty, int sig)
{
	PID_VIEW_GUARD(NULL);
	struct tty *mine = current_tty_get();
	int pgrp = current_pgrp(), foreground;

	if (mine)
		tty_hooks->put(mine);
	if (mine != tty)
		return 0;
	foreground = tty_foreground_nr(tty);
	if (!foreground || foreground == pgrp)
		return 0;
	if (current_ignores_or_blocks(sig))
		return sig == LINUX_SIGTTIN ? -LINUX_EIO : 0;
	if (pgrp_is_orphaned(pgrp))
		return -LINUX_EIO;
	kernel_signal_pgrp(pgrp, sig);
	return -LINUX_ERESTARTSYS;
}

/* --- the kernel's hooks --- */

static void hook_get(struct tty *tty)
{
	tty_get(tty);
}

/* Nobody's terminal any more. */
static void tty_forget_session(struct tty *tty)
{
	mutex_lock(&tty->ctrl_lock);
	tty_set_pid_locked(&tty->session, NULL);
	tty_set_pid_locked(&tty->pgrp, NULL);
	mutex_unlock(&tty->ctrl_lock);
}

static void hook_session_exit(struct tty *tty)
{
	tty_signal_foreground(tty, LINUX_SIGHUP);
	tty_forget_session(tty);
	if (tty->ops->session_end)
		tty->ops->session_end(tty);
}

void tty_vhangup(struct tty *tty)
{
	PID_VIEW_GUARD(NULL);
	int session = tty_session_nr(tty), pgrp = tty_foreground_nr(tty);
	struct pid *pid = session ? pid_find_get(session) : NULL, *group = pgrp ? pid_find_get(pgrp) : NULL;

	/* The foreground hears it when the leader ends (tty_signal_session_leader in Linux). */
	if (pid) {
		kernel_signal_pid(session, LINUX_SIGHUP, LINUX_SI_KERNEL, 0, 0);
		kernel_signal_pid(session, LINUX_SIGCONT, LINUX_SI_KERNEL, 0, 0);
		session_hang_up(pid, group);
		pid_put(pid);
	}
	if (group)
		pid_put(group);
	tty_forget_session(tty);
}

static uint64_t hook_dev(struct tty *tty)
{
	return tty->rdev;
}

const struct tty_hooks tty_core_hooks = {
	.get = hook_get, .put = tty_put, .session_exit = hook_session_exit, .dev = hook_dev,
	.foreground_pgrp = tty_foreground_nr };

/* --- ioctls --- */

static int64_t tty_set_pgrp(struct tty *tty, uint64_t arg)
{
	struct tty *mine;
	int32_t pgrp;
	int err = tty_check_change(tty, LINUX_SIGTTOU);

	if (err)
		return err == -LINUX_EIO ? -LINUX_ENOTTY : err;
	mine = current_tty_get();
	if (mine)
		tty_hooks->put(mine);
	if (mine != tty || tty_session_nr(tty) != current_session())
		return -LINUX_ENOTTY;
	if (get_user(&pgrp, arg))
		return -LINUX_EFAULT;
	if (pgrp < 0)
		return -LINUX_EINVAL;
	if (!pgrp_in_session(pgrp, current_session())) {
		struct pid *pid = pid_find_get(pgrp);

		if (!pid)
			return -LINUX_ESRCH;
		pid_put(pid);
		return -LINUX_EPERM;
	}
	tty_set_foreground(tty, pgrp);
	return 0;
}

static int64_t tty_set_controlling(struct tty *tty, uint64_t arg)
{
	struct tty *mine = current_tty_get();
	int session = tty_session_nr(tty);

	if (mine)
		tty_hooks->put(mine);
	if (current_is_session_leader() && session == current_session())
		return 0;
	if (!current_is_session_leader() || mine)
		return -LINUX_EPERM;
	if (session) {
		struct pid *old;

		if (arg != 1 || !capable(CAP_SYS_ADMIN))
			return -LINUX_EPERM;
		old = pid_find_get(session); /* stolen from its session */
		if (old) {
			session_set_tty(old, NULL);
			pid_put(old);
		}
	}
	tty_take(tty);
	return 0;
}

static int64_t tty_give_up(struct tty *tty)
{
	struct tty *mine = current_tty_get();

	if (mine)
		tty_hooks->put(mine);
	if (mine != tty)
		return -LINUX_ENOTTY;
	if (current_is_session_leader()) {
		struct pid *session = pid_find_get(current_session());

		tty_signal_foreground(tty, LINUX_SIGHUP);
		tty_signal_foreground(tty, LINUX_SIGCONT);
		if (session) {
			session_set_tty(session, NULL);
			pid_put(session);
		}
		tty_forget_session(tty);
	} else {
		current_set_tty(NULL);
	}
	return 0;
}

static int64_t tty_set_winsize(struct tty *tty, uint64_t arg)
{
	struct linux_winsize ws;
	bool changed;

	if (get_user(&ws, arg))
		return -LINUX_EFAULT;
	mutex_lock(&tty->lock);
	changed = memcmp(&ws, &tty->winsize, sizeof(ws));
	tty->winsize = ws;
	mutex_unlock(&tty->lock);
	if (changed)
		tty_signal_foreground(tty, LINUX_SIGWINCH);
	return 0;
}

/* @tty: the slave both ends speak of; @real: the slave when called on it, NULL on the master. */
int64_t tty_ctrl_ioctl(struct tty *tty, struct tty *real, unsigned cmd, uint64_t arg)
{
	struct tty *mine;
	int nr;

	switch (cmd) {
	case LINUX_TIOCSPGRP:
		return tty_set_pgrp(tty, arg);
	case LINUX_TIOCSCTTY:
		return tty_set_controlling(tty, arg);
	case LINUX_TIOCNOTTY:
		return tty_give_up(tty);
	case LINUX_TIOCGPGRP:
	case LINUX_TIOCGSID:
		mine = current_tty_get();
		if (mine)
			tty_hooks->put(mine);
		if (real && mine != tty)
			return -LINUX_ENOTTY;
		nr = cmd == LINUX_TIOCGPGRP ? tty_foreground_nr(tty) : tty_session_nr(tty);
		if (cmd == LINUX_TIOCGSID && !nr)
			return -LINUX_ENOTTY;
		return put_user(nr, arg, int32_t);
	case LINUX_TIOCGWINSZ: {
		struct linux_winsize ws;

		mutex_lock(&tty->lock);
		ws = tty->winsize;
		mutex_unlock(&tty->lock);
		return copy_to_user(arg, &ws, sizeof(ws));
	}
	case LINUX_TIOCSWINSZ:
		return tty_set_winsize(tty, arg);
	default:
		return -LINUX_ENOTTY;
	}
}
