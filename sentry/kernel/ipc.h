/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System V IPC, sysvipc(7): semaphores, shared memory, message queues, in each IPC namespace its own.
 *
 *     ipc.c      keys, ids, permissions: what the three have in common
 *     ipc_sem.c  semaphore sets, and what is undone when a process ends
 *     ipc_shm.c  shared memory: a file that nothing names, mapped
 *     ipc_msg.c  message queues
 *
 * ipc_lock guards all of it.  It is taken outside waitq locks, and never while guest memory is touched or a file is put.
 */
#ifndef SENTRY_KERNEL_IPC_H
#define SENTRY_KERNEL_IPC_H

#include "sentry/abi/ipc.h"
#include "sentry/base/strbuf.h"
#include "sentry/base/waitq.h"

struct task;

/* --- what the three have in common; for ipc*.c --- */

/* The head of every object.  ipc_lock. */
struct ipc_perm {
	int32_t key;
	int id;
	uint32_t uid, gid, cuid, cgid;
	unsigned mode;
	int64_t ctime;
	unsigned refs;	/* the table's, and one of each sleeper */
	bool removed;	/* sleepers find -LINUX_EIDRM */
	struct ipc_ids *ids; /* NULL: in no table */
	const struct ipc_type *type;
	struct waitq wait;
};

enum ipc_kind { IPC_SEM, IPC_SHM, IPC_MSG, NR_IPC_KINDS };

struct ipc_type {
	enum ipc_kind kind;
	unsigned max;
	void (*free)(struct ipc_perm *p);
	void (*ns_gone)(struct ipc_perm *p); /* ipc_lock dropped; out of the table already, takes its reference.  NULL: just that */
};

/* All of a kind in a namespace. */
struct ipc_ids {
	struct ipc_perm **v; /* by index; NULL: free */
	unsigned size, nr, seq;
};

/* What xxxget(2) does when there is none, or checks when there is one. */
struct ipc_get {
	const struct ipc_type *type;
	struct ipc_perm *(*make)(int32_t key, uint64_t arg, unsigned flags); /* without locks; ERR_PTR */
	int (*check)(const struct ipc_perm *p, uint64_t arg);
};

extern struct mutex ipc_lock;

int64_t ipc_time(void); /* seconds */
/* Those of the caller's namespace: an empty one when there are none yet. */
struct ipc_ids *ipc_ids_locked(enum ipc_kind kind);
/* The body of xxxget(2): an id or -errno. */
int ipc_get(const struct ipc_get *g, int32_t key, uint64_t arg, unsigned flags);
/* The object of @id, borrowed until ipc_lock is dropped, or ERR_PTR(-LINUX_EINVAL). */
struct ipc_perm *ipc_find_locked(const struct ipc_ids *ids, int id);
/* By index, as the *_STAT commands have it. */
struct ipc_perm *ipc_index_locked(const struct ipc_ids *ids, int index);
/* The highest index in use, 0 for none: the result of the *_INFO commands. */
int ipc_max_index_locked(const struct ipc_ids *ids);
/* -LINUX_EACCES unless the caller has the rights @want (0444, 0222, 0111 of its class). */
int ipc_access_locked(const struct ipc_perm *p, unsigned want);
/* -LINUX_EPERM unless the caller may change or remove it. */
int ipc_owner_locked(const struct ipc_perm *p);
void ipc_fill_locked(struct linux_ipc64_perm *ret, const struct ipc_perm *p);
void ipc_set_locked(struct ipc_perm *p, const struct linux_ipc64_perm *from);
/* Out of the table; sleepers wake. */
void ipc_remove_locked(struct ipc_perm *p);
void ipc_put_locked(struct ipc_perm *p);
/*
 * Sleeps on @p, which has the caller's reference, until @cond (evaluated with ipc_lock held) or until it is removed:
 * 0, -LINUX_EIDRM, -LINUX_ETIMEDOUT, -LINUX_ERESTARTSYS.
 */
#define ipc_wait_locked(p, cond, deadline)                                                                             \
	({                                                                                                             \
		int err_;                                                                                              \
                                                                                                                       \
		(p)->refs++;                                                                                           \
		err_ = waitq_wait_locked(&(p)->wait, &ipc_lock, (p)->removed || (cond), SLEEP_INTERRUPTIBLE, deadline); \
		if ((p)->removed)                                                                                      \
			err_ = -LINUX_EIDRM;                                                                           \
		ipc_put_locked(p);                                                                                     \
		err_;                                                                                                  \
	})

/* --- system calls: the arguments as sysvipc(7) has them --- */

int64_t do_semget(int32_t key, int nsems, unsigned flags);
int64_t do_semop(int id, uaddr_t uops, unsigned nsops, deadline_t deadline);
int64_t do_semctl(int id, int num, int cmd, uint64_t arg);
int64_t do_shmget(int32_t key, uint64_t size, unsigned flags);
int64_t do_shmat(int id, uaddr_t addr, unsigned flags);
int64_t do_shmdt(uaddr_t addr);
int64_t do_shmctl(int id, int cmd, uaddr_t buf);
int64_t do_msgget(int32_t key, unsigned flags);
int64_t do_msgsnd(int id, uaddr_t umsg, uint64_t size, unsigned flags);
int64_t do_msgrcv(int id, uaddr_t umsg, uint64_t size, int64_t type, unsigned flags);
int64_t do_msgctl(int id, int cmd, uaddr_t buf);

/* --- processes --- */

/* clone: CLONE_SYSVSEM shares what is to be undone.  0 or -LINUX_ENOMEM. */
int sem_copy(struct task *child, bool share);
/* Undoes, when the last that shares the list ends; also unshare(CLONE_SYSVSEM). */
void sem_exit(struct task *t);

/* --- /proc/sysvipc --- */

void ipc_show_sem(struct strbuf *sb);
void ipc_show_shm(struct strbuf *sb);
void ipc_show_msg(struct strbuf *sb);

#endif
