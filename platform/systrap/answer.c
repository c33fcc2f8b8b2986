/* SPDX-License-Identifier: Apache-2.0 */
/* Calls that guest threads answer in their stub (patch_area.h), and the counts of how calls were made. */
#include <string.h>

#include "platform/systrap/patch_area.h"
#include "platform/systrap/systrap.h"
#include "sentry/base/log.h"
#include "sentry/base/strbuf.h"

#define IS(name) ((int)PATCH_ANSWER_##name == (int)ANSWER_##name)
static_assert(IS(PID) && IS(TID) && IS(PPID) && IS(UID) && IS(EUID) && IS(GID) && IS(EGID) && IS(PGRP) && IS(PGID) && IS(SID) &&
		      IS(YIELD) && IS(GETCPU) && IS(SIGMASK) && IS(FUTEX) && (int)PATCH_NR_ANSWERS == (int)NR_PLATFORM_ANSWERS,
	      "enum platform_answer");

/* Of threads that have ended. */
static struct {
	atomic_ulong answered, by_patch, by_signal;
} calls;

static atomic_uint *futex_counts(const struct systrap_stub *stub)
{
	return (void *)((char *)stub->orders + SYSTRAP_FUTEX_PAGE);
}

void systrap_answer_new_stub(struct systrap_aspace *as)
{
	atomic_uint *counts = futex_counts(as->stub);

	/* Nobody of this aspace waits yet, and of the stub's last one nobody runs any more. */
	memset(counts, 0, SYSTRAP_NR_FUTEX_COUNTS * sizeof(*counts));
	atomic_store(&as->futex_counts, counts);
}

void systrap_answer_lost_thread(struct systrap_ctx *ctx)
{
	struct patch_area *a = atomic_exchange(&ctx->area, NULL);

	if (!a)
		return;
	/* What the guest says of its own calls; for show. */
	atomic_fetch_add_explicit(&calls.answered, READ_ONCE(a->count), memory_order_relaxed);
	atomic_fetch_add_explicit(&calls.by_patch, ctx->nr_by_patch, memory_order_relaxed);
	atomic_fetch_add_explicit(&calls.by_signal, ctx->nr_by_signal, memory_order_relaxed);
}

bool systrap_set_answers(struct platform_ctx *pctx, unsigned mask, const uint64_t *values)
{
	struct patch_area *a = atomic_load_explicit(&systrap_ctx(pctx)->area, memory_order_relaxed);

	if (!a)
		return false;
	memcpy(a->value, values, sizeof(a->value));
	a->known = values[PATCH_ANSWER_SIGMASK];
	atomic_store(&a->answers, mask & ~1U);
	return true;
}

void systrap_drop_answers(struct platform_ctx *pctx)
{
	struct patch_area *a = atomic_load(&systrap_ctx(pctx)->area);

	if (a)
		atomic_store(&a->answers, 0);
}

uint64_t systrap_answered_sigmask(struct platform_ctx *pctx)
{
	struct patch_area *a = atomic_load_explicit(&systrap_ctx(pctx)->area, memory_order_relaxed);

	return a ? READ_ONCE(a->value[PATCH_ANSWER_SIGMASK]) : 0;
}

/* patch_text.S has the same hash. */
void systrap_futex_count(struct platform_aspace *pas, uaddr_t addr, int delta)
{
	atomic_uint *counts = atomic_load_explicit(&systrap_aspace(pas)->futex_counts, memory_order_relaxed);

	atomic_fetch_add(&counts[(addr >> 2) % SYSTRAP_NR_FUTEX_COUNTS], (unsigned)delta);
}

/* --- the report --- */

void systrap_report(void)
{
	struct strbuf sb = STRBUF_INIT;
	unsigned long n;

	if (log_level < LOG_LEVEL_INFO)
		return;
	for (int i = 0; i < NR_PATCH_VERDICTS; i++) {
		n = atomic_load(&patch_stats.sites[i]);
		if (i != PATCH_OK && n)
			strbuf_addf(&sb, "%s %lu %s", sb.len ? "," : ":", n, patch_verdict_name[i]);
	}
	n = atomic_load(&patch_stats.refused);
	if (n)
		strbuf_addf(&sb, "%s %lu no room or not allowed", sb.len ? "," : ":", n);
	log_info("call sites: %lu patched (%lu of them known from before), %lu undone; not patched%s",
		 atomic_load(&patch_stats.sites[PATCH_OK]), atomic_load(&patch_stats.inherited),
		 atomic_load(&patch_stats.undone), sb.len ? strbuf_str(&sb) : ": none");
	log_info("calls: %lu answered in the stub, %lu through patched sites, %lu by signals", atomic_load(&calls.answered),
		 atomic_load(&calls.by_patch), atomic_load(&calls.by_signal));
	systrap_spin_report();
	strbuf_fini(&sb);
}
