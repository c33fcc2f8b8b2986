/* SPDX-License-Identifier: Apache-2.0 */
/* The set-user-id and set-group-id bits: honoured for programs, not for scripts, not with no_new_privs. */
#include "tests/contract/self.h"
#include <sys/auxv.h>

static void copy_with_mode(const char *to, mode_t mode)
{
	copy_self(to);
	MUST(chown(to, 1234, 2345));
	MUST(chmod(to, mode));
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		uid_t r, e, s;
		gid_t rg, eg, sg;

		getresuid(&r, &e, &s);
		getresgid(&rg, &eg, &sg);
		say("uid %d %d %d gid %d %d %d secure %lu dumpable %d", r, e, s, rg, eg, sg, getauxval(AT_SECURE),
		    prctl(PR_GET_DUMPABLE) == 1);
		return 0;
	}
	if (geteuid() != 0)
		skip("not root");
	scratch();
	copy_with_mode("suid", 04755);
	copy_with_mode("sgid", 02755);
	copy_with_mode("both", 06755);
	copy_with_mode("sgid-no-x", 02745);
	copy_with_mode("plain", 0755);
	put_file("script", "#!./plain child\n", 0755);
	MUST(chown("script", 1234, 2345));
	MUST(chmod("script", 06755));
	run_copy("plain", "./plain", false, false);
	run_copy("suid", "./suid", false, false);
	run_copy("sgid", "./sgid", false, false);
	run_copy("both", "./both", false, false);
	run_copy("sgid without group execute", "./sgid-no-x", false, false);
	run_copy("script", "./script", false, false);
	run_copy("no new privileges", "./both", false, true);
	run_copy("as root", "./both", true, false);
	return 0;
}
