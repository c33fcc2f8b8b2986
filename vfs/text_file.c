/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/text_file.h"

#include <stdlib.h>

#include "sentry/abi/fcntl.h"

void text_file_init(struct text_file *tf)
{
	*tf = (struct text_file){ .text = STRBUF_INIT };
	mutex_init(&tf->lock);
}

void text_file_fini(struct text_file *tf)
{
	strbuf_fini(&tf->text);
	mutex_fini(&tf->lock);
}

static int make_locked(struct text_file *tf, struct file *f, int (*make)(struct file *f, struct strbuf *text))
{
	int err;

	strbuf_reset(&tf->text);
	err = make(f, &tf->text);
	if (!err)
		err = strbuf_err(&tf->text);
	tf->made = !err;
	return err;
}

int64_t text_file_read(struct text_file *tf, struct file *f, struct iov_iter *to, uint64_t *pos,
		       int (*make)(struct file *f, struct strbuf *text))
{
	size_t n, want;
	int err;
	MUTEX_GUARD(&tf->lock);

	if (!*pos || !tf->made) {
		err = make_locked(tf, f, make);
		if (err)
			return err;
	}
	if (*pos >= tf->text.len)
		return 0;
	want = MIN(to->count, tf->text.len - *pos);
	n = iov_iter_copy_to(to, tf->text.buf + *pos, want);
	if (!n && want)
		return -LINUX_EFAULT;
	*pos += n;
	return (int64_t)n;
}

char *text_file_written(struct iov_iter *from)
{
	size_t len = from->count;
	char *buf = malloc(len + 1);

	if (!buf)
		return ERR_PTR(-LINUX_ENOMEM);
	if (iov_iter_copy_from(from, buf, len) != len) {
		free(buf);
		return ERR_PTR(-LINUX_EFAULT);
	}
	buf[len] = '\0';
	return buf;
}

int64_t text_file_llseek(struct file *f, int64_t off, int whence)
{
	if (whence == LINUX_SEEK_CUR)
		off += (int64_t)f->pos;
	else if (whence != LINUX_SEEK_SET)
		return -LINUX_EINVAL;
	if (off < 0)
		return -LINUX_EINVAL;
	f->pos = (uint64_t)off;
	return off;
}
