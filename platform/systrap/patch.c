/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/systrap/patch.h"

#include <stdlib.h>
#include <string.h>

#include "platform/systrap/patch_memory.h"
#include "sentry/abi/errno.h"
#include "sentry/base/log.h"

#define SLOT_SIZE 8
#define TRAMP_HEAD_SIZE 20 /* lea code(%rip),%rcx; jmp entry; .quad behind the syscall */
#define TRAMP_ALIGN 16
#define PROT_PATCH (PLATFORM_READ | PLATFORM_EXEC)

struct patch_stats patch_stats;
static int patch_backing = -1;
static uaddr_t patch_entry;

void patch_init(int backing, uaddr_t entry)
{
	patch_backing = backing;
	patch_entry = entry;
}

/* --- mapping --- */

static int set_map(struct patch_set *set, uaddr_t addr, unsigned copy)
{
	return set->host->map(set->arg, addr, PAGE_SIZE, PROT_PATCH, patch_backing, patch_memory_off(copy));
}

/* Frees a copy that was mapped until now. */
static void set_retire(struct patch_set *set, unsigned copy)
{
	if (set->nr_stale == PATCH_MAX_STALE) {
		set->host->sync(set->arg);
		while (set->nr_stale)
			patch_memory_free(set->stale[--set->nr_stale]);
	}
	set->stale[set->nr_stale++] = copy;
}

/* --- slots --- */

static void slots_free(struct patch_slots *slots)
{
	for (unsigned i = 0; i < PATCH_SLOT_PAGES; i++) {
		patch_memory_free(slots->page[i].copy);
		free(slots->page[i].used);
		slots->page[i].copy = 0;
		slots->page[i].used = NULL;
	}
}

static bool slot_is_free(const uint8_t *used, unsigned off)
{
	for (unsigned i = off; used && i < off + SLOT_SIZE; i++)
		if (used[i / 8] & 1U << i % 8)
			return false;
	return true;
}

/*
 * A place in the page for which the jump fits, or 0.  Bytes that stop are few and known: it is enough to look where the slot's address
 * would end in one, as the jump has it.
 */
static unsigned slot_find(const struct patch_slots *slots, unsigned page, const struct patch_plan *plan)
{
	static const uint8_t low[] = { 0x06, 0x0e, 0x16, 0x1e, 0x27, 0x2f, 0x37, 0x60, 0x3f };
	uaddr_t base = slots->base + page * PAGE_SIZE;
	/* What a displacement of 0 means. */
	uint8_t origin = plan->form == PATCH_NEAR ? (uint8_t)(plan->site + patch_jump_len(PATCH_NEAR)) : 0;

	for (unsigned chunk = 0; chunk < PAGE_SIZE; chunk += 256) {
		for (unsigned i = 0; i < sizeof(low); i++) {
			unsigned off = chunk + (uint8_t)(low[i] + origin);

			if (off && off + SLOT_SIZE <= PAGE_SIZE && slot_is_free(slots->page[page].used, off) &&
			    patch_fits(plan, base + off))
				return off;
		}
	}
	return 0;
}

static int slots_add_page(struct patch_set *set, struct patch_slots *slots, unsigned page)
{
	uint8_t *used = calloc(1, PAGE_SIZE / 8);
	unsigned copy = patch_memory_alloc();
	int err = used && copy ? 0 : -LINUX_ENOMEM;

	if (!err) {
		memset(patch_memory_ptr(copy), 0, PAGE_SIZE);
		err = set_map(set, slots->base + page * PAGE_SIZE, copy);
	}
	if (err) {
		patch_memory_free(copy);
		free(used);
		return err;
	}
	slots->page[page].copy = copy;
	slots->page[page].used = used;
	return 0;
}

/* Takes a slot for the plan, in pages that are there before others: its address, 0 (none fits) or -errno. */
static int64_t slot_get(struct patch_set *set, struct patch_slots *slots, const struct patch_plan *plan)
{
	int err;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned page = 0; page < PATCH_SLOT_PAGES; page++) {
			unsigned off;

			if (pass == 0 && !slots->page[page].copy)
				continue;
			off = slot_find(slots, page, plan);
			if (!off)
				continue;
			err = slots->page[page].copy ? 0 : slots_add_page(set, slots, page);
			if (err)
				return err;
			for (unsigned i = off; i < off + SLOT_SIZE; i++)
				slots->page[page].used[i / 8] |= (uint8_t)(1U << i % 8);
			return (int64_t)(slots->base + page * PAGE_SIZE + off);
		}
	}
	return 0;
}

static void slot_set(struct patch_slots *slots, uaddr_t slot, uaddr_t tramp)
{
	unsigned copy = slots->page[(slot - slots->base) >> PAGE_SHIFT].copy;

	memcpy((char *)patch_memory_ptr(copy) + PAGE_OFFSET(slot), &tramp, SLOT_SIZE);
}

/* --- trampolines --- */

/* Room for @size bytes that do not cross a page: its address in the stub, or 0. */
static uaddr_t tramp_alloc(struct patch_set *set, size_t size)
{
	size_t at = ALIGN_UP(set->tramp_used, TRAMP_ALIGN);
	unsigned copy;

	if (PAGE_OFFSET(at) + size > PAGE_SIZE)
		at = PAGE_ALIGN(at);
	if (at + size > PATCH_TRAMPS_SIZE)
		return 0;
	if (at >> PAGE_SHIFT >= set->nr_tramps) {
		copy = patch_memory_alloc();
		if (!copy)
			return 0;
		memset(patch_memory_ptr(copy), 0xcc, PAGE_SIZE);
		if (set_map(set, PATCH_TRAMPS + PAGE_DOWN(at), copy)) {
			patch_memory_free(copy);
			return 0;
		}
		set->tramps[set->nr_tramps++] = copy;
	}
	set->tramp_used = at + size;
	return PATCH_TRAMPS + at;
}

/* Nothing may be mapped here that a thread could run yet. */
static void tramp_write(struct patch_set *set, const struct patch_site *s, uaddr_t guest_rip, const struct patch_code *code)
{
	size_t at = s->tramp - PATCH_TRAMPS;
	uint8_t *p = (uint8_t *)patch_memory_ptr(set->tramps[at >> PAGE_SHIFT]) + PAGE_OFFSET(at);
	uint32_t lea = TRAMP_HEAD_SIZE - 7, jmp = (uint32_t)(patch_entry - (s->tramp + 12));

	memcpy(p, "\x48\x8d\x0d", 3);
	memcpy(p + 3, &lea, 4);
	p[7] = 0xe9;
	memcpy(p + 8, &jmp, 4);
	memcpy(p + 12, &guest_rip, 8);
	memcpy(p + TRAMP_HEAD_SIZE, code->bytes, code->len);
}

/* --- pages --- */

static struct patch_page **bucket_of(struct patch_set *set, uaddr_t addr)
{
	return &set->pages[(addr >> PAGE_SHIFT) % PATCH_PAGE_BUCKETS];
}

static struct patch_page *page_find(struct patch_set *set, uaddr_t addr)
{
	struct patch_page *page = *bucket_of(set, addr);

	while (page && page->addr != PAGE_DOWN(addr))
		page = page->next;
	return page;
}

/* Forgets a page; its sites live on in set->sites. */
static void page_del(struct patch_set *set, struct patch_page *page)
{
	struct patch_page **link = bucket_of(set, page->addr);

	while (*link != page)
		link = &(*link)->next;
	*link = page->next;
	WRITE_ONCE(set->nr_pages, set->nr_pages - 1);
	for (struct patch_site *s = page->sites; s; s = s->next)
		atomic_fetch_add(&patch_stats.undone, 1);
	set_retire(set, page->copy);
	free(page);
}

enum page_end { PAGE_RESTORE, PAGE_DROPPED };

static void page_end(struct patch_set *set, struct patch_page *page, enum page_end how)
{
	/* When it fails the stub is gone, or its mappings are. */
	if (how == PAGE_RESTORE)
		set->host->map(set->arg, page->addr, PAGE_SIZE, page->prot, page->backing, page->off);
	page_del(set, page);
}

static void pages_end_locked(struct patch_set *set, uaddr_t addr, size_t len, enum page_end how)
{
	struct patch_page *page, *next;

	for (unsigned i = 0; set->nr_pages && i < PATCH_PAGE_BUCKETS; i++) {
		for (page = set->pages[i]; page; page = next) {
			next = page->next;
			if (page->addr - PAGE_DOWN(addr) < len + PAGE_OFFSET(addr))
				page_end(set, page, how);
		}
	}
}

/* Puts the jump into a new copy of the page's text, and that in the place of what is mapped. */
static int page_patch(struct patch_set *set, struct patch_page **page, const struct patch_page *from, const uint8_t *text,
		      uaddr_t site, const uint8_t *jump, unsigned len)
{
	unsigned copy = patch_memory_alloc();
	struct patch_page *made = NULL;
	int err;

	if (!copy)
		return -LINUX_ENOMEM;
	memcpy(patch_memory_ptr(copy), *page ? patch_memory_ptr((*page)->copy) : text, PAGE_SIZE);
	memcpy((char *)patch_memory_ptr(copy) + PAGE_OFFSET(site), jump, len);
	if (!*page) {
		made = malloc(sizeof(*made));
		if (made)
			*made = *from;
	}
	err = *page || made ? set_map(set, PAGE_DOWN(site), copy) : -LINUX_ENOMEM;
	if (err) {
		patch_memory_free(copy);
		free(made);
		return err;
	}
	if (*page) {
		set_retire(set, (*page)->copy);
	} else {
		made->next = *bucket_of(set, site);
		*bucket_of(set, site) = made;
		WRITE_ONCE(set->nr_pages, set->nr_pages + 1);
		*page = made;
	}
	(*page)->copy = copy;
	return 0;
}

/* --- sites --- */

static struct patch_site *page_site(const struct patch_page *page, uaddr_t rip)
{
	struct patch_site *s = page ? page->sites : NULL;

	while (s && rip - s->site >= patch_jump_len(s->form))
		s = s->next;
	return s;
}

/* A site overlaps the jump of another when a jump's last bytes are the next syscall's first. */
static bool page_overlaps(const struct patch_page *page, const struct patch_plan *plan)
{
	for (unsigned i = 0; i < patch_jump_len(plan->form); i++)
		if (page_site(page, plan->site + i))
			return true;
	return false;
}

static struct patch_site *site_new(struct patch_set *set, const struct patch_plan *plan, const uint8_t *text)
{
	struct patch_site *s = calloc(1, sizeof(*s));
	struct patch_code code;

	if (!s)
		return NULL;
	patch_code(plan, text, &code);
	s->site = plan->site;
	s->form = plan->form;
	s->tramp = tramp_alloc(set, TRAMP_HEAD_SIZE + code.len);
	s->code = s->tramp + TRAMP_HEAD_SIZE;
	s->tramp_end = s->code + code.len;
	s->nr_map = (uint8_t)code.nr_map;
	memcpy(s->map, code.map, code.nr_map * sizeof(code.map[0]));
	if (!s->tramp) {
		free(s);
		return NULL;
	}
	tramp_write(set, s, plan->site + PATCH_SYSCALL_LEN, &code);
	/* From now on its addresses are known, whatever becomes of it. */
	set->sites[set->nr_sites] = s;
	WRITE_ONCE(set->nr_sites, set->nr_sites + 1);
	return s;
}

/* One form.  PATCH_OK, another verdict, or -errno; PATCH_BOUNDARY as well when no slot fits. */
static int site_patch(struct patch_set *set, uaddr_t site, enum patch_form form, const uint8_t *text,
		      const struct patch_page *from)
{
	struct patch_slots *slots = form == PATCH_NEAR ? &set->near : &set->abs;
	struct patch_page *page = page_find(set, site);
	uint8_t jump[PATCH_JUMP_MAX];
	struct patch_plan plan;
	struct patch_site *s;
	int64_t slot;
	int err = patch_plan(text, PAGE_SIZE, PAGE_DOWN(site), site, form, &plan);

	if (err)
		return err;
	if (page_overlaps(page, &plan))
		return PATCH_BOUNDARY;
	if (set->nr_sites == PATCH_MAX_SITES)
		return -LINUX_ENOMEM;
	slot = slot_get(set, slots, &plan);
	if (slot <= 0)
		return slot ? (int)slot : PATCH_BOUNDARY;
	s = site_new(set, &plan, text + PAGE_OFFSET(site));
	if (!s)
		return -LINUX_ENOMEM;
	slot_set(slots, (uaddr_t)slot, s->tramp);
	patch_jump(&plan, (uaddr_t)slot, jump);
	err = page_patch(set, &page, from, text, site, jump, patch_jump_len(form));
	if (err)
		return err;
	s->next = page->sites;
	page->sites = s;
	return PATCH_OK;
}

static int patch_site_locked(struct patch_set *set, uaddr_t site, const uint8_t *text, const struct patch_page *from)
{
	int near, err;

	if (set->off || patch_backing < 0)
		return -LINUX_EPERM;
	if (page_site(page_find(set, site), site))
		return PATCH_OK;
	if (!set->sites) {
		set->sites = calloc(PATCH_MAX_SITES, sizeof(struct patch_site *));
		if (!set->sites)
			return -LINUX_ENOMEM;
	}
	near = site_patch(set, site, PATCH_NEAR, text, from);
	if (near != PATCH_BOUNDARY || set->low_off)
		return near;
	err = site_patch(set, site, PATCH_ABS, text, from);
	return err == PATCH_END ? near : err;
}

int patch_site(struct patch_set *set, uaddr_t site, const uint8_t *page, unsigned prot, int backing, uint64_t off)
{
	struct patch_page from = { .addr = PAGE_DOWN(site), .prot = prot, .backing = backing, .off = off };
	int ret;

	MUTEX_GUARD(&set->lock);
	ret = patch_site_locked(set, site, page, &from);
	atomic_fetch_add(ret >= 0 ? &patch_stats.sites[ret] : &patch_stats.refused, 1);
	log_debug("syscall site %#lx: %s", site, ret < 0 ? "no room or not allowed" : patch_verdict_name[ret]);
	return ret;
}

/* --- ends --- */

/* Without a patch there is nothing to do; mm's pt_lock, which callers hold, keeps it so meanwhile. */
static bool set_is_empty(const struct patch_set *set)
{
	return !__atomic_load_n(&set->nr_pages, __ATOMIC_RELAXED);
}

void patch_restore(struct patch_set *set, uaddr_t addr, size_t len)
{
	if (set_is_empty(set))
		return;
	MUTEX_GUARD(&set->lock);
	pages_end_locked(set, addr, len, PAGE_RESTORE);
}

bool patch_drop_begin(struct patch_set *set)
{
	if (set_is_empty(set))
		return false;
	mutex_lock(&set->lock);
	return true;
}

void patch_drop_end(struct patch_set *set, uaddr_t addr, size_t len)
{
	pages_end_locked(set, addr, len, PAGE_DROPPED);
	mutex_unlock(&set->lock);
}

static void low_taken_locked(struct patch_set *set)
{
	if (set->low_off)
		return;
	set->low_off = true;
	for (unsigned i = 0; i < PATCH_PAGE_BUCKETS; i++) {
		struct patch_page *page, *next;

		for (page = set->pages[i]; page; page = next) {
			bool any = false;

			next = page->next;
			for (struct patch_site *s = page->sites; s; s = s->next)
				any |= s->form == PATCH_ABS;
			if (any)
				page_end(set, page, PAGE_RESTORE);
		}
	}
}

void patch_low_taken(struct patch_set *set)
{
	MUTEX_GUARD(&set->lock);
	low_taken_locked(set);
}

void patch_set_off(struct patch_set *set)
{
	MUTEX_GUARD(&set->lock);
	pages_end_locked(set, 0, SIZE_MAX, PAGE_RESTORE);
	set->off = true;
}

void patch_set_init(struct patch_set *set, const struct patch_host *host, void *arg)
{
	*set = (struct patch_set){ .host = host, .arg = arg, .near.base = PATCH_NEAR_SLOTS, .abs.base = PATCH_ABS_SLOTS };
	mutex_init(&set->lock);
}

void patch_set_lost_locked(struct patch_set *set)
{
	struct patch_page *page;

	mutex_assert_held(&set->lock);

	for (unsigned i = 0; i < PATCH_PAGE_BUCKETS; i++) {
		while ((page = set->pages[i])) {
			set->pages[i] = page->next;
			patch_memory_free(page->copy);
			free(page);
		}
	}
	WRITE_ONCE(set->nr_pages, 0);
	while (set->nr_stale)
		patch_memory_free(set->stale[--set->nr_stale]);
	slots_free(&set->near);
	slots_free(&set->abs);
	while (set->nr_tramps)
		patch_memory_free(set->tramps[--set->nr_tramps]);
	set->tramp_used = 0;
	for (unsigned i = 0; i < set->nr_sites; i++)
		free(set->sites[i]);
	WRITE_ONCE(set->nr_sites, 0);
}

void patch_set_fini(struct patch_set *set)
{
	mutex_lock(&set->lock);
	patch_set_lost_locked(set);
	mutex_unlock(&set->lock);
	free(set->sites);
	mutex_fini(&set->lock);
}

/* --- mappings that went --- */

static bool slots_fault(struct patch_set *set, const struct patch_slots *slots, uaddr_t addr)
{
	unsigned copy = addr - slots->base < PATCH_SLOTS_SIZE ? slots->page[(addr - slots->base) >> PAGE_SHIFT].copy : 0;

	return copy && !set_map(set, PAGE_DOWN(addr), copy);
}

bool patch_fault(struct patch_set *set, uaddr_t addr)
{
	uaddr_t off = addr - PATCH_TRAMPS;

	if (!__atomic_load_n(&set->nr_sites, __ATOMIC_RELAXED))
		return false;
	MUTEX_GUARD(&set->lock);
	if (off < PATCH_TRAMPS_SIZE)
		return off >> PAGE_SHIFT < set->nr_tramps && !set_map(set, PAGE_DOWN(addr), set->tramps[off >> PAGE_SHIFT]);
	return slots_fault(set, &set->near, addr) || (!set->low_off && slots_fault(set, &set->abs, addr));
}

/* --- addresses --- */

/* The site whose trampoline has @rip.  Trampolines are made in the order of their addresses. */
static struct patch_site *tramp_find(const struct patch_set *set, uaddr_t rip)
{
	unsigned low = 0, high = set->nr_sites;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (set->sites[mid]->tramp_end <= rip)
			low = mid + 1;
		else
			high = mid;
	}
	return low < set->nr_sites && set->sites[low]->tramp <= rip ? set->sites[low] : NULL;
}

enum patch_at patch_tramp_rip(struct patch_set *set, uaddr_t rip, uaddr_t *ret_rip, unsigned *ret_pushed)
{
	const struct patch_site *s;
	unsigned i = 0;

	if (rip - PATCH_TRAMPS >= PATCH_TRAMPS_SIZE)
		return PATCH_AT_NOTHING;
	MUTEX_GUARD(&set->lock);
	s = tramp_find(set, rip);
	if (!s)
		return PATCH_AT_NOTHING;
	*ret_rip = s->site;
	*ret_pushed = 0;
	if (rip < s->code)
		return PATCH_AT_SITE;
	while (i + 1 < s->nr_map && s->map[i + 1].code_off <= rip - s->code)
		i++;
	*ret_rip = s->site + s->map[i].guest_off;
	*ret_pushed = s->map[i].pushed;
	return PATCH_AT_CODE;
}

uaddr_t patch_enter_rip(struct patch_set *set, uaddr_t rip)
{
	const struct patch_site *s;

	/* A page that is being patched meanwhile stops the thread, and brings it here again. */
	if (set_is_empty(set))
		return rip;
	MUTEX_GUARD(&set->lock);
	s = page_site(page_find(set, rip), rip);
	if (!s)
		return rip;
	for (unsigned i = 0; i < s->nr_map; i++)
		if (s->map[i].first && s->site + s->map[i].guest_off == rip)
			return s->code + s->map[i].code_off;
	return rip;
}

bool patch_is_cont(struct patch_set *set, uaddr_t cont, uaddr_t *ret_rip)
{
	const struct patch_site *s;

	MUTEX_GUARD(&set->lock);
	s = tramp_find(set, cont);
	if (!s || s->code != cont)
		return false;
	*ret_rip = s->site + PATCH_SYSCALL_LEN;
	return true;
}
