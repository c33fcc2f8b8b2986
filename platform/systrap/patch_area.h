/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of a guest thread's page that is for patched sites, and the calls that are answered without the sentry.  Included
 * by assembly, too.
 *
 * Answers are values that the sentry publishes when they change.  The guest can write here; it fools nobody but itself.
 *
 * The signal mask is the thread's own while it is in the guest: the trampoline changes it, and the sentry takes it over at the next
 * stop.  `known` is what the sentry has it for meanwhile.  Only masks that block all of `known` are set here, so a signal that the
 * sentry holds back is never unblocked without it; and one that the sentry believes unblocked interrupts the guest, which tells.
 *
 * Futexes: a count of the waiters on the private futexes of each hash value, in the stub's mapper page (SYSTRAP_FUTEX_COUNTS):
 *
 *     who waits (sentry)                      who wakes (stub)
 *         count++                                 the guest has written the word
 *         barrier                                 barrier
 *         look at the word, sleep                 look at the count
 *
 * so that a waiter which is not seen sees the new word.
 */
#ifndef SENTRY_PLATFORM_SYSTRAP_PATCH_AREA_H
#define SENTRY_PLATFORM_SYSTRAP_PATCH_AREA_H

#include "platform/systrap/layout.h"

#define PATCH_AREA_CONT (SYSTRAP_PAGE_PATCH + 0)
#define PATCH_AREA_INTERRUPT (SYSTRAP_PAGE_PATCH + 8)
#define PATCH_AREA_ANSWERS (SYSTRAP_PAGE_PATCH + 12)
#define PATCH_AREA_ANSWER (SYSTRAP_PAGE_PATCH + 16)
#define PATCH_AREA_COUNT (SYSTRAP_PAGE_PATCH + 24)
#define PATCH_AREA_KNOWN (SYSTRAP_PAGE_PATCH + 32)
#define PATCH_AREA_NEW (SYSTRAP_PAGE_PATCH + 40)
#define PATCH_AREA_FEATURES (SYSTRAP_PAGE_PATCH + 48)
#define PATCH_AREA_VALUES (SYSTRAP_PAGE_PATCH + 56)
#define PATCH_AREA_SIGMASK (PATCH_AREA_VALUES + 8 * PATCH_ANSWER_SIGMASK)

/* Indices of values and bits of answers; as enum platform_answer.  0 stands for a call that has no answer. */
#define PATCH_ANSWER_PID 1
#define PATCH_ANSWER_TID 2
#define PATCH_ANSWER_PPID 3
#define PATCH_ANSWER_UID 4
#define PATCH_ANSWER_EUID 5
#define PATCH_ANSWER_GID 6
#define PATCH_ANSWER_EGID 7
#define PATCH_ANSWER_PGRP 8
#define PATCH_ANSWER_OF_SELF 9 /* from here on only with a first argument of 0 */
#define PATCH_ANSWER_PGID 9
#define PATCH_ANSWER_SID 10
#define PATCH_ANSWER_CODE 11 /* from here on by code of their own */
#define PATCH_ANSWER_YIELD 11
#define PATCH_ANSWER_GETCPU 12
#define PATCH_ANSWER_SIGMASK 13
#define PATCH_ANSWER_FUTEX 14
#define PATCH_NR_ANSWERS 15

#define PATCH_NR_CALLS 310 /* up to the last call that may have an answer */

/* From the frame as the handler finds it: the return address, struct ucontext up to rip. */
#define SYSTRAP_FRAME_RIP 176

#ifndef __ASSEMBLER__

struct patch_area {
	uint64_t cont;	       /* of the call under way: its trampoline's moved instructions */
	atomic_uint interrupt; /* the sentry's signal came where it could not be taken */
	atomic_uint answers;   /* bit n: value[n] may be given */
	uint64_t answer;       /* being given */
	uint64_t count;	       /* answers given */
	uint64_t known;	       /* the signal mask that the sentry knows of */
	uint64_t new_mask;     /* of the call under way */
	uint64_t features;     /* components of the extended state */
	uint64_t value[PATCH_NR_ANSWERS];
};
static_assert(SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, cont) == PATCH_AREA_CONT &&
		      SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, interrupt) == PATCH_AREA_INTERRUPT &&
		      SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, answers) == PATCH_AREA_ANSWERS &&
		      SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, answer) == PATCH_AREA_ANSWER &&
		      SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, count) == PATCH_AREA_COUNT &&
		      SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, known) == PATCH_AREA_KNOWN &&
		      SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, new_mask) == PATCH_AREA_NEW &&
		      SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, features) == PATCH_AREA_FEATURES &&
		      SYSTRAP_PAGE_PATCH + offsetof(struct patch_area, value) == PATCH_AREA_VALUES,
	      "struct patch_area");
static_assert(sizeof(struct patch_area) <= SYSTRAP_PAGE_SIZE - SYSTRAP_PAGE_PATCH, "fits its part of the page");

/* In the text; patch_text.S tells what lies between them. */
extern const uint8_t systrap_patch_entry[], systrap_patch_stack[], systrap_patch_flags[], systrap_patch_cont[],
	systrap_patch_finish[], systrap_patch_jump[], systrap_patch_code[], systrap_patch_slow[], systrap_patch_leave[],
	systrap_patch_left[];

#endif
#endif
