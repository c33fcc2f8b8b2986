/* SPDX-License-Identifier: Apache-2.0 */
/* User and group IDs, supplementary groups, capabilities: credentials(7), capabilities(7). */
#include <stdlib.h>

#include "sentry/kernel/proc_event.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/cred.h"
#include "vfs/user_ns.h"

#define NGROUPS_MAX 65536
#define NO_ID UINT32_MAX

/* --- reading --- */

SYSCALL_DEFINE0(getuid)
{
	return from_kuid_munged(current->cred->user_ns, current->cred->uid);
}

SYSCALL_DEFINE0(geteuid)
{
	return from_kuid_munged(current->cred->user_ns, current->cred->euid);
}

SYSCALL_DEFINE0(getgid)
{
	return from_kgid_munged(current->cred->user_ns, current->cred->gid);
}

SYSCALL_DEFINE0(getegid)
{
	return from_kgid_munged(current->cred->user_ns, current->cred->egid);
}

static int64_t put_three_ids(uaddr_t ua, uint32_t a, uaddr_t ub, uint32_t b, uaddr_t uc, uint32_t c)
{
	if (put_user(a, ua, uint32_t) || put_user(b, ub, uint32_t) || put_user(c, uc, uint32_t))
		return -LINUX_EFAULT;
	return 0;
}

SYSCALL_DEFINE3(getresuid, uaddr_t, ruid, uaddr_t, euid, uaddr_t, suid)
{
	const struct cred *c = current->cred;

	return put_three_ids(ruid, from_kuid_munged(c->user_ns, c->uid), euid, from_kuid_munged(c->user_ns, c->euid), suid,
			     from_kuid_munged(c->user_ns, c->suid));
}

SYSCALL_DEFINE3(getresgid, uaddr_t, rgid, uaddr_t, egid, uaddr_t, sgid)
{
	const struct cred *c = current->cred;

	return put_three_ids(rgid, from_kgid_munged(c->user_ns, c->gid), egid, from_kgid_munged(c->user_ns, c->egid), sgid,
			     from_kgid_munged(c->user_ns, c->sgid));
}

/*
 * An ID as the caller means it becomes the sentry's; NO_ID stays where it stands for "as it is".  Not mapped: -LINUX_EINVAL from
 * the call.
 */
#define TAKE_UID(id)                                                                                                   \
	do {                                                                                                           \
		if ((id) != NO_ID && ((id) = make_kuid(current->cred->user_ns, (id))) == NO_ID)                        \
			return -LINUX_EINVAL;                                                                          \
	} while (0)
#define TAKE_GID(id)                                                                                                   \
	do {                                                                                                           \
		if ((id) != NO_ID && ((id) = make_kgid(current->cred->user_ns, (id))) == NO_ID)                        \
			return -LINUX_EINVAL;                                                                          \
	} while (0)

static bool may_set(enum cap cap)
{
	return ns_capable(current->cred->user_ns, cap);
}

/* --- changing: each makes a copy, checks, and publishes it --- */

/*
 * What becomes of capabilities when user IDs change: cap_task_fix_setuid() in Linux.  Leaving root altogether drops them (unless
 * kept), leaving it as the effective user disables them, becoming it enables them.
 */
static void cred_fix_caps(struct cred *new, const struct cred *old)
{
	uint32_t root = make_kuid(new->user_ns, 0);
	bool was_root = old->uid == root || old->euid == root || old->suid == root;
	bool is_root = new->uid == root || new->euid == root || new->suid == root;

	if (new->securebits & LINUX_SECBIT_NO_SETUID_FIXUP)
		return;
	if (was_root && !is_root) {
		if (!(new->securebits & LINUX_SECBIT_KEEP_CAPS)) {
			new->cap_permitted = 0;
			new->cap_effective = 0;
		}
		new->cap_ambient = 0;
	}
	if (old->euid == root && new->euid != root)
		new->cap_effective = 0;
	if (old->euid != root && new->euid == root)
		new->cap_effective = new->cap_permitted;
}

/* Publishes @new (taken).  A change of effective ids makes the memory private and drops the death signal: commit_creds(). */
static int64_t cred_commit(struct cred *new)
{
	struct task *t = current;
	const struct cred *old = t->cred;

	if (old->euid != new->euid || old->egid != new->egid || old->fsuid != new->fsuid || old->fsgid != new->fsgid ||
	    (new->cap_permitted & ~old->cap_permitted)) {
		WRITE_ONCE(t->mm->dumpable, false);
		atomic_store(&t->pdeath_signal, 0);
	}
	task_set_cred_told(t, new);
	return 0;
}

static int64_t cred_abort(struct cred *new)
{
	cred_put(new);
	return -LINUX_EPERM;
}

SYSCALL_DEFINE1(setuid, uint32_t, uid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	TAKE_UID(uid);
	if (uid == NO_ID)
		return -LINUX_EINVAL;
	new = cred_copy(old);
	if (!new)
		return -LINUX_ENOMEM;
	if (may_set(CAP_SETUID))
		new->suid = new->uid = uid;
	else if (uid != old->uid && uid != old->suid)
		return cred_abort(new);
	new->fsuid = new->euid = uid;
	cred_fix_caps(new, old);
	return cred_commit(new);
}

SYSCALL_DEFINE2(setreuid, uint32_t, ruid, uint32_t, euid)
{
	const struct cred *old = current->cred;
	struct cred *new;
	bool may = may_set(CAP_SETUID);

	TAKE_UID(ruid);
	TAKE_UID(euid);
	new = cred_copy(old);
	if (!new)
		return -LINUX_ENOMEM;
	if (ruid != NO_ID) {
		new->uid = ruid;
		if (ruid != old->uid && ruid != old->euid && !may)
			return cred_abort(new);
	}
	if (euid != NO_ID) {
		new->euid = euid;
		if (euid != old->uid && euid != old->euid && euid != old->suid && !may)
			return cred_abort(new);
	}
	if (ruid != NO_ID || (euid != NO_ID && euid != old->uid))
		new->suid = new->euid;
	new->fsuid = new->euid;
	cred_fix_caps(new, old);
	return cred_commit(new);
}

static bool uid_is_one_of(uint32_t uid, const struct cred *c)
{
	return uid == NO_ID || uid == c->uid || uid == c->euid || uid == c->suid;
}

SYSCALL_DEFINE3(setresuid, uint32_t, ruid, uint32_t, euid, uint32_t, suid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	TAKE_UID(ruid);
	TAKE_UID(euid);
	TAKE_UID(suid);
	new = cred_copy(old);
	if (!new)
		return -LINUX_ENOMEM;
	if (!may_set(CAP_SETUID) &&
	    !(uid_is_one_of(ruid, old) && uid_is_one_of(euid, old) && uid_is_one_of(suid, old)))
		return cred_abort(new);
	if (ruid != NO_ID)
		new->uid = ruid;
	if (euid != NO_ID)
		new->euid = euid;
	if (suid != NO_ID)
		new->suid = suid;
	new->fsuid = new->euid;
	cred_fix_caps(new, old);
	return cred_commit(new);
}

SYSCALL_DEFINE1(setgid, uint32_t, gid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	TAKE_GID(gid);
	if (gid == NO_ID)
		return -LINUX_EINVAL;
	new = cred_copy(old);
	if (!new)
		return -LINUX_ENOMEM;
	if (may_set(CAP_SETGID))
		new->gid = new->sgid = gid;
	else if (gid != old->gid && gid != old->sgid)
		return cred_abort(new);
	new->egid = new->fsgid = gid;
	return cred_commit(new);
}

SYSCALL_DEFINE2(setregid, uint32_t, rgid, uint32_t, egid)
{
	const struct cred *old = current->cred;
	struct cred *new;
	bool may = may_set(CAP_SETGID);

	TAKE_GID(rgid);
	TAKE_GID(egid);
	new = cred_copy(old);
	if (!new)
		return -LINUX_ENOMEM;
	if (rgid != NO_ID) {
		new->gid = rgid;
		if (rgid != old->gid && rgid != old->egid && !may)
			return cred_abort(new);
	}
	if (egid != NO_ID) {
		new->egid = egid;
		if (egid != old->gid && egid != old->egid && egid != old->sgid && !may)
			return cred_abort(new);
	}
	if (rgid != NO_ID || (egid != NO_ID && egid != old->gid))
		new->sgid = new->egid;
	new->fsgid = new->egid;
	return cred_commit(new);
}

static bool gid_is_one_of(uint32_t gid, const struct cred *c)
{
	return gid == NO_ID || gid == c->gid || gid == c->egid || gid == c->sgid;
}

SYSCALL_DEFINE3(setresgid, uint32_t, rgid, uint32_t, egid, uint32_t, sgid)
{
	const struct cred *old = current->cred;
	struct cred *new;

	TAKE_GID(rgid);
	TAKE_GID(egid);
	TAKE_GID(sgid);
	new = cred_copy(old);
	if (!new)
		return -LINUX_ENOMEM;
	if (!may_set(CAP_SETGID) &&
	    !(gid_is_one_of(rgid, old) && gid_is_one_of(egid, old) && gid_is_one_of(sgid, old)))
		return cred_abort(new);
	if (rgid != NO_ID)
		new->gid = rgid;
	if (egid != NO_ID)
		new->egid = egid;
	if (sgid != NO_ID)
		new->sgid = sgid;
	new->fsgid = new->egid;
	return cred_commit(new);
}

/* The capabilities over files follow the file system uid: cap_task_fix_setuid(LSM_SETID_FS). */
#define CAP_FS_MASK                                                                                                    \
	(BIT(CAP_CHOWN) | BIT(CAP_MKNOD) | BIT(CAP_DAC_OVERRIDE) | BIT(CAP_DAC_READ_SEARCH) | BIT(CAP_FOWNER) |        \
	 BIT(CAP_FSETID) | BIT(CAP_MAC_OVERRIDE) | BIT(CAP_LINUX_IMMUTABLE))

SYSCALL_DEFINE1(setfsuid, uint32_t, uid)
{
	const struct cred *old = current->cred;
	uint32_t old_uid = from_kuid_munged(old->user_ns, old->fsuid), root = make_kuid(old->user_ns, 0);
	struct cred *new;

	uid = make_kuid(old->user_ns, uid);
	if (uid == old->fsuid || !(uid == old->uid || uid == old->euid || uid == old->suid || may_set(CAP_SETUID)) ||
	    uid == NO_ID)
		return old_uid;
	new = cred_copy(old);
	if (!new)
		return old_uid;
	new->fsuid = uid;
	if (!(old->securebits & LINUX_SECBIT_NO_SETUID_FIXUP)) {
		if (old->fsuid == root && uid != root)
			new->cap_effective &= ~CAP_FS_MASK;
		if (old->fsuid != root && uid == root)
			new->cap_effective |= new->cap_permitted & CAP_FS_MASK;
	}
	cred_commit(new);
	return old_uid;
}

SYSCALL_DEFINE1(setfsgid, uint32_t, gid)
{
	const struct cred *old = current->cred;
	uint32_t old_gid = from_kgid_munged(old->user_ns, old->fsgid);
	struct cred *new;

	gid = make_kgid(old->user_ns, gid);
	if (gid == old->fsgid || !(gid == old->gid || gid == old->egid || gid == old->sgid || may_set(CAP_SETGID)) ||
	    gid == NO_ID)
		return old_gid;
	new = cred_copy(old);
	if (!new)
		return old_gid;
	new->fsgid = gid;
	cred_commit(new);
	return old_gid;
}

/* --- groups --- */

SYSCALL_DEFINE2(getgroups, int, size, uaddr_t, ulist)
{
	const struct cred *c = current->cred;

	if (size < 0)
		return -LINUX_EINVAL;
	if (size) {
		if (c->nr_groups > (unsigned)size)
			return -LINUX_EINVAL;
		for (unsigned i = 0; i < c->nr_groups; i++)
			if (put_user(from_kgid_munged(c->user_ns, c->groups[i]), ulist + i * sizeof(uint32_t), uint32_t))
				return -LINUX_EFAULT;
	}
	return c->nr_groups;
}

SYSCALL_DEFINE2(setgroups, int, size, uaddr_t, ulist)
{
	uint32_t *groups = NULL;
	struct cred *new = NULL;
	int err = 0;

	if (!user_ns_may_setgroups(current->cred->user_ns) || !may_set(CAP_SETGID))
		return -LINUX_EPERM;
	if ((unsigned)size > NGROUPS_MAX)
		return -LINUX_EINVAL;
	if (size) {
		groups = malloc((size_t)size * sizeof(*groups));
		if (!groups)
			return -LINUX_ENOMEM;
		err = copy_from_user(groups, ulist, (size_t)size * sizeof(*groups));
	}
	for (int i = 0; i < size && !err; i++) {
		groups[i] = make_kgid(current->cred->user_ns, groups[i]);
		if (groups[i] == NO_ID)
			err = -LINUX_EINVAL;
	}
	if (!err) {
		new = cred_copy_groups(current->cred, (unsigned)size, groups);
		err = new ? 0 : -LINUX_ENOMEM;
	}
	free(groups);
	return err ? err : cred_commit(new);
}

/* --- capget, capset --- */

/* How many 32-bit words the version has; an unknown one is answered with the right one. */
static int cap_words(uaddr_t uhdr, struct linux_cap_header *hdr, unsigned *ret)
{
	if (get_user(hdr, uhdr))
		return -LINUX_EFAULT;
	switch (hdr->version) {
	case LINUX_CAPABILITY_VERSION_1:
		*ret = 1;
		return 0;
	case LINUX_CAPABILITY_VERSION_2:
	case LINUX_CAPABILITY_VERSION_3:
		*ret = 2;
		return 0;
	default:
		return put_user(LINUX_CAPABILITY_VERSION_3, uhdr, uint32_t) ? -LINUX_EFAULT : -LINUX_EINVAL;
	}
}

SYSCALL_DEFINE2(capget, uaddr_t, uhdr, uaddr_t, udata)
{
	struct linux_cap_data data[2];
	struct linux_cap_header hdr;
	const struct cred *c;
	struct task *t;
	unsigned words;
	int err;

	err = cap_words(uhdr, &hdr, &words);
	if (err)
		return !udata && err == -LINUX_EINVAL ? 0 : err;
	if (!udata)
		return 0;
	if (hdr.pid < 0)
		return -LINUX_EINVAL;
	t = hdr.pid ? task_find_get(hdr.pid) : task_get(current);
	if (!t)
		return -LINUX_ESRCH;
	c = task_cred_get(t);
	task_put(t);
	for (unsigned i = 0; i < 2; i++)
		data[i] = (struct linux_cap_data){
			(uint32_t)(c->cap_effective >> 32 * i), (uint32_t)(c->cap_permitted >> 32 * i),
			(uint32_t)(c->cap_inheritable >> 32 * i),
		};
	cred_put(c);
	return copy_to_user(udata, data, words * sizeof(data[0]));
}

SYSCALL_DEFINE2(capset, uaddr_t, uhdr, uaddr_t, udata)
{
	uint64_t effective = 0, permitted = 0, inheritable = 0;
	struct linux_cap_data data[2] = { { 0 } };
	const struct cred *old = current->cred;
	struct linux_cap_header hdr;
	struct cred *new;
	unsigned words;
	int err;

	err = cap_words(uhdr, &hdr, &words);
	if (err)
		return err;
	if (hdr.pid && hdr.pid != task_tid(current))
		return -LINUX_EPERM;
	if (copy_from_user(data, udata, words * sizeof(data[0])))
		return -LINUX_EFAULT;
	for (unsigned i = 0; i < MIN(words, ARRAY_SIZE(data)); i++) {
		effective |= (uint64_t)data[i].effective << 32 * i;
		permitted |= (uint64_t)data[i].permitted << 32 * i;
		inheritable |= (uint64_t)data[i].inheritable << 32 * i;
	}
	effective &= CAP_FULL_SET;
	permitted &= CAP_FULL_SET;
	inheritable &= CAP_FULL_SET;
	/* cap_capset() in Linux. */
	if (!may_set(CAP_SETPCAP) && (inheritable & ~(old->cap_inheritable | old->cap_permitted)))
		return -LINUX_EPERM;
	if ((inheritable & ~(old->cap_inheritable | old->cap_bset)) || (permitted & ~old->cap_permitted) ||
	    (effective & ~permitted))
		return -LINUX_EPERM;
	new = cred_copy(old);
	if (!new)
		return -LINUX_ENOMEM;
	new->cap_effective = effective;
	new->cap_permitted = permitted;
	new->cap_inheritable = inheritable;
	new->cap_ambient &= permitted & inheritable;
	return cred_commit(new);
}
