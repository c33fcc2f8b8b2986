/* SPDX-License-Identifier: Apache-2.0 */
/* The set-user-id and set-group-id bits: honoured for programs, not for scripts, not with no_new_privs. */
#include "tests/contract/contract.h"
#include <sys/auxv.h>
#include <sys/prctl.h>

static void copy_self(const char *to, mode_t mode)
{
	char buf[65536];
	int in = MUST(open("/proc/self/exe", O_RDONLY)), out = MUST(open(to, O_WRONLY | O_CREAT, 0755));
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0)
		write_all(out, buf, n);
	close(in);
	close(out);
	MUST(chown(to, 1234, 2345));
	MUST(chmod(to, mode));
}

static void run(const char *what, const char *path, bool no_new_privs, bool as_root)
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
	copy_self("suid", 04755);
	copy_self("sgid", 02755);
	copy_self("both", 06755);
	copy_self("sgid-no-x", 02745);
	copy_self("plain", 0755);
	put_file("script", "#!./plain child\n", 0755);
	MUST(chown("script", 1234, 2345));
	MUST(chmod("script", 06755));
	run("plain", "./plain", false, false);
	run("suid", "./suid", false, false);
	run("sgid", "./sgid", false, false);
	run("both", "./both", false, false);
	run("sgid without group execute", "./sgid-no-x", false, false);
	run("script", "./script", false, false);
	run("no new privileges", "./both", true, false);
	run("as root", "./both", false, true);
	return 0;
}
