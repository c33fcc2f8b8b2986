/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/devpts/conpty.h"

#include "sentry/abi/fcntl.h"
#include "vfs/device.h"

#define CONSOLE_RDEV LINUX_MKDEV(5, 1)
#define TTY_MAJOR 4
#define SERIAL_MINOR 64
#define NR_VTS 64 /* minors of TTY_MAJOR; 0 and 1 are the console */

static struct mutex con_lock = MUTEX_INIT;	    /* outside tty->lock */
static struct pty *lines[NR_VTS];		    /* con_lock; references; the console's is the first */
static bool con_closed;				    /* con_lock */

static struct pty *line_new(unsigned nr)
{
	/* What is behind /dev/console is tty1, and ps(1) finds it by that. */
	struct pty *pty = pty_new_console(LINUX_MKDEV(TTY_MAJOR, nr ? nr : 1));

	if (!IS_ERR(pty))
		pty->deaf = nr > 0;
	return pty;
}

/* The line of a terminal, with a reference, or ERR_PTR. */
static struct pty *line_get(unsigned nr)
{
	struct pty *pty;

	MUTEX_GUARD(&con_lock);
	if (!lines[nr]) {
		pty = line_new(nr);
		if (IS_ERR(pty))
			return pty;
		lines[nr] = pty;
	}
	tty_get(&lines[nr]->tty);
	return lines[nr];
}

static struct pty *con_get(void)
{
	return line_get(0);
}

static int con_open(struct inode *inode, struct file *f)
{
	unsigned minor = LINUX_MAJOR(inode->rdev) == TTY_MAJOR ? LINUX_MINOR(inode->rdev) : 0;
	struct pty *pty = line_get(minor == 1 || minor >= NR_VTS ? 0 : minor);
	int err;

	if (IS_ERR(pty))
		return (int)PTR_ERR(pty);
	/* The console itself never becomes a controlling terminal by being opened: as tty_open() in Linux. */
	if (inode->rdev == CONSOLE_RDEV)
		atomic_fetch_or(&f->flags, LINUX_O_NOCTTY);
	err = pty_open_slave(pty, f);
	if (!err && inode->rdev == CONSOLE_RDEV)
		f->tty_generation = TTY_GENERATION_ALL;
	tty_put(&pty->tty);
	return err;
}

static const struct file_ops con_ops = { .open = con_open };

int conpty_init(void)
{
	struct pty *pty = con_get();
	int err;

	if (IS_ERR(pty))
		return (int)PTR_ERR(pty);
	tty_put(&pty->tty);
	err = chrdev_register(5, 1, 1, &con_ops);
	return err ? err : chrdev_register(TTY_MAJOR, 0, SERIAL_MINOR + 1, &con_ops);
}

size_t conpty_take_output(void *buf, size_t len)
{
	for (;;) {
		struct pty *pty = con_get();
		size_t n = pty_take_output(pty, buf, len);
		bool done = !n && READ_ONCE(con_closed);

		if (!n && !done)
			waitq_wait(&pty->wait, pty_has_output(pty) || READ_ONCE(con_closed),
				   SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
		tty_put(&pty->tty);
		if (n || done)
			return n;
	}
}

void conpty_input(const void *buf, size_t len)
{
	while (len && !READ_ONCE(con_closed)) {
		struct pty *pty = con_get();
		int64_t n = pty_put_input(pty, buf, len);

		if (n > 0) {
			buf = (const uint8_t *)buf + n;
			len -= (size_t)n;
		} else {
			waitq_wait(&pty->wait, pty_has_room(pty) || READ_ONCE(con_closed), SLEEP_UNINTERRUPTIBLE, NO_DEADLINE);
		}
		tty_put(&pty->tty);
	}
}

void conpty_resize(unsigned rows, unsigned cols)
{
	struct pty *pty = con_get();
	bool changed;

	mutex_lock(&pty->tty.lock);
	changed = pty->tty.winsize.ws_row != rows || pty->tty.winsize.ws_col != cols;
	pty->tty.winsize.ws_row = (uint16_t)rows;
	pty->tty.winsize.ws_col = (uint16_t)cols;
	mutex_unlock(&pty->tty.lock);
	if (changed)
		tty_signal_foreground(&pty->tty, LINUX_SIGWINCH);
	tty_put(&pty->tty);
}

void conpty_close(void)
{
	struct pty *pty = con_get();

	WRITE_ONCE(con_closed, true);
	waitq_wake(&pty->wait, 0);
	tty_put(&pty->tty);
}

int tty_vhangup_self(void)
{
	struct tty *tty;

	if (!capable(CAP_SYS_TTY_CONFIG))
		return -LINUX_EPERM;
	tty = current_tty_get();
	if (!tty)
		return 0;
	tty_vhangup(tty);
	tty->ops->hangup(tty);
	tty_hooks->put(tty);
	return 0;
}
