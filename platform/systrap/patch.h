/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The patched syscall sites of one address space.
 *
 * A patched page of text is a copy, in memory of its own (patch memory), that is mapped in the stub in place of the page that the
 * guest's page table names.  The page table stays as it is; so whatever the sentry reads there (a debugger's peek,
 * /proc/pid/mem, a core dump, write(2)) shows the program's own bytes, and dropping the mapping undoes the patches.  A guest that
 * loads from its own text sees the jumps.
 *
 *     text page (copy)           slot                       trampoline
 *     jmp *slot           ->     the trampoline's    ->     patch_text.S makes the call;
 *                                address                    the moved instructions, and back behind them
 *
 * A page changes by mapping another copy over it, never by writing to one that is mapped: no processor sees half a jump, because
 * the host's mmap has every processor of the address space drop the old translation before it returns.  A thread that is
 * just between the two instructions of `mov $nr,%eax; syscall` finds the jump, and one that is in the trampoline of a
 * patch that was undone leaves it as it would have.
 *
 * So a trampoline is never changed nor reused while its address space lives, and what it was made from is kept, to translate
 * addresses inside it to those the guest knows.
 *
 * Which pages.  Private text that can't be written; mm sees to that and says when it ends: any mapping operation of a patched
 * page comes by here, and what changes the bytes underneath asks for a restore.  Pages of a file that somebody writes to while
 * they are mapped private keep the old bytes, as mmap(2) allows.
 *
 * Locks: set->lock, below mm's pt_lock and above the platform's queues.  Functions take it themselves.
 */
#ifndef SENTRY_PLATFORM_SYSTRAP_PATCH_H
#define SENTRY_PLATFORM_SYSTRAP_PATCH_H

#include "platform/platform.h"
#include "platform/systrap/patch_plan.h"
#include "sentry/base/lock.h"

/* In the stub, between the vDSO's data and the blocks. */
#define PATCH_TRAMPS 0x7fffe0100000UL
#define PATCH_TRAMPS_SIZE 0x40000UL
#define PATCH_NEAR_SLOTS 0x7fffe0200000UL
#define PATCH_SLOTS_SIZE 0x10000UL
#define PATCH_SLOT_PAGES (PATCH_SLOTS_SIZE / PAGE_SIZE)

#define PATCH_MAX_SITES 4096 /* of an address space in its life */
#define PATCH_PAGE_BUCKETS 64
#define PATCH_MAX_STALE 32

/* Mapping in the stub, as platform_ops.map, in order; @backing is what patch_init was given. */
struct patch_host {
	int (*map)(void *arg, uaddr_t addr, size_t len, unsigned prot, int backing, uint64_t off);
	/* Waits until what was ordered is so for all threads. */
	int (*sync)(void *arg);
};

struct patch_site {
	uaddr_t site;
	uaddr_t tramp, tramp_end; /* in the stub */
	uaddr_t code;		  /* the moved instructions, the last part of the trampoline */
	struct patch_site *next;  /* of its page */
	uint8_t form;
	uint8_t nr_map;
	struct patch_map map[PATCH_MAP_MAX];
};

struct patch_page {
	struct patch_page *next; /* of its bucket */
	uaddr_t addr;
	unsigned copy;		 /* page of patch memory */
	unsigned prot;		 /* what mm mapped there: */
	int backing;
	uint64_t off;
	struct patch_site *sites;
};

struct patch_slots {
	uaddr_t base;
	struct {
		unsigned copy; /* page of patch memory; 0: none */
		uint8_t *used; /* a bit for each byte */
	} page[PATCH_SLOT_PAGES];
};

struct patch_set {
	struct mutex lock;
	const struct patch_host *host;
	void *arg;
	bool off;	/* nothing is patched any more */
	bool low_off;	/* the guest uses the addresses of the absolute slots */
	struct patch_page *pages[PATCH_PAGE_BUCKETS];
	unsigned nr_pages;
	struct patch_slots near, abs;
	unsigned tramps[PATCH_TRAMPS_SIZE / PAGE_SIZE], nr_tramps; /* pages of patch memory */
	size_t tramp_used; /* bytes */
	struct patch_site **sites; /* all ever made, by trampoline */
	unsigned nr_sites;
	unsigned stale[PATCH_MAX_STALE], nr_stale; /* copies that some thread may still run */
};

struct patch_stats {
	atomic_ulong sites[NR_PATCH_VERDICTS]; /* tried; [PATCH_OK] are patched */
	atomic_ulong refused, undone, inherited /* known as hot from another address space */;
};
extern struct patch_stats patch_stats;

/*
 * Once per process: the backing by which stubs map patch memory, and where in a stub a trampoline goes to have the call made,
 * with rcx the address of the moved instructions, in front of which stands the address behind the syscall.
 */
void patch_init(int backing, uaddr_t entry);

/* @host and @arg are borrowed. */
void patch_set_init(struct patch_set *set, const struct patch_host *host, void *arg);
/* The address space gets another stub: nothing of the set is mapped there.  set->lock held, and no thread runs. */
void patch_set_lost_locked(struct patch_set *set);
void patch_set_fini(struct patch_set *set);

/*
 * Patches the syscall instruction at @site.  @page: the bytes of its page as the guest's page table has it, which is mapped with
 * @prot from @backing at @off.  Returns PATCH_OK (also when it is patched already) or why not; -LINUX_ENOMEM, -LINUX_EPERM (off).
 */
int patch_site(struct patch_set *set, uaddr_t site, const uint8_t *page, unsigned prot, int backing, uint64_t off);
/* Puts the guest's own pages back in the range. */
void patch_restore(struct patch_set *set, uaddr_t addr, size_t len);
/*
 * Around an operation that unmaps the range or maps it anew: what is patched there is gone with it.  Begin returns whether there is
 * anything, and then holds set->lock until end.
 */
bool patch_drop_begin(struct patch_set *set);
void patch_drop_end(struct patch_set *set, uaddr_t addr, size_t len);
/* The guest is about to use the addresses of the absolute slots. */
void patch_low_taken(struct patch_set *set);
/* Restores all and never patches again: a tracer, a %gs of the guest's own. */
void patch_set_off(struct patch_set *set);

/*
 * A fault at @addr: true when it is where the set has slots or trampolines, which are mapped again.  The host may have dropped
 * them with other mappings.
 */
bool patch_fault(struct patch_set *set, uaddr_t addr);

/*
 * An address inside a trampoline, or behind the start of a patched jump, and what it means.
 *
 * PATCH_AT_SITE: the guest is at the syscall instruction; nothing of it has happened.
 * PATCH_AT_CODE: it is at *ret_rip; add *ret_pushed to its stack pointer.
 */
enum patch_at { PATCH_AT_NOTHING, PATCH_AT_SITE, PATCH_AT_CODE };
enum patch_at patch_tramp_rip(struct patch_set *set, uaddr_t rip, uaddr_t *ret_rip, unsigned *ret_pushed);
/* Where a guest is to be continued that believes to be at @rip: @rip itself, or the moved instruction. */
uaddr_t patch_enter_rip(struct patch_set *set, uaddr_t rip);
/* Whether @cont is where the trampoline of a site continues behind the call; *ret_rip: the address behind the syscall. */
bool patch_is_cont(struct patch_set *set, uaddr_t cont, uaddr_t *ret_rip);

#endif
