/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive doubly linked list, circular, with a head.  No locking; the owner of the head states its lock.
 */
#ifndef SENTRY_BASE_LIST_H
#define SENTRY_BASE_LIST_H

#include "sentry/base/types.h"

struct list_head {
	struct list_head *next, *prev;
};

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void list_init(struct list_head *h)
{
	h->next = h;
	h->prev = h;
}

static inline bool list_empty(const struct list_head *h)
{
	return h->next == h;
}

static inline void list_insert_between(struct list_head *n, struct list_head *prev, struct list_head *next)
{
	next->prev = n;
	n->next = next;
	n->prev = prev;
	prev->next = n;
}

/* Adds @n directly behind @h: the first entry of a list, or behind an entry. */
static inline void list_add(struct list_head *n, struct list_head *h)
{
	list_insert_between(n, h, h->next);
}

static inline void list_add_tail(struct list_head *n, struct list_head *h)
{
	list_insert_between(n, h->prev, h);
}

/* Takes @n off its list and leaves it initialised, so that list_empty(@n) tells "on no list". */
static inline void list_del(struct list_head *n)
{
	n->next->prev = n->prev;
	n->prev->next = n->next;
	list_init(n);
}

static inline void list_move_tail(struct list_head *n, struct list_head *h)
{
	list_del(n);
	list_add_tail(n, h);
}

/* Moves all entries of @from to the tail of @to; @from is empty afterwards. */
static inline void list_splice_tail(struct list_head *from, struct list_head *to)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first_entry(h, type, member) list_entry((h)->next, type, member)
#define list_last_entry(h, type, member) list_entry((h)->prev, type, member)
#define list_first_entry_or_null(h, type, member) (list_empty(h) ? NULL : list_first_entry(h, type, member))
#define list_next_entry(pos, member) list_entry((pos)->member.next, __typeof__(*(pos)), member)
#define list_prev_entry(pos, member) list_entry((pos)->member.prev, __typeof__(*(pos)), member)

#define list_for_each_entry(pos, h, member)                                                                            \
	for (pos = list_first_entry(h, __typeof__(*pos), member); &pos->member != (h); pos = list_next_entry(pos, member))

#define list_for_each_entry_safe(pos, tmp, h, member)                                                                  \
	for (pos = list_first_entry(h, __typeof__(*pos), member), tmp = list_next_entry(pos, member);                  \
	     &pos->member != (h); pos = tmp, tmp = list_next_entry(tmp, member))

#endif
