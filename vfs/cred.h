/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials, as credentials(7) and capabilities(7).  A struct cred is immutable once published: a change makes a copy.
 */
#ifndef SENTRY_VFS_CRED_H
#define SENTRY_VFS_CRED_H

#include "sentry/base/ref.h"

struct inode;
struct user_namespace; /* user_ns.h */
extern struct user_namespace init_user_ns;

struct cred {
	struct ref ref;
	uint32_t uid, gid, euid, egid, suid, sgid, fsuid, fsgid;
	uint64_t cap_effective, cap_permitted, cap_inheritable, cap_bset, cap_ambient;
	uint32_t securebits;
	struct user_namespace *user_ns; /* never NULL; a reference.  The IDs are those of the initial one, see user_ns.h */
	unsigned nr_groups;
	uint32_t groups[]; /* sorted */
};

/* The calling thread's credentials: the task's, or root's in service threads.  Never NULL. */
extern _Thread_local const struct cred *current_cred;

/* All IDs @uid/@gid; full capabilities when @uid is 0.  One reference, or NULL when out of memory. */
struct cred *cred_new(uint32_t uid, uint32_t gid, unsigned nr_groups, const uint32_t *groups);
/* A private copy to change, with one reference, or NULL. */
struct cred *cred_copy(const struct cred *c);
/* The same with another group list. */
struct cred *cred_copy_groups(const struct cred *c, unsigned nr_groups, const uint32_t *groups);
const struct cred *cred_get(const struct cred *c);
void cred_put(const struct cred *c);
bool cred_in_group(const struct cred *c, uint32_t gid); /* fsgid or a supplementary group */

/* Capability numbers: include/uapi/linux/capability.h. */
enum cap {
	CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_KILL, CAP_SETGID, CAP_SETUID,
	CAP_SETPCAP, CAP_LINUX_IMMUTABLE, CAP_NET_BIND_SERVICE, CAP_NET_BROADCAST, CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK,
	CAP_IPC_OWNER, CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_CHROOT, CAP_SYS_PTRACE, CAP_SYS_PACCT, CAP_SYS_ADMIN,
	CAP_SYS_BOOT, CAP_SYS_NICE, CAP_SYS_RESOURCE, CAP_SYS_TIME, CAP_SYS_TTY_CONFIG, CAP_MKNOD, CAP_LEASE,
	CAP_AUDIT_WRITE, CAP_AUDIT_CONTROL, CAP_SETFCAP, CAP_MAC_OVERRIDE, CAP_MAC_ADMIN, CAP_SYSLOG, CAP_WAKE_ALARM,
	CAP_BLOCK_SUSPEND, CAP_AUDIT_READ, CAP_PERFMON, CAP_BPF, CAP_CHECKPOINT_RESTORE, NR_CAPS
};
/* The value of security.capability, of revision 2 without the last field. */
struct linux_vfs_cap_data {
	uint32_t magic_etc;
	struct {
		uint32_t permitted, inheritable;
	} data[2];
	uint32_t rootid;
};
#define LINUX_VFS_CAP_REVISION_MASK 0xff000000U
#define LINUX_VFS_CAP_REVISION_2 0x02000000U
#define LINUX_VFS_CAP_REVISION_3 0x03000000U
#define LINUX_VFS_CAP_FLAGS_EFFECTIVE 1U

/* Whether @caps, @size bytes of it, is one of the forms that are understood. */
static inline bool vfs_caps_valid(const struct linux_vfs_cap_data *caps, size_t size)
{
	uint32_t revision = size >= sizeof(caps->magic_etc) ? caps->magic_etc & LINUX_VFS_CAP_REVISION_MASK : 0;

	return (size == 20 && revision == LINUX_VFS_CAP_REVISION_2) || (size == 24 && revision == LINUX_VFS_CAP_REVISION_3);
}

#define CAP_FULL_SET (BIT(NR_CAPS) - 1)

/* Over the machine: what root of the initial user namespace may.  ns_capable() in user_ns.h: over what belongs to a namespace. */
static inline bool capable(enum cap cap)
{
	return (current_cred->cap_effective & BIT(cap)) && current_cred->user_ns == &init_user_ns;
}
/* Over @inode: its owners must be mapped in the caller's namespace. */
bool inode_capable(const struct inode *inode, enum cap cap);

#endif
