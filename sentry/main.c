/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/cli/cli.h"

/*
 * For --enable-tsan.  The order among directories is that of the tree, which renames change; rename_lock keeps it, unseen by the
 * sanitizer.  Threads of a guest race for its memory as they like.  A file's attributes are single words, read without a lock.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "deadlock:lock_rename\ndeadlock:rename_locked\ndeadlock:rmdir_locked\n"
	       "race:attrs_copy_locked\nrace:setattr_copy\n"
	       "race:copy_piece\nrace:iter_kernel\nrace:frame_copy\nrace:try_access\n";
}

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
