/* SPDX-License-Identifier: Apache-2.0 */
#include "vfs/cred.h"

#include <stdlib.h>
#include <string.h>

#include "vfs/user_ns.h"

static struct cred init_cred = {
	.ref = { 1 },
	.user_ns = &init_user_ns,
	.cap_effective = CAP_FULL_SET,
	.cap_permitted = CAP_FULL_SET,
	.cap_bset = CAP_FULL_SET,
};

_Thread_local const struct cred *current_cred = &init_cred;

static size_t cred_size(unsigned nr_groups)
{
	return sizeof(struct cred) + nr_groups * sizeof(uint32_t);
}

static int gid_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void cred_set_groups(struct cred *c, unsigned nr_groups, const uint32_t *groups)
{
	c->nr_groups = nr_groups;
	if (!nr_groups)
		return;
	memcpy(c->groups, groups, nr_groups * sizeof(*groups));
	qsort(c->groups, nr_groups, sizeof(*groups), gid_cmp);
}

struct cred *cred_new(uint32_t uid, uint32_t gid, unsigned nr_groups, const uint32_t *groups)
{
	struct cred *c = calloc(1, cred_size(nr_groups));

	if (!c)
		return NULL;
	ref_init(&c->ref);
	c->user_ns = user_ns_get(&init_user_ns);
	c->uid = c->euid = c->suid = c->fsuid = uid;
	c->gid = c->egid = c->sgid = c->fsgid = gid;
	c->cap_bset = CAP_FULL_SET;
	if (!uid)
		c->cap_effective = c->cap_permitted = CAP_FULL_SET;
	cred_set_groups(c, nr_groups, groups);
	return c;
}

struct cred *cred_copy_groups(const struct cred *c, unsigned nr_groups, const uint32_t *groups)
{
	struct cred *n = malloc(cred_size(nr_groups));

	if (!n)
		return NULL;
	/* The count changes meanwhile. */
	memcpy((char *)n + sizeof(n->ref), (const char *)c + sizeof(c->ref), sizeof(*n) - sizeof(n->ref));
	ref_init(&n->ref);
	user_ns_get(n->user_ns);
	cred_set_groups(n, nr_groups, groups);
	return n;
}

struct cred *cred_copy(const struct cred *c)
{
	return cred_copy_groups(c, c->nr_groups, c->groups);
}

/* The count is the one part of a published cred that changes. */
const struct cred *cred_get(const struct cred *c)
{
	ref_get(&((struct cred *)c)->ref);
	return c;
}

void cred_put(const struct cred *c)
{
	if (!ref_put(&((struct cred *)c)->ref))
		return;
	user_ns_put(c->user_ns);
	free((struct cred *)c);
}

bool cred_in_group(const struct cred *c, uint32_t gid)
{
	if (c->fsgid == gid)
		return true;
	return c->nr_groups && bsearch(&gid, c->groups, c->nr_groups, sizeof(gid), gid_cmp);
}

bool inode_capable(const struct inode *inode, enum cap cap)
{
	const struct user_namespace *ns = current_cred->user_ns;

	if (!(current_cred->cap_effective & BIT(cap)))
		return false;
	return ns == &init_user_ns ||
	       (from_kuid(ns, inode->uid) != INVALID_ID && from_kgid(ns, inode->gid) != INVALID_ID);
}
