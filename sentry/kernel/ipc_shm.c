/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Shared memory, as ipc/shm.c: a segment is an unlinked file of shared memory, and every vma that maps it holds a reference to that
 * one open file.  So the file's references but the segment's own are the attachments, and a segment that was removed goes with its
 * file, when the last of them does.
 */
#include <stdio.h>
#include <stdlib.h>

#include "sentry/abi/errno.h"
#include "sentry/abi/mman.h"
#include "sentry/abi/stat.h"
#include "sentry/kernel/ipc.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/uaccess.h"
#include "vfs/cred.h"
#include "vfs/vfs.h"

#define SHMMAX (UINT64_MAX - (1UL << 24))

struct shm {
	struct ipc_perm perm;
	struct file *file; /* a reference until removed, then borrowed: file_release takes the segment out */
	uint64_t size;
	int64_t atime, dtime;
	int32_t cpid, lpid;
};

static void shm_free(struct ipc_perm *p)
{
	struct shm *s = container_of(p, struct shm, perm);

	/* It never came into the table, and its file knows nothing of it. */
	if (s->file)
		fput(s->file);
	free(s);
}

/* Nobody finds it by its key any more; it goes with its last attachment. */
static struct file *shm_doom_locked(struct shm *s)
{
	if (s->perm.mode & LINUX_SHM_DEST)
		return NULL;
	s->perm.mode |= LINUX_SHM_DEST;
	s->perm.key = LINUX_IPC_PRIVATE;
	s->file->private_data = s;
	return s->file;
}

/* Out of its namespace's table, it ends with its last attachment, as if removed. */
static void shm_ns_gone(struct ipc_perm *p)
{
	struct shm *s = container_of(p, struct shm, perm);
	struct file *put;

	mutex_lock(&ipc_lock);
	put = shm_doom_locked(s);
	mutex_unlock(&ipc_lock);
	if (put)
		fput(put);
}

static const struct ipc_type shm_type = { IPC_SHM, .max = LINUX_SHMMNI, .free = shm_free, .ns_gone = shm_ns_gone };

/* --- its file --- */

static struct file_ops shm_fops; /* those of shared memory, but for release; ipc_lock to fill */
static bool shm_fops_ready;	 /* ipc_lock */

static void shm_release(struct file *f)
{
	struct shm *s = f->private_data;

	/* That of a segment that never came into the table. */
	if (!s)
		return;
	MUTEX_GUARD(&ipc_lock);
	s->file = NULL;
	ipc_remove_locked(&s->perm);
}

/* All share one table, made of what shared memory's own files have. */
static void shm_set_ops(struct file *f)
{
	MUTEX_GUARD(&ipc_lock);
	if (!shm_fops_ready) {
		shm_fops = *f->ops;
		shm_fops.release = shm_release;
		shm_fops_ready = true;
	}
	f->ops = &shm_fops;
}

/* --- shmget --- */

static struct ipc_perm *shm_make(int32_t key, uint64_t size, unsigned flags)
{
	struct frame_stats st;
	char name[20];
	struct shm *s;

	if (size < 1 || size > SHMMAX)
		return ERR_PTR(-LINUX_EINVAL);
	frame_get_stats(&st);
	if (flags & LINUX_SHM_HUGETLB || PAGES_FOR(size) > GUEST_TASK_SIZE >> PAGE_SHIFT ||
	    (!(flags & LINUX_SHM_NORESERVE) && PAGES_FOR(size) > st.limit))
		return ERR_PTR(-LINUX_ENOMEM);
	s = calloc(1, sizeof(*s));
	if (!s)
		return ERR_PTR(-LINUX_ENOMEM);
	snprintf(name, sizeof(name), "/SYSV%08x", (unsigned)key);
	s->file = shmem_file_setup(name, PAGE_ALIGN(size), 0);
	if (IS_ERR(s->file)) {
		struct ipc_perm *err = (struct ipc_perm *)s->file;

		free(s);
		return err;
	}
	shm_set_ops(s->file);
	s->size = size;
	s->cpid = task_tgid(current);
	return &s->perm;
}

static int shm_check(const struct ipc_perm *p, uint64_t size)
{
	return container_of(p, const struct shm, perm)->size < size ? -LINUX_EINVAL : 0;
}

int64_t do_shmget(int32_t key, uint64_t size, unsigned flags)
{
	static const struct ipc_get get = { &shm_type, shm_make, shm_check };

	return ipc_get(&get, key, size, flags);
}

static struct shm *shm_find_locked(int id)
{
	struct ipc_perm *p = ipc_find_locked(ipc_ids_locked(IPC_SHM), id);

	return IS_ERR(p) ? (struct shm *)p : container_of(p, struct shm, perm);
}

/* --- shmat, shmdt --- */

/* The file of segment @id with a reference of the caller's own. */
static struct file *shm_get_file(int id, unsigned want)
{
	struct shm *s;
	int err;

	MUTEX_GUARD(&ipc_lock);
	s = shm_find_locked(id);
	if (IS_ERR(s))
		return (struct file *)s;
	err = ipc_access_locked(&s->perm, want);
	if (err)
		return ERR_PTR(err);
	if (!ref_get_unless_zero(&s->file->ref))
		return ERR_PTR(-LINUX_EIDRM);
	s->file->private_data = s;
	s->atime = ipc_time();
	s->lpid = task_tgid(current);
	return s->file;
}

/* Where to: 0 or -LINUX_EINVAL. */
static int shmat_place(struct mmap_args *a, unsigned flags)
{
	if (!a->addr)
		return flags & LINUX_SHM_REMAP ? -LINUX_EINVAL : 0;
	if (PAGE_OFFSET(a->addr)) {
		if (!(flags & LINUX_SHM_RND))
			return -LINUX_EINVAL;
		a->addr &= ~(PAGE_SIZE - 1);
		if (!a->addr && flags & LINUX_SHM_REMAP)
			return -LINUX_EINVAL;
	}
	a->flags |= flags & LINUX_SHM_REMAP ? LINUX_MAP_FIXED : LINUX_MAP_FIXED_NOREPLACE;
	return 0;
}

int64_t do_shmat(int id, uaddr_t addr, unsigned flags)
{
	struct mmap_args a = { .addr = addr, .prot = LINUX_PROT_READ, .flags = LINUX_MAP_SHARED };
	unsigned want = 0444;
	struct file *f;
	int64_t ret;

	if (id < 0)
		return -LINUX_EINVAL;
	ret = shmat_place(&a, flags);
	if (ret)
		return ret;
	if (!(flags & LINUX_SHM_RDONLY)) {
		a.prot |= LINUX_PROT_WRITE;
		a.may_write = true;
		want |= 0222;
	}
	if (flags & LINUX_SHM_EXEC) {
		a.prot |= LINUX_PROT_EXEC;
		want |= 0111;
	}
	f = shm_get_file(id, want);
	if (IS_ERR(f))
		return PTR_ERR(f);
	a.file = &f->vm;
	a.len = f->inode->size;
	ret = mm_mmap(current_mm, &a);
	fput(f);
	return ret == -LINUX_EEXIST ? -LINUX_EINVAL : ret;
}

/*
 * The next piece, at *ret_start or behind it, of what shmat(2) mapped at @addr: of @f, or with NULL of whatever segment has its
 * beginning there.  Its file, with a reference of the caller's own when @f is NULL.
 */
static struct file *shm_piece(struct mm *mm, uaddr_t addr, struct file *f, uaddr_t end, uaddr_t *ret_start, uaddr_t *ret_end)
{
	struct file *found = NULL;

	rwlock_read(&mm->lock);
	for (struct vma *v = vma_find_from(&mm->vmas, *ret_start); v && v->start < end && !found; v = vma_next(v)) {
		struct file *here = v->file ? container_of(v->file, struct file, vm) : NULL;

		if (!here || here->ops != &shm_fops || (f && here != f) || v->start < addr ||
		    v->start - addr != v->pgoff << PAGE_SHIFT)
			continue;
		found = f ? f : file_get(here);
		*ret_start = v->start;
		*ret_end = v->end;
	}
	rwlock_unlock(&mm->lock);
	return found;
}

static void shm_note_detach(struct shm *s)
{
	MUTEX_GUARD(&ipc_lock);
	s->dtime = ipc_time();
	s->lpid = task_tgid(current);
}

int64_t do_shmdt(uaddr_t addr)
{
	uaddr_t start = addr, end;
	struct file *f;

	if (PAGE_OFFSET(addr) || addr >= GUEST_TASK_SIZE)
		return -LINUX_EINVAL;
	f = shm_piece(current_mm, addr, NULL, GUEST_TASK_SIZE, &start, &end);
	if (!f)
		return -LINUX_EINVAL;
	shm_note_detach(f->private_data);
	do {
		mm_munmap(current_mm, start, end - start);
		start = end;
	} while (shm_piece(current_mm, addr, f, MIN(addr + f->inode->size, GUEST_TASK_SIZE), &start, &end));
	fput(f);
	return 0;
}

/* --- shmctl --- */

static uint64_t nattch_locked(const struct shm *s)
{
	int refs = ref_read(&s->file->ref) - !(s->perm.mode & LINUX_SHM_DEST);

	return (uint64_t)MAX(refs, 0);
}

static int64_t shm_stat(int id, int cmd, uaddr_t buf)
{
	struct linux_shmid64_ds ds = { 0 };
	struct ipc_perm *p;
	struct shm *s;
	int64_t ret;

	mutex_lock(&ipc_lock);
	p = cmd == LINUX_IPC_STAT ? ipc_find_locked(ipc_ids_locked(IPC_SHM), id) : ipc_index_locked(ipc_ids_locked(IPC_SHM), id);
	ret = IS_ERR(p) ? PTR_ERR(p) : cmd == LINUX_SHM_STAT_ANY ? 0 : ipc_access_locked(p, 0444);
	if (!ret) {
		s = container_of(p, struct shm, perm);
		ipc_fill_locked(&ds.shm_perm, p);
		ds.shm_segsz = s->size;
		ds.shm_atime = s->atime;
		ds.shm_dtime = s->dtime;
		ds.shm_ctime = p->ctime;
		ds.shm_cpid = s->cpid;
		ds.shm_lpid = s->lpid;
		ds.shm_nattch = nattch_locked(s);
		ret = cmd == LINUX_IPC_STAT ? 0 : p->id;
	}
	mutex_unlock(&ipc_lock);
	if (ret < 0)
		return ret;
	return copy_to_user(buf, &ds, sizeof(ds)) ? -LINUX_EFAULT : ret;
}

static int64_t shm_info(int cmd, uaddr_t buf)
{
	struct linux_shminfo64 limits = { SHMMAX, 1, LINUX_SHMMNI, LINUX_SHMMNI, SHMMAX, { 0 } };
	struct linux_shm_info info = { 0 };
	const void *from = cmd == LINUX_IPC_INFO ? (void *)&limits : (void *)&info;
	struct ipc_ids *ids;
	int max;

	mutex_lock(&ipc_lock);
	ids = ipc_ids_locked(IPC_SHM);
	info.used_ids = (int)ids->nr;
	for (unsigned i = 0; i < ids->size; i++) {
		struct shm *s = ids->v[i] ? container_of(ids->v[i], struct shm, perm) : NULL;

		if (s) {
			info.shm_tot += PAGES_FOR(s->size);
			info.shm_rss += s->file->inode->mapping.nr_pages;
		}
	}
	max = ipc_max_index_locked(ids);
	mutex_unlock(&ipc_lock);
	return copy_to_user(buf, from, cmd == LINUX_IPC_INFO ? sizeof(limits) : sizeof(info)) ? -LINUX_EFAULT : max;
}

static int64_t shm_change_locked(struct shm *s, int cmd, const struct linux_shmid64_ds *ds, struct file **ret_put)
{
	int err = ipc_owner_locked(&s->perm);

	if ((cmd == LINUX_SHM_LOCK || cmd == LINUX_SHM_UNLOCK) && capable(CAP_IPC_LOCK))
		err = 0;
	if (err)
		return err;
	switch (cmd) {
	case LINUX_IPC_SET:
		ipc_set_locked(&s->perm, &ds->shm_perm);
		break;
	case LINUX_IPC_RMID:
		*ret_put = shm_doom_locked(s);
		break;
	case LINUX_SHM_LOCK: /* nothing is swapped */
		s->perm.mode |= LINUX_SHM_LOCKED;
		break;
	case LINUX_SHM_UNLOCK:
		s->perm.mode &= ~(unsigned)LINUX_SHM_LOCKED;
		break;
	}
	return 0;
}

int64_t do_shmctl(int id, int cmd, uaddr_t buf)
{
	struct linux_shmid64_ds ds;
	struct file *put = NULL;
	struct shm *s;
	int64_t ret;

	if (cmd < 0 || id < 0)
		return -LINUX_EINVAL;
	switch (cmd) {
	case LINUX_IPC_INFO:
	case LINUX_SHM_INFO:
		return shm_info(cmd, buf);
	case LINUX_IPC_STAT:
	case LINUX_SHM_STAT:
	case LINUX_SHM_STAT_ANY:
		return shm_stat(id, cmd, buf);
	case LINUX_IPC_SET:
		if (get_user(&ds, buf))
			return -LINUX_EFAULT;
		break;
	case LINUX_IPC_RMID:
	case LINUX_SHM_LOCK:
	case LINUX_SHM_UNLOCK:
		break;
	default:
		return -LINUX_EINVAL;
	}
	mutex_lock(&ipc_lock);
	s = shm_find_locked(id);
	ret = IS_ERR(s) ? PTR_ERR(s) : shm_change_locked(s, cmd, &ds, &put);
	mutex_unlock(&ipc_lock);
	if (put)
		fput(put);
	return ret;
}

void ipc_show_shm(struct strbuf *sb)
{
	struct ipc_ids *ids;

	strbuf_adds(sb, "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime"
			"      ctime                   rss                  swap\n");
	MUTEX_GUARD(&ipc_lock);
	ids = ipc_ids_locked(IPC_SHM);
	for (unsigned i = 0; i < ids->size; i++) {
		struct ipc_perm *p = ids->v[i];
		struct shm *s = p ? container_of(p, struct shm, perm) : NULL;

		if (!s)
			continue;
		strbuf_addf(sb, "%10d %10d  %4o %21lu %5u %5u  %5lu %5u %5u %5u %5u %10ld %10ld %10ld %21lu %21lu\n", p->key, p->id,
			    p->mode, (unsigned long)s->size, (unsigned)s->cpid, (unsigned)s->lpid, (unsigned long)nattch_locked(s),
			    p->uid, p->gid, p->cuid, p->cgid, (long)s->atime, (long)s->dtime, (long)p->ctime,
			    (unsigned long)s->file->inode->mapping.nr_pages << PAGE_SHIFT, 0UL);
	}
}
