/* SPDX-License-Identifier: Apache-2.0 */
/* ipc_namespaces(7). */
#include <stdlib.h>

#include "sentry/kernel/nsproxy.h"

struct ipc_namespace init_ipc_ns = { .ns = NS_INIT(NS_IPC, NS_INUM_IPC, &init_user_ns), .lock = MUTEX_INIT };
void (*ipc_ns_data_free)(struct ipc_namespace *ns), (*ipc_ns_mqueue_free)(struct ipc_namespace *ns);

static void ipc_ns_free(struct ns_common *nsc)
{
	struct ipc_namespace *ns = container_of(nsc, struct ipc_namespace, ns);

	if (ipc_ns_data_free)
		ipc_ns_data_free(ns);
	if (ipc_ns_mqueue_free)
		ipc_ns_mqueue_free(ns);
	mutex_fini(&ns->lock);
	free(ns);
}

struct ipc_namespace *ipc_ns_new(struct user_namespace *owner)
{
	struct ipc_namespace *ns = calloc(1, sizeof(*ns));

	if (!ns)
		return ERR_PTR(-LINUX_ENOMEM);
	ns_init(&ns->ns, NS_IPC, owner, ipc_ns_free);
	mutex_init(&ns->lock);
	return ns;
}
