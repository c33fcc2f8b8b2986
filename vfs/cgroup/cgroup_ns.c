/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Cgroup namespaces, cgroup_namespaces(7): a cgroup that looks like the root from inside, in /proc/PID/cgroup and where cgroup2 is
 * mounted; with the mount option nsdelegate what is outside can't be reached either (cgroup_may_migrate).
 */
#include <stdlib.h>

#include "sentry/kernel/nsproxy.h"
#include "vfs/cgroup/cgroup.h"
#include "vfs/user_ns.h"

struct cgroup_namespace {
	struct ns_common ns;
	struct cgroup *root; /* immutable; a reference */
};

static struct cgroup_namespace init_cgroup_ns = {
	.ns = NS_INIT(NS_CGROUP, NS_INUM_CGROUP, &init_user_ns), .root = &cgroup_root };

static struct cgroup_namespace *current_cgroup_ns(void)
{
	struct ns_common *ns = current && current->nsproxy ? current->nsproxy->cgroup : NULL;

	return ns && ns->type == NS_CGROUP ? container_of(ns, struct cgroup_namespace, ns) : &init_cgroup_ns;
}

struct cgroup *cgroup_ns_root(void)
{
	return current_cgroup_ns()->root;
}

bool cgroup_ns_is_initial(void)
{
	return current_cgroup_ns() == &init_cgroup_ns;
}

struct user_namespace *cgroup_ns_owner(void)
{
	return current_cgroup_ns()->ns.user_ns;
}

static void cgroup_ns_free(struct ns_common *ns)
{
	struct cgroup_namespace *cns = container_of(ns, struct cgroup_namespace, ns);

	cgroup_put(cns->root);
	free(cns);
}

static struct ns_common *cgroup_ns_create(struct user_namespace *owner)
{
	struct cgroup_namespace *cns = calloc(1, sizeof(*cns));

	if (!cns)
		return ERR_PTR(-LINUX_ENOMEM);
	mutex_lock(&cgroup_lock);
	cns->root = cgroup_get(current->tg->cgroup);
	mutex_unlock(&cgroup_lock);
	ns_init(&cns->ns, NS_CGROUP, owner, cgroup_ns_free);
	return &cns->ns;
}

void cgroup_ns_init(void)
{
	static const struct cgroup_ns_ops ops = { .init = &init_cgroup_ns.ns, .create = cgroup_ns_create };

	cgroup_ns_ops = &ops;
}

/* --- paths --- */

static void show_below(const struct cgroup *cg, const struct cgroup *above, struct strbuf *sb)
{
	if (cg == above)
		return;
	show_below(cg->parent, above, sb);
	strbuf_addf(sb, "/%s", cg->name);
}

void cgroup_show_from(const struct cgroup *cg, const struct cgroup *root, struct strbuf *sb)
{
	size_t len = sb->len;

	for (; !cgroup_is_below(cg, root); root = root->parent)
		strbuf_adds(sb, "/..");
	show_below(cg, root, sb);
	if (sb->len == len)
		strbuf_addc(sb, '/');
}

void cgroup_show_path(struct tgroup *tg, struct strbuf *sb)
{
	MUTEX_GUARD(&cgroup_lock);
	const struct cgroup *cg = tg->cgroup ? tg->cgroup : &cgroup_root;

	cgroup_show_from(cg, cgroup_ns_root(), sb);
	if (cg->dead)
		strbuf_adds(sb, " (deleted)");
}
