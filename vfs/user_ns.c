/* SPDX-License-Identifier: Apache-2.0 */
/* User namespaces: maps of IDs, and capabilities relative to them.  After kernel/user_namespace.c of Linux. */
#include "vfs/user_ns.h"

#include <stdlib.h>
#include <string.h>

#define USER_NS_LEVEL_MAX 32

struct user_namespace init_user_ns = {
	.ns = NS_INIT(NS_USER, NS_INUM_USER, NULL), .lock = MUTEX_INIT, .parent_could_setfcap = true,
};

static void user_ns_free(struct ns_common *nsc)
{
	struct user_namespace *ns = container_of(nsc, struct user_namespace, ns);

	free(atomic_load(&ns->map[ID_UID]));
	free(atomic_load(&ns->map[ID_GID]));
	mutex_fini(&ns->lock);
	free(ns);
}

struct user_namespace *user_ns_new(const struct cred *cred)
{
	struct user_namespace *parent = cred->user_ns, *ns;

	if (parent->level >= USER_NS_LEVEL_MAX)
		return ERR_PTR(-LINUX_ENOSPC);
	/* The maker must be somebody where it comes from. */
	if (from_kuid(parent, cred->euid) == INVALID_ID || from_kgid(parent, cred->egid) == INVALID_ID)
		return ERR_PTR(-LINUX_EPERM);
	ns = calloc(1, sizeof(*ns));
	if (!ns)
		return ERR_PTR(-LINUX_ENOMEM);
	ns_init(&ns->ns, NS_USER, parent, user_ns_free);
	ns->owner = cred->euid;
	ns->group = cred->egid;
	ns->level = parent->level + 1;
	ns->parent_could_setfcap = cred->cap_effective & BIT(CAP_SETFCAP);
	atomic_init(&ns->setgroups_denied, atomic_load(&parent->setgroups_denied));
	mutex_init(&ns->lock);
	return ns;
}

void cred_enter_user_ns(struct cred *cred, struct user_namespace *ns)
{
	user_ns_put(cred->user_ns);
	cred->user_ns = ns;
	cred->securebits = 0;
	cred->cap_inheritable = cred->cap_ambient = 0;
	cred->cap_permitted = cred->cap_effective = cred->cap_bset = CAP_FULL_SET;
}

bool user_ns_is_below(const struct user_namespace *ns, const struct user_namespace *ancestor)
{
	while (ns->level > ancestor->level)
		ns = ns->ns.user_ns;
	return ns == ancestor;
}

bool cred_ns_capable(const struct cred *cred, const struct user_namespace *ns, enum cap cap)
{
	for (;; ns = ns->ns.user_ns) {
		if (ns == cred->user_ns)
			return cred->cap_effective & BIT(cap);
		if (ns->level <= cred->user_ns->level)
			return false;
		/* The owner of a namespace has all capabilities in it, seen from the parent. */
		if (ns->ns.user_ns == cred->user_ns && ns->owner == cred->euid)
			return true;
	}
}

/* --- maps --- */

uint32_t make_kid(const struct user_namespace *ns, enum id_kind kind, uint32_t id)
{
	const struct id_map *map;

	if (ns == &init_user_ns)
		return id;
	map = atomic_load_explicit(&((struct user_namespace *)ns)->map[kind], memory_order_acquire);
	for (unsigned i = 0; map && i < map->nr; i++)
		if (id - map->extents[i].first < map->extents[i].count)
			return map->extents[i].lower + (id - map->extents[i].first);
	return INVALID_ID;
}

uint32_t from_kid(const struct user_namespace *ns, enum id_kind kind, uint32_t kid)
{
	const struct id_map *map;

	if (ns == &init_user_ns)
		return kid;
	map = atomic_load_explicit(&((struct user_namespace *)ns)->map[kind], memory_order_acquire);
	for (unsigned i = 0; map && i < map->nr; i++)
		if (kid - map->extents[i].lower < map->extents[i].count)
			return map->extents[i].first + (kid - map->extents[i].lower);
	return INVALID_ID;
}

bool user_ns_may_setgroups(const struct user_namespace *ns)
{
	if (ns == &init_user_ns)
		return true;
	return atomic_load(&((struct user_namespace *)ns)->map[ID_GID]) &&
	       !atomic_load(&((struct user_namespace *)ns)->setgroups_denied);
}

int user_ns_show_map(struct user_namespace *ns, enum id_kind kind, struct strbuf *sb)
{
	static const struct id_extent all = { 0, 0, UINT32_MAX };
	const struct user_namespace *lower_ns = current_cred->user_ns;
	const struct id_map *map = atomic_load(&ns->map[kind]);
	unsigned nr = ns == &init_user_ns ? 1 : map ? map->nr : 0;

	/* Whoever looks from inside sees what the parent has on the right. */
	if (lower_ns == ns && ns->ns.user_ns)
		lower_ns = ns->ns.user_ns;
	for (unsigned i = 0; i < nr; i++) {
		const struct id_extent *e = ns == &init_user_ns ? &all : &map->extents[i];

		strbuf_addf(sb, "%10u %10u %10u\n", e->first, from_kid(lower_ns, kind, e->lower), e->count);
	}
	return 0;
}

static bool parse_u32(char **s, uint32_t *ret)
{
	unsigned long v;
	char *end;

	*s += strspn(*s, " \t");
	if (**s < '0' || **s > '9')
		return false;
	v = strtoul(*s, &end, 10);
	if (v > UINT32_MAX)
		return false;
	*s = end;
	*ret = (uint32_t)v;
	return true;
}

static bool extents_overlap(const struct id_map *map, const struct id_extent *e)
{
	for (unsigned i = 0; i < map->nr; i++) {
		const struct id_extent *x = &map->extents[i];

		if (x->first <= e->first + e->count - 1 && e->first <= x->first + x->count - 1)
			return true;
		if (x->lower <= e->lower + e->count - 1 && e->lower <= x->lower + x->count - 1)
			return true;
	}
	return false;
}

/* The lines of @text; `lower` as written.  Or ERR_PTR. */
static struct id_map *map_parse(char *text)
{
	struct id_map *map = calloc(1, sizeof(*map) + ID_MAP_EXTENTS_MAX * sizeof(struct id_extent));

	if (!map)
		return ERR_PTR(-LINUX_ENOMEM);
	while (*text) {
		char *next = strchr(text, '\n');
		struct id_extent e;

		if (next)
			*next++ = '\0';
		if (!parse_u32(&text, &e.first) || !parse_u32(&text, &e.lower) || !parse_u32(&text, &e.count) ||
		    text[strspn(text, " \t")] || map->nr == ID_MAP_EXTENTS_MAX || e.first == INVALID_ID ||
		    e.lower == INVALID_ID || !e.count || e.first + e.count <= e.first || e.lower + e.count <= e.lower ||
		    extents_overlap(map, &e)) {
			free(map);
			return ERR_PTR(-LINUX_EINVAL);
		}
		map->extents[map->nr++] = e;
		if (!next)
			break;
		text = next;
	}
	if (map->nr)
		return map;
	free(map);
	return ERR_PTR(-LINUX_EINVAL);
}

/* Who may set which map, as new_idmap_permitted(): one's own ID alone without privilege. */
static bool map_permitted(const struct user_namespace *ns, enum id_kind kind, const struct cred *opener,
			  const struct id_map *map)
{
	const struct user_namespace *parent = ns->ns.user_ns;
	const struct cred *cred = current_cred;
	enum cap cap = kind == ID_UID ? CAP_SETUID : CAP_SETGID;

	/* Root of the parent would get file capabilities there that it had not. */
	if (kind == ID_UID)
		for (unsigned i = 0; i < map->nr; i++)
			if (!map->extents[i].lower && make_kid(parent, kind, 0) == 0 && cred->user_ns == ns &&
			    !ns->parent_could_setfcap)
				return false;
	if (map->nr == 1 && map->extents[0].count == 1 && cred->euid == ns->owner) {
		uint32_t lower = make_kid(parent, kind, map->extents[0].lower);

		if (kind == ID_UID && lower == cred->euid)
			return true;
		if (kind == ID_GID && lower == cred->egid &&
		    (atomic_load(&((struct user_namespace *)ns)->setgroups_denied) || ns_capable(parent, cap)))
			return true;
	}
	return ns_capable(parent, cap) && cred_ns_capable(opener, parent, cap);
}

static int map_to_kids(struct id_map *map, const struct user_namespace *parent, enum id_kind kind)
{
	for (unsigned i = 0; i < map->nr; i++) {
		struct id_extent *e = &map->extents[i];
		uint32_t low = make_kid(parent, kind, e->lower), high = make_kid(parent, kind, e->lower + e->count - 1);

		/* One range there must be one range here. */
		if (low == INVALID_ID || high != low + e->count - 1)
			return -LINUX_EPERM;
		e->lower = low;
	}
	return 0;
}

int user_ns_write_map(struct user_namespace *ns, enum id_kind kind, const struct cred *opener, char *text)
{
	struct user_namespace *parent = ns->ns.user_ns;
	struct id_map *map;
	int err = 0;

	if (!parent)
		return -LINUX_EPERM;
	/* From inside, or from the parent. */
	if (current_cred->user_ns != ns && current_cred->user_ns != parent)
		return -LINUX_EPERM;
	MUTEX_GUARD(&ns->lock);
	if (atomic_load(&ns->map[kind]))
		return -LINUX_EPERM;
	if (!ns_capable(ns, CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	map = map_parse(text);
	if (IS_ERR(map))
		return (int)PTR_ERR(map);
	if (!map_permitted(ns, kind, opener, map))
		err = -LINUX_EPERM;
	if (!err)
		err = map_to_kids(map, parent, kind);
	if (err)
		free(map);
	else
		atomic_store_explicit(&ns->map[kind], map, memory_order_release);
	return err;
}

int user_ns_write_setgroups(struct user_namespace *ns, const char *text)
{
	bool deny = !strncmp(text, "deny", 4);
	const char *rest = text + (deny ? 4 : 5);

	if ((!deny && strncmp(text, "allow", 5)) || rest[strspn(rest, " \t\n")])
		return -LINUX_EINVAL;
	if (!ns_capable(ns, CAP_SYS_ADMIN))
		return -LINUX_EPERM;
	MUTEX_GUARD(&ns->lock);
	if (!deny)
		return atomic_load(&ns->setgroups_denied) ? -LINUX_EPERM : 0;
	/* Once groups can be set it is too late. */
	if (ns == &init_user_ns || atomic_load(&ns->map[ID_GID]))
		return -LINUX_EPERM;
	atomic_store(&ns->setgroups_denied, true);
	return 0;
}
