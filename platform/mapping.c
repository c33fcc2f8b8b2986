/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE 1
#include "platform/mapping.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "sentry/base/bug.h"

/*
 * Ranges up to these are mapped with their pages: filling in a page table entry costs a fraction of the fault it saves.
 * Larger ones are probably not used whole.  For reading, one fault brings in 16 pages anyway (fault_around_bytes).
 */
#define POPULATE_MAX_READ (16 * PAGE_SIZE)
#define POPULATE_MAX_WRITE (512 * PAGE_SIZE)

/* --- calls --- */

static uint64_t host_prot(unsigned prot)
{
	/* Never write or execute without read: ptrace/stop.c relies on it. */
	return PROT_READ | (prot & PLATFORM_WRITE ? PROT_WRITE : 0) | (prot & PLATFORM_EXEC ? PROT_EXEC : 0);
}

static bool may_populate(size_t len, unsigned prot)
{
	return !(prot & PLATFORM_LAZY) && len <= (prot & PLATFORM_WRITE ? POPULATE_MAX_WRITE : POPULATE_MAX_READ);
}

struct mapping_call mapping_map(uaddr_t addr, size_t len, unsigned prot, int fd, uint64_t off)
{
	uint64_t flags = MAP_SHARED | MAP_FIXED | (may_populate(len, prot) ? MAP_POPULATE : 0);

	return (struct mapping_call){ SYS_mmap, { addr, len, host_prot(prot), flags, (uint64_t)fd, off } };
}

struct mapping_call mapping_unmap(uaddr_t from, uaddr_t to)
{
	return (struct mapping_call){ SYS_munmap, { from, to - from } };
}

struct mapping_call mapping_protect(uaddr_t addr, size_t len, unsigned prot)
{
	return (struct mapping_call){ SYS_mprotect, { addr, len, host_prot(prot) } };
}

static unsigned vvar_move(struct mapping_call *call, uaddr_t from, uaddr_t to)
{
	const struct vdso_layout *vdso = vdso_layout();

	for (unsigned i = 0; i < vdso->nr_pieces; i++) {
		const struct vdso_piece *p = &vdso->piece[i];
		uint64_t off = vdso->pub.vvar_size - p->below;

		call[i] = (struct mapping_call){
			SYS_mremap, { from + off, p->size, p->size, MREMAP_MAYMOVE | MREMAP_FIXED, to + off },
		};
	}
	return vdso->nr_pieces;
}

unsigned mapping_vvar_moves(struct mapping_call *call, uaddr_t from, uaddr_t to, uaddr_t home)
{
	size_t size = vdso_layout()->pub.vvar_size;
	unsigned nr = 0;

	if (from == to)
		return 0;
	/* Pieces must not overlap. */
	if (from < to + size && to < from + size) {
		nr = vvar_move(call, from, home);
		from = home;
	}
	return nr + vvar_move(call + nr, from, to);
}

unsigned mapping_reset(struct mapping_call *call, uaddr_t now, uaddr_t vvar, uaddr_t home)
{
	uaddr_t end = now + vdso_layout()->pub.vvar_size;
	unsigned nr = 0;

	if (!now || now == home) {
		call[nr++] = mapping_unmap(0, GUEST_TASK_SIZE);
	} else {
		call[nr++] = mapping_unmap(0, now);
		if (end < GUEST_TASK_SIZE)
			call[nr++] = mapping_unmap(end, GUEST_TASK_SIZE);
	}
	return now ? nr + mapping_vvar_moves(call + nr, now, vvar ? vvar : home, home) : nr;
}

/* --- the queue --- */

/* Whether @next does to what follows what @last does. */
static bool call_continues(const struct mapping_call *last, const struct mapping_call *next)
{
	if (last->nr != next->nr || last->arg[0] + last->arg[1] != next->arg[0])
		return false;
	switch (next->nr) {
	case SYS_munmap:
		return true;
	case SYS_mprotect:
		return last->arg[2] == next->arg[2];
	case SYS_mmap:
		return last->arg[2] == next->arg[2] && last->arg[3] == next->arg[3] && last->arg[4] == next->arg[4] &&
		       last->arg[5] + last->arg[1] == next->arg[5];
	default:
		return false;
	}
}

bool mapping_queue_merge(struct mapping_queue *queue, const struct mapping_call *call)
{
	struct mapping_call *last = queue->nr ? &queue->call[queue->nr - 1] : NULL;

	if (!last || !call_continues(last, call))
		return false;
	last->arg[1] += call->arg[1];
	return true;
}

void mapping_queue_add(struct mapping_queue *queue, const struct mapping_call *call)
{
	BUG_ON(!mapping_queue_has_room(queue, 1));
	queue->call[queue->nr++] = *call;
}

void mapping_queue_prepend(struct mapping_queue *queue, const struct mapping_call *call, unsigned nr)
{
	if (!mapping_queue_has_room(queue, nr))
		queue->nr = 0;
	memmove(queue->call + nr, queue->call, queue->nr * sizeof(*call));
	memcpy(queue->call, call, nr * sizeof(*call));
	queue->nr += nr;
}
