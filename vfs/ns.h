/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What namespaces of all kinds have in common, as namespaces(7): a reference count, a number that /proc/PID/ns shows, and the user
 * namespace that owns them.
 *
 * A namespace embeds struct ns_common, and is freed by its `free` when the last reference goes: of a task, of a descriptor or mount of
 * /proc/PID/ns/..., of a namespace below.  The initial ones are never freed.
 *
 * nsfs (nsfs.c) makes files of them.  Its inodes hold a reference.
 */
#ifndef SENTRY_VFS_NS_H
#define SENTRY_VFS_NS_H

#include "sentry/base/ref.h"
#include "vfs/vfs.h"

enum ns_type { NS_CGROUP, NS_IPC, NS_MNT, NS_NET, NS_PID, NS_TIME, NS_USER, NS_UTS, NR_NS_TYPES };

struct user_namespace;

struct ns_common {
	struct ref ref;
	enum ns_type type;	       /* immutable */
	uint32_t inum;		       /* immutable */
	struct user_namespace *user_ns; /* immutable; the owner, a reference; of a user namespace: its parent, NULL at the top */
	void (*free)(struct ns_common *ns); /* frees the storage; ns_fini is done */
};

/* Numbers of the initial namespaces, as include/linux/proc_ns.h fixes them. */
enum {
	NS_INUM_TIME = 0xEFFFFFFA, NS_INUM_CGROUP, NS_INUM_PID, NS_INUM_USER, NS_INUM_UTS, NS_INUM_IPC,
	NS_INUM_NET, NS_INUM_MNT, NS_INUM_DYNAMIC
};

/* Static initialiser of an initial namespace's `ns`. */
#define NS_INIT(type_, inum_, user_) { .ref = { 1 }, .type = (type_), .inum = (inum_), .user_ns = (user_) }

/* One reference; a new number; takes a reference of @owner. */
void ns_init(struct ns_common *ns, enum ns_type type, struct user_namespace *owner, void (*free)(struct ns_common *ns));
static inline struct ns_common *ns_get(struct ns_common *ns)
{
	ref_get(&ns->ref);
	return ns;
}
/* NULL is nothing. */
void ns_put(struct ns_common *ns);

/* "uts", and the CLONE_NEW* flag. */
const char *ns_name(enum ns_type type);
uint64_t ns_clone_flag(enum ns_type type);

/* --- nsfs.c --- */

/* The file of @ns (borrowed): what /proc/PID/ns/... leads to.  One inode as long as it is in use.  References in @ret, or -errno. */
int nsfs_path(struct ns_common *ns, struct path *ret);
/* A descriptor of it, close-on-exec, as NS_GET_PARENT gives; or -errno. */
int nsfs_open_fd(struct ns_common *ns);
/* The namespace that @f is a file of (borrowed), or NULL. */
struct ns_common *nsfs_file_ns(struct file *f);
struct ns_common *nsfs_inode_ns(const struct inode *inode);

/*
 * What NS_GET_PARENT answers for a kind whose members nest, set by the layer that knows; NULL: -EINVAL.  A borrowed pointer,
 * or ERR_PTR(-LINUX_EPERM) when it is not below the caller's.
 */
extern struct ns_common *(*ns_pid_parent)(struct ns_common *ns);

/*
 * Network namespaces belong to the network stack, which sets this; while NULL there are none to make, as in a kernel without
 * them.  current_net is the calling task's, kept by the kernel: never NULL once the stack has set `init`.
 */
struct net_ns_ops {
	struct ns_common *init;
	/* A new one with a loopback device that is down, owned by @owner; one reference, or ERR_PTR. */
	struct ns_common *(*create)(struct user_namespace *owner);
};
extern const struct net_ns_ops *net_ns_ops;
/* The same for cgroup namespaces; create() roots it at the calling task's cgroup. */
struct cgroup_ns_ops {
	struct ns_common *init;
	struct ns_common *(*create)(struct user_namespace *owner);
};
extern const struct cgroup_ns_ops *cgroup_ns_ops;
extern _Thread_local struct ns_common *current_net;

#endif
