/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc(5).
 *
 * Every file is a line of a table (struct proc_entry): a name, a mode, and a function that appends the text.  Directories are
 * tables too, or have functions that look up and list what they show (processes, descriptors).  An inode carries the process, thread
 * and number its functions are about; it is made by each lookup and keeps the process's structure, not the process.
 *
 * To add a file: write its show function in the fitting proc_*.c, add its line to the table there.
 */
#ifndef SENTRY_VFS_PROC_PROC_H
#define SENTRY_VFS_PROC_PROC_H

#include "sentry/kernel/task.h"
#include "vfs/vfs.h"

extern const struct fs_type proc_type;

struct proc_inode;

struct proc_dir_ops {
	/* The child's inode or ERR_PTR(-LINUX_ENOENT). */
	struct inode *(*lookup)(struct proc_inode *dir, const char *name);
	/*
	 * The first dynamic child whose number is >= *nr: fills *nr and @name, returns its type bits; 0 when there is none.
	 */
	uint32_t (*next)(struct proc_inode *dir, uint64_t *nr, char name[32]);
	/* Errno for a directory that can't be read any more (the process is gone) or may not; NULL: 0. */
	int (*check)(struct proc_inode *dir);
};

enum proc_flags {
	PROC_MAY_ACCESS = 1, /* open needs ptrace access to the task: task_may_access */
	PROC_MOUNTS = 0x100, /* tells pollers of changes of mounts */
};

struct proc_entry {
	const char *name;
	uint32_t mode; /* with type; 0 ends a table */
	/* Regular files: appends the contents, 0 or -errno.  Called when a reader is at position 0. */
	int (*show)(struct proc_inode *pi, struct strbuf *sb);
	/* A write: @buf is NUL-terminated, newline stripped.  0 or -errno.  NULL: -EIO. */
	int (*store)(struct proc_inode *pi, char *buf, size_t len);
	/* Links: text, and for magic links the object. */
	int (*readlink)(struct proc_inode *pi, struct strbuf *sb);
	int (*get_link)(struct proc_inode *pi, struct path *ret);
	/* Directories: static children, then dynamic ones. */
	const struct proc_entry *children;
	const struct proc_dir_ops *dir;
	const struct file_ops *fops; /* instead of show and store */
	unsigned flags;
	const void *data; /* for shared functions */
};

struct proc_inode {
	struct inode inode;
	const struct proc_entry *entry;
	struct tgroup *tg;   /* reference; NULL outside process directories */
	struct task *thread; /* reference; NULL: the process, that is its leader */
	int64_t nr;	     /* descriptor number and the like */
};

static inline struct proc_inode *PROC_I(struct inode *inode)
{
	return container_of(inode, struct proc_inode, inode);
}

/* A new inode for @e below @parent (its process and thread are inherited), or ERR_PTR. */
struct inode *proc_inode_new(struct proc_inode *parent, const struct proc_entry *e, const char *name);
/* The same for another process or thread; references taken from the caller's (counted here). */
struct inode *proc_inode_new_task(struct proc_inode *parent, const struct proc_entry *e, const char *name, struct tgroup *tg,
				  struct task *thread);
/* The task an inode is about, with a reference, or NULL when it is gone. */
struct task *proc_task_get(struct proc_inode *pi);
/* Decimal without sign or leading zeros: the number, or -1. */
int64_t proc_parse_number(const char *name);

/* A file system made of tables: proc itself, sysfs.  Its s_private is the namespace it shows (struct ns_common, a reference), or NULL. */
struct super_block *proc_sb_new(const struct fs_type *type, unsigned flags, const char *source, uint64_t magic,
				const struct proc_entry *root_entry);

/* Tables. */
extern const struct proc_entry proc_root_entry; /* proc_root.c */
extern const struct proc_entry proc_tgid_entry, proc_tid_entry; /* proc_pid.c: a process's and a thread's directory */
extern const struct file_ops proc_mem_fops, proc_pagemap_fops; /* proc_mm.c */
extern const struct proc_entry proc_sys_children[]; /* proc_sys.c */
extern const struct proc_entry proc_net_children[]; /* proc_net.c */
extern const struct proc_dir_ops proc_root_dir; /* proc_pid.c: processes */
extern const struct proc_dir_ops proc_fd_dir, proc_fdinfo_dir; /* proc_fd.c */

/* Text of single files, proc_status.c. */
int proc_show_stat(struct proc_inode *pi, struct strbuf *sb);
int proc_show_statm(struct proc_inode *pi, struct strbuf *sb);
int proc_show_status(struct proc_inode *pi, struct strbuf *sb);
int proc_show_limits(struct proc_inode *pi, struct strbuf *sb);
int proc_show_io(struct proc_inode *pi, struct strbuf *sb);

/* Processors the guest sees: those the sentry may run on. */
unsigned proc_nr_cpus(void);

/* Appends the arguments as /proc/PID/cmdline has them. */
void proc_cmdline_text(struct mm *mm, struct strbuf *sb);

#endif
