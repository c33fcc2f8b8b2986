/* SPDX-License-Identifier: Apache-2.0 */
/* For programs that copy themselves and run the copies, which then have an argument, with more or fewer privileges. */
#ifndef TESTS_CONTRACT_SELF_H
#define TESTS_CONTRACT_SELF_H

#include "tests/contract/contract.h"

#include <sys/prctl.h>

static inline void copy_self(const char *to)
{
	int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open(to, O_WRONLY | O_CREAT, 0755));
	char buf[65536];
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		write_all(out, buf, n);
	close(in);
	close(out);
}

/* As root or as an ordinary user. */
static inline void run_copy(const char *what, const char *path, bool as_root, bool no_new_privs)
{
	say("-- %s", what);
	IN_CHILD(what) {
		if (!as_root)
			drop_privileges();
		if (no_new_privs)
			MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
		execl(path, "x", "child", NULL);
		say("%s", errno_name(errno));
	}
}

#endif
