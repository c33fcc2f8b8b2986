/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vma set is a red-black tree by address.  Each vma carries the size of the free range below it, and the tree the
 * largest of these in each subtree, so that the search for free space skips subtrees without one.
 */
#include "sentry/mm/vma.h"

#include <string.h>

#include "sentry/base/bug.h"

static struct vma *vma_of(const struct rb_node *n)
{
	return rb_entry((struct rb_node *)n, struct vma, rb);
}

static uint64_t subtree_max_gap(const struct rb_node *n)
{
	return n ? vma_of(n)->max_gap : 0;
}

static void vma_augment(struct rb_node *n)
{
	struct vma *v = vma_of(n);

	v->max_gap = MAX(v->gap, MAX(subtree_max_gap(n->left), subtree_max_gap(n->right)));
}

void vma_set_init(struct vma_set *s)
{
	memset(s, 0, sizeof(*s));
	s->root.augment = vma_augment;
}

/* The lowest address that free space below @v must leave alone (vm_start_gap in Linux). */
uaddr_t vma_start_gap(const struct vma *v)
{
	if (!(v->flags & VM_GROWSDOWN))
		return v->start;
	return v->start > STACK_GUARD_GAP ? v->start - STACK_GUARD_GAP : 0;
}

static void vma_update_gap(struct vma_set *s, struct vma *v)
{
	const struct vma *prev;
	uaddr_t low, high;

	if (!v)
		return;
	prev = vma_prev(v);
	low = prev ? prev->end : 0;
	high = vma_start_gap(v);
	v->gap = high > low ? high - low : 0;
	rb_augment_path(&s->root, &v->rb);
}

struct vma *vma_find_from(const struct vma_set *s, uaddr_t addr)
{
	struct rb_node *n = s->root.node;
	struct vma *found = NULL;

	while (n) {
		struct vma *v = vma_of(n);

		if (v->end > addr) {
			found = v;
			if (v->start <= addr)
				break;
			n = n->left;
		} else {
			n = n->right;
		}
	}
	return found;
}

struct vma *vma_find(const struct vma_set *s, uaddr_t addr)
{
	struct vma *v = vma_find_from(s, addr);

	return v && v->start <= addr ? v : NULL;
}

struct vma *vma_find_intersection(const struct vma_set *s, uaddr_t start, uaddr_t end)
{
	struct vma *v = vma_find_from(s, start);

	return v && v->start < end ? v : NULL;
}

struct vma *vma_next(const struct vma *v)
{
	return rb_entry_or_null(rb_next(&v->rb), struct vma, rb);
}

struct vma *vma_prev(const struct vma *v)
{
	return rb_entry_or_null(rb_prev(&v->rb), struct vma, rb);
}

struct vma *vma_first(const struct vma_set *s)
{
	return rb_entry_or_null(rb_first(&s->root), struct vma, rb);
}

struct vma *vma_last(const struct vma_set *s)
{
	return rb_entry_or_null(rb_last(&s->root), struct vma, rb);
}

void vma_insert(struct vma_set *s, struct vma *v)
{
	struct rb_node *parent = NULL, **link = &s->root.node;

	BUG_ON(v->start >= v->end);
	while (*link) {
		const struct vma *at = vma_of(*link);

		parent = *link;
		if (v->end <= at->start) {
			link = &parent->left;
		} else {
			BUG_ON(v->start < at->end);
			link = &parent->right;
		}
	}
	v->gap = 0;
	rb_insert_at(&s->root, &v->rb, parent, link);
	vma_update_gap(s, v);
	vma_update_gap(s, vma_next(v));
	s->nr++;
	s->pages += (v->end - v->start) >> PAGE_SHIFT;
}

void vma_remove(struct vma_set *s, struct vma *v)
{
	struct vma *next = vma_next(v);

	rb_erase(&s->root, &v->rb);
	vma_update_gap(s, next);
	s->nr--;
	s->pages -= (v->end - v->start) >> PAGE_SHIFT;
}

void vma_set_bounds(struct vma_set *s, struct vma *v, uaddr_t start, uaddr_t end)
{
	BUG_ON(start >= end);
	s->pages -= (v->end - v->start) >> PAGE_SHIFT;
	v->start = start;
	v->end = end;
	s->pages += (end - start) >> PAGE_SHIFT;
	vma_update_gap(s, v);
	vma_update_gap(s, vma_next(v));
}

static bool same_name(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool vma_can_merge(const struct vma *a, const struct vma *b)
{
	return a->end == b->start && a->flags == b->flags && !(a->flags & (VM_SPECIAL | VM_VVAR)) && a->file == b->file &&
	       a->pgoff + ((a->end - a->start) >> PAGE_SHIFT) == b->pgoff && same_name(a->name, b->name) &&
	       same_name(a->anon_name, b->anon_name) && a->policy == b->policy;
}

/* --- free space --- */

struct gap_search {
	uint64_t len, align;
	uaddr_t low, high;
};

/* The highest (or lowest) aligned place in the free range [start, end) clipped to the search's bounds, or 0. */
static uaddr_t gap_fit(const struct gap_search *g, uaddr_t start, uaddr_t end, bool down)
{
	uaddr_t addr;

	start = MAX(start, g->low);
	end = MIN(end, g->high);
	if (end <= start || end - start < g->len)
		return 0;
	addr = down ? ALIGN_DOWN(end - g->len, g->align) : ALIGN_UP(start, g->align);
	return addr >= start && addr <= end - g->len ? addr : 0;
}

/*
 * Looks below @n for the best gap in the order of the search.  Depth is the tree's height; a subtree is entered only when
 * it has a gap that is large enough, somewhere, and may lie within bounds.
 */
static uaddr_t gap_in_subtree(const struct gap_search *g, const struct rb_node *n, bool down)
{
	const struct vma *v;
	uaddr_t start, end, addr;

	if (!n || subtree_max_gap(n) < g->len)
		return 0;
	v = vma_of(n);
	end = vma_start_gap(v);
	start = end - MIN(v->gap, end);
	if (down) {
		addr = v->end < g->high ? gap_in_subtree(g, n->right, down) : 0;
		if (!addr && v->gap >= g->len)
			addr = gap_fit(g, start, end, down);
		if (!addr && v->start > g->low)
			addr = gap_in_subtree(g, n->left, down);
	} else {
		addr = v->start > g->low ? gap_in_subtree(g, n->left, down) : 0;
		if (!addr && v->gap >= g->len)
			addr = gap_fit(g, start, end, down);
		if (!addr && v->end < g->high)
			addr = gap_in_subtree(g, n->right, down);
	}
	return addr;
}

static uaddr_t gap_find(const struct vma_set *s, const struct gap_search *g, bool down)
{
	const struct vma *last = vma_last(s);
	uaddr_t top_start = last ? last->end : 0, addr;

	if (g->low >= g->high)
		return 0;
	if (down) {
		addr = gap_fit(g, top_start, g->high, down);
		return addr ? addr : gap_in_subtree(g, s->root.node, down);
	}
	addr = gap_in_subtree(g, s->root.node, down);
	return addr ? addr : gap_fit(g, top_start, g->high, down);
}

uaddr_t vma_find_gap_down(const struct vma_set *s, uint64_t len, uint64_t align, uaddr_t low, uaddr_t high, uaddr_t hole_start,
			  uaddr_t hole_end)
{
	struct gap_search above = { len, align, MAX(low, hole_end), high };
	struct gap_search below = { len, align, low, MIN(high, hole_start) };
	uaddr_t addr;

	if (hole_start >= hole_end) {
		above.low = low;
		return gap_find(s, &above, true);
	}
	addr = gap_find(s, &above, true);
	return addr ? addr : gap_find(s, &below, true);
}

uaddr_t vma_find_gap_up(const struct vma_set *s, uint64_t len, uint64_t align, uaddr_t low, uaddr_t high, uaddr_t hole_start,
			uaddr_t hole_end)
{
	struct gap_search above = { len, align, MAX(low, hole_end), high };
	struct gap_search below = { len, align, low, MIN(high, hole_start) };
	uaddr_t addr;

	if (hole_start >= hole_end) {
		below.high = high;
		return gap_find(s, &below, false);
	}
	addr = gap_find(s, &below, false);
	return addr ? addr : gap_find(s, &above, false);
}

/* --- checking --- */

static uint64_t check_subtree(const struct rb_node *n)
{
	uint64_t left, right;

	if (!n)
		return 0;
	left = check_subtree(n->left);
	right = check_subtree(n->right);
	BUG_ON(vma_of(n)->max_gap != MAX(vma_of(n)->gap, MAX(left, right)));
	return vma_of(n)->max_gap;
}

void vma_set_check(const struct vma_set *s)
{
	uint64_t pages = 0;
	uaddr_t end = 0;
	unsigned nr = 0;

	for (const struct vma *v = vma_first(s); v; v = vma_next(v)) {
		uaddr_t guard = vma_start_gap(v);

		BUG_ON(PAGE_OFFSET(v->start) || PAGE_OFFSET(v->end));
		BUG_ON(v->start < end || v->start >= v->end);
		BUG_ON(v->gap != (guard > end ? guard - end : 0));
		end = v->end;
		nr++;
		pages += (v->end - v->start) >> PAGE_SHIFT;
	}
	BUG_ON(nr != s->nr || pages != s->pages);
	check_subtree(s->root.node);
}
