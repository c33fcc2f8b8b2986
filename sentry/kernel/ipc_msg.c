/* SPDX-License-Identifier: Apache-2.0 */
/* Message queues, as ipc/msg.c.  Senders and receivers sleep on the queue; each change wakes all, who look again. */
#include <stdlib.h>

#include "sentry/abi/errno.h"
#include "sentry/kernel/ipc.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "vfs/cred.h"

struct msg {
	struct list_head link;
	int64_t type;
	size_t size;
	char text[];
};

struct msg_queue {
	struct ipc_perm perm;
	int64_t stime, rtime;
	uint64_t cbytes, qnum, qbytes;
	int32_t lspid, lrpid;
	struct list_head messages;
};

static void msg_free(struct ipc_perm *p)
{
	struct msg_queue *q = container_of(p, struct msg_queue, perm);
	struct msg *m, *tmp;

	list_for_each_entry_safe(m, tmp, &q->messages, link)
		free(m);
	free(q);
}

static const struct ipc_type msg_type = { IPC_MSG, .max = LINUX_MSGMNI, .free = msg_free };

/* --- msgget --- */

static struct ipc_perm *msg_make(int32_t key __unused, uint64_t arg __unused, unsigned flags __unused)
{
	struct msg_queue *q = calloc(1, sizeof(*q));

	if (!q)
		return ERR_PTR(-LINUX_ENOMEM);
	q->qbytes = LINUX_MSGMNB;
	list_init(&q->messages);
	return &q->perm;
}

static int msg_check(const struct ipc_perm *p __unused, uint64_t arg __unused)
{
	return 0;
}

int64_t do_msgget(int32_t key, unsigned flags)
{
	static const struct ipc_get get = { &msg_type, msg_make, msg_check };

	return ipc_get(&get, key, 0, flags);
}

static struct msg_queue *queue_find_locked(int id)
{
	struct ipc_perm *p = ipc_find_locked(ipc_ids_locked(IPC_MSG), id);

	return IS_ERR(p) ? (struct msg_queue *)p : container_of(p, struct msg_queue, perm);
}

static int sleep_result(int err)
{
	return err == -LINUX_ERESTARTSYS ? -LINUX_ERESTARTNOHAND : err;
}

/* --- msgsnd --- */

static bool fits(const struct msg_queue *q, size_t size)
{
	return size + q->cbytes <= q->qbytes && q->qnum + 1 <= q->qbytes;
}

/* Takes @m on success. */
static int send_locked(int id, struct msg *m, unsigned flags)
{
	struct msg_queue *q = queue_find_locked(id);
	int err;

	if (IS_ERR(q))
		return (int)PTR_ERR(q);
	err = ipc_access_locked(&q->perm, 0222);
	if (err)
		return err;
	if (!fits(q, m->size)) {
		if (flags & LINUX_IPC_NOWAIT)
			return -LINUX_EAGAIN;
		q->perm.refs++;
		err = ipc_wait_locked(&q->perm, fits(q, m->size), NO_DEADLINE);
		if (err) {
			ipc_put_locked(&q->perm);
			return sleep_result(err);
		}
		ipc_put_locked(&q->perm);
	}
	list_add_tail(&m->link, &q->messages);
	q->cbytes += m->size;
	q->qnum++;
	q->lspid = task_tgid(current);
	q->stime = ipc_time();
	waitq_wake(&q->perm.wait, 0);
	return 0;
}

int64_t do_msgsnd(int id, uaddr_t umsg, uint64_t size, unsigned flags)
{
	struct msg *m;
	int64_t type;
	int ret;

	if (get_user(&type, umsg))
		return -LINUX_EFAULT;
	if (size > LINUX_MSGMAX || id < 0 || type < 1)
		return -LINUX_EINVAL;
	m = malloc(sizeof(*m) + size);
	if (!m)
		return -LINUX_ENOMEM;
	m->type = type;
	m->size = size;
	if (copy_from_user(m->text, umsg + sizeof(type), size)) {
		free(m);
		return -LINUX_EFAULT;
	}
	mutex_lock(&ipc_lock);
	ret = send_locked(id, m, flags);
	mutex_unlock(&ipc_lock);
	if (ret)
		free(m);
	return ret;
}

/* --- msgrcv --- */

/* The message that @type asks for, or NULL. */
static struct msg *pick(const struct msg_queue *q, int64_t type, unsigned flags)
{
	/* The most negative number has no opposite. */
	int64_t most = type == INT64_MIN ? INT64_MAX : -type, nth = 0;
	struct msg *m, *best = NULL;

	list_for_each_entry(m, &q->messages, link) {
		if (flags & LINUX_MSG_COPY) {
			if (nth++ == type)
				return m;
		} else if (type >= 0) {
			if (!type || (m->type == type) == !(flags & LINUX_MSG_EXCEPT))
				return m;
		} else if (m->type <= most && (!best || m->type < best->type)) {
			best = m;
		}
	}
	return best;
}

static struct msg *msg_copy(const struct msg *m)
{
	struct msg *copy = malloc(sizeof(*m) + m->size);

	if (!copy)
		return ERR_PTR(-LINUX_ENOMEM);
	copy->type = m->type;
	copy->size = m->size;
	for (size_t i = 0; i < m->size; i++)
		copy->text[i] = m->text[i];
	return copy;
}

static struct msg *take_locked(struct msg_queue *q, struct msg *m, uint64_t size, unsigned flags)
{
	if (m->size > size && !(flags & LINUX_MSG_NOERROR))
		return ERR_PTR(-LINUX_E2BIG);
	if (flags & LINUX_MSG_COPY)
		return msg_copy(m);
	list_del(&m->link);
	q->cbytes -= m->size;
	q->qnum--;
	q->lrpid = task_tgid(current);
	q->rtime = ipc_time();
	waitq_wake(&q->perm.wait, 0);
	return m;
}

static struct msg *receive_locked(int id, uint64_t size, int64_t type, unsigned flags)
{
	struct msg_queue *q = queue_find_locked(id);
	struct msg *m = NULL;
	int err;

	if (IS_ERR(q))
		return (struct msg *)q;
	err = ipc_access_locked(&q->perm, 0444);
	if (err)
		return ERR_PTR(err);
	m = pick(q, type, flags);
	if (!m && flags & LINUX_IPC_NOWAIT)
		return ERR_PTR(-LINUX_ENOMSG);
	if (!m) {
		err = ipc_wait_locked(&q->perm, (m = pick(q, type, flags)) != NULL, NO_DEADLINE);
		if (err)
			return ERR_PTR(sleep_result(err));
	}
	return take_locked(q, m, size, flags);
}

int64_t do_msgrcv(int id, uaddr_t umsg, uint64_t size, int64_t type, unsigned flags)
{
	struct msg *m;
	int64_t ret;

	if (id < 0 || (int64_t)size < 0)
		return -LINUX_EINVAL;
	if (flags & LINUX_MSG_COPY && (flags & LINUX_MSG_EXCEPT || !(flags & LINUX_IPC_NOWAIT)))
		return -LINUX_EINVAL;
	mutex_lock(&ipc_lock);
	m = receive_locked(id, size, type, flags);
	mutex_unlock(&ipc_lock);
	if (IS_ERR(m))
		return PTR_ERR(m);
	ret = (int64_t)MIN(m->size, size);
	if (copy_to_user(umsg, &m->type, sizeof(m->type)) || copy_to_user(umsg + sizeof(m->type), m->text, (size_t)ret))
		ret = -LINUX_EFAULT;
	free(m);
	return ret;
}

/* --- msgctl --- */

static int64_t msg_info(int cmd, uaddr_t buf)
{
	struct linux_msginfo info = {
		.msgpool = LINUX_MSGMNI * LINUX_MSGMNB / 1024,
		.msgmap = LINUX_MSGMNB,
		.msgmax = LINUX_MSGMAX,
		.msgmnb = LINUX_MSGMNB,
		.msgmni = LINUX_MSGMNI,
		.msgssz = 16,
		.msgtql = LINUX_MSGMNB,
		.msgseg = 0xffff,
	};
	struct ipc_ids *ids;
	int max;

	mutex_lock(&ipc_lock);
	ids = ipc_ids_locked(IPC_MSG);
	if (cmd == LINUX_MSG_INFO) {
		info.msgpool = (int)ids->nr;
		info.msgmap = info.msgtql = 0;
		for (unsigned i = 0; i < ids->size; i++) {
			struct msg_queue *q = ids->v[i] ? container_of(ids->v[i], struct msg_queue, perm) : NULL;

			if (q) {
				info.msgmap += (int)q->qnum;
				info.msgtql += (int)q->cbytes;
			}
		}
	}
	max = ipc_max_index_locked(ids);
	mutex_unlock(&ipc_lock);
	return copy_to_user(buf, &info, sizeof(info)) ? -LINUX_EFAULT : max;
}

static int64_t msg_stat(int id, int cmd, uaddr_t buf)
{
	struct linux_msqid64_ds ds = { 0 };
	struct msg_queue *q;
	struct ipc_perm *p;
	int64_t ret;

	mutex_lock(&ipc_lock);
	p = cmd == LINUX_IPC_STAT ? ipc_find_locked(ipc_ids_locked(IPC_MSG), id) : ipc_index_locked(ipc_ids_locked(IPC_MSG), id);
	ret = IS_ERR(p) ? PTR_ERR(p) : cmd == LINUX_MSG_STAT_ANY ? 0 : ipc_access_locked(p, 0444);
	if (!ret) {
		q = container_of(p, struct msg_queue, perm);
		ipc_fill_locked(&ds.msg_perm, p);
		ds.msg_stime = q->stime;
		ds.msg_rtime = q->rtime;
		ds.msg_ctime = p->ctime;
		ds.msg_cbytes = q->cbytes;
		ds.msg_qnum = q->qnum;
		ds.msg_qbytes = q->qbytes;
		ds.msg_lspid = q->lspid;
		ds.msg_lrpid = q->lrpid;
		ret = cmd == LINUX_IPC_STAT ? 0 : p->id;
	}
	mutex_unlock(&ipc_lock);
	if (ret < 0)
		return ret;
	return copy_to_user(buf, &ds, sizeof(ds)) ? -LINUX_EFAULT : ret;
}

static int64_t msg_down(int id, int cmd, uaddr_t buf)
{
	struct linux_msqid64_ds ds;
	struct msg_queue *q;
	int err;

	if (cmd == LINUX_IPC_SET && get_user(&ds, buf))
		return -LINUX_EFAULT;
	MUTEX_GUARD(&ipc_lock);
	q = queue_find_locked(id);
	if (IS_ERR(q))
		return PTR_ERR(q);
	err = ipc_owner_locked(&q->perm);
	if (err)
		return err;
	if (cmd == LINUX_IPC_RMID) {
		ipc_remove_locked(&q->perm);
		return 0;
	}
	if (ds.msg_qbytes > LINUX_MSGMNB && !capable(CAP_SYS_RESOURCE))
		return -LINUX_EPERM;
	ipc_set_locked(&q->perm, &ds.msg_perm);
	q->qbytes = ds.msg_qbytes;
	waitq_wake(&q->perm.wait, 0);
	return 0;
}

int64_t do_msgctl(int id, int cmd, uaddr_t buf)
{
	if (id < 0 || cmd < 0)
		return -LINUX_EINVAL;
	switch (cmd) {
	case LINUX_IPC_INFO:
	case LINUX_MSG_INFO:
		return msg_info(cmd, buf);
	case LINUX_IPC_STAT:
	case LINUX_MSG_STAT:
	case LINUX_MSG_STAT_ANY:
		return msg_stat(id, cmd, buf);
	case LINUX_IPC_SET:
	case LINUX_IPC_RMID:
		return msg_down(id, cmd, buf);
	default:
		return -LINUX_EINVAL;
	}
}

void ipc_show_msg(struct strbuf *sb)
{
	struct ipc_ids *ids;

	strbuf_adds(sb, "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid      stime      rtime"
			"      ctime\n");
	MUTEX_GUARD(&ipc_lock);
	ids = ipc_ids_locked(IPC_MSG);
	for (unsigned i = 0; i < ids->size; i++) {
		struct ipc_perm *p = ids->v[i];
		struct msg_queue *q = p ? container_of(p, struct msg_queue, perm) : NULL;

		if (q)
			strbuf_addf(sb, "%10d %10d  %4o  %10lu %10lu %5u %5u %5u %5u %5u %5u %10ld %10ld %10ld\n", p->key, p->id, p->mode,
				    (unsigned long)q->cbytes, (unsigned long)q->qnum, (unsigned)q->lspid, (unsigned)q->lrpid, p->uid,
				    p->gid, p->cuid, p->cgid, (long)q->stime, (long)q->rtime, (long)p->ctime);
	}
}
