/* SPDX-License-Identifier: Apache-2.0 */
/* Keys: their making and end, quotas, permissions, and what /proc says of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/kernel/key.h"
#include "sentry/kernel/task.h"
#include "vfs/user_ns.h"

struct mutex keys_lock = MUTEX_INIT;
struct sysctl_int keys_max = { 200, 1, INT32_MAX }, keys_max_bytes = { 20000, 1, INT32_MAX },
	keys_root_max = { 1000000, 1, INT32_MAX }, keys_root_max_bytes = { 25000000, 1, INT32_MAX },
	keys_gc_delay = { 300, 0, INT32_MAX }, keys_persistent_expiry = { 3 * 24 * 3600, 0, INT32_MAX };

#define HASH_SIZE 4096
#define KEY_USERS_MAX 65536

static struct key *hash[HASH_SIZE];	  /* by serial number; keys_lock, as everything here */
static LIST_HEAD(all_keys);
static LIST_HEAD(key_users);
static unsigned nr_key_users;
static int64_t next_gc = INT64_MAX;	  /* when something dead is to go */

/* --- types --- */

const struct key_type key_type_keyring = { .name = "keyring", .can_read = true, .is_keyring = true };

static const struct key_type key_types[] = {
	{ .name = "user", .max_size = 32767, .can_update = true, .can_read = true },
	/* Known to the kernel alone: nobody reads it back. */
	{ .name = "logon", .max_size = 32767, .can_update = true, .prefixed = true },
	{ .name = "big_key", .max_size = 1024 * 1024, .can_update = true, .can_read = true },
};

const struct key_type *key_type_find(const char *name)
{
	if (!strcmp(name, key_type_keyring.name))
		return &key_type_keyring;
	for (size_t i = 0; i < ARRAY_SIZE(key_types); i++)
		if (!strcmp(name, key_types[i].name))
			return &key_types[i];
	return NULL;
}

int key_check_payload(const struct key_type *type, size_t size)
{
	if (type->is_keyring)
		return size ? -LINUX_EINVAL : 0;
	return size && size <= type->max_size ? 0 : -LINUX_EINVAL;
}

/* --- quotas --- */

struct key_user *key_user_find_locked(uint32_t uid)
{
	struct key_user *u;

	mutex_assert_held(&keys_lock);
	list_for_each_entry(u, &key_users, link)
		if (u->uid == uid)
			return u;
	return NULL;
}

struct key_user *key_user_get_locked(uint32_t uid)
{
	struct key_user *u = key_user_find_locked(uid);

	if (u || nr_key_users >= KEY_USERS_MAX)
		return u;
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	u->uid = uid;
	list_add(&u->link, &key_users);
	nr_key_users++;
	return u;
}

/* Those without keys need not be remembered. */
static void key_user_drop(struct key_user *u)
{
	if (u->usage || u->uid_keyring || u->session_keyring || u->persistent)
		return;
	list_del(&u->link);
	nr_key_users--;
	free(u);
}

static void key_user_limits(const struct key_user *u, unsigned *ret_keys, unsigned *ret_bytes)
{
	*ret_keys = (unsigned)sysctl_read(u->uid ? &keys_max : &keys_root_max);
	*ret_bytes = (unsigned)sysctl_read(u->uid ? &keys_max_bytes : &keys_root_max_bytes);
}

static bool key_user_has_room(const struct key_user *u, unsigned keys, unsigned bytes)
{
	unsigned max_keys, max_bytes;

	key_user_limits(u, &max_keys, &max_bytes);
	return u->nr_keys + keys <= max_keys && u->nr_bytes + (uint64_t)bytes <= max_bytes;
}

int key_charge_locked(struct key *key, unsigned bytes)
{
	struct key_user *u = key->user;

	if (key->flags & KEY_IN_QUOTA) {
		if (bytes > key->charged && !key_user_has_room(u, 0, bytes - key->charged))
			return -LINUX_EDQUOT;
		u->nr_bytes += bytes - key->charged;
	}
	key->charged = bytes;
	return 0;
}

/* --- making and freeing --- */

static int32_t new_serial(void)
{
	uint32_t serial;

	do {
		if (host_getrandom(&serial, sizeof(serial)) < 0)
			return 0;
		serial &= INT32_MAX;
	} while (serial < 3 || key_find_locked((int32_t)serial));
	return (int32_t)serial;
}

struct key *key_find_locked(int32_t serial)
{
	struct key *k;

	mutex_assert_held(&keys_lock);
	for (k = hash[(uint32_t)serial % HASH_SIZE]; k; k = k->hash_next)
		if (k->serial == serial)
			return k;
	return NULL;
}

static void key_hash(struct key *key)
{
	struct key **head = &hash[(uint32_t)key->serial % HASH_SIZE];

	key->hash_next = *head;
	if (*head)
		(*head)->hash_pprev = &key->hash_next;
	*head = key;
	key->hash_pprev = head;
	list_add_tail(&key->all, &all_keys);
}

static void key_unhash(struct key *key)
{
	*key->hash_pprev = key->hash_next;
	if (key->hash_next)
		key->hash_next->hash_pprev = key->hash_pprev;
	list_del(&key->all);
}

static void payload_free(struct key *key)
{
	if (key->data)
		explicit_bzero(key->data, key->size);
	free(key->data);
	key->data = NULL;
	key->size = 0;
}

/* "service:text" with a service. */
static bool desc_is_prefixed(const char *desc)
{
	const char *colon = strchr(desc, ':');

	return colon && colon != desc;
}

/* When a key that is revoked or expires is to be gone; INT64_MAX for one that is well. */
static int64_t death_of(const struct key *key)
{
	int64_t from = key->expiry ? key->expiry : INT64_MAX;

	if (key->flags & KEY_INVALIDATED)
		return 0;
	if (key->flags & KEY_REVOKED)
		from = MIN(from, key->revoked_at);
	return from == INT64_MAX ? from : from + sysctl_read(&keys_gc_delay) * 1000000000;
}

static bool is_dead(const struct key *key, int64_t now)
{
	return now >= death_of(key);
}

static void gc_run(int64_t now)
{
	struct key *k, *kept = NULL;

	next_gc = INT64_MAX;
	list_for_each_entry(k, &all_keys, all)
		if (!is_dead(k, now))
			next_gc = MIN(next_gc, death_of(k));
	/* A keyring may be freed by what is swept out of another: each is held while it is the place in the list. */
	list_for_each_entry(k, &all_keys, all) {
		key_get_locked(k);
		key_put_locked(kept);
		kept = k;
		if (k->type->is_keyring)
			keyring_sweep_locked(k, is_dead, now);
	}
	key_put_locked(kept);
}

static void gc_if_due(void)
{
	int64_t now = boottime_ns();

	if (now >= next_gc)
		gc_run(now);
}

static struct key *key_alloc(const struct key_template *tmpl)
{
	struct key *key = calloc(1, sizeof(*key));

	if (!key)
		return NULL;
	key->desc = strdup(tmpl->desc);
	if (tmpl->size)
		key->data = malloc(tmpl->size);
	key->serial = new_serial();
	if (!key->desc || !key->serial || (tmpl->size && !key->data)) {
		free(key->desc);
		free(key->data);
		free(key);
		return NULL;
	}
	if (tmpl->size)
		memcpy(key->data, tmpl->data, tmpl->size);
	key->size = tmpl->size;
	return key;
}

struct key *key_new_locked(const struct key_template *tmpl)
{
	size_t bytes = strlen(tmpl->desc) + 1 + tmpl->size;
	struct key_user *u;
	struct key *key;

	if (!tmpl->desc[0] || (tmpl->type->prefixed && !desc_is_prefixed(tmpl->desc)))
		return ERR_PTR(-LINUX_EINVAL);
	gc_if_due();
	u = key_user_get_locked(tmpl->uid);
	if (!u)
		return ERR_PTR(-LINUX_ENOMEM);
	if ((tmpl->flags & KEY_IN_QUOTA) && !key_user_has_room(u, 1, (unsigned)bytes)) {
		key_user_drop(u);
		return ERR_PTR(-LINUX_EDQUOT);
	}
	key = key_alloc(tmpl);
	if (!key) {
		key_user_drop(u);
		return ERR_PTR(-LINUX_ENOMEM);
	}
	key->refs = 1;
	key->type = tmpl->type;
	key->user = u;
	key->uid = tmpl->uid;
	key->gid = tmpl->gid;
	key->perm = tmpl->perm;
	key->flags = tmpl->flags;
	key->charged = (unsigned)bytes;
	u->usage++;
	if (key->flags & KEY_IN_QUOTA) {
		u->nr_keys++;
		u->nr_bytes += key->charged;
	}
	key_hash(key);
	return key;
}

struct key *key_get_locked(struct key *key)
{
	mutex_assert_held(&keys_lock);
	key->refs++;
	return key;
}

static void key_uncharge(struct key *key)
{
	struct key_user *u = key->user;

	u->usage--;
	if (key->flags & KEY_IN_QUOTA) {
		u->nr_keys--;
		u->nr_bytes -= key->charged;
	}
	key_user_drop(u);
}

/* Keyrings can stand in each other without end, so what goes with a keyring is put on a list and not called for. */
void key_put_locked(struct key *key)
{
	struct key *dying;

	mutex_assert_held(&keys_lock);
	if (!key || --key->refs)
		return;
	key->free_next = NULL;
	for (dying = key; dying; dying = key) {
		key = dying->free_next;
		for (unsigned i = 0; i < dying->nr_links; i++) {
			struct key *k = dying->links[i];

			if (--k->refs)
				continue;
			k->free_next = key;
			key = k;
		}
		key_unhash(dying);
		key_uncharge(dying);
		payload_free(dying);
		free(dying->links);
		free(dying->desc);
		free(dying);
	}
}

/* --- states and rights --- */

int key_permission_locked(const struct key *key, bool possessed, unsigned need)
{
	const struct cred *c = current_cred;
	uint32_t perm = key->perm;

	if (key->uid == c->fsuid)
		perm >>= 16;
	else if ((key->perm & LINUX_KEY_GRP(LINUX_KEY_ALL)) && cred_in_group(c, key->gid))
		perm >>= 8;
	if (possessed)
		perm |= key->perm >> 24;
	return (perm & need) == need ? 0 : -LINUX_EACCES;
}

int key_validate_locked(const struct key *key)
{
	if (key->flags & KEY_INVALIDATED)
		return -LINUX_ENOKEY;
	if (key->flags & KEY_REVOKED)
		return -LINUX_EKEYREVOKED;
	return key->expiry && boottime_ns() >= key->expiry ? -LINUX_EKEYEXPIRED : 0;
}

int key_update_locked(struct key *key, const void *data, size_t size)
{
	void *copy = malloc(size);
	int err;

	if (!copy)
		return -LINUX_ENOMEM;
	err = key_charge_locked(key, (unsigned)(strlen(key->desc) + 1 + size));
	if (err) {
		free(copy);
		return err;
	}
	memcpy(copy, data, size);
	payload_free(key);
	key->data = copy;
	key->size = size;
	key->error = 0;
	key->expiry = 0;
	return 0;
}

void key_revoke_locked(struct key *key)
{
	if (key->flags & KEY_REVOKED)
		return;
	key->flags |= KEY_REVOKED;
	key->revoked_at = boottime_ns();
	next_gc = MIN(next_gc, death_of(key));
	if (key->type->is_keyring) {
		keyring_clear_locked(key);
	} else {
		payload_free(key);
		(void)key_charge_locked(key, 0); /* less is always granted */
	}
}

void key_invalidate_locked(struct key *key)
{
	key->flags |= KEY_INVALIDATED;
	gc_run(boottime_ns());
}

void key_set_expiry_locked(struct key *key, unsigned seconds)
{
	key->expiry = seconds ? boottime_ns() + seconds * 1000000000LL : 0;
	next_gc = MIN(next_gc, death_of(key));
}

int key_chown_locked(struct key *key, uint32_t uid, uint32_t gid)
{
	if (uid != UINT32_MAX && uid != key->uid) {
		struct key_user *u = key_user_get_locked(uid);

		if (!u)
			return -LINUX_ENOMEM;
		if ((key->flags & KEY_IN_QUOTA) && !key_user_has_room(u, 1, key->charged)) {
			key_user_drop(u);
			return -LINUX_EDQUOT;
		}
		u->usage++;
		if (key->flags & KEY_IN_QUOTA) {
			u->nr_keys++;
			u->nr_bytes += key->charged;
		}
		key_uncharge(key);
		key->user = u;
		key->uid = uid;
	}
	if (gid != UINT32_MAX)
		key->gid = gid;
	return 0;
}

struct key *keyring_find_name_locked(const char *name)
{
	struct key *k;

	list_for_each_entry(k, &all_keys, all)
		if (k->type->is_keyring && !(k->flags & KEY_REVOKED) && !strcmp(k->desc, name) &&
		    !key_permission_locked(k, false, LINUX_KEY_SEARCH))
			return k;
	return NULL;
}

/* --- /proc --- */

/* How long a key has to live, in four columns. */
static void format_expiry(const struct key *key, char ret[8])
{
	static const struct {
		uint64_t below, unit;
		char name;
	} units[] = { { 60, 1, 's' }, { 3600, 60, 'm' }, { 24 * 3600, 3600, 'h' }, { 7 * 24 * 3600, 24 * 3600, 'd' },
		      { UINT64_MAX, 7 * 24 * 3600, 'w' } };
	int64_t now = boottime_ns();
	uint64_t left;
	size_t i = 0;

	if (!key->expiry || now >= key->expiry) {
		strcpy(ret, key->expiry ? "expd" : "perm");
		return;
	}
	left = (uint64_t)(key->expiry - now) / 1000000000;
	while (left >= units[i].below)
		i++;
	snprintf(ret, 8, "%u%c", (unsigned)(left / units[i].unit) % 10000, units[i].name);
}

static void key_show(struct strbuf *sb, const struct key *k)
{
	const struct user_namespace *ns = current_cred->user_ns;
	char expiry[8];

	format_expiry(k, expiry);
	strbuf_addf(sb, "%08x %c%c-%c-%c%c %5u %4s %08x %5d %5d %-9.9s %s", (unsigned)k->serial, k->error ? '-' : 'I',
		    k->flags & KEY_REVOKED ? 'R' : '-', k->flags & KEY_IN_QUOTA ? 'Q' : '-', k->error ? 'N' : '-',
		    k->flags & KEY_INVALIDATED ? 'i' : '-', k->refs, expiry, k->perm, (int)from_kuid_munged(ns, k->uid),
		    (int)from_kgid_munged(ns, k->gid), k->type->name, k->desc);
	if (!k->error && k->type->is_keyring && !k->nr_links)
		strbuf_addf(sb, ": empty");
	else if (!k->error)
		strbuf_addf(sb, ": %zu", k->type->is_keyring ? k->nr_links : k->size);
	strbuf_addf(sb, "\n");
}

void keys_show(struct strbuf *sb)
{
	struct key *k;

	MUTEX_GUARD(&keys_lock);
	list_for_each_entry(k, &all_keys, all) {
		struct key_search s = { .key = k };

		if (!key_permission_locked(k, current && process_keys_search_locked(&s), LINUX_KEY_VIEW))
			key_show(sb, k);
	}
}

void key_users_show(struct strbuf *sb)
{
	struct key_user *u;

	MUTEX_GUARD(&keys_lock);
	list_for_each_entry(u, &key_users, link) {
		uint32_t uid = from_kuid(current_cred->user_ns, u->uid);
		unsigned max_keys, max_bytes;

		if (uid == INVALID_ID)
			continue;
		key_user_limits(u, &max_keys, &max_bytes);
		strbuf_addf(sb, "%5u: %5u %u/%u %u/%u %u/%u\n", uid, u->usage, u->usage, u->usage, u->nr_keys, max_keys,
			    u->nr_bytes, max_bytes);
	}
}
