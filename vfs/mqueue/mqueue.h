/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX message queues, mq_overview(7), as ipc/mqueue.c: each queue is a file of the file system "mqueue", of which every IPC
 * namespace has its own.
 *
 *     mqueue_fs.c   the file system: names, limits, what is charged to whom
 *     mqueue.c      messages: sending, receiving, poll, notification
 *     sentry/sys/sys_mqueue.c   the system calls
 *
 * Locks: mq_sb.lock guards the names, mq_inode.lock the messages of a queue; both are taken outside waitq locks, and no guest
 * memory is touched under them.
 */
#ifndef SENTRY_VFS_MQUEUE_MQUEUE_H
#define SENTRY_VFS_MQUEUE_MQUEUE_H

#include "sentry/kernel/pid.h"
#include "sentry/kernel/user.h"
#include "vfs/vfs.h"

#define MQUEUE_MAGIC 0x19800202
#define MQ_PRIO_MAX 32768
#define MQ_FILE_SIZE 80	 /* what stat(2) shows */
#define MQ_COOKIE_SIZE 32

/* /proc/sys/fs/mqueue: for who has not CAP_SYS_RESOURCE, and the limits for who has. */
#define MQ_MAX_QUEUES 256
#define MQ_MAX_MSG 10
#define MQ_MAX_MSGSIZE 8192
#define MQ_HARD_MSG 65536
#define MQ_HARD_MSGSIZE (16 << 20)

struct linux_mq_attr {
	int64_t mq_flags, mq_maxmsg, mq_msgsize, mq_curmsgs, reserved[4];
};
static_assert(sizeof(struct linux_mq_attr) == 64, "struct mq_attr");

struct mq_msg {
	struct list_head link;
	unsigned prio;
	size_t size;
	uint8_t data[];
};

/* Who is to hear of the first message, mq_notify(3). */
struct mq_notify {
	struct pid *owner; /* the process; a reference; NULL: nobody */
	int how, signo;
	uint64_t value;
	const struct cred *cred; /* the owner's, a reference */
	struct file *sock;	 /* SIGEV_THREAD: a netlink socket; a reference */
	uint8_t cookie[MQ_COOKIE_SIZE];
};

struct mq_inode {
	struct inode inode;
	struct list_head link;	 /* mq_sb.queues; mq_sb.lock */
	uint64_t pos;		 /* in the directory; immutable */
	char *name;		 /* immutable */
	struct mutex lock;
	struct list_head msgs;	 /* lock; by falling priority, then age */
	uint64_t nr_msgs, bytes; /* lock */
	uint64_t max_msgs, msg_size; /* immutable */
	unsigned nr_receivers;	 /* lock; asleep in mq_timedreceive */
	struct waitq readable, writable;
	struct mq_notify notify; /* lock */
	struct user *user;	 /* who pays; a reference */
	long charged;		 /* bytes */
};

struct mq_sb {
	struct mutex lock;
	struct list_head queues; /* lock, as all; each a reference */
	uint64_t next_pos;
	unsigned nr_queues;
	bool gone;		 /* its namespace is: nothing is made any more */
};

extern const struct fs_type mqueue_type;
extern const struct file_ops mqueue_file_ops;

static inline struct mq_inode *mq_inode(struct inode *inode)
{
	return container_of(inode, struct mq_inode, inode);
}
/* The queue that @f is, or NULL. */
static inline struct mq_inode *file_mqueue(const struct file *f)
{
	return f->ops == &mqueue_file_ops ? mq_inode(f->inode) : NULL;
}

/* No one has the queue open, and it has no name: forgets who wanted to be told, and the messages. */
void mq_clear(struct mq_inode *mq);
/* The memory that a queue is charged for: as much as it may come to need. */
long mq_charge_of(uint64_t max_msgs, uint64_t msg_size);

/* --- the bodies of the system calls: 0, a result or -errno --- */

/* A file of the queue @name in the caller's namespace.  @attr NULL: default ones. */
struct file *mqueue_open(const char *name, uint32_t oflag, uint32_t mode, const struct linux_mq_attr *attr);
int mqueue_unlink(const char *name);
int64_t mqueue_send(struct file *f, uaddr_t buf, size_t len, unsigned prio, deadline_t deadline);
/* *ret_prio is set on success. */
int64_t mqueue_receive(struct file *f, uaddr_t buf, size_t len, unsigned *ret_prio, deadline_t deadline);
/* @ev NULL: none any more.  @cookie, @sock: of SIGEV_THREAD, borrowed. */
struct linux_sigevent;
int mqueue_notify(struct file *f, const struct linux_sigevent *ev, const uint8_t *cookie, struct file *sock);
void mqueue_getattr(struct file *f, struct linux_mq_attr *ret);

#endif
