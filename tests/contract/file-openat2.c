/* SPDX-License-Identifier: Apache-2.0 */
/* openat2(2): structure sizes, flags it checks and open does not, and every RESOLVE flag. */
#include "tests/contract/contract.h"
#include <linux/openat2.h>

static int dir;

static void try(const char *path, uint64_t flags, uint64_t mode, uint64_t resolve, const char *what)
{
	struct open_how how = { .flags = flags, .mode = mode, .resolve = resolve };
	int fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));

	say("%s: %s -> %s", what, path, fd < 0 ? errno_name(errno) : "ok");
	if (fd >= 0)
		close(fd);
}

int main(void)
{
	struct {
		struct open_how how;
		uint64_t more[2];
	} big;

	scratch();
	MUST(mkdir("root", 0755));
	MUST(mkdir("root/sub", 0755));
	put_file("root/file", "x", 0644);
	put_file("outside", "x", 0644);
	MUST(symlink("file", "root/link"));
	MUST(symlink("/file", "root/abs"));
	MUST(symlink("../outside", "root/up"));
	MUST(symlink("sub", "root/dlink"));
	MUST(symlink("/proc/self/exe", "root/magic"));
	dir = MUST(open("root", O_PATH | O_DIRECTORY));
	SECTION("sizes");
	memset(&big, 0, sizeof(big));
	OK(syscall(SYS_openat2, dir, "file", &big, sizeof(big.how)));
	OK(syscall(SYS_openat2, dir, "file", &big, sizeof(big)));
	CALL(syscall(SYS_openat2, dir, "file", &big, 23));
	CALL(syscall(SYS_openat2, dir, "file", &big, 0));
	CALL(syscall(SYS_openat2, dir, "file", &big, 5000));
	big.more[1] = 1;
	CALL(syscall(SYS_openat2, dir, "file", &big, sizeof(big)));
	CALL(syscall(SYS_openat2, dir, "file", BAD_PTR, sizeof(big.how)));
	SECTION("flags");
	try("file", 1ULL << 40, 0, 0, "unknown flag");
	try("file", O_RDONLY, 0644, 0, "mode without O_CREAT");
	try("file", O_CREAT | O_RDWR, 0644, 0, "O_CREAT");
	try("file", O_CREAT | O_RDWR, 010000, 0, "bad mode");
	try("file", O_PATH | O_RDWR, 0, 0, "O_PATH and O_RDWR");
	try("file", O_PATH | O_CLOEXEC | O_NOFOLLOW, 0, 0, "O_PATH");
	try("file", O_TMPFILE & ~O_DIRECTORY, 0, 0, "half of O_TMPFILE");
	try("file", O_RDONLY, 0, 1ULL << 30, "unknown resolve");
	try("file", O_RDONLY, 0, RESOLVE_BENEATH | RESOLVE_IN_ROOT, "two roots");
	SECTION("RESOLVE_NO_SYMLINKS");
	try("file", O_RDONLY, 0, RESOLVE_NO_SYMLINKS, "plain");
	try("link", O_RDONLY, 0, RESOLVE_NO_SYMLINKS, "link");
	try("dlink/..", O_RDONLY, 0, RESOLVE_NO_SYMLINKS, "link inside");
	try("link", O_PATH | O_NOFOLLOW, 0, RESOLVE_NO_SYMLINKS, "O_PATH of a link");
	SECTION("RESOLVE_NO_MAGICLINKS");
	try("magic", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS, "magic");
	try("magic", O_RDONLY, 0, 0, "magic, allowed");
	try("link", O_RDONLY, 0, RESOLVE_NO_MAGICLINKS, "link");
	SECTION("RESOLVE_BENEATH");
	try("file", O_RDONLY, 0, RESOLVE_BENEATH, "plain");
	try("sub/../file", O_RDONLY, 0, RESOLVE_BENEATH, "down and up");
	try("sub/../../root/file", O_RDONLY, 0, RESOLVE_BENEATH, "out and in");
	try("../outside", O_RDONLY, 0, RESOLVE_BENEATH, "out");
	try("/etc", O_RDONLY, 0, RESOLVE_BENEATH, "absolute");
	try("abs", O_RDONLY, 0, RESOLVE_BENEATH, "absolute link");
	try("up", O_RDONLY, 0, RESOLVE_BENEATH, "link up");
	try("link", O_RDONLY, 0, RESOLVE_BENEATH, "link");
	SECTION("RESOLVE_IN_ROOT");
	try("/file", O_RDONLY, 0, RESOLVE_IN_ROOT, "absolute");
	try("abs", O_RDONLY, 0, RESOLVE_IN_ROOT, "absolute link");
	try("../../file", O_RDONLY, 0, RESOLVE_IN_ROOT, "up stays");
	try("up", O_RDONLY, 0, RESOLVE_IN_ROOT, "link up");
	try("/../outside", O_RDONLY, 0, RESOLVE_IN_ROOT, "outside");
	SECTION("RESOLVE_NO_XDEV");
	try("file", O_RDONLY, 0, RESOLVE_NO_XDEV, "plain");
	try("/proc/version", O_RDONLY, 0, RESOLVE_NO_XDEV, "another file system");
	return 0;
}
