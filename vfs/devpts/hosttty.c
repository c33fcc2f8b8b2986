/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/devpts/hosttty.h"

#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"
#include "sentry/abi/ioctl.h"
#include "sentry/abi/signal.h"
#include "vfs/dev/hostfd.h"
#include "vfs/device.h"
#include "vfs/devpts/pty.h"
#include "vfs/devpts/tty.h"

#define CONSOLE_PATH "/dev/console"
#define TTYAUX_MAJOR 5
#define TTY_MINOR 0
#define CONSOLE_MINOR 1
#define DECISECOND 100000000LL

/* There is one. */
static struct tty console_tty;
static struct hostfd console;
static bool console_there; /* set before the first task runs */

static void console_free(struct tty *tty __unused)
{
}

/* The host's terminal outlives what hangs up in the guest. */
static void console_hangup(struct tty *tty __unused)
{
}

static const struct tty_ops console_tty_ops = { .free = console_free, .hangup = console_hangup };

static int console_open(struct inode *inode __unused, struct file *f)
{
	file_set_stream(f);
	if (!(atomic_load(&f->flags) & LINUX_O_NOCTTY))
		tty_open_controlling(&console_tty);
	return 0;
}

/*
 * The host's read does not block, so the timer of a non-canonical read without a minimum is ours.
 */
static deadline_t console_read_deadline(void)
{
	struct host_termios t;

	if (host_tcgetattr(console.fd, &t) || t.lflag & LINUX_ICANON || t.cc[LINUX_VMIN] || !t.cc[LINUX_VTIME])
		return NO_DEADLINE;
	return deadline_after(t.cc[LINUX_VTIME] * DECISECOND);
}

static int64_t console_read(struct file *f, struct iov_iter *to, uint64_t *pos __unused)
{
	int err = tty_check_change(&console_tty, LINUX_SIGTTIN);

	return err ? err : hostfd_read_iter(&console, f, to, console_read_deadline());
}

static int64_t console_write(struct file *f, struct iov_iter *from, uint64_t *pos __unused)
{
	int foreground = tty_foreground_nr(&console_tty), err;
	struct host_termios t;

	/* Only a writer in the background has to know whether the terminal wants it stopped. */
	if (foreground && foreground != current_pgrp() && !host_tcgetattr(console.fd, &t) && t.lflag & LINUX_TOSTOP) {
		err = tty_check_change(&console_tty, LINUX_SIGTTOU);
		if (err)
			return err;
	}
	return hostfd_write_iter(&console, f, from);
}

static unsigned console_poll(struct file *f, struct poll_table *pt)
{
	return hostfd_poll_file(&console, f, pt);
}

/* --- ioctls --- */

/* @size: of the structure that goes in or out. */
static int64_t console_get(unsigned cmd, uint64_t arg, size_t size)
{
	struct linux_termios2 buf = { 0 };
	int err = host_ioctl(console.fd, cmd, &buf);

	return err < 0 ? err : copy_to_user(arg, &buf, size);
}

static int64_t console_set(unsigned cmd, uint64_t arg, size_t size)
{
	struct linux_termios2 buf = { 0 };
	int err = tty_check_change(&console_tty, LINUX_SIGTTOU);

	if (err)
		return err;
	if (copy_from_user(&buf, arg, size))
		return -LINUX_EFAULT;
	do
		err = host_ioctl(console.fd, cmd, &buf);
	while (err == -LINUX_EINTR);
	return err;
}

/* The argument is a number. */
static int64_t console_command(unsigned cmd, uint64_t arg)
{
	int err = tty_check_change(&console_tty, LINUX_SIGTTOU);

	if (!err)
		err = host_ioctl(console.fd, cmd, (void *)(uintptr_t)(uint32_t)arg);
	return err;
}

static int64_t console_count(unsigned cmd, uint64_t arg)
{
	int32_t n = 0;
	int err = host_ioctl(console.fd, cmd, &n);

	return err < 0 ? err : put_user(n, arg, int32_t);
}

static int64_t console_ioctl(struct file *f __unused, unsigned cmd, uint64_t arg)
{
	switch (cmd) {
	case LINUX_TCGETS:
		return console_get(cmd, arg, sizeof(struct linux_termios));
	case LINUX_TCGETS2:
		return console_get(cmd, arg, sizeof(struct linux_termios2));
	case LINUX_TIOCGWINSZ:
		return console_get(cmd, arg, sizeof(struct linux_winsize));
	case LINUX_TCSETS:
	case LINUX_TCSETSW:
	case LINUX_TCSETSF:
		return console_set(cmd, arg, sizeof(struct linux_termios));
	case LINUX_TCSETS2:
	case LINUX_TCSETSW2:
	case LINUX_TCSETSF2:
		return console_set(cmd, arg, sizeof(struct linux_termios2));
	case LINUX_TIOCSWINSZ:
		return console_set(cmd, arg, sizeof(struct linux_winsize));
	case LINUX_TCFLSH:
	case LINUX_TCXONC:
	case LINUX_TCSBRK:
	case LINUX_TCSBRKP:
		return console_command(cmd, arg);
	case LINUX_FIONREAD:
	case LINUX_TIOCOUTQ:
	case LINUX_TIOCGETD:
		return console_count(cmd, arg);
	default:
		return tty_ctrl_ioctl(&console_tty, &console_tty, cmd, arg);
	}
}

static const struct file_ops console_ops = {
	.open = console_open,
	.read = console_read,
	.write = console_write,
	.poll = console_poll,
	.ioctl = console_ioctl,
};

int hosttty_init(int fd)
{
	int err = hostfd_init(&console, fd, true);

	if (err)
		return err;
	tty_init(&console_tty, &console_tty_ops, LINUX_MKDEV(TTYAUX_MAJOR, CONSOLE_MINOR));
	err = chrdev_register(TTYAUX_MAJOR, CONSOLE_MINOR, 1, &console_ops);
	console_there = !err;
	return err;
}

struct file *hosttty_open(uint32_t flags, uint32_t uid)
{
	struct path path;
	int err;

	err = path_lookupat(LINUX_AT_FDCWD, CONSOLE_PATH, LOOKUP_FOLLOW, &path);
	if (err)
		return ERR_PTR(err);
	if (path.dentry->inode->rdev != console_tty.rdev || !LINUX_S_ISCHR(path.dentry->inode->mode)) {
		path_put(&path);
		return ERR_PTR(-LINUX_ENODEV);
	}
	/* Whoever sits at the terminal owns it (login(1) does that), and so may open it again. */
	path.dentry->inode->uid = uid;
	path.dentry->inode->mode = LINUX_S_IFCHR | 0620;
	return file_open_path(&path, flags, current_cred);
}

int hosttty_foreground(void)
{
	return console_there ? tty_foreground_nr(&console_tty) : 0;
}

void hosttty_resized(void)
{
	if (console_there)
		tty_signal_foreground(&console_tty, LINUX_SIGWINCH);
}

void hosttty_hangup(void)
{
	if (console_there)
		tty_vhangup(&console_tty);
}

/* --- /dev/tty --- */

static int tty_device_open(struct inode *inode, struct file *f)
{
	struct tty *tty = current_tty_get();
	int err;

	if (!tty)
		return -LINUX_ENXIO;
	atomic_fetch_or(&f->flags, LINUX_O_NOCTTY);
	if (tty_is_pty(tty)) {
		err = pty_open_slave(tty_pty(tty), f);
	} else {
		f->ops = &console_ops;
		err = console_open(inode, f);
	}
	atomic_fetch_and(&f->flags, ~(unsigned)LINUX_O_NOCTTY);
	tty_hooks->put(tty);
	return err;
}

static const struct file_ops tty_device_ops = { .open = tty_device_open };

int tty_device_init(void)
{
	return chrdev_register(TTYAUX_MAJOR, TTY_MINOR, 1, &tty_device_ops);
}
