/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What open files whose content is text made by a function have in common: a read sees the text as of the last read at position 0, as
 * seq_file and kernfs have it in Linux.  Each belongs to one struct file, and is part of what its file system keeps in private_data.
 */
#ifndef VFS_TEXT_FILE_H
#define VFS_TEXT_FILE_H

#include "sentry/base/lock.h"
#include "sentry/base/strbuf.h"
#include "vfs/vfs.h"

struct text_file {
	struct mutex lock;
	struct strbuf text; /* lock */
	bool made;	    /* lock: text is whole */
};

void text_file_init(struct text_file *tf);
void text_file_fini(struct text_file *tf);

/* file_ops.read: @make fills the empty @text, or gives -errno; it runs with tf->lock held. */
int64_t text_file_read(struct text_file *tf, struct file *f, struct iov_iter *to, uint64_t *pos,
		       int (*make)(struct file *f, struct strbuf *text));

/*
 * The first half of a file_ops.write that wants its text in one piece: all of @from with a NUL behind, to be freed.  ERR_PTR:
 * -ENOMEM, -EFAULT.  How much is too much, the caller has decided.
 */
char *text_file_written(struct iov_iter *from);

/* file_ops.llseek: there is no end to seek from. */
int64_t text_file_llseek(struct file *f, int64_t off, int whence);

#endif
