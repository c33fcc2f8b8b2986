/* SPDX-License-Identifier: Apache-2.0 */
/* uts_namespaces(7): host name and domain name. */
#include <stdlib.h>
#include <string.h>

#include "sentry/kernel/kernel.h"
#include "sentry/kernel/nsproxy.h"

static struct mutex uts_lock = MUTEX_INIT;

struct uts_namespace init_uts_ns = {
	.ns = NS_INIT(NS_UTS, NS_INUM_UTS, &init_user_ns),
	.name = {
		.sysname = KERNEL_SYSNAME,
		.nodename = "sentry",
		.release = KERNEL_RELEASE,
		.version = KERNEL_VERSION,
		.machine = KERNEL_MACHINE,
		.domainname = "(none)",
	},
};

static void uts_ns_free(struct ns_common *ns)
{
	free(container_of(ns, struct uts_namespace, ns));
}

struct uts_namespace *uts_ns_copy(struct uts_namespace *old, struct user_namespace *owner)
{
	struct uts_namespace *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return ERR_PTR(-LINUX_ENOMEM);
	ns_init(&ns->ns, NS_UTS, owner, uts_ns_free);
	MUTEX_GUARD(&uts_lock);
	ns->name = old->name;
	return ns;
}

void kernel_utsname(struct linux_utsname *ret)
{
	MUTEX_GUARD(&uts_lock);
	*ret = current_uts()->name;
}

static int uts_set(char *field, const char *name, size_t len)
{
	if (len > LINUX_NEW_UTS_LEN)
		return -LINUX_EINVAL;
	MUTEX_GUARD(&uts_lock);
	memset(field, 0, LINUX_NEW_UTS_LEN + 1);
	memcpy(field, name, len);
	return 0;
}

int kernel_set_hostname(const char *name, size_t len)
{
	return uts_set(current_uts()->name.nodename, name, len);
}

int kernel_set_domainname(const char *name, size_t len)
{
	return uts_set(current_uts()->name.domainname, name, len);
}
