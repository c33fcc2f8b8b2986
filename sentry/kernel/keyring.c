/* SPDX-License-Identifier: Apache-2.0 */
/* Keyrings: links, and the search along them. */
#include <stdlib.h>
#include <string.h>

#include "sentry/kernel/key.h"
#include "vfs/vfs.h"

#define LINK_COST 4 /* bytes of the quota that a link takes */

static uint64_t search_number; /* keys_lock */

static bool key_is(const struct key *key, const struct key_type *type, const char *desc)
{
	return key->type == type && !strcmp(key->desc, desc);
}

static int find_index(const struct key *keyring, const struct key *key)
{
	for (unsigned i = 0; i < keyring->nr_links; i++)
		if (keyring->links[i] == key)
			return (int)i;
	return -1;
}

static int find_name(const struct key *keyring, const struct key_type *type, const char *desc)
{
	for (unsigned i = 0; i < keyring->nr_links; i++)
		if (key_is(keyring->links[i], type, desc))
			return (int)i;
	return -1;
}

struct key *keyring_find_locked(struct key *keyring, const struct key_type *type, const char *desc)
{
	int i = find_name(keyring, type, desc);

	return i < 0 ? NULL : keyring->links[i];
}

/* --- links --- */

/* Whether @below stands at or under @key: -LINUX_EDEADLK; -LINUX_ELOOP when that is too deep to be known. */
static int find_circle(struct key *key, const struct key *below, unsigned depth)
{
	if (key == below)
		return -LINUX_EDEADLK;
	/* Seen before in this search from no farther down: nothing new is to be found here. */
	if (key->visited == search_number && key->visited_depth >= depth)
		return 0;
	key->visited = search_number;
	key->visited_depth = depth;
	for (unsigned i = 0; i < key->nr_links; i++) {
		int err;

		if (!key->links[i]->type->is_keyring)
			continue;
		err = depth == KEYRING_DEPTH_MAX ? -LINUX_ELOOP : find_circle(key->links[i], below, depth + 1);
		if (err)
			return err;
	}
	return 0;
}

static void unlink_index(struct key *keyring, unsigned i)
{
	struct key *key = keyring->links[i];

	memmove(&keyring->links[i], &keyring->links[i + 1], (keyring->nr_links - i - 1) * sizeof(key));
	keyring->nr_links--;
	(void)key_charge_locked(keyring, keyring->charged - LINK_COST); /* less is always granted */
	key_put_locked(key);
}

static int links_grow(struct key *keyring)
{
	unsigned size = keyring->links_size ? keyring->links_size * 2 : 4;
	struct key **links;

	if (keyring->nr_links < keyring->links_size)
		return 0;
	links = realloc(keyring->links, size * sizeof(*links));
	if (!links)
		return -LINUX_ENOMEM;
	keyring->links = links;
	keyring->links_size = size;
	return 0;
}

int keyring_link_locked(struct key *keyring, struct key *key)
{
	int old, err;

	mutex_assert_held(&keys_lock);
	if (!keyring->type->is_keyring)
		return -LINUX_ENOTDIR;
	if (keyring->flags & KEY_REVOKED)
		return -LINUX_EKEYREVOKED;
	if (keyring->flags & KEY_LINKS_REJECTED)
		return -LINUX_EPERM;
	if (key->type->is_keyring) {
		search_number++;
		err = find_circle(key, keyring, 0);
		if (err)
			return err;
	}
	old = find_name(keyring, key->type, key->desc);
	if (old >= 0) {
		struct key *was = keyring->links[old];

		keyring->links[old] = key_get_locked(key);
		key_put_locked(was);
		return 0;
	}
	err = links_grow(keyring);
	if (!err)
		err = key_charge_locked(keyring, keyring->charged + LINK_COST);
	if (!err)
		keyring->links[keyring->nr_links++] = key_get_locked(key);
	return err;
}

int keyring_unlink_locked(struct key *keyring, struct key *key)
{
	int i;

	if (!keyring->type->is_keyring)
		return -LINUX_ENOTDIR;
	i = find_index(keyring, key);
	if (i < 0)
		return -LINUX_ENOENT;
	unlink_index(keyring, (unsigned)i);
	return 0;
}

int keyring_move_locked(struct key *key, struct key *from, struct key *to, bool exclusive)
{
	int err;

	if (from == to)
		return 0;
	if (!from->type->is_keyring || !to->type->is_keyring)
		return -LINUX_ENOTDIR;
	if (find_index(from, key) < 0)
		return -LINUX_ENOENT;
	if (exclusive && find_name(to, key->type, key->desc) >= 0)
		return -LINUX_EEXIST;
	err = keyring_link_locked(to, key);
	return err ? err : keyring_unlink_locked(from, key);
}

int keyring_clear_locked(struct key *keyring)
{
	if (!keyring->type->is_keyring)
		return -LINUX_ENOTDIR;
	while (keyring->nr_links)
		unlink_index(keyring, keyring->nr_links - 1);
	return 0;
}

void keyring_sweep_locked(struct key *keyring, bool (*dead)(const struct key *key, int64_t arg), int64_t arg)
{
	for (unsigned i = keyring->nr_links; i--;)
		if (dead(keyring->links[i], arg))
			unlink_index(keyring, i);
}

/* --- search --- */

/* Whether @key is what is looked for and can be had; what is wrong with it else goes to s->err. */
static bool matches(const struct key *key, bool possessed, struct key_search *s)
{
	int err;

	if (s->key)
		return key == s->key && !key_permission_locked(key, possessed, LINUX_KEY_SEARCH);
	if (!key_is(key, s->type, s->desc))
		return false;
	err = key_validate_locked(key);
	if (err == -LINUX_ENOKEY)
		err = -LINUX_EKEYREVOKED;
	if (!err)
		err = key_permission_locked(key, possessed, LINUX_KEY_SEARCH);
	if (!err)
		err = key->error;
	if (err)
		s->err = err;
	return !err;
}

static struct key *search_below(struct key *keyring, bool possessed, struct key_search *s, unsigned depth)
{
	if (keyring->visited == search_number && keyring->visited_depth <= depth)
		return NULL;
	keyring->visited = search_number;
	keyring->visited_depth = depth;
	for (unsigned i = 0; i < keyring->nr_links; i++)
		if (matches(keyring->links[i], possessed, s))
			return keyring->links[i];
	if (depth == KEYRING_DEPTH_MAX)
		return NULL;
	for (unsigned i = 0; i < keyring->nr_links; i++) {
		struct key *k = keyring->links[i], *found;

		if (!k->type->is_keyring || key_validate_locked(k) || key_permission_locked(k, possessed, LINUX_KEY_SEARCH))
			continue;
		found = search_below(k, possessed, s, depth + 1);
		if (found)
			return found;
	}
	return NULL;
}

struct key *keyring_search_locked(struct key *keyring, bool possessed, struct key_search *s)
{
	mutex_assert_held(&keys_lock);
	s->err = -LINUX_EAGAIN;
	if (!keyring->type->is_keyring) {
		s->err = -LINUX_ENOTDIR;
		return NULL;
	}
	if (key_permission_locked(keyring, possessed, LINUX_KEY_SEARCH)) {
		s->err = -LINUX_EACCES;
		return NULL;
	}
	if (matches(keyring, possessed, s))
		return keyring;
	search_number++;
	return s->err == -LINUX_EAGAIN ? search_below(keyring, possessed, s, 0) : NULL;
}
