/* SPDX-License-Identifier: Apache-2.0 */
/* add_key(2), request_key(2), keyctl(2). */
#include <stdlib.h>
#include <string.h>

#include "sentry/kernel/key.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "sentry/sys/syscall.h"
#include "vfs/user_ns.h"

#define TYPE_MAX 32		     /* of a type's name, with the NUL */
#define PAYLOAD_MAX (1024 * 1024 - 1)
#define UPDATE_MAX 4096
#define NEGATIVE_SECONDS 60	     /* how long it is remembered that nobody could make a key */

/* --- what comes from the guest --- */

/* The name of a type; *@ret is NULL when there is none of that name. */
static int get_type(uaddr_t utype, const struct key_type **ret)
{
	char name[TYPE_MAX];
	int64_t n = strncpy_from_user(name, utype, sizeof(name));

	if (n < 0)
		return (int)n;
	if (!n || n >= TYPE_MAX)
		return -LINUX_EINVAL;
	if (name[0] == '.')
		return -LINUX_EPERM;
	*ret = key_type_find(name);
	return 0;
}

/* A string of less than KEY_DESC_MAX bytes; malloc'ed. */
static int get_desc(uaddr_t udesc, char **ret)
{
	char *s = malloc(KEY_DESC_MAX);
	int64_t n;

	if (!s)
		return -LINUX_ENOMEM;
	n = strncpy_from_user(s, udesc, KEY_DESC_MAX);
	if (n < 0 || n >= KEY_DESC_MAX) {
		free(s);
		return n < 0 ? (int)n : -LINUX_EINVAL;
	}
	*ret = s;
	return 0;
}

static int get_payload(uaddr_t upayload, size_t size, void **ret)
{
	void *p;

	*ret = NULL;
	if (!size)
		return 0;
	p = malloc(size);
	if (!p)
		return -LINUX_ENOMEM;
	if (copy_from_user(p, upayload, size)) {
		free(p);
		return -LINUX_EFAULT;
	}
	*ret = p;
	return 0;
}

static void free_cleanup(void *p)
{
	free(*(void **)p);
}
#define _cleanup_free_ __cleanup(free_cleanup)

/* --- add_key --- */

/* What one may do who adds a key: possess it fully, and see what is one's own. */
static uint32_t default_perm(const struct key_type *type)
{
	uint32_t pos = LINUX_KEY_VIEW | LINUX_KEY_SEARCH | LINUX_KEY_LINK | LINUX_KEY_SETATTR;

	if (type->can_read)
		pos |= LINUX_KEY_READ;
	if (type->can_update || type->is_keyring)
		pos |= LINUX_KEY_WRITE;
	return LINUX_KEY_POS(pos) | LINUX_KEY_USR(LINUX_KEY_VIEW);
}

static int64_t add_to(struct key_ref *ring, const struct key_type *type, const char *desc, const void *data, size_t size)
{
	struct key *k;
	int64_t ret;
	int err;

	if (!type)
		return -LINUX_ENODEV;
	if (!ring->key->type->is_keyring)
		return -LINUX_ENOTDIR;
	err = key_check_payload(type, size);
	if (err)
		return err;
	k = type->can_update ? keyring_find_locked(ring->key, type, desc) : NULL;
	if (k && !(k->flags & (KEY_REVOKED | KEY_INVALIDATED))) {
		err = key_permission_locked(k, ring->possessed, LINUX_KEY_WRITE);
		if (!err)
			err = key_update_locked(k, data, size);
		return err ? err : k->serial;
	}
	k = key_new_locked(&(struct key_template){ .type = type, .desc = desc, .uid = current_cred->fsuid,
						   .gid = current_cred->fsgid, .perm = default_perm(type),
						   .flags = KEY_IN_QUOTA, .data = data, .size = size });
	if (IS_ERR(k))
		return PTR_ERR(k);
	err = keyring_link_locked(ring->key, k);
	ret = err ? err : k->serial;
	key_put_locked(k);
	return ret;
}

SYSCALL_DEFINE5(add_key, uaddr_t, utype, uaddr_t, udesc, uaddr_t, upayload, size_t, size, int32_t, ring_id)
{
	const struct key_type *type = NULL;
	char *desc _cleanup_free_ = NULL;
	void *data _cleanup_free_ = NULL;
	struct key_ref ring;
	int64_t ret;

	if (size > PAYLOAD_MAX)
		return -LINUX_EINVAL;
	ret = get_type(utype, &type);
	if (!ret && udesc)
		ret = get_desc(udesc, &desc);
	/* Such names are the kernel's own. */
	if (!ret && desc && desc[0] == '.' && type == &key_type_keyring)
		ret = -LINUX_EPERM;
	if (!ret)
		ret = get_payload(upayload, size, &data);
	if (ret)
		return ret;
	MUTEX_GUARD(&keys_lock);
	ret = key_lookup_locked(ring_id, KEY_LOOKUP_CREATE, LINUX_KEY_WRITE, &ring);
	if (ret)
		return ret;
	ret = add_to(&ring, type, desc ? desc : "", data, size);
	key_put_locked(ring.key);
	return ret;
}

/* --- request_key --- */

/*
 * Nobody in the guest is asked to make a key, as where there is no /sbin/request-key: what is remembered for a while is that
 * there is none.
 */
static int64_t construct(const struct key_type *type, const char *desc, struct key *dest)
{
	struct key *k;
	int err;

	if (type->is_keyring)
		return -LINUX_EPERM;
	k = key_new_locked(&(struct key_template){
		.type = type, .desc = desc, .uid = current_cred->fsuid, .gid = current_cred->fsgid, .flags = KEY_IN_QUOTA,
		.perm = LINUX_KEY_POS(LINUX_KEY_ALL & ~(type->can_read ? 0 : LINUX_KEY_READ)) | LINUX_KEY_USR(LINUX_KEY_VIEW) });
	if (IS_ERR(k))
		return PTR_ERR(k);
	k->error = -LINUX_ENOKEY;
	key_set_expiry_locked(k, NEGATIVE_SECONDS);
	err = keyring_link_locked(dest, k);
	key_put_locked(k);
	return err ? err : -LINUX_ENOKEY;
}

static int64_t request(const struct key_type *type, const char *desc, bool make, int32_t dest_id)
{
	struct key_search s = { .type = type, .desc = desc };
	struct key *k, *dest = NULL;
	int64_t ret = 0;

	if (dest_id) {
		struct key_ref ring;

		ret = key_lookup_locked(dest_id, KEY_LOOKUP_CREATE, LINUX_KEY_WRITE, &ring);
		if (ret)
			return ret;
		dest = ring.key;
	}
	k = type ? process_keys_search_locked(&s) : NULL;
	if (!type) {
		ret = -LINUX_ENOKEY;
	} else if (k) {
		if (dest)
			ret = key_permission_locked(k, true, LINUX_KEY_LINK);
		if (dest && !ret)
			ret = keyring_link_locked(dest, k);
		ret = ret ? ret : k->serial;
	} else if (s.err != -LINUX_EAGAIN) {
		ret = s.err;
	} else if (!make) {
		ret = -LINUX_ENOKEY;
	} else {
		if (!dest)
			dest = reqkey_keyring_get_locked();
		if (IS_ERR(dest))
			return PTR_ERR(dest);
		ret = construct(type, desc, dest);
	}
	key_put_locked(dest);
	return ret;
}

SYSCALL_DEFINE4(request_key, uaddr_t, utype, uaddr_t, udesc, uaddr_t, ucallout, int32_t, dest_id)
{
	char *desc _cleanup_free_ = NULL, *callout _cleanup_free_ = NULL;
	const struct key_type *type = NULL;
	int64_t ret = get_type(utype, &type);

	if (!ret)
		ret = get_desc(udesc, &desc);
	if (!ret && ucallout)
		ret = get_desc(ucallout, &callout);
	if (ret)
		return ret;
	MUTEX_GUARD(&keys_lock);
	return request(type, desc, callout, dest_id);
}

/* --- keyctl: what works on one key --- */

static int64_t keyctl_update(int32_t id, uaddr_t upayload, size_t size)
{
	void *data _cleanup_free_ = NULL;
	struct key_ref ref;
	int64_t ret;

	if (size > UPDATE_MAX)
		return -LINUX_EINVAL;
	ret = get_payload(upayload, size, &data);
	if (ret)
		return ret;
	MUTEX_GUARD(&keys_lock);
	ret = key_lookup_locked(id, 0, LINUX_KEY_WRITE, &ref);
	if (ret)
		return ret;
	ret = ref.key->type->can_update ? key_check_payload(ref.key->type, size) : -LINUX_EOPNOTSUPP;
	if (!ret)
		ret = key_update_locked(ref.key, data, size);
	key_put_locked(ref.key);
	return ret;
}

static int64_t revoke(int32_t id)
{
	struct key_ref ref;
	int err = key_lookup_locked(id, 0, LINUX_KEY_WRITE, &ref);

	if (err == -LINUX_EACCES)
		err = key_lookup_locked(id, 0, LINUX_KEY_SETATTR, &ref);
	if (err)
		return err;
	key_revoke_locked(ref.key);
	key_put_locked(ref.key);
	return 0;
}

static int64_t invalidate(int32_t id)
{
	struct key_ref ref;
	int err = key_lookup_locked(id, 0, LINUX_KEY_SEARCH, &ref);

	if (err)
		return err;
	key_invalidate_locked(ref.key);
	key_put_locked(ref.key);
	return 0;
}

static int64_t key_chown(int32_t id, uint32_t uid, uint32_t gid)
{
	const struct user_namespace *ns = current_cred->user_ns;
	uint32_t kuid = uid == UINT32_MAX ? uid : make_kuid(ns, uid), kgid = gid == UINT32_MAX ? gid : make_kgid(ns, gid);
	struct key_ref ref;
	int err;

	if ((uid != UINT32_MAX && kuid == INVALID_ID) || (gid != UINT32_MAX && kgid == INVALID_ID))
		return -LINUX_EINVAL;
	if (uid == UINT32_MAX && gid == UINT32_MAX)
		return 0;
	err = key_lookup_locked(id, KEY_LOOKUP_CREATE | KEY_LOOKUP_PARTIAL, LINUX_KEY_SETATTR, &ref);
	if (err)
		return err;
	if (!capable(CAP_SYS_ADMIN) && ((uid != UINT32_MAX && kuid != ref.key->uid) ||
					(gid != UINT32_MAX && kgid != ref.key->gid && !cred_in_group(current_cred, kgid))))
		err = -LINUX_EACCES;
	if (!err)
		err = key_chown_locked(ref.key, kuid, kgid);
	key_put_locked(ref.key);
	return err;
}

static int64_t setperm(int32_t id, uint32_t perm)
{
	struct key_ref ref;
	int err;

	if (perm & ~(LINUX_KEY_POS(LINUX_KEY_ALL) | LINUX_KEY_USR(LINUX_KEY_ALL) | LINUX_KEY_GRP(LINUX_KEY_ALL) | LINUX_KEY_ALL))
		return -LINUX_EINVAL;
	err = key_lookup_locked(id, KEY_LOOKUP_CREATE | KEY_LOOKUP_PARTIAL, LINUX_KEY_SETATTR, &ref);
	if (err)
		return err;
	if (ref.key->uid == current_cred->fsuid || capable(CAP_SYS_ADMIN))
		ref.key->perm = perm;
	else
		err = -LINUX_EACCES;
	key_put_locked(ref.key);
	return err;
}

static int64_t set_timeout(int32_t id, unsigned seconds)
{
	struct key_ref ref;
	int err = key_lookup_locked(id, KEY_LOOKUP_CREATE | KEY_LOOKUP_PARTIAL, LINUX_KEY_SETATTR, &ref);

	if (err)
		return err;
	key_set_expiry_locked(ref.key, seconds);
	key_put_locked(ref.key);
	return 0;
}

static int64_t restrict_keyring(int32_t id, bool with_type)
{
	struct key_ref ref;
	int err = key_lookup_locked(id, 0, LINUX_KEY_SETATTR, &ref);

	if (err)
		return err;
	if (with_type) /* none of the types knows of restrictions */
		err = -LINUX_ENOENT;
	else if (!ref.key->type->is_keyring)
		err = -LINUX_ENOTDIR;
	else if (ref.key->flags & KEY_LINKS_REJECTED)
		err = -LINUX_EEXIST;
	else
		ref.key->flags |= KEY_LINKS_REJECTED;
	key_put_locked(ref.key);
	return err;
}

static int64_t keyctl_restrict(int32_t id, uaddr_t utype, uaddr_t urestriction)
{
	const struct key_type *type;
	char *restriction _cleanup_free_ = NULL;
	int err = 0;

	if (!utype && urestriction)
		return -LINUX_EINVAL;
	if (utype)
		err = get_type(utype, &type);
	if (utype && !err && !urestriction)
		err = -LINUX_EINVAL;
	if (utype && !err)
		err = get_desc(urestriction, &restriction);
	if (err)
		return err;
	MUTEX_GUARD(&keys_lock);
	return restrict_keyring(id, utype);
}

/* --- keyctl: what tells of a key --- */

static int64_t keyctl_describe(int32_t id, uaddr_t ubuf, size_t size)
{
	struct strbuf sb _cleanup_strbuf_ = { 0 };
	const struct user_namespace *ns = current_cred->user_ns;
	struct key_ref ref;
	int err;

	mutex_lock(&keys_lock);
	err = key_lookup_locked(id, KEY_LOOKUP_PARTIAL, LINUX_KEY_VIEW, &ref);
	if (!err) {
		const struct key *k = ref.key;

		strbuf_addf(&sb, "%s;%d;%d;%08x;%s", k->type->name, (int)from_kuid_munged(ns, k->uid),
			    (int)from_kgid_munged(ns, k->gid), k->perm, k->desc);
		key_put_locked(ref.key);
	}
	mutex_unlock(&keys_lock);
	if (err)
		return err;
	if (strbuf_err(&sb))
		return -LINUX_ENOMEM;
	if (ubuf && size > sb.len && copy_to_user(ubuf, sb.buf, sb.len + 1))
		return -LINUX_EFAULT;
	return (int64_t)sb.len + 1;
}

/* The payload of a key in memory of its own; of a keyring, the serial numbers. */
static int64_t read_payload(const struct key *k, void **ret)
{
	size_t size = k->type->is_keyring ? k->nr_links * sizeof(int32_t) : k->size;
	void *p = malloc(size ? size : 1);

	if (!p)
		return -LINUX_ENOMEM;
	if (!k->type->is_keyring)
		memcpy(p, k->data, size);
	for (unsigned i = 0; i < k->nr_links; i++)
		((int32_t *)p)[i] = k->links[i]->serial;
	*ret = p;
	return (int64_t)size;
}

static int64_t read_locked(int32_t id, size_t size, void **ret)
{
	struct key_ref ref;
	int64_t err = key_lookup_locked(id, KEY_LOOKUP_ANY, 0, &ref);

	if (err)
		return -LINUX_ENOKEY;
	err = ref.key->error;
	/* Who possesses a key may read what it doesn't let him read. */
	if (!err && key_permission_locked(ref.key, ref.possessed, LINUX_KEY_READ) && !ref.possessed)
		err = -LINUX_EACCES;
	if (!err && !ref.key->type->can_read)
		err = -LINUX_EOPNOTSUPP;
	if (!err)
		err = key_validate_locked(ref.key);
	if (!err && ref.key->type->is_keyring && size % sizeof(int32_t))
		err = -LINUX_EINVAL;
	if (!err)
		err = read_payload(ref.key, ret);
	key_put_locked(ref.key);
	return err;
}

static int64_t keyctl_read(int32_t id, uaddr_t ubuf, size_t size)
{
	void *data _cleanup_free_ = NULL;
	int64_t n;

	mutex_lock(&keys_lock);
	n = read_locked(id, size, &data);
	mutex_unlock(&keys_lock);
	/* What does not fit is not begun. */
	if (n > 0 && ubuf && size >= (size_t)n && copy_to_user(ubuf, data, (size_t)n))
		return -LINUX_EFAULT;
	return n;
}

/* There are no labels: an empty one. */
static int64_t keyctl_get_security(int32_t id, uaddr_t ubuf, size_t size)
{
	struct key_ref ref;
	int err;

	mutex_lock(&keys_lock);
	err = key_lookup_locked(id, KEY_LOOKUP_PARTIAL, LINUX_KEY_VIEW, &ref);
	if (!err)
		key_put_locked(ref.key);
	mutex_unlock(&keys_lock);
	if (err)
		return err;
	return ubuf && size && clear_user(ubuf, 1) ? -LINUX_EFAULT : 1;
}

static int64_t keyctl_capabilities(uaddr_t ubuf, size_t size)
{
	static const uint8_t caps[] = {
		LINUX_KEYCTL_CAPS0_CAPABILITIES | LINUX_KEYCTL_CAPS0_PERSISTENT_KEYRINGS | LINUX_KEYCTL_CAPS0_BIG_KEY |
			LINUX_KEYCTL_CAPS0_INVALIDATE | LINUX_KEYCTL_CAPS0_RESTRICT_KEYRING | LINUX_KEYCTL_CAPS0_MOVE,
		LINUX_KEYCTL_CAPS1_NS_KEYRING_NAME,
	};
	size_t n = MIN(size, sizeof(caps));

	if (size && (copy_to_user(ubuf, caps, n) || clear_user(ubuf + n, size - n)))
		return -LINUX_EFAULT;
	return sizeof(caps);
}

/* --- keyctl: keyrings --- */

static int64_t get_keyring_id(int32_t id, bool create)
{
	struct key_ref ref;
	int64_t ret = key_lookup_locked(id, create ? KEY_LOOKUP_CREATE : 0, LINUX_KEY_SEARCH, &ref);

	if (ret)
		return ret;
	ret = ref.key->serial;
	key_put_locked(ref.key);
	return ret;
}

static int64_t keyctl_join(uaddr_t uname)
{
	char *name _cleanup_free_ = NULL;
	int err;

	if (uname) {
		err = get_desc(uname, &name);
		if (err)
			return err;
		if (name[0] == '.')
			return -LINUX_EPERM;
	}
	MUTEX_GUARD(&keys_lock);
	return session_keyring_join_locked(name);
}

static int64_t clear(int32_t id)
{
	struct key_ref ref;
	int64_t err = key_lookup_locked(id, KEY_LOOKUP_CREATE, LINUX_KEY_WRITE, &ref);

	if (err)
		return err;
	err = keyring_clear_locked(ref.key);
	key_put_locked(ref.key);
	return err;
}

static int64_t link_or_unlink(int32_t id, int32_t ring_id, bool link)
{
	struct key_ref ring, ref;
	int64_t err = key_lookup_locked(ring_id, link ? KEY_LOOKUP_CREATE : 0, LINUX_KEY_WRITE, &ring);

	if (err)
		return err;
	err = key_lookup_locked(id, link ? KEY_LOOKUP_CREATE : KEY_LOOKUP_UNLINK, LINUX_KEY_LINK, &ref);
	if (!err) {
		err = link ? keyring_link_locked(ring.key, ref.key) : keyring_unlink_locked(ring.key, ref.key);
		key_put_locked(ref.key);
	}
	key_put_locked(ring.key);
	return err;
}

static int64_t move(int32_t id, int32_t from_id, int32_t to_id, unsigned flags)
{
	struct key_ref ref, from, to;
	int64_t err;

	if (flags & ~LINUX_KEYCTL_MOVE_EXCL)
		return -LINUX_EINVAL;
	err = key_lookup_locked(id, KEY_LOOKUP_CREATE, LINUX_KEY_LINK, &ref);
	if (err)
		return err;
	err = key_lookup_locked(from_id, 0, LINUX_KEY_WRITE, &from);
	if (!err) {
		err = key_lookup_locked(to_id, KEY_LOOKUP_CREATE, LINUX_KEY_WRITE, &to);
		if (!err) {
			err = keyring_move_locked(ref.key, from.key, to.key, flags & LINUX_KEYCTL_MOVE_EXCL);
			key_put_locked(to.key);
		}
		key_put_locked(from.key);
	}
	key_put_locked(ref.key);
	return err;
}

static int64_t search_in(struct key_ref *ring, const struct key_type *type, const char *desc, struct key *dest)
{
	struct key_search s = { .type = type, .desc = desc };
	struct key *k;
	int err = 0;

	if (!type)
		return -LINUX_ENOKEY;
	k = keyring_search_locked(ring->key, ring->possessed, &s);
	if (!k)
		return s.err == -LINUX_EAGAIN ? -LINUX_ENOKEY : s.err;
	if (dest)
		err = key_permission_locked(k, ring->possessed, LINUX_KEY_LINK);
	if (dest && !err)
		err = keyring_link_locked(dest, k);
	return err ? err : k->serial;
}

static int64_t keyctl_search(int32_t ring_id, uaddr_t utype, uaddr_t udesc, int32_t dest_id)
{
	const struct key_type *type = NULL;
	char *desc _cleanup_free_ = NULL;
	struct key_ref ring, dest = { 0 };
	int64_t ret = get_type(utype, &type);

	if (!ret)
		ret = get_desc(udesc, &desc);
	if (ret)
		return ret;
	MUTEX_GUARD(&keys_lock);
	ret = key_lookup_locked(ring_id, 0, LINUX_KEY_SEARCH, &ring);
	if (ret)
		return ret;
	if (dest_id)
		ret = key_lookup_locked(dest_id, KEY_LOOKUP_CREATE, LINUX_KEY_WRITE, &dest);
	if (!ret)
		ret = search_in(&ring, type, desc, dest.key);
	key_put_locked(dest.key);
	key_put_locked(ring.key);
	return ret;
}

static int64_t get_persistent(uint32_t uid, int32_t ring_id)
{
	uint32_t kuid = uid == UINT32_MAX ? current_cred->uid : make_kuid(current_cred->user_ns, uid);
	struct key_ref ring;
	int64_t ret;

	if (kuid == INVALID_ID)
		return -LINUX_EINVAL;
	if (kuid != current_cred->uid && kuid != current_cred->euid && !ns_capable(current_cred->user_ns, CAP_SETUID))
		return -LINUX_EPERM;
	ret = key_lookup_locked(ring_id, KEY_LOOKUP_CREATE, LINUX_KEY_WRITE, &ring);
	if (ret)
		return ret;
	ret = ring.key->type->is_keyring ? persistent_keyring_get_locked(kuid, ring.key) : -LINUX_ENOTDIR;
	key_put_locked(ring.key);
	return ret;
}

/* --- keyctl --- */

/* Those whose arguments are numbers. */
static int64_t keyctl_numbers(int op, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
	MUTEX_GUARD(&keys_lock);
	switch (op) {
	case LINUX_KEYCTL_GET_KEYRING_ID:
		return get_keyring_id((int32_t)a2, (int)a3);
	case LINUX_KEYCTL_REVOKE:
		return revoke((int32_t)a2);
	case LINUX_KEYCTL_CHOWN:
		return key_chown((int32_t)a2, (uint32_t)a3, (uint32_t)a4);
	case LINUX_KEYCTL_SETPERM:
		return setperm((int32_t)a2, (uint32_t)a3);
	case LINUX_KEYCTL_CLEAR:
		return clear((int32_t)a2);
	case LINUX_KEYCTL_LINK:
	case LINUX_KEYCTL_UNLINK:
		return link_or_unlink((int32_t)a2, (int32_t)a3, op == LINUX_KEYCTL_LINK);
	case LINUX_KEYCTL_SET_REQKEY_KEYRING:
		return reqkey_keyring_set_locked((int)a2);
	case LINUX_KEYCTL_SET_TIMEOUT:
		return set_timeout((int32_t)a2, (unsigned)a3);
	case LINUX_KEYCTL_INVALIDATE:
		return invalidate((int32_t)a2);
	case LINUX_KEYCTL_GET_PERSISTENT:
		return get_persistent((uint32_t)a2, (int32_t)a3);
	default:
		return move((int32_t)a2, (int32_t)a3, (int32_t)a4, (unsigned)a5);
	}
}

SYSCALL_DEFINE5(keyctl, int, op, uint64_t, a2, uint64_t, a3, uint64_t, a4, uint64_t, a5)
{
	switch (op) {
	case LINUX_KEYCTL_GET_KEYRING_ID:
	case LINUX_KEYCTL_REVOKE:
	case LINUX_KEYCTL_CHOWN:
	case LINUX_KEYCTL_SETPERM:
	case LINUX_KEYCTL_CLEAR:
	case LINUX_KEYCTL_LINK:
	case LINUX_KEYCTL_UNLINK:
	case LINUX_KEYCTL_SET_REQKEY_KEYRING:
	case LINUX_KEYCTL_SET_TIMEOUT:
	case LINUX_KEYCTL_INVALIDATE:
	case LINUX_KEYCTL_GET_PERSISTENT:
	case LINUX_KEYCTL_MOVE:
		return keyctl_numbers(op, a2, a3, a4, a5);
	case LINUX_KEYCTL_JOIN_SESSION_KEYRING:
		return keyctl_join(a2);
	case LINUX_KEYCTL_UPDATE:
		return keyctl_update((int32_t)a2, a3, a4);
	case LINUX_KEYCTL_DESCRIBE:
		return keyctl_describe((int32_t)a2, a3, a4);
	case LINUX_KEYCTL_SEARCH:
		return keyctl_search((int32_t)a2, a3, a4, (int32_t)a5);
	case LINUX_KEYCTL_READ:
		return keyctl_read((int32_t)a2, a3, a4);
	case LINUX_KEYCTL_INSTANTIATE:
	case LINUX_KEYCTL_NEGATE:
	case LINUX_KEYCTL_REJECT:
	case LINUX_KEYCTL_INSTANTIATE_IOV:
		/* For those that were asked to make a key, and nobody ever is. */
		return -LINUX_EPERM;
	case LINUX_KEYCTL_ASSUME_AUTHORITY:
		return (int32_t)a2 < 0 ? -LINUX_EINVAL : (int32_t)a2 ? -LINUX_ENOKEY : 0;
	case LINUX_KEYCTL_GET_SECURITY:
		return keyctl_get_security((int32_t)a2, a3, a4);
	case LINUX_KEYCTL_SESSION_TO_PARENT:
		return session_keyring_to_parent();
	case LINUX_KEYCTL_RESTRICT_KEYRING:
		return keyctl_restrict((int32_t)a2, a3, a4);
	case LINUX_KEYCTL_CAPABILITIES:
		return keyctl_capabilities(a2, a3);
	default:
		return -LINUX_EOPNOTSUPP;
	}
}
