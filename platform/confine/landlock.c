/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock: no file can be opened any more but below what was shared, no TCP port bound or connected to, no device driver
 * asked by ioctl, and no process outside (the stubs and the spawner are inside) signalled or traced.
 *
 * Rights are named here because the header of the machine that compiles may be older than the kernel that runs.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "platform/confine/confine.h"
#include "platform/host/host.h"

#define NR_landlock_create_ruleset 444
#define NR_landlock_add_rule 445
#define NR_landlock_restrict_self 446
#define CREATE_RULESET_VERSION 1
#define RULE_PATH_BENEATH 1

#define FS_EXECUTE (1ULL << 0)
#define FS_WRITE_FILE (1ULL << 1)
#define FS_READ_FILE (1ULL << 2)
#define FS_READ_DIR (1ULL << 3)
#define FS_REMOVE_DIR (1ULL << 4)
#define FS_REMOVE_FILE (1ULL << 5)
#define FS_MAKE_CHAR (1ULL << 6)
#define FS_MAKE_DIR (1ULL << 7)
#define FS_MAKE_REG (1ULL << 8)
#define FS_MAKE_SOCK (1ULL << 9)
#define FS_MAKE_FIFO (1ULL << 10)
#define FS_MAKE_BLOCK (1ULL << 11)
#define FS_MAKE_SYM (1ULL << 12)
#define FS_REFER (1ULL << 13)	  /* ABI 2 */
#define FS_TRUNCATE (1ULL << 14)  /* ABI 3 */
#define FS_IOCTL_DEV (1ULL << 15) /* ABI 5 */
#define NET_BIND_CONNECT 3ULL	  /* ABI 4 */
#define SCOPE_SOCKET_SIGNAL 3ULL  /* ABI 6 */

#define FS_ALL_1 (FS_REFER - 1)
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)
/* Device nodes made on the host would outlive the guest: they are not among what a writable directory allows. */
#define FS_WRITABLE                                                                                                    \
	(FS_WRITE_FILE | FS_TRUNCATE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG | FS_MAKE_SOCK |     \
	 FS_MAKE_FIFO | FS_MAKE_SYM | FS_REFER)

/* The structures as of ABI 6; older kernels take the shorter ones by their size. */
struct ruleset_attr {
	uint64_t fs, net, scoped;
};
struct path_beneath_attr {
	uint64_t allowed;
	int32_t parent_fd;
} __attribute__((packed));

int landlock_abi(void)
{
	long abi = syscall(NR_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);

	return abi > 0 ? (int)abi : 0;
}

static uint64_t handled_fs(int abi)
{
	uint64_t fs = FS_ALL_1;

	if (abi >= 2)
		fs |= FS_REFER;
	if (abi >= 3)
		fs |= FS_TRUNCATE;
	if (abi >= 5)
		fs |= FS_IOCTL_DEV;
	return fs;
}

static uint64_t share_rights(const struct confine_share *s)
{
	uint64_t rights = FS_READ_FILE | FS_READ_DIR;

	if (s->writable)
		rights |= FS_WRITABLE;
	if (s->device)
		rights |= FS_IOCTL_DEV;
	return s->directory ? rights : rights & FS_OF_FILES;
}

int landlock_apply(const struct confine_share *shares, unsigned nr)
{
	int abi = landlock_abi(), fd, err = 0;
	struct ruleset_attr attr = { .fs = handled_fs(abi) };
	size_t size = sizeof(attr.fs);

	if (!abi)
		return -EOPNOTSUPP;
	if (abi >= 4) {
		attr.net = NET_BIND_CONNECT;
		size = offsetof(struct ruleset_attr, scoped);
	}
	if (abi >= 6) {
		attr.scoped = SCOPE_SOCKET_SIGNAL;
		size = sizeof(attr);
	}
	/* Before ABI 2 nothing could be moved to another directory, which a writable share must allow. */
	for (unsigned i = 0; i < nr; i++)
		if (abi < 2 && shares[i].directory && shares[i].writable)
			return -EOPNOTSUPP;
	fd = (int)syscall(NR_landlock_create_ruleset, &attr, size, 0);
	if (fd < 0)
		return -errno;
	for (unsigned i = 0; i < nr && !err; i++) {
		struct path_beneath_attr rule = { share_rights(&shares[i]) & attr.fs, shares[i].fd };

		/* Pipes, sockets and the like have no place in the file system (EBADFD), and need no rule. */
		if (syscall(NR_landlock_add_rule, fd, RULE_PATH_BENEATH, &rule, 0) < 0 && errno != EBADFD)
			err = -errno;
	}
	if (!err && syscall(NR_landlock_restrict_self, fd, 0) < 0)
		err = -errno;
	close(fd);
	return err;
}
