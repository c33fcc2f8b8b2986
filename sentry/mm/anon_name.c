/* SPDX-License-Identifier: Apache-2.0 */
/* prctl(PR_SET_VMA_ANON_NAME): names of anonymous memory, as /proc/pid/maps shows them. */
#include <stdlib.h>
#include <string.h>

#include "sentry/mm/mm_internal.h"

/* One piece, which lies inside one vma.  @name NULL takes the name away. */
static int name_piece(struct mm *mm, uaddr_t start, uaddr_t end, const char *name)
{
	struct vma *v = vma_find(&mm->vmas, start);
	char *copy = NULL;
	int err;

	if (v->file)
		return -LINUX_EBADF;
	if (v->anon_name && name ? !strcmp(v->anon_name, name) : !v->anon_name && !name)
		return 0;
	err = mm_vma_split_range(mm, start, end);
	if (err)
		return err;
	copy = name ? strdup(name) : NULL;
	if (name && !copy)
		return -LINUX_ENOMEM;
	v = vma_find(&mm->vmas, start);
	free(v->anon_name);
	v->anon_name = copy;
	return 0;
}

int mm_set_anon_name(struct mm *mm, uaddr_t start, uint64_t len, const char *name)
{
	uaddr_t end = start + PAGE_ALIGN(len), at = start;
	int ret = 0;

	if (start % PAGE_SIZE || (len && PAGE_ALIGN(len) == 0) || end < start)
		return -LINUX_EINVAL;
	rwlock_write(&mm->lock);
	while (at < end && (!ret || ret == -LINUX_ENOMEM)) {
		struct vma *v = vma_find_intersection(&mm->vmas, at, end);
		uaddr_t from, to;
		int err;

		/* A hole is reported when the rest was done. */
		if (!v || v->start > at)
			ret = -LINUX_ENOMEM;
		if (!v)
			break;
		from = MAX(at, v->start);
		to = MIN(end, v->end);
		err = name_piece(mm, from, to, name);
		if (err) {
			ret = err;
			break;
		}
		at = to;
	}
	mm_vma_merge_range(mm, start, end);
	rwlock_unlock(&mm->lock);
	return ret;
}
