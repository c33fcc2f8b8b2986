/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What credentials a program runs with: set-user-ID and set-group-ID bits, file capabilities, and the rules of execve in
 * capabilities(7), as security/commoncap.c has them.
 */
#include <string.h>

#include "loader/binfmt.h"
#include "sentry/abi/fs.h"
#include "vfs/user_ns.h"

#define SECBIT_NOROOT 1U
#define SECBIT_KEEP_CAPS 0x10U

static void creds_set_id(struct cred *new, const struct file *f)
{
	const struct inode *inode = f->inode;
	uint32_t mode, uid, gid;

	if (f->path.mnt && (f->path.mnt->flags & LINUX_MS_NOSUID))
		return;
	mutex_lock(&((struct inode *)inode)->i_lock);
	mode = inode->mode;
	uid = inode->uid;
	gid = inode->gid;
	mutex_unlock(&((struct inode *)inode)->i_lock);
	/* Owners that mean nothing here give no rights. */
	if (from_kuid(new->user_ns, uid) == INVALID_ID || from_kgid(new->user_ns, gid) == INVALID_ID)
		return;
	if (mode & LINUX_S_ISUID)
		new->euid = uid;
	/* Without group execution the bit means mandatory locking. */
	if ((mode & (LINUX_S_ISGID | 010)) == (LINUX_S_ISGID | 010))
		new->egid = gid;
}

/* --- file capabilities --- */

/* Whether @kuid is root in @ns or in one that it lies in (rootid_owns_currentns). */
static bool is_root_of(const struct user_namespace *ns, uint32_t kuid)
{
	for (; ns; ns = ns->ns.user_ns)
		if (from_kuid(ns, kuid) == 0)
			return true;
	return false;
}

/* The capabilities of the program's file, when it has any that count here. */
static bool file_caps(const struct exec_request *req, struct linux_vfs_cap_data *ret)
{
	struct inode *inode = req->file->inode;
	int64_t n;

	if (req->file->path.mnt && (req->file->path.mnt->flags & LINUX_MS_NOSUID))
		return false;
	if (!inode->ops->getxattr)
		return false;
	memset(ret, 0, sizeof(*ret));
	n = inode->ops->getxattr(inode, "security.capability", ret, sizeof(*ret));
	return n > 0 && vfs_caps_valid(ret, (size_t)n) && is_root_of(req->cred->user_ns, ret->rootid);
}

static uint64_t caps_of(const uint32_t lo, const uint32_t hi)
{
	return ((uint64_t)hi << 32 | lo) & CAP_FULL_SET;
}

/*
 * A capable file's rights.  -LINUX_EPERM for a program that needs what it does not get: those with the effective bit know nothing
 * of capabilities.
 */
static int creds_file_caps(struct cred *new, const struct linux_vfs_cap_data *caps, bool *ret_effective)
{
	uint64_t permitted = caps_of(caps->data[0].permitted, caps->data[1].permitted);
	uint64_t inheritable = caps_of(caps->data[0].inheritable, caps->data[1].inheritable);

	*ret_effective = caps->magic_etc & LINUX_VFS_CAP_FLAGS_EFFECTIVE;
	new->cap_permitted = (new->cap_bset & permitted) | (new->cap_inheritable & inheritable);
	return *ret_effective && permitted & ~new->cap_permitted ? -LINUX_EPERM : 0;
}

int exec_creds(struct exec_request *req)
{
	const struct cred *old = req->cred;
	struct cred *new = cred_copy(old);
	uint32_t root = make_kuid(old->user_ns, 0);
	bool set_id, has_caps, effective = false;
	struct linux_vfs_cap_data caps;

	if (!new)
		return -LINUX_ENOMEM;
	if (req->setid_allowed)
		creds_set_id(new, req->file);
	set_id = new->euid != old->euid || new->egid != old->egid;

	new->cap_permitted = 0;
	has_caps = file_caps(req, &caps);
	if (has_caps && creds_file_caps(new, &caps, &effective)) {
		cred_put(new);
		return -LINUX_EPERM;
	}
	/* A set-user-ID-root program with capabilities gets just these. */
	if (!(new->securebits & SECBIT_NOROOT) && !(has_caps && new->euid == root && new->uid != root)) {
		if (new->euid == root || new->uid == root)
			new->cap_permitted = old->cap_bset | old->cap_inheritable;
		effective |= new->euid == root;
	}
	if (!req->setid_allowed && new->cap_permitted & ~old->cap_permitted)
		new->cap_permitted &= old->cap_permitted;
	if (set_id || has_caps)
		new->cap_ambient = 0;
	new->cap_permitted |= new->cap_ambient;
	new->cap_effective = effective ? new->cap_permitted : new->cap_ambient;
	new->suid = new->fsuid = new->euid;
	new->sgid = new->fsgid = new->egid;
	new->securebits &= ~SECBIT_KEEP_CAPS;
	req->secure = set_id || (new->uid != root && (effective || (new->cap_permitted & ~new->cap_ambient)));
	req->cred = new;
	return 0;
}
