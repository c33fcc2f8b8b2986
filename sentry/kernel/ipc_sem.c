/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Semaphore sets, as ipc/sem.c.  The operations of one call are done all or none; those that can't be done sleep on the set, and
 * each change of a set wakes all, who try again.
 */
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/errno.h"
#include "sentry/kernel/ipc.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"

#define WOULD_BLOCK 1 /* of sem_try_locked */
#define OPS_FAST 16

struct sem {
	uint16_t val;
	unsigned ncount, zcount; /* sleepers: for more, for zero */
	int32_t pid;
};

struct sem_set {
	struct ipc_perm perm;
	int64_t otime;
	unsigned nr;
	struct list_head undos; /* sem_undo.by_set */
	struct sem sems[];
};

/* What a process did to one set with SEM_UNDO, negated. */
struct sem_undo {
	struct list_head by_set, by_list;
	struct sem_set *set;
	int16_t adj[];
};

struct sem_undo_list {
	unsigned refs; /* tasks; ipc_lock */
	struct list_head undos;
};

static void undo_free_locked(struct sem_undo *u)
{
	list_del(&u->by_set);
	list_del(&u->by_list);
	free(u);
}

static void undo_free_all_locked(struct sem_set *s)
{
	struct sem_undo *u, *tmp;

	list_for_each_entry_safe(u, tmp, &s->undos, by_set)
		undo_free_locked(u);
}

static void sem_free(struct ipc_perm *p)
{
	struct sem_set *s = container_of(p, struct sem_set, perm);

	undo_free_all_locked(s);
	free(s);
}

static const struct ipc_type sem_type = { IPC_SEM, .max = LINUX_SEMMNI, .free = sem_free };

/* --- semget --- */

static struct ipc_perm *sem_make(int32_t key __unused, uint64_t nsems, unsigned flags __unused)
{
	struct sem_set *s;

	if (!nsems)
		return ERR_PTR(-LINUX_EINVAL);
	s = calloc(1, sizeof(*s) + nsems * sizeof(s->sems[0]));
	if (!s)
		return ERR_PTR(-LINUX_ENOMEM);
	s->nr = (unsigned)nsems;
	list_init(&s->undos);
	return &s->perm;
}

static int sem_check(const struct ipc_perm *p, uint64_t nsems)
{
	return nsems > container_of(p, const struct sem_set, perm)->nr ? -LINUX_EINVAL : 0;
}

int64_t do_semget(int32_t key, int nsems, unsigned flags)
{
	static const struct ipc_get get = { &sem_type, sem_make, sem_check };

	if (nsems < 0 || nsems > LINUX_SEMMSL)
		return -LINUX_EINVAL;
	return ipc_get(&get, key, (uint64_t)nsems, flags);
}

static struct sem_set *set_find_locked(int id)
{
	struct ipc_perm *p = ipc_find_locked(ipc_ids_locked(IPC_SEM), id);

	return IS_ERR(p) ? (struct sem_set *)p : container_of(p, struct sem_set, perm);
}

/* --- undo --- */

static struct sem_undo_list *undo_list_locked(struct task *t)
{
	if (!t->sysvsem) {
		t->sysvsem = calloc(1, sizeof(*t->sysvsem));
		if (!t->sysvsem)
			return NULL;
		t->sysvsem->refs = 1;
		list_init(&t->sysvsem->undos);
	}
	return t->sysvsem;
}

/* The caller's undo of @s, made when it isn't there; NULL when out of memory. */
static struct sem_undo *undo_get_locked(struct sem_set *s)
{
	struct sem_undo_list *list = undo_list_locked(current);
	struct sem_undo *u;

	if (!list)
		return NULL;
	list_for_each_entry(u, &list->undos, by_list)
		if (u->set == s)
			return u;
	u = calloc(1, sizeof(*u) + s->nr * sizeof(u->adj[0]));
	if (!u)
		return NULL;
	u->set = s;
	list_add_tail(&u->by_set, &s->undos);
	list_add_tail(&u->by_list, &list->undos);
	return u;
}

/* Whoever set @num of @s (-1: all) has the last word: nothing that was done before is undone. */
static void undo_forget_locked(struct sem_set *s, int num)
{
	struct sem_undo *u;

	list_for_each_entry(u, &s->undos, by_set)
		for (unsigned i = 0; i < s->nr; i++)
			if (num < 0 || i == (unsigned)num)
				u->adj[i] = 0;
}

int sem_copy(struct task *child, bool share)
{
	if (!share)
		return 0;
	MUTEX_GUARD(&ipc_lock);
	if (!undo_list_locked(current))
		return -LINUX_ENOMEM;
	child->sysvsem = current->sysvsem;
	child->sysvsem->refs++;
	return 0;
}

static void undo_apply_locked(struct sem_undo *u, int pid)
{
	struct sem_set *s = u->set;

	for (unsigned i = 0; i < s->nr; i++) {
		if (!u->adj[i])
			continue;
		s->sems[i].val = (uint16_t)CLAMP(s->sems[i].val + u->adj[i], 0, LINUX_SEMVMX);
		s->sems[i].pid = pid;
	}
	s->otime = ipc_time();
	waitq_wake(&s->perm.wait, 0);
	undo_free_locked(u);
}

void sem_exit(struct task *t)
{
	struct sem_undo_list *list = t->sysvsem;
	struct sem_undo *u, *tmp;

	if (!list)
		return;
	MUTEX_GUARD(&ipc_lock);
	t->sysvsem = NULL;
	if (--list->refs)
		return;
	list_for_each_entry_safe(u, tmp, &list->undos, by_list)
		undo_apply_locked(u, task_tgid(t));
	free(list);
}

/* --- semop --- */

struct sem_call {
	struct sem_set *set;
	struct sem_undo *undo; /* NULL: no operation asks for it */
	const struct linux_sembuf *ops;
	unsigned nr, blocking; /* the operation that has to wait */
};

/* What one operation makes of semaphore @op->sem_num: its value, -errno, or WOULD_BLOCK in *ret_block. */
static int op_value(const struct sem_call *c, const struct linux_sembuf *op, bool *ret_block)
{
	int val = c->set->sems[op->sem_num].val + op->sem_op, adj;

	*ret_block = op->sem_op ? val < 0 : val != 0;
	if (*ret_block)
		return 0;
	if (val > LINUX_SEMVMX)
		return -LINUX_ERANGE;
	if (op->sem_flg & LINUX_SEM_UNDO) {
		adj = c->undo->adj[op->sem_num] - op->sem_op;
		if (adj < -LINUX_SEMVMX - 1 || adj > LINUX_SEMVMX)
			return -LINUX_ERANGE;
	}
	return val;
}

static void op_do(struct sem_call *c, const struct linux_sembuf *op, int sign)
{
	struct sem *s = &c->set->sems[op->sem_num];

	s->val = (uint16_t)(s->val + sign * op->sem_op);
	if (op->sem_flg & LINUX_SEM_UNDO)
		c->undo->adj[op->sem_num] = (int16_t)(c->undo->adj[op->sem_num] - sign * op->sem_op);
}

/* All operations or none: 0, -errno, or WOULD_BLOCK with c->blocking set. */
static int sem_try_locked(struct sem_call *c)
{
	unsigned i;
	int ret = 0;
	bool block;

	for (i = 0; i < c->nr; i++) {
		ret = op_value(c, &c->ops[i], &block);
		if (block) {
			c->blocking = i;
			ret = c->ops[i].sem_flg & LINUX_IPC_NOWAIT ? -LINUX_EAGAIN : WOULD_BLOCK;
		}
		if (ret < 0 || block)
			break;
		op_do(c, &c->ops[i], 1);
	}
	if (i < c->nr) {
		while (i-- > 0)
			op_do(c, &c->ops[i], -1);
		return ret;
	}
	for (i = 0; i < c->nr; i++)
		c->set->sems[c->ops[i].sem_num].pid = task_tgid(current);
	return 0;
}

static void count_locked(const struct sem_call *c, unsigned op, int by)
{
	struct sem *s = &c->set->sems[c->ops[op].sem_num];

	if (c->ops[op].sem_op)
		s->ncount += (unsigned)by;
	else
		s->zcount += (unsigned)by;
}

/* As sem_try_locked while asleep: the counts follow the operation that blocks. */
static int retry_locked(struct sem_call *c, unsigned *counted)
{
	int ret = sem_try_locked(c);

	if (ret == WOULD_BLOCK && *counted != c->blocking) {
		count_locked(c, *counted, -1);
		count_locked(c, c->blocking, 1);
		*counted = c->blocking;
	}
	return ret;
}

static int sem_sleep_locked(struct sem_call *c, deadline_t deadline)
{
	unsigned counted = c->blocking;
	int ret = WOULD_BLOCK, err;

	count_locked(c, counted, 1);
	c->set->perm.refs++;
	err = ipc_wait_locked(&c->set->perm, (ret = retry_locked(c, &counted)) != WOULD_BLOCK, deadline);
	count_locked(c, counted, -1);
	ipc_put_locked(&c->set->perm);
	if (err == -LINUX_EIDRM)
		return err;
	if (ret != WOULD_BLOCK)
		return ret;
	return err == -LINUX_ETIMEDOUT ? -LINUX_EAGAIN : -LINUX_EINTR;
}

static int ops_check_locked(struct sem_call *c, bool *ret_alter)
{
	bool undo = false;

	*ret_alter = false;
	for (unsigned i = 0; i < c->nr; i++) {
		if (c->ops[i].sem_num >= c->set->nr)
			return -LINUX_EFBIG;
		*ret_alter |= c->ops[i].sem_op;
		undo |= c->ops[i].sem_flg & LINUX_SEM_UNDO;
	}
	if (ipc_access_locked(&c->set->perm, *ret_alter ? 0222 : 0444))
		return -LINUX_EACCES;
	if (undo && !(c->undo = undo_get_locked(c->set)))
		return -LINUX_ENOMEM;
	return 0;
}

static int64_t semop_locked(int id, const struct linux_sembuf *ops, unsigned nr, deadline_t deadline)
{
	struct sem_call c = { .set = set_find_locked(id), .ops = ops, .nr = nr };
	bool alter;
	int ret;

	if (IS_ERR(c.set))
		return PTR_ERR(c.set);
	ret = ops_check_locked(&c, &alter);
	if (ret)
		return ret;
	ret = sem_try_locked(&c);
	if (ret == WOULD_BLOCK)
		ret = sem_sleep_locked(&c, deadline);
	if (ret)
		return ret;
	c.set->otime = ipc_time();
	if (alter)
		waitq_wake(&c.set->perm.wait, 0);
	return 0;
}

int64_t do_semop(int id, uaddr_t uops, unsigned nr, deadline_t deadline)
{
	struct linux_sembuf fast[OPS_FAST], *ops = fast;
	int64_t ret = -LINUX_EFAULT;

	if (nr > LINUX_SEMOPM)
		return -LINUX_E2BIG;
	if (nr > OPS_FAST)
		ops = malloc(nr * sizeof(*ops));
	if (!ops)
		return -LINUX_ENOMEM;
	if (!copy_from_user(ops, uops, nr * sizeof(*ops))) {
		mutex_lock(&ipc_lock);
		ret = nr ? semop_locked(id, ops, nr, deadline) : -LINUX_EINVAL;
		mutex_unlock(&ipc_lock);
	}
	if (ops != fast)
		free(ops);
	return ret;
}

/* --- semctl --- */

static int64_t sem_info(int cmd, uaddr_t buf)
{
	struct linux_seminfo info = {
		.semmap = 1024000000,
		.semmni = LINUX_SEMMNI,
		.semmns = 1024000000,
		.semmnu = 1024000000,
		.semmsl = LINUX_SEMMSL,
		.semopm = LINUX_SEMOPM,
		.semume = LINUX_SEMOPM,
		.semusz = 20,
		.semvmx = LINUX_SEMVMX,
		.semaem = LINUX_SEMVMX,
	};
	struct ipc_ids *ids;
	int max;

	mutex_lock(&ipc_lock);
	ids = ipc_ids_locked(IPC_SEM);
	if (cmd == LINUX_SEM_INFO) {
		info.semusz = (int)ids->nr;
		info.semaem = 0;
		for (unsigned i = 0; i < ids->size; i++)
			if (ids->v[i])
				info.semaem += (int)container_of(ids->v[i], struct sem_set, perm)->nr;
	}
	max = ipc_max_index_locked(ids);
	mutex_unlock(&ipc_lock);
	return copy_to_user(buf, &info, sizeof(info)) ? -LINUX_EFAULT : max;
}

static int64_t sem_stat(int id, int cmd, uaddr_t buf)
{
	struct linux_semid64_ds ds = { 0 };
	struct ipc_perm *p;
	struct sem_set *s;
	int64_t ret;

	mutex_lock(&ipc_lock);
	p = cmd == LINUX_IPC_STAT ? ipc_find_locked(ipc_ids_locked(IPC_SEM), id) : ipc_index_locked(ipc_ids_locked(IPC_SEM), id);
	ret = IS_ERR(p) ? PTR_ERR(p) : cmd == LINUX_SEM_STAT_ANY ? 0 : ipc_access_locked(p, 0444);
	if (!ret) {
		s = container_of(p, struct sem_set, perm);
		ipc_fill_locked(&ds.sem_perm, p);
		ds.sem_otime = s->otime;
		ds.sem_ctime = p->ctime;
		ds.sem_nsems = s->nr;
		ret = cmd == LINUX_IPC_STAT ? 0 : p->id;
	}
	mutex_unlock(&ipc_lock);
	if (ret < 0)
		return ret;
	return copy_to_user(buf, &ds, sizeof(ds)) ? -LINUX_EFAULT : ret;
}

static int64_t sem_down(int id, int cmd, uaddr_t buf)
{
	struct linux_semid64_ds ds;
	struct sem_set *s;
	int err;

	if (cmd == LINUX_IPC_SET && get_user(&ds, buf))
		return -LINUX_EFAULT;
	MUTEX_GUARD(&ipc_lock);
	s = set_find_locked(id);
	if (IS_ERR(s))
		return PTR_ERR(s);
	err = ipc_owner_locked(&s->perm);
	if (err)
		return err;
	if (cmd == LINUX_IPC_SET) {
		ipc_set_locked(&s->perm, &ds.sem_perm);
		return 0;
	}
	undo_free_all_locked(s);
	ipc_remove_locked(&s->perm);
	return 0;
}

static int64_t sem_one(int id, int num, int cmd, int value)
{
	struct sem_set *s;
	struct sem *sem;
	int err;

	if (cmd == LINUX_SEM_SETVAL && (value < 0 || value > LINUX_SEMVMX))
		return -LINUX_ERANGE;
	MUTEX_GUARD(&ipc_lock);
	s = set_find_locked(id);
	if (IS_ERR(s))
		return PTR_ERR(s);
	if (cmd == LINUX_SEM_SETVAL && (num < 0 || (unsigned)num >= s->nr))
		return -LINUX_EINVAL;
	err = ipc_access_locked(&s->perm, cmd == LINUX_SEM_SETVAL ? 0222 : 0444);
	if (err)
		return err;
	if (num < 0 || (unsigned)num >= s->nr)
		return -LINUX_EINVAL;
	sem = &s->sems[num];
	switch (cmd) {
	case LINUX_SEM_GETVAL:
		return sem->val;
	case LINUX_SEM_GETPID:
		return sem->pid;
	case LINUX_SEM_GETNCNT:
		return sem->ncount;
	case LINUX_SEM_GETZCNT:
		return sem->zcount;
	}
	undo_forget_locked(s, num);
	sem->val = (uint16_t)value;
	sem->pid = task_tgid(current);
	s->perm.ctime = ipc_time();
	waitq_wake(&s->perm.wait, 0);
	return 0;
}

/* The number of semaphores, when @want is allowed. */
static int64_t set_size(int id, unsigned want)
{
	struct sem_set *s;
	int err;

	MUTEX_GUARD(&ipc_lock);
	s = set_find_locked(id);
	if (IS_ERR(s))
		return PTR_ERR(s);
	err = ipc_access_locked(&s->perm, want);
	return err ? err : (int64_t)s->nr;
}

static int64_t values_move(int id, uint16_t *v, bool set)
{
	struct sem_set *s;

	MUTEX_GUARD(&ipc_lock);
	s = set_find_locked(id);
	if (IS_ERR(s))
		return -LINUX_EIDRM;
	for (unsigned i = 0; i < s->nr; i++) {
		if (!set) {
			v[i] = s->sems[i].val;
			continue;
		}
		s->sems[i].val = v[i];
		s->sems[i].pid = task_tgid(current);
	}
	if (set) {
		undo_forget_locked(s, -1);
		s->perm.ctime = ipc_time();
		waitq_wake(&s->perm.wait, 0);
	}
	return 0;
}

static int64_t sem_all(int id, bool set, uaddr_t array)
{
	int64_t n = set_size(id, set ? 0222 : 0444), ret = 0;
	uint16_t *v;

	if (n < 0)
		return n;
	/* A set's size never changes. */
	v = malloc((size_t)n * sizeof(*v));
	if (!v)
		return -LINUX_ENOMEM;
	if (set && copy_from_user(v, array, (size_t)n * sizeof(*v)))
		ret = -LINUX_EFAULT;
	for (int64_t i = 0; set && !ret && i < n; i++)
		if (v[i] > LINUX_SEMVMX)
			ret = -LINUX_ERANGE;
	if (!ret)
		ret = values_move(id, v, set);
	if (!ret && !set && copy_to_user(array, v, (size_t)n * sizeof(*v)))
		ret = -LINUX_EFAULT;
	free(v);
	return ret;
}

int64_t do_semctl(int id, int num, int cmd, uint64_t arg)
{
	if (id < 0)
		return -LINUX_EINVAL;
	switch (cmd) {
	case LINUX_IPC_INFO:
	case LINUX_SEM_INFO:
		return sem_info(cmd, arg);
	case LINUX_IPC_STAT:
	case LINUX_SEM_STAT:
	case LINUX_SEM_STAT_ANY:
		return sem_stat(id, cmd, arg);
	case LINUX_IPC_RMID:
	case LINUX_IPC_SET:
		return sem_down(id, cmd, arg);
	case LINUX_SEM_GETALL:
	case LINUX_SEM_SETALL:
		return sem_all(id, cmd == LINUX_SEM_SETALL, arg);
	case LINUX_SEM_GETVAL:
	case LINUX_SEM_GETPID:
	case LINUX_SEM_GETNCNT:
	case LINUX_SEM_GETZCNT:
	case LINUX_SEM_SETVAL:
		return sem_one(id, num, cmd, (int)arg);
	default:
		return -LINUX_EINVAL;
	}
}

void ipc_show_sem(struct strbuf *sb)
{
	struct ipc_ids *ids;

	strbuf_adds(sb, "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n");
	MUTEX_GUARD(&ipc_lock);
	ids = ipc_ids_locked(IPC_SEM);
	for (unsigned i = 0; i < ids->size; i++) {
		struct ipc_perm *p = ids->v[i];
		struct sem_set *s = p ? container_of(p, struct sem_set, perm) : NULL;

		if (s)
			strbuf_addf(sb, "%10d %10d  %4o %10u %5u %5u %5u %5u %10ld %10ld\n", p->key, p->id, p->mode, s->nr, p->uid,
				    p->gid, p->cuid, p->cgid, (long)s->otime, (long)p->ctime);
	}
}
