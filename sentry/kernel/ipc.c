/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, ids and permissions of System V IPC, as ipc/util.c. */
#include "sentry/kernel/ipc.h"

#include <stdlib.h>

#include "sentry/abi/errno.h"
#include "sentry/kernel/nsproxy.h"
#include "sentry/kernel/task.h"
#include "vfs/cred.h"

#define IDS_MIN 16
#define SEQ_SHIFT 15
#define SEQ_MAX 0xffff

struct mutex ipc_lock = MUTEX_INIT;

int64_t ipc_time(void)
{
	return realtime_ns() / 1000000000;
}

/* --- the table --- */

static int ids_grow_locked(struct ipc_ids *ids, unsigned max)
{
	unsigned size = ids->size ? MIN(ids->size * 2, max) : MIN(IDS_MIN, max);
	struct ipc_perm **v;

	if (ids->size >= max)
		return -LINUX_ENOSPC;
	v = realloc(ids->v, size * sizeof(*v));
	if (!v)
		return -LINUX_ENOMEM;
	for (unsigned i = ids->size; i < size; i++)
		v[i] = NULL;
	ids->v = v;
	ids->size = size;
	return 0;
}

static int ids_add_locked(struct ipc_ids *ids, struct ipc_perm *p)
{
	unsigned i = 0;
	int err;

	while (i < ids->size && ids->v[i])
		i++;
	if (i == ids->size) {
		err = ids_grow_locked(ids, p->type->max);
		if (err)
			return err;
	}
	p->id = (int)(ids->seq << SEQ_SHIFT | i);
	ids->v[i] = p;
	ids->nr++;
	p->ids = ids;
	return p->id;
}

struct ipc_perm *ipc_index_locked(const struct ipc_ids *ids, int index)
{
	mutex_assert_held(&ipc_lock);
	if (index < 0 || (unsigned)index >= ids->size || !ids->v[index])
		return ERR_PTR(-LINUX_EINVAL);
	return ids->v[index];
}

struct ipc_perm *ipc_find_locked(const struct ipc_ids *ids, int id)
{
	struct ipc_perm *p = id < 0 ? ERR_PTR(-LINUX_EINVAL) : ipc_index_locked(ids, id & ((1 << SEQ_SHIFT) - 1));

	return IS_ERR(p) || p->id == id ? p : ERR_PTR(-LINUX_EINVAL);
}

int ipc_max_index_locked(const struct ipc_ids *ids)
{
	unsigned i = ids->size;

	while (i && !ids->v[i - 1])
		i--;
	return i ? (int)i - 1 : 0;
}

void ipc_put_locked(struct ipc_perm *p)
{
	mutex_assert_held(&ipc_lock);
	if (--p->refs == 0) {
		waitq_fini(&p->wait);
		p->type->free(p);
	}
}

static void ids_take_out_locked(struct ipc_perm *p)
{
	p->ids->v[p->id & ((1 << SEQ_SHIFT) - 1)] = NULL;
	p->ids->nr--;
	p->ids->seq = (p->ids->seq + 1) & SEQ_MAX;
	p->ids = NULL;
	p->removed = true;
	waitq_wake(&p->wait, 0);
}

void ipc_remove_locked(struct ipc_perm *p)
{
	if (p->ids)
		ids_take_out_locked(p);
	ipc_put_locked(p);
}

/* --- namespaces --- */

struct ipc_data {
	struct ipc_ids ids[NR_IPC_KINDS];
};

/* NULL: out of memory. */
static struct ipc_ids *ids_of_locked(struct ipc_namespace *ns, enum ipc_kind kind)
{
	struct ipc_data *data;

	MUTEX_GUARD(&ns->lock);
	if (!ns->data)
		ns->data = calloc(1, sizeof(struct ipc_data));
	data = ns->data;
	return data ? &data->ids[kind] : NULL;
}

struct ipc_ids *ipc_ids_locked(enum ipc_kind kind)
{
	static struct ipc_ids none;
	struct ipc_ids *ids = ids_of_locked(current_ipc(), kind);

	return ids ? ids : &none;
}

/* The last task left it: nobody sleeps in there, but what is attached stays attached. */
static void ipc_data_free(struct ipc_namespace *ns)
{
	struct ipc_data *data = ns->data;
	void (*gone)(struct ipc_perm *p);
	struct ipc_perm *p;

	for (int kind = 0; data && kind < NR_IPC_KINDS; kind++) {
		for (unsigned i = 0; i < data->ids[kind].size; i++) {
			mutex_lock(&ipc_lock);
			p = data->ids[kind].v[i];
			if (p)
				ids_take_out_locked(p);
			gone = p ? p->type->ns_gone : NULL;
			if (p && !gone)
				ipc_put_locked(p);
			mutex_unlock(&ipc_lock);
			if (gone)
				gone(p);
		}
		free(data->ids[kind].v);
	}
	free(data);
	ns->data = NULL;
}

/* --- permissions --- */

/* ipcperms(): the class of the caller decides, as for files. */
int ipc_access_locked(const struct ipc_perm *p, unsigned want)
{
	const struct cred *c = current_cred;
	unsigned requested = want >> 6 | want >> 3 | want, granted = p->mode;

	if (c->euid == p->cuid || c->euid == p->uid)
		granted >>= 6;
	else if (cred_in_group(c, p->cgid) || cred_in_group(c, p->gid))
		granted >>= 3;
	return requested & ~granted & 7 && !capable(CAP_IPC_OWNER) ? -LINUX_EACCES : 0;
}

int ipc_owner_locked(const struct ipc_perm *p)
{
	uint32_t euid = current_cred->euid;

	return euid == p->cuid || euid == p->uid || capable(CAP_SYS_ADMIN) ? 0 : -LINUX_EPERM;
}

void ipc_fill_locked(struct linux_ipc64_perm *ret, const struct ipc_perm *p)
{
	*ret = (struct linux_ipc64_perm){
		.key = p->key,
		.uid = p->uid,
		.gid = p->gid,
		.cuid = p->cuid,
		.cgid = p->cgid,
		.mode = p->mode,
		.seq = (uint16_t)(p->id >> SEQ_SHIFT),
	};
}

void ipc_set_locked(struct ipc_perm *p, const struct linux_ipc64_perm *from)
{
	p->uid = from->uid;
	p->gid = from->gid;
	p->mode = (p->mode & ~0777U) | (from->mode & 0777);
	p->ctime = ipc_time();
}

/* --- get --- */

static struct ipc_perm *find_key_locked(const struct ipc_ids *ids, int32_t key)
{
	for (unsigned i = 0; key != LINUX_IPC_PRIVATE && i < ids->size; i++)
		if (ids->v[i] && ids->v[i]->key == key)
			return ids->v[i];
	return NULL;
}

/* ipcget_public() for a key that is there. */
static int get_found_locked(const struct ipc_get *g, const struct ipc_perm *p, uint64_t arg, unsigned flags)
{
	int err;

	if ((flags & (LINUX_IPC_CREAT | LINUX_IPC_EXCL)) == (LINUX_IPC_CREAT | LINUX_IPC_EXCL))
		return -LINUX_EEXIST;
	err = g->check(p, arg);
	if (!err)
		err = ipc_access_locked(p, flags & 0777);
	return err ? err : p->id;
}

static void perm_init(struct ipc_perm *p, int32_t key, unsigned flags)
{
	const struct cred *c = current_cred;

	p->key = key;
	p->mode = flags & 0777;
	p->uid = p->cuid = c->euid;
	p->gid = p->cgid = c->egid;
	p->ctime = ipc_time();
	p->refs = 1;
	waitq_init(&p->wait);
}

int ipc_get(const struct ipc_get *g, int32_t key, uint64_t arg, unsigned flags)
{
	struct ipc_perm *p, *made = NULL;
	struct ipc_ids *ids;
	int ret;

	for (;;) {
		mutex_lock(&ipc_lock);
		ipc_ns_data_free = ipc_data_free;
		ids = ids_of_locked(current_ipc(), g->type->kind);
		p = ids ? find_key_locked(ids, key) : NULL;
		if (p)
			ret = get_found_locked(g, p, arg, flags);
		else if (!ids)
			ret = -LINUX_ENOMEM;
		else if (made)
			ret = ids_add_locked(ids, made);
		else
			ret = key != LINUX_IPC_PRIVATE && !(flags & LINUX_IPC_CREAT) ? -LINUX_ENOENT : 0;
		if (made && (p || ret < 0))
			ipc_put_locked(made);
		mutex_unlock(&ipc_lock);
		if (p || made || ret)
			return ret;
		made = g->make(key, arg, flags);
		if (IS_ERR(made))
			return (int)PTR_ERR(made);
		made->type = g->type;
		perm_init(made, key, flags);
	}
}
