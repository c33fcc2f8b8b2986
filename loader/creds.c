/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What credentials a program runs with: set-user-ID and set-group-ID bits, and the capability rules of execve in
 * capabilities(7), as security/commoncap.c has them.  File capabilities are not looked at.
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

int exec_creds(struct exec_request *req)
{
	const struct cred *old = req->cred;
	struct cred *new = cred_copy(old);
	uint32_t root = make_kuid(old->user_ns, 0);
	bool set_id, effective = false;

	if (!new)
		return -LINUX_ENOMEM;
	if (req->setid_allowed)
		creds_set_id(new, req->file);
	set_id = new->euid != old->euid || new->egid != old->egid;

	new->cap_permitted = 0;
	if (!(new->securebits &SECBIT_NOROOT)) {
		if (new->euid == root || new->uid == root)
			new->cap_permitted = old->cap_bset | old->cap_inheritable;
		effective = new->euid == root;
	}
	if (set_id)
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
