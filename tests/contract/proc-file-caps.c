/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities of files: what a program gets from them, as ordinary user, as root, set-user-ID, without new privileges. */
#include "tests/contract/self.h"
#include <sys/auxv.h>
#include <sys/xattr.h>

#define BIT(n) (1U << (n))
#define NET_RAW BIT(13)
#define SETUID BIT(7)
#define EFFECTIVE 1

static void copy_with_caps(const char *to, uint32_t flags, uint32_t permitted, uint32_t inheritable, mode_t mode)
{
	uint32_t caps[5] = { 0x02000000 | flags, permitted, inheritable, 0, 0 };

	copy_self(to);
	MUST(chmod(to, mode));
	if (setxattr(to, "security.capability", caps, sizeof(caps), 0))
		skip("no file capabilities here");
}

static void show_caps(void)
{
	static const char *const lines[] = { "CapInh", "CapPrm", "CapEff", "CapAmb" };
	char line[200];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
			if (!strncmp(line, lines[i], 6))
				/* A newer kernel has more of them. */
				say("%s %llx", lines[i], strtoull(line + 8, NULL, 16) & 0xffffff);
	say("secure %lu, dumpable %d", getauxval(AT_SECURE), prctl(PR_GET_DUMPABLE) == 1);
}

int main(int argc, char **argv)
{
	uint32_t bad[6] = { 0x05000000 };

	(void)argv;
	if (argc > 1) {
		show_caps();
		return 0;
	}
	if (geteuid() != 0)
		skip("not root");
	scratch();
	copy_with_caps("permitted", 0, NET_RAW, 0, 0755);
	copy_with_caps("effective", EFFECTIVE, NET_RAW, 0, 0755);
	copy_with_caps("inheritable", 0, 0, NET_RAW, 0755);
	copy_with_caps("none", 0, 0, 0, 0755);
	copy_with_caps("suid", EFFECTIVE, NET_RAW, 0, 04755);
	run_copy("permitted", "./permitted", false, false);
	run_copy("effective", "./effective", false, false);
	run_copy("inheritable alone", "./inheritable", false, false);
	run_copy("an empty set", "./none", false, false);
	run_copy("set-user-ID root", "./suid", false, false);
	run_copy("no new privileges", "./effective", false, true);
	run_copy("as root", "./effective", true, false);
	IN_CHILD("more than the bounding set") {
		MUST(prctl(PR_CAPBSET_DROP, 13, 0, 0, 0));
		drop_privileges();
		execl("./permitted", "x", "child", NULL);
	}
	IN_CHILD("more than the bounding set, effective") {
		MUST(prctl(PR_CAPBSET_DROP, 13, 0, 0, 0));
		drop_privileges();
		execl("./effective", "x", "child", NULL);
		say("%s", errno_name(errno));
	}
	say("-- a write removes them");
	int fd = MUST(open("permitted", O_WRONLY | O_APPEND));
	MUST(write(fd, "", 1));
	close(fd);
	CALL(getxattr("permitted", "security.capability", NULL, 0));
	say("-- values");
	CALL(setxattr("none", "security.capability", bad, 20, 0));
	CALL(setxattr("none", "security.capability", bad, 3, 0));
	bad[0] = 0x02000000;
	CALL(setxattr("none", "security.capability", bad, 24, 0));
	CALL(setxattr("none", "security.capability", bad, 20, 0));
	IN_CHILD("not by anyone") {
		drop_privileges();
		CALL(setxattr("none", "security.capability", bad, 20, 0));
	}
	return 0;
}
