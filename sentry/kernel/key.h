/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and keyrings: keyrings(7).
 *
 * A key has a serial number, a type, a description and a payload; a keyring is a key whose payload is links to other keys.  What
 * a task can reach from its own keyrings (thread, process, session) by searching it *possesses*, and the possessor's permissions
 * add to those of owner, group or others.
 *
 * One lock, keys_lock, guards everything here: keys, links, and the pointers that tasks have.  It is a leaf: no memory of a guest
 * is touched below it.  Functions named _locked need it; the others must not be called with it.
 *
 * Keys are kept by those who link to them, or stand on them as their keyring; the last reference frees a key.  Links never make a
 * circle: keyring_link refuses to.  Keys that are revoked or have expired stay where they are linked for gc_delay, so that
 * those who ask can be told, and then go.
 */
#ifndef SENTRY_KERNEL_KEY_H
#define SENTRY_KERNEL_KEY_H

#include "sentry/abi/keyctl.h"
#include "sentry/base/list.h"
#include "sentry/base/lock.h"
#include "sentry/base/strbuf.h"
#include "sentry/base/sysctl.h"
#include "sentry/base/waitq.h"

struct task;
struct tgroup;
struct cred;
struct key;

extern struct mutex keys_lock;

#define KEY_DESC_MAX 4096	/* with the NUL */
#define KEYRING_DEPTH_MAX 6	/* searches, and the check for circles, go no deeper */

struct key_type {
	const char *name;
	size_t max_size;	/* of a payload; 0: none is allowed */
	bool can_update;	/* adding it once more changes the one that is there */
	bool can_read;
	bool is_keyring;
	bool prefixed;		/* the description is "service:text" */
};
extern const struct key_type key_type_keyring;
/* A type that may be named from outside, or NULL. */
const struct key_type *key_type_find(const char *name);

/* Those of one user, for its quota. */
struct key_user {
	struct list_head link;
	uint32_t uid;
	unsigned usage;		/* keys that say they are this user's */
	unsigned nr_keys, nr_bytes; /* counted in the quota */
	struct key *uid_keyring, *session_keyring, *persistent; /* references; made when asked for */
};

enum key_flags {
	KEY_REVOKED = 1,
	KEY_INVALIDATED = 2,
	KEY_IN_QUOTA = 4,
	KEY_LINKS_REJECTED = 8, /* KEYCTL_RESTRICT_KEYRING */
	KEY_OF_UID = 0x10,	/* a user's session keyring: gives way to one of its own when somebody wants to write */
};

struct key {
	unsigned refs;
	int32_t serial;
	const struct key_type *type;
	char *desc;
	struct key_user *user;
	uint32_t uid, gid;	/* as inside the sentry, see vfs/user_ns.h */
	uint32_t perm;
	unsigned flags;
	int error;		/* a negative key: what those get who find it; 0: there is a payload */
	int64_t expiry;		/* CLOCK_BOOTTIME in ns; 0: never */
	int64_t revoked_at;
	void *data;		/* payload */
	size_t size;
	unsigned charged;	/* bytes in the user's quota */
	struct key **links;	/* of a keyring: references */
	unsigned nr_links, links_size;
	uint64_t visited;	/* by which search, and how deep */
	unsigned visited_depth;
	struct key *hash_next, **hash_pprev;
	struct list_head all;
	struct key *free_next;
};

/* A key as somebody came to it. */
struct key_ref {
	struct key *key;	/* a reference */
	bool possessed;
};

/* --- key.c --- */

struct key_template {
	const struct key_type *type;
	const char *desc;
	uint32_t uid, gid, perm;
	unsigned flags;		/* KEY_IN_QUOTA, KEY_OF_UID */
	const void *data;	/* copied */
	size_t size;
};
/* A new key with one reference, or ERR_PTR: -LINUX_EINVAL (description), -LINUX_EDQUOT, -LINUX_ENOMEM. */
struct key *key_new_locked(const struct key_template *tmpl);
struct key *key_get_locked(struct key *key);
void key_put_locked(struct key *key); /* NULL is nothing */
struct key *key_find_locked(int32_t serial); /* borrowed, or NULL */
/* Whether current has @need (LINUX_KEY_*) of @key: 0 or -LINUX_EACCES. */
int key_permission_locked(const struct key *key, bool possessed, unsigned need);
/* -LINUX_ENOKEY, EKEYREVOKED, EKEYEXPIRED, or 0; a negative key's error does not count. */
int key_validate_locked(const struct key *key);
int key_check_payload(const struct key_type *type, size_t size); /* 0 or -LINUX_EINVAL */
/* Replaces the payload; a negative key becomes positive.  0, -LINUX_EDQUOT, -LINUX_ENOMEM. */
int key_update_locked(struct key *key, const void *data, size_t size);
/* Changes what the key costs its user: 0 or -LINUX_EDQUOT. */
int key_charge_locked(struct key *key, unsigned bytes);
void key_revoke_locked(struct key *key);
void key_invalidate_locked(struct key *key);
int key_chown_locked(struct key *key, uint32_t uid, uint32_t gid); /* either may be UINT32_MAX: unchanged */
void key_set_expiry_locked(struct key *key, unsigned seconds);	  /* 0: never */
/* Those of @uid, or NULL. */
struct key_user *key_user_find_locked(uint32_t uid);
/* The counts of @uid, made when there are none; NULL: no memory, or far too many. */
struct key_user *key_user_get_locked(uint32_t uid);
/* The keyring named @name that current may search, borrowed, or NULL. */
struct key *keyring_find_name_locked(const char *name);

/* /proc/keys: what current may view.  /proc/key-users. */
void keys_show(struct strbuf *sb);
void key_users_show(struct strbuf *sb);

/* What /proc/sys/kernel/keys sets. */
extern struct sysctl_int keys_max, keys_max_bytes, keys_root_max, keys_root_max_bytes, keys_gc_delay, keys_persistent_expiry;

/* --- keyring.c --- */

/* Links @key into @keyring, in the place of what has its type and description.  -ENOTDIR, EDEADLK, ELOOP, EPERM, EDQUOT, ENOMEM. */
int keyring_link_locked(struct key *keyring, struct key *key);
int keyring_unlink_locked(struct key *keyring, struct key *key); /* -LINUX_ENOTDIR, -LINUX_ENOENT */
int keyring_move_locked(struct key *key, struct key *from, struct key *to, bool exclusive);
int keyring_clear_locked(struct key *keyring);
/* What is linked directly under this name, borrowed, or NULL. */
struct key *keyring_find_locked(struct key *keyring, const struct key_type *type, const char *desc);
/* Unlinks from all keyrings what @dead says of. */
void keyring_sweep_locked(struct key *keyring, bool (*dead)(const struct key *key, int64_t arg), int64_t arg);

struct key_search {
	const struct key_type *type;
	const char *desc;
	const struct key *key;	/* not NULL: this very key is looked for, in any state */
	int err;		/* -LINUX_EAGAIN: nothing of the kind was met; else what was wrong with it */
};
/* The first match at or below @keyring that current may search for, borrowed, or NULL with s->err. */
struct key *keyring_search_locked(struct key *keyring, bool possessed, struct key_search *s);

/* --- process_keys.c --- */

enum key_lookup {
	KEY_LOOKUP_CREATE = 1,	/* a special keyring is made when there is none */
	KEY_LOOKUP_PARTIAL = 2, /* a negative key will do */
	KEY_LOOKUP_ANY = 4,	/* permission is not looked at, and a negative key will do: the caller looks itself */
	KEY_LOOKUP_UNLINK = 8,	/* no matter in what state, nor whose */
};
/* The key that @id, a serial number or LINUX_KEY_SPEC_*, is for current; the caller puts ret->key. */
int key_lookup_locked(int32_t id, unsigned flags, unsigned need, struct key_ref *ret);
/* Searches current's keyrings in their order; borrowed, possessed; NULL with s->err. */
struct key *process_keys_search_locked(struct key_search *s);
/* KEYCTL_JOIN_SESSION_KEYRING: NULL for a new one without a name.  The serial number, or -errno. */
int64_t session_keyring_join_locked(const char *name);
/* KEYCTL_SET_REQKEY_KEYRING. */
int64_t reqkey_keyring_set_locked(int which);
/* Where request_key(2) links what it made: a reference, or ERR_PTR. */
struct key *reqkey_keyring_get_locked(void);
int64_t session_keyring_to_parent(void);
/* KEYCTL_GET_PERSISTENT of @uid, linked into @dest. */
int64_t persistent_keyring_get_locked(uint32_t uid, struct key *dest);

/* A new session of its own for the first process. */
void keys_init_session(struct task *t);
/* What @child, not seen by anybody yet, has of current's: @thread, or a new process. */
int keys_fork(struct task *child, bool thread);
/* current begins a new program. */
void keys_exec(void);
/* The storage of a task or a process goes. */
void keys_task_free(struct task *t);
void keys_tgroup_free(struct tgroup *tg);

#endif
