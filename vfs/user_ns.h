/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User namespaces, as user_namespaces(7): what IDs a process sees, and over what its capabilities hold.
 *
 * Inside the sentry all IDs are those of the initial namespace ("kuid").  They are translated where they come from a guest
 * (make_kuid) and where they go to one (from_kuid).  A namespace's maps are set once.
 */
#ifndef SENTRY_VFS_USER_NS_H
#define SENTRY_VFS_USER_NS_H

#include "vfs/ns.h"

#define INVALID_ID UINT32_MAX
#define OVERFLOW_ID 65534 /* /proc/sys/kernel/overflowuid */
#define ID_MAP_EXTENTS_MAX 340

struct id_extent {
	uint32_t first, lower, count; /* lower: kuids in a namespace's map */
};

struct id_map {
	unsigned nr;
	struct id_extent extents[];
};

enum id_kind { ID_UID, ID_GID };

struct user_namespace {
	struct ns_common ns;	/* ns.user_ns is the parent */
	uint32_t owner, group;	/* immutable; kuid, kgid of the maker */
	unsigned level;		/* immutable; 0: the initial one */
	bool parent_could_setfcap; /* immutable */
	struct mutex lock;
	_Atomic(struct id_map *) map[2]; /* lock to set, once; NULL: nothing is mapped.  Not used in the initial namespace */
	atomic_bool setgroups_denied;	 /* lock to set */
};

extern struct user_namespace init_user_ns;

static inline struct user_namespace *user_ns_get(struct user_namespace *ns)
{
	ns_get(&ns->ns);
	return ns;
}
static inline void user_ns_put(struct user_namespace *ns)
{
	ns_put(&ns->ns);
}

/* A child of the caller's for its effective IDs, with one reference: -LINUX_ENOSPC (depth), -LINUX_EPERM, -LINUX_ENOMEM. */
struct user_namespace *user_ns_new(const struct cred *cred);
/* Gives @cred all capabilities in @ns (reference taken), as the first process of it has. */
void cred_enter_user_ns(struct cred *cred, struct user_namespace *ns);
/* Whether @ns is @ancestor or below it. */
bool user_ns_is_below(const struct user_namespace *ns, const struct user_namespace *ancestor);

uint32_t make_kid(const struct user_namespace *ns, enum id_kind kind, uint32_t id); /* INVALID_ID: not mapped */
uint32_t from_kid(const struct user_namespace *ns, enum id_kind kind, uint32_t kid);
static inline uint32_t make_kuid(const struct user_namespace *ns, uint32_t uid)
{
	return ns == &init_user_ns ? uid : make_kid(ns, ID_UID, uid);
}
static inline uint32_t make_kgid(const struct user_namespace *ns, uint32_t gid)
{
	return ns == &init_user_ns ? gid : make_kid(ns, ID_GID, gid);
}
static inline uint32_t from_kuid(const struct user_namespace *ns, uint32_t kuid)
{
	return ns == &init_user_ns ? kuid : from_kid(ns, ID_UID, kuid);
}
static inline uint32_t from_kgid(const struct user_namespace *ns, uint32_t kgid)
{
	return ns == &init_user_ns ? kgid : from_kid(ns, ID_GID, kgid);
}
/* What is not mapped shows as OVERFLOW_ID. */
static inline uint32_t from_kuid_munged(const struct user_namespace *ns, uint32_t kuid)
{
	uint32_t uid = from_kuid(ns, kuid);

	return uid == INVALID_ID ? OVERFLOW_ID : uid;
}
static inline uint32_t from_kgid_munged(const struct user_namespace *ns, uint32_t kgid)
{
	uint32_t gid = from_kgid(ns, kgid);

	return gid == INVALID_ID ? OVERFLOW_ID : gid;
}

/* Whether @cred has @cap over what belongs to @ns: in it, or as owner of it in its parent. */
bool cred_ns_capable(const struct cred *cred, const struct user_namespace *ns, enum cap cap);
static inline bool ns_capable(const struct user_namespace *ns, enum cap cap)
{
	return cred_ns_capable(current_cred, ns, cap);
}
bool user_ns_may_setgroups(const struct user_namespace *ns);

/* /proc/PID/uid_map, gid_map, setgroups of @ns.  What is written is checked as map_write() does. */
int user_ns_show_map(struct user_namespace *ns, enum id_kind kind, struct strbuf *sb);
int user_ns_write_map(struct user_namespace *ns, enum id_kind kind, const struct cred *opener, char *text);
int user_ns_write_setgroups(struct user_namespace *ns, const char *text);

#endif
