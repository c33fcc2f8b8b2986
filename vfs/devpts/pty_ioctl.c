/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl_tty(2) on both ends of a pseudo-terminal; job control and the window's size are tty.c's. */
#include <stdio.h>
#include <string.h>

#include "sentry/abi/fcntl.h"
#include "sentry/abi/ioctl.h"
#include "vfs/devpts/pty.h"

/* --- settings --- */

static int64_t get_termios(struct pty *pty, unsigned cmd, uint64_t arg)
{
	struct linux_termios2 t;

	mutex_lock(&pty->tty.lock);
	t = pty->tty.termios;
	mutex_unlock(&pty->tty.lock);
	return copy_to_user(arg, &t, cmd == LINUX_TCGETS ? sizeof(struct linux_termios) : sizeof(t));
}

/* Bits of @locked stay as they are in @old: TIOCSLCKTRMIOS. */
static void keep_locked(struct linux_termios2 *t, const struct linux_termios2 *old, const struct linux_termios *locked)
{
	t->c_iflag = (t->c_iflag & ~locked->c_iflag) | (old->c_iflag & locked->c_iflag);
	t->c_oflag = (t->c_oflag & ~locked->c_oflag) | (old->c_oflag & locked->c_oflag);
	t->c_cflag = (t->c_cflag & ~locked->c_cflag) | (old->c_cflag & locked->c_cflag);
	t->c_lflag = (t->c_lflag & ~locked->c_lflag) | (old->c_lflag & locked->c_lflag);
	t->c_line = locked->c_line ? old->c_line : t->c_line;
	for (size_t i = 0; i < LINUX_NCCS; i++)
		t->c_cc[i] = locked->c_cc[i] ? old->c_cc[i] : t->c_cc[i];
}

static bool usual_flow(const struct linux_termios2 *t)
{
	return t->c_iflag & LINUX_IXON && t->c_cc[LINUX_VSTOP] == 19 && t->c_cc[LINUX_VSTART] == 17;
}

/* What the master is told in packet mode: pty_set_termios() in Linux. */
static void note_termios_locked(struct pty *pty, const struct linux_termios2 *old)
{
	const struct linux_termios2 *t = &pty->tty.termios;

	if (!pty->packet)
		return;
	if (usual_flow(old) != usual_flow(t)) {
		pty->packet_events &= ~(LINUX_TIOCPKT_DOSTOP | LINUX_TIOCPKT_NOSTOP);
		pty->packet_events |= usual_flow(t) ? LINUX_TIOCPKT_DOSTOP : LINUX_TIOCPKT_NOSTOP;
	}
	if ((old->c_lflag | t->c_lflag) & LINUX_EXTPROC)
		pty->packet_events |= LINUX_TIOCPKT_IOCTL;
}

static void change_termios(struct pty *pty, struct linux_termios2 t, bool flush)
{
	struct ntty_result res = { 0 };
	struct linux_termios2 old;

	mutex_lock(&pty->tty.lock);
	old = pty->tty.termios;
	keep_locked(&t, &old, &pty->termios_locked);
	t.c_cflag = (t.c_cflag & ~(LINUX_CSIZE | LINUX_PARENB)) | LINUX_CS8 | LINUX_CREAD;
	pty->tty.termios = t;
	if (flush)
		ntty_flush_input(&pty->line);
	ntty_set_termios(&pty->line, &old, &res);
	note_termios_locked(pty, &old);
	pty_note_locked(pty, &res);
	mutex_unlock(&pty->tty.lock);
	pty_apply(pty, &res);
}

static int64_t set_termios(struct pty *pty, struct tty *real, unsigned cmd, uint64_t arg)
{
	bool two = cmd == LINUX_TCSETS2 || cmd == LINUX_TCSETSW2 || cmd == LINUX_TCSETSF2;
	int err = real ? tty_check_change(&pty->tty, LINUX_SIGTTOU) : 0;
	struct linux_termios2 t;

	if (err)
		return err;
	mutex_lock(&pty->tty.lock);
	t = pty->tty.termios;
	mutex_unlock(&pty->tty.lock);
	if (copy_from_user(&t, arg, two ? sizeof(t) : sizeof(struct linux_termios)))
		return -LINUX_EFAULT;
	change_termios(pty, t, cmd == LINUX_TCSETSF || cmd == LINUX_TCSETSF2);
	return 0;
}

/* The structure of System V: the low halves, and eight characters. */
static int64_t get_termio(struct pty *pty, uint64_t arg)
{
	struct linux_termio old;

	mutex_lock(&pty->tty.lock);
	old = (struct linux_termio){ (uint16_t)pty->tty.termios.c_iflag, (uint16_t)pty->tty.termios.c_oflag,
				     (uint16_t)pty->tty.termios.c_cflag, (uint16_t)pty->tty.termios.c_lflag,
				     pty->tty.termios.c_line, { 0 } };
	memcpy(old.c_cc, pty->tty.termios.c_cc, sizeof(old.c_cc));
	mutex_unlock(&pty->tty.lock);
	return copy_to_user(arg, &old, sizeof(old));
}

static int64_t set_termio(struct pty *pty, struct tty *real, unsigned cmd, uint64_t arg)
{
	int err = real ? tty_check_change(&pty->tty, LINUX_SIGTTOU) : 0;
	struct linux_termios2 t;
	struct linux_termio old;

	if (err)
		return err;
	if (get_user(&old, arg))
		return -LINUX_EFAULT;
	mutex_lock(&pty->tty.lock);
	t = pty->tty.termios;
	mutex_unlock(&pty->tty.lock);
	t.c_iflag = (t.c_iflag & ~0xffffU) | old.c_iflag;
	t.c_oflag = (t.c_oflag & ~0xffffU) | old.c_oflag;
	t.c_cflag = (t.c_cflag & ~0xffffU) | old.c_cflag;
	t.c_lflag = (t.c_lflag & ~0xffffU) | old.c_lflag;
	t.c_line = old.c_line;
	memcpy(t.c_cc, old.c_cc, sizeof(old.c_cc));
	change_termios(pty, t, cmd == LINUX_TCSETAF);
	return 0;
}

static int64_t locked_termios(struct pty *pty, unsigned cmd, uint64_t arg)
{
	struct linux_termios t;

	if (cmd == LINUX_TIOCSLCKTRMIOS) {
		if (!capable(CAP_SYS_ADMIN))
			return -LINUX_EPERM;
		if (get_user(&t, arg))
			return -LINUX_EFAULT;
		mutex_lock(&pty->tty.lock);
		pty->termios_locked = t;
		mutex_unlock(&pty->tty.lock);
		return 0;
	}
	mutex_lock(&pty->tty.lock);
	t = pty->termios_locked;
	mutex_unlock(&pty->tty.lock);
	return copy_to_user(arg, &t, sizeof(t));
}

static int64_t soft_carrier(struct pty *pty, unsigned cmd, uint64_t arg)
{
	struct linux_termios2 t;
	int32_t on;

	mutex_lock(&pty->tty.lock);
	t = pty->tty.termios;
	mutex_unlock(&pty->tty.lock);
	if (cmd == LINUX_TIOCGSOFTCAR)
		return put_user(t.c_cflag & LINUX_CLOCAL ? 1 : 0, arg, int32_t);
	if (get_user(&on, arg))
		return -LINUX_EFAULT;
	t.c_cflag = (t.c_cflag & ~LINUX_CLOCAL) | (on ? LINUX_CLOCAL : 0);
	change_termios(pty, t, false);
	return 0;
}

/* --- what is in the buffers --- */

/* Of the master, what it has not read is its input; what it wrote has gone. */
static int64_t flush(struct pty *pty, struct tty *real, uint64_t which)
{
	bool in = which == LINUX_TCIFLUSH || which == LINUX_TCIOFLUSH, out = which == LINUX_TCOFLUSH || which == LINUX_TCIOFLUSH;
	int err = real ? tty_check_change(&pty->tty, LINUX_SIGTTOU) : 0;

	if (err)
		return err;
	if (which > LINUX_TCIOFLUSH)
		return -LINUX_EINVAL;
	mutex_lock(&pty->tty.lock);
	if (real && in)
		ntty_flush_input(&pty->line);
	if (real ? out : in)
		ntty_flush_output(&pty->line);
	if (real && pty->packet)
		pty->packet_events |= (in ? LINUX_TIOCPKT_FLUSHREAD : 0) | (out ? LINUX_TIOCPKT_FLUSHWRITE : 0);
	mutex_unlock(&pty->tty.lock);
	pty_wake(pty);
	return 0;
}

/* TCOOFF is beyond what a ^Q undoes; TCIOFF and TCION send the other end a character. */
static int64_t flow(struct pty *pty, struct tty *real, uint64_t action)
{
	int err = real ? tty_check_change(&pty->tty, LINUX_SIGTTOU) : 0;
	struct ntty *line = &pty->line;
	struct ntty_result res = { 0 };
	uint8_t c;

	if (err)
		return err;
	if (action > LINUX_TCION)
		return -LINUX_EINVAL;
	if (!real) /* nobody's output is stopped by it */
		return 0;
	mutex_lock(&pty->tty.lock);
	c = pty->tty.termios.c_cc[action == LINUX_TCIOFF ? LINUX_VSTOP : LINUX_VSTART];
	if (action == LINUX_TCOOFF && !line->flow_off) {
		line->flow_off = true;
		ntty_stop(line, &res);
	} else if (action == LINUX_TCOON && line->flow_off) {
		line->flow_off = false;
		ntty_start(line, &res);
	} else if (action >= LINUX_TCIOFF && c) {
		ntty_output_char(line, c);
	}
	pty_note_locked(pty, &res);
	mutex_unlock(&pty->tty.lock);
	pty_apply(pty, &res);
	return 0;
}

/* Nothing is ever waited for: what is written to a pseudo-terminal is at its other end. */
static int64_t output_count(uint64_t arg)
{
	return put_user(0, arg, int32_t);
}

static int64_t input_count(struct pty *pty, struct tty *real, uint64_t arg)
{
	size_t n;

	mutex_lock(&pty->tty.lock);
	n = real ? ntty_count(&pty->line) : ntty_output_pending(&pty->line);
	mutex_unlock(&pty->tty.lock);
	return put_user((int32_t)n, arg, int32_t);
}

/* As if the character had come from the other end. */
static int64_t inject(struct pty *pty, struct tty *real, uint64_t arg)
{
	struct tty *mine = current_tty_get();
	uint8_t c;

	if (mine)
		tty_hooks->put(mine);
	if ((!real || mine != real) && !capable(CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	if (get_user(&c, arg))
		return -LINUX_EFAULT;
	if (real) {
		pty_put_input(pty, &c, 1);
		return 0;
	}
	mutex_lock(&pty->tty.lock);
	ntty_output_char(&pty->line, c);
	mutex_unlock(&pty->tty.lock);
	pty_wake(pty);
	return 0;
}

static int64_t line_discipline(unsigned cmd, uint64_t arg)
{
	int32_t nr;

	if (cmd == LINUX_TIOCGETD)
		return put_user(0, arg, int32_t);
	if (get_user(&nr, arg))
		return -LINUX_EFAULT;
	return nr ? -LINUX_EINVAL : 0; /* N_TTY */
}

/* Opens the slave without a path of the caller's: TIOCGPTPEER. */
static int64_t open_peer(struct pty *pty, uint64_t flags)
{
	char name[32];
	struct file *peer;

	snprintf(name, sizeof(name), "/dev/pts/%u", pty->index);
	peer = filp_open(name, (uint32_t)flags, 0);
	return fd_install_or_put(peer, flags & LINUX_O_CLOEXEC);
}

/* What both ends answer.  @real: the tty when called on the slave. */
static int64_t pty_ioctl(struct pty *pty, struct tty *real, unsigned cmd, uint64_t arg)
{
	bool *exclusive = real ? &pty->exclusive : &pty->master_exclusive;

	switch (cmd) {
	case LINUX_TCGETS:
	case LINUX_TCGETS2:
		return get_termios(pty, cmd, arg);
	case LINUX_TCSETS:
	case LINUX_TCSETSW:
	case LINUX_TCSETSF:
	case LINUX_TCSETS2:
	case LINUX_TCSETSW2:
	case LINUX_TCSETSF2:
		return set_termios(pty, real, cmd, arg);
	case LINUX_TCGETA:
		return get_termio(pty, arg);
	case LINUX_TCSETA:
	case LINUX_TCSETAW:
	case LINUX_TCSETAF:
		return set_termio(pty, real, cmd, arg);
	case LINUX_TIOCGLCKTRMIOS:
	case LINUX_TIOCSLCKTRMIOS:
		return locked_termios(pty, cmd, arg);
	case LINUX_TIOCGSOFTCAR:
	case LINUX_TIOCSSOFTCAR:
		return soft_carrier(pty, cmd, arg);
	case LINUX_TCFLSH:
		return flush(pty, real, arg);
	case LINUX_TCXONC:
		return flow(pty, real, arg);
	case LINUX_TCSBRK:
	case LINUX_TCSBRKP:
	case LINUX_TIOCSBRK:
	case LINUX_TIOCCBRK:
		return real ? tty_check_change(&pty->tty, LINUX_SIGTTOU) : 0;
	case LINUX_FIONREAD:
		return input_count(pty, real, arg);
	case LINUX_TIOCOUTQ:
		return output_count(arg);
	case LINUX_TIOCSTI:
		return inject(pty, real, arg);
	case LINUX_TIOCGETD:
	case LINUX_TIOCSETD:
		return line_discipline(cmd, arg);
	case LINUX_TIOCGDEV:
		return put_user((uint32_t)pty->tty.rdev, arg, uint32_t);
	case LINUX_TIOCEXCL:
	case LINUX_TIOCNXCL:
		WRITE_ONCE(*exclusive, cmd == LINUX_TIOCEXCL);
		return 0;
	case LINUX_TIOCGEXCL:
		return put_user(READ_ONCE(*exclusive), arg, int32_t);
	case LINUX_TIOCVHANGUP:
		if (!capable(CAP_SYS_ADMIN))
			return -LINUX_EPERM;
		tty_vhangup(&pty->tty);
		pty->tty.ops->hangup(&pty->tty);
		return 0;
	default:
		return tty_ctrl_ioctl(&pty->tty, real, cmd, arg);
	}
}

int64_t pty_slave_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct pty *pty = f->private_data;

	if (pty_slave_gone(f, pty) || cmd == LINUX_TIOCGPTPEER)
		return -LINUX_EIO;
	return pty_ioctl(pty, &pty->tty, cmd, arg);
}

static int64_t set_packet_mode(struct pty *pty, int32_t on)
{
	mutex_lock(&pty->tty.lock);
	if (on && !pty->packet)
		pty->packet_events = 0;
	pty->packet = on;
	mutex_unlock(&pty->tty.lock);
	return 0;
}

int64_t pty_master_ioctl(struct file *f, unsigned cmd, uint64_t arg)
{
	struct pty *pty = f->private_data;
	int32_t v;

	switch (cmd) {
	case LINUX_TIOCGPTN:
		return put_user(pty->index, arg, uint32_t);
	case LINUX_TIOCSPTLCK:
		if (get_user(&v, arg))
			return -LINUX_EFAULT;
		WRITE_ONCE(pty->locked, v);
		return 0;
	case LINUX_TIOCGPTLCK:
		return put_user(READ_ONCE(pty->locked), arg, int32_t);
	case LINUX_TIOCPKT:
		return get_user(&v, arg) ? -LINUX_EFAULT : set_packet_mode(pty, v);
	case LINUX_TIOCGPKT:
		return put_user(READ_ONCE(pty->packet), arg, int32_t);
	case LINUX_TIOCSIG:
		if (arg < 1 || arg > LINUX_NSIG)
			return -LINUX_EINVAL;
		tty_signal_foreground(&pty->tty, (int)arg);
		return 0;
	case LINUX_TIOCGPTPEER:
		return open_peer(pty, arg);
	default:
		return pty_ioctl(pty, NULL, cmd, arg);
	}
}
