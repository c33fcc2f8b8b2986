/* SPDX-License-Identifier: Apache-2.0 */
/* The keyrings that tasks, processes and users have, and finding keys from them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/kernel/key.h"
#include "sentry/kernel/task.h"
#include "vfs/user_ns.h"

#define POS_ALL LINUX_KEY_POS(LINUX_KEY_ALL)
#define THREAD_PERM (POS_ALL | LINUX_KEY_USR(LINUX_KEY_VIEW))
#define SESSION_PERM (POS_ALL | LINUX_KEY_USR(LINUX_KEY_VIEW | LINUX_KEY_READ))
#define NAMED_PERM (POS_ALL | LINUX_KEY_USR(LINUX_KEY_VIEW | LINUX_KEY_READ | LINUX_KEY_LINK))
#define USER_PERM (LINUX_KEY_POS(LINUX_KEY_ALL & ~LINUX_KEY_SETATTR) | LINUX_KEY_USR(LINUX_KEY_ALL))
#define PERSISTENT_PERM (POS_ALL | LINUX_KEY_USR(LINUX_KEY_VIEW | LINUX_KEY_READ))

/* --- making them --- */

static struct key *keyring_new(const char *desc, uint32_t uid, uint32_t gid, uint32_t perm, unsigned flags)
{
	return key_new_locked(&(struct key_template){ .type = &key_type_keyring, .desc = desc, .uid = uid, .gid = gid,
						      .perm = perm, .flags = flags });
}

static struct key *keyring_new_own(const char *desc, uint32_t perm, unsigned flags)
{
	return keyring_new(desc, current_cred->uid, current_cred->gid, perm, flags);
}

/* Makes *@slot when there is none.  0 or -errno. */
static int slot_fill(struct key **slot, struct key *made)
{
	if (IS_ERR(made))
		return (int)PTR_ERR(made);
	key_put_locked(*slot);
	*slot = made;
	return 0;
}

static int thread_keyring_install(void)
{
	return current->thread_keyring ? 0 : slot_fill(&current->thread_keyring, keyring_new_own("_tid", THREAD_PERM, 0));
}

static int process_keyring_install(void)
{
	struct key **slot = &current->tg->process_keyring;

	return *slot ? 0 : slot_fill(slot, keyring_new_own("_pid", THREAD_PERM, 0));
}

/* A new session's; what it costs is looked at when there was one before, lest a task make any number. */
static int session_keyring_install_new(void)
{
	struct key **slot = &current->session_keyring;

	return slot_fill(slot, keyring_new_own("_ses", SESSION_PERM, *slot ? KEY_IN_QUOTA : 0));
}

/* The keyrings of the real user: "_uid.N", and "_uid_ses.N", which links to it. */
static struct key_user *user_keyrings_get(void)
{
	uint32_t uid = current_cred->uid;
	struct key_user *u = key_user_get_locked(uid);
	char desc[32];
	int err;

	if (!u)
		return ERR_PTR(-LINUX_ENOMEM);
	if (!u->uid_keyring) {
		snprintf(desc, sizeof(desc), "_uid.%u", from_kuid_munged(current_cred->user_ns, uid));
		err = slot_fill(&u->uid_keyring, keyring_new(desc, uid, INVALID_ID, USER_PERM, KEY_IN_QUOTA));
		if (err)
			return ERR_PTR(err);
	}
	if (!u->session_keyring) {
		struct key *ses;

		snprintf(desc, sizeof(desc), "_uid_ses.%u", from_kuid_munged(current_cred->user_ns, uid));
		ses = keyring_new(desc, uid, INVALID_ID, USER_PERM, KEY_IN_QUOTA | KEY_OF_UID);
		if (IS_ERR(ses))
			return ERR_PTR(PTR_ERR(ses));
		err = keyring_link_locked(ses, u->uid_keyring);
		if (err) {
			key_put_locked(ses);
			return ERR_PTR(err);
		}
		u->session_keyring = ses;
	}
	return u;
}

static int session_keyring_find(unsigned flags)
{
	struct key *ses = current->session_keyring;
	struct key_user *u;

	if (ses && !((ses->flags & KEY_OF_UID) && (flags & KEY_LOOKUP_CREATE)))
		return 0;
	if (flags & KEY_LOOKUP_CREATE)
		return session_keyring_install_new();
	u = user_keyrings_get();
	if (IS_ERR(u))
		return (int)PTR_ERR(u);
	current->session_keyring = key_get_locked(u->session_keyring);
	return 0;
}

int64_t session_keyring_join_locked(const char *name)
{
	struct key *k;

	if (!name) {
		int err = session_keyring_install_new();

		return err ? err : current->session_keyring->serial;
	}
	if (!name[0])
		return -LINUX_EINVAL;
	k = keyring_find_name_locked(name);
	k = k ? key_get_locked(k) : keyring_new_own(name, NAMED_PERM, KEY_IN_QUOTA);
	if (IS_ERR(k))
		return PTR_ERR(k);
	key_put_locked(current->session_keyring);
	current->session_keyring = k;
	return k->serial;
}

int64_t persistent_keyring_get_locked(uint32_t uid, struct key *dest)
{
	struct key_user *u = key_user_get_locked(uid);
	char desc[32];
	int err;

	if (!u)
		return -LINUX_ENOMEM;
	if (u->persistent && key_validate_locked(u->persistent)) {
		key_put_locked(u->persistent);
		u->persistent = NULL;
	}
	if (!u->persistent) {
		snprintf(desc, sizeof(desc), "_persistent.%u", from_kuid_munged(current_cred->user_ns, uid));
		err = slot_fill(&u->persistent, keyring_new(desc, uid, INVALID_ID, PERSISTENT_PERM, 0));
		if (err)
			return err;
	}
	err = key_permission_locked(u->persistent, true, LINUX_KEY_LINK);
	if (!err)
		err = keyring_link_locked(dest, u->persistent);
	if (err)
		return err;
	key_set_expiry_locked(u->persistent, (unsigned)sysctl_read(&keys_persistent_expiry));
	return u->persistent->serial;
}

/* --- looking up --- */

struct key *process_keys_search_locked(struct key_search *s)
{
	struct key *from[3] = { current->thread_keyring, current->tg->process_keyring, current->session_keyring }, *found;
	int none = 0, wrong = 0;

	if (!from[2]) {
		const struct key_user *u = key_user_find_locked(current_cred->uid);

		from[2] = u ? u->session_keyring : NULL;
	}
	for (size_t i = 0; i < ARRAY_SIZE(from); i++) {
		if (!from[i])
			continue;
		found = keyring_search_locked(from[i], true, s);
		if (found)
			return found;
		/* Where one of the keyrings has nothing of the kind, that outranks what is wrong with what others have. */
		if (s->err == -LINUX_ENOKEY || (s->err == -LINUX_EAGAIN && !none))
			none = s->err;
		else if (s->err != -LINUX_EAGAIN)
			wrong = s->err;
	}
	s->err = none ? none : wrong ? wrong : -LINUX_EAGAIN;
	return NULL;
}

/* The key behind @id, borrowed, or ERR_PTR. */
static struct key *find_special(int32_t id, unsigned flags)
{
	struct key_user *u;
	int err = 0;

	switch (id) {
	case LINUX_KEY_SPEC_THREAD_KEYRING:
		if (flags & KEY_LOOKUP_CREATE)
			err = thread_keyring_install();
		return err ? ERR_PTR(err) : current->thread_keyring ?: ERR_PTR(-LINUX_ENOKEY);
	case LINUX_KEY_SPEC_PROCESS_KEYRING:
		if (flags & KEY_LOOKUP_CREATE)
			err = process_keyring_install();
		return err ? ERR_PTR(err) : current->tg->process_keyring ?: ERR_PTR(-LINUX_ENOKEY);
	case LINUX_KEY_SPEC_SESSION_KEYRING:
		err = session_keyring_find(flags);
		return err ? ERR_PTR(err) : current->session_keyring;
	case LINUX_KEY_SPEC_USER_KEYRING:
	case LINUX_KEY_SPEC_USER_SESSION_KEYRING:
		u = user_keyrings_get();
		if (IS_ERR(u))
			return ERR_PTR(PTR_ERR(u));
		return id == LINUX_KEY_SPEC_USER_KEYRING ? u->uid_keyring : u->session_keyring;
	case LINUX_KEY_SPEC_REQKEY_AUTH_KEY:
	case LINUX_KEY_SPEC_REQUESTOR_KEYRING:
		/* Nobody is ever asked to make a key. */
		return ERR_PTR(-LINUX_ENOKEY);
	default:
		return ERR_PTR(-LINUX_EINVAL);
	}
}

int key_lookup_locked(int32_t id, unsigned flags, unsigned need, struct key_ref *ret)
{
	bool possessed = true;
	struct key *k;
	int err = 0;

	mutex_assert_held(&keys_lock);
	if (id < 1) {
		k = find_special(id, flags);
		if (IS_ERR(k))
			return (int)PTR_ERR(k);
	} else {
		k = key_find_locked(id);
		if (!k)
			return -LINUX_ENOKEY;
		possessed = process_keys_search_locked(&(struct key_search){ .key = k });
	}
	if (!(flags & (KEY_LOOKUP_UNLINK | KEY_LOOKUP_ANY))) {
		if (!(flags & KEY_LOOKUP_PARTIAL))
			err = k->error;
		if (!err)
			err = key_validate_locked(k);
		if (!err)
			err = key_permission_locked(k, possessed, need);
	}
	if (err)
		return err;
	*ret = (struct key_ref){ key_get_locked(k), possessed };
	return 0;
}

/* --- request_key --- */

int64_t reqkey_keyring_set_locked(int which)
{
	int old = current->reqkey_keyring, err = 0;

	switch (which) {
	case LINUX_KEY_REQKEY_DEFL_NO_CHANGE:
		return old;
	case LINUX_KEY_REQKEY_DEFL_THREAD_KEYRING:
		err = thread_keyring_install();
		break;
	case LINUX_KEY_REQKEY_DEFL_PROCESS_KEYRING:
		err = process_keyring_install();
		break;
	case LINUX_KEY_REQKEY_DEFL_DEFAULT:
	case LINUX_KEY_REQKEY_DEFL_SESSION_KEYRING:
	case LINUX_KEY_REQKEY_DEFL_USER_KEYRING:
	case LINUX_KEY_REQKEY_DEFL_USER_SESSION_KEYRING:
	case LINUX_KEY_REQKEY_DEFL_REQUESTOR_KEYRING:
		break;
	default:
		return -LINUX_EINVAL;
	}
	if (err)
		return err;
	current->reqkey_keyring = (uint8_t)which;
	return old;
}

struct key *reqkey_keyring_get_locked(void)
{
	struct key *k = NULL;
	struct key_user *u = user_keyrings_get();

	if (IS_ERR(u))
		return ERR_PTR(PTR_ERR(u));
	switch (current->reqkey_keyring) {
	case LINUX_KEY_REQKEY_DEFL_DEFAULT:
	case LINUX_KEY_REQKEY_DEFL_REQUESTOR_KEYRING:
	case LINUX_KEY_REQKEY_DEFL_THREAD_KEYRING:
		k = current->thread_keyring;
		if (k)
			break;
		/* fall through */
	case LINUX_KEY_REQKEY_DEFL_PROCESS_KEYRING:
		k = current->tg->process_keyring;
		if (k)
			break;
		/* fall through */
	case LINUX_KEY_REQKEY_DEFL_SESSION_KEYRING:
		k = current->session_keyring;
		if (k)
			break;
		/* fall through */
	case LINUX_KEY_REQKEY_DEFL_USER_SESSION_KEYRING:
		k = u->session_keyring;
		break;
	case LINUX_KEY_REQKEY_DEFL_USER_KEYRING:
		k = u->uid_keyring;
		break;
	}
	return key_get_locked(k);
}

/* --- from task to task --- */

/* KEYCTL_SESSION_TO_PARENT: to a parent that is as trusted as this one, and is no group of threads that would disagree. */
int64_t session_keyring_to_parent(void)
{
	const struct cred *mine = current_cred, *theirs = NULL;
	struct task *parent;
	int64_t ret = -LINUX_EPERM;

	MUTEX_GUARD(&pids_lock);
	parent = current->real_parent;
	if (!parent || parent->tg == init_tgroup || tgroup_nr_threads(parent->tg) != 1)
		return ret;
	theirs = task_cred_get(parent);
	mutex_lock(&keys_lock);
	if (!current->session_keyring)
		ret = -LINUX_ENOKEY;
	else if (parent->session_keyring == current->session_keyring)
		ret = 0;
	else if (theirs->uid == mine->euid && theirs->euid == mine->euid && theirs->suid == mine->euid && theirs->gid == mine->egid &&
		 theirs->egid == mine->egid && theirs->sgid == mine->egid && current->session_keyring->uid == mine->euid &&
		 (!parent->session_keyring || parent->session_keyring->uid == mine->euid)) {
		key_put_locked(parent->session_keyring);
		parent->session_keyring = key_get_locked(current->session_keyring);
		ret = 0;
	}
	mutex_unlock(&keys_lock);
	cred_put(theirs);
	return ret;
}

void keys_init_session(struct task *t)
{
	struct key *k;

	MUTEX_GUARD(&keys_lock);
	k = keyring_new("_ses", t->cred->uid, t->cred->gid, SESSION_PERM, 0);
	if (!IS_ERR(k))
		t->session_keyring = k;
}

int keys_fork(struct task *child, bool thread)
{
	struct task *t = current;

	child->reqkey_keyring = t->reqkey_keyring;
	if (!READ_ONCE(t->session_keyring) && !(thread && t->thread_keyring))
		return 0;
	MUTEX_GUARD(&keys_lock);
	if (t->session_keyring)
		child->session_keyring = key_get_locked(t->session_keyring);
	/* A thread of one that has a keyring begins with an empty one. */
	if (!thread || !t->thread_keyring)
		return 0;
	return slot_fill(&child->thread_keyring, keyring_new_own("_tid", THREAD_PERM, 0));
}

static void slot_clear(struct key **slot)
{
	if (!READ_ONCE(*slot))
		return;
	MUTEX_GUARD(&keys_lock);
	key_put_locked(*slot);
	*slot = NULL;
}

void keys_exec(void)
{
	slot_clear(&current->thread_keyring);
	slot_clear(&current->tg->process_keyring);
}

void keys_task_free(struct task *t)
{
	slot_clear(&t->thread_keyring);
	slot_clear(&t->session_keyring);
}

void keys_tgroup_free(struct tgroup *tg)
{
	slot_clear(&tg->process_keyring);
}
