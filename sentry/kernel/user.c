/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/kernel/user.h"

#include <stdlib.h>

#include "sentry/base/lock.h"

#define USER_HASH 64

static struct mutex users_lock = MUTEX_INIT;
static struct list_head users[USER_HASH]; /* users_lock; all zero: not initialised yet */

static struct list_head *user_bucket(uint32_t uid)
{
	struct list_head *h = &users[uid % USER_HASH];

	if (!h->next)
		list_init(h);
	return h;
}

struct user *user_find_get(uint32_t uid)
{
	struct list_head *bucket;
	struct user *u;

	MUTEX_GUARD(&users_lock);
	bucket = user_bucket(uid);
	list_for_each_entry(u, bucket, link)
		if (u->uid == uid)
			return user_get(u);
	u = calloc(1, sizeof(*u));
	if (!u)
		return NULL;
	ref_init(&u->ref);
	u->uid = uid;
	list_add(&u->link, bucket);
	return u;
}

/* Under the lock, so that no look-up meets a user that is about to be freed. */
void user_put(struct user *u)
{
	bool last;

	if (!u)
		return;
	mutex_lock(&users_lock);
	last = ref_put(&u->ref);
	if (last)
		list_del(&u->link);
	mutex_unlock(&users_lock);
	if (last)
		free(u);
}
