/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "vfs/poll.h"

struct poll_entry {
	struct waitq_entry we;
	struct waitq *q;
};

#define POLL_INLINE 8

/* Where a waiting poll stands in queues.  The requests hold the files, and so the queues. */
struct poll_wqueues {
	struct poll_table pt;
	struct poll_entry first[POLL_INLINE];
	struct poll_chunk *more;
	unsigned nr; /* used of first, then of the newest chunk */
	bool failed;
};

struct poll_chunk {
	struct poll_chunk *next;
	unsigned nr;
	struct poll_entry entries[64];
};

static struct poll_entry *poll_entry_new(struct poll_wqueues *pw)
{
	struct poll_chunk *c = pw->more;

	if (pw->nr < POLL_INLINE)
		return &pw->first[pw->nr++];
	if (!c || c->nr == ARRAY_SIZE(c->entries)) {
		c = malloc(sizeof(*c));
		if (!c)
			return NULL;
		c->nr = 0;
		c->next = pw->more;
		pw->more = c;
	}
	return &c->entries[c->nr++];
}

static void poll_queue_add(struct poll_table *pt, struct file *f __unused, struct waitq *q)
{
	struct poll_wqueues *pw = container_of(pt, struct poll_wqueues, pt);
	struct poll_entry *e = poll_entry_new(pw);

	if (!e) {
		pw->failed = true;
		return;
	}
	waitq_entry_init(&e->we);
	e->q = q;
	waitq_add(q, &e->we);
}

static void poll_wqueues_fini(struct poll_wqueues *pw)
{
	struct poll_chunk *c;

	for (unsigned i = 0; i < pw->nr; i++)
		waitq_del(pw->first[i].q, &pw->first[i].we);
	while ((c = pw->more)) {
		for (unsigned i = 0; i < c->nr; i++)
			waitq_del(c->entries[i].q, &c->entries[i].we);
		pw->more = c->next;
		free(c);
	}
}

static unsigned poll_look(struct poll_req *reqs, unsigned nr, struct poll_wqueues *pw)
{
	unsigned found = 0;

	for (unsigned i = 0; i < nr; i++) {
		unsigned want = reqs[i].events | LINUX_EPOLLERR | LINUX_EPOLLHUP;

		if (reqs[i].file) {
			if (pw)
				pw->pt.key = want;
			/* Once something was found, the rest only reports: no more queues. */
			reqs[i].revents = vfs_poll(reqs[i].file, pw && !found ? &pw->pt : NULL) & want;
		}
		found += reqs[i].revents != 0;
	}
	return found;
}

int poll_wait_many(struct poll_req *reqs, unsigned nr, deadline_t deadline)
{
	struct poll_wqueues pw;
	unsigned found = poll_look(reqs, nr, NULL);
	int err = 0;

	if (found || !deadline)
		return found;
	pw.pt = (struct poll_table){ .add = poll_queue_add };
	pw.more = NULL;
	pw.nr = 0;
	pw.failed = false;
	found = poll_look(reqs, nr, &pw);
	while (!found && !pw.failed && !err) {
		err = sleeper_sleep(SLEEP_INTERRUPTIBLE, deadline);
		found = poll_look(reqs, nr, NULL);
	}
	poll_wqueues_fini(&pw);
	if (found)
		return found;
	if (pw.failed)
		return -LINUX_ENOMEM;
	return err == -LINUX_ETIMEDOUT ? 0 : err;
}
