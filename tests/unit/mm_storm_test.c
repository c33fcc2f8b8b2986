/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames are never freed or reused while the page cache, a mapping or an I/O holds them: threads that fork, exit, map, unmap,
 * fault and copy, while others truncate, write back, reclaim and do I/O on the same files.  For the sanitizers and the frame
 * checks; contents are checked as far as concurrency lets them be known:
 *
 *   - a page of file f holds f's mark or zero, whatever happens to the file;
 *   - a private page holds what its own thread wrote last, or f's mark, or zero.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/abi/signal.h"
#include "sentry/mm/uaccess.h"
#include "tests/unit/fake_file.h"
#include "tests/unit/fake_platform.h"

TestSuite(mm_storm, .timeout = 800);

#define NR_FILES 3
#define NR_RUNNERS 4
#define ROUNDS 1500
#define RW (LINUX_PROT_READ | LINUX_PROT_WRITE)
#define WINDOW 0x300000000UL
#define WINDOW_PAGES 64
/* The upper half of a word says whose it is. */
#define FILE_MARK(n) ((uint64_t)(n + 1) << 32)
#define OWN_MARK(id) ((uint64_t)(id + 1000) << 32)
#define MARK(val) ((val) & ~0xffffffffUL)

static struct fake_file *files[NR_FILES];
static atomic_bool stop;

/* Guests may race for the contents of their memory; for nothing else. */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
	return "race:copy_piece\nrace:frame_copy\nrace:try_access\nrace:fake_frame_word\n";
}

/* A process: its threads share the mm, as guest threads do. */
struct process {
	struct mm *mm;
	int id; /* the mark of its private data, shared by its children */
};

static bool known_file_word(int n, uint64_t val)
{
	return val == 0 || MARK(val) == FILE_MARK(n);
}

/* What a mapping shows: n is the file, -1 for anonymous memory. */
static void check_word(int id, int n, bool shared, uint64_t val)
{
	bool fine = val == 0 || (n >= 0 && MARK(val) == FILE_MARK(n)) || (!shared && MARK(val) == OWN_MARK(id));

	cr_assert(fine, "a page of %d, file %d, holds %#lx", id, n, (unsigned long)val);
}

static uaddr_t random_page(unsigned *seed)
{
	return WINDOW + (rand_r(seed) % WINDOW_PAGES) * PAGE_SIZE;
}

/* Reads and writes at random; other threads of the process may change the mapping at any time, so any signal may come. */
static void touch(struct process *p, unsigned *seed)
{
	for (int i = 0; i < 8; i++) {
		uaddr_t addr = random_page(seed);
		struct mm_fault f;
		uint64_t val;

		if (fake_guest_access(p->mm, addr, ACCESS_READ, &val, &f) == 0)
			cr_assert(val == 0 || MARK(val) == OWN_MARK(p->id) || known_file_word((int)(MARK(val) >> 32) - 1, val),
				  "%#lx", (unsigned long)val);
		else
			cr_assert(f.signo, "no memory");
	}
}

/* Maps something at a place of the thread's own, uses it, and leaves it there or not. */
static void map_and_use(struct process *p, unsigned lane, unsigned *seed)
{
	int n = (int)(rand_r(seed) % (NR_FILES + 1)) - 1;
	bool shared = n >= 0 && rand_r(seed) % 2;
	struct mmap_args a = { .addr = WINDOW + lane * 16 * PAGE_SIZE, .prot = RW, .may_write = true };
	unsigned pages = 1 + rand_r(seed) % 16;

	a.len = pages * PAGE_SIZE;
	a.flags = LINUX_MAP_FIXED | (shared ? LINUX_MAP_SHARED : LINUX_MAP_PRIVATE);
	a.file = n >= 0 ? &files[n]->vm : NULL;
	a.off = (rand_r(seed) % 32) * PAGE_SIZE;
	cr_assert_eq(mm_mmap(p->mm, &a), (int64_t)a.addr);
	for (int i = 0; i < 24; i++) {
		uaddr_t addr = a.addr + rand_r(seed) % pages * PAGE_SIZE;
		uint64_t val = (shared ? FILE_MARK(n) : OWN_MARK(p->id)) + i, got;

		switch (rand_r(seed) % 5) {
		case 0:
			if (mm_copy_from(p->mm, &got, addr, 8, false) == 8)
				check_word(p->id, n, shared, got);
			break;
		case 1:
			mm_copy_to(p->mm, addr, &val, 8, false);
			break;
		case 2: {
			struct mm_fault f;

			fake_guest_access(p->mm, addr, ACCESS_WRITE, &val, &f);
			break;
		}
		case 3:
			mm_madvise(p->mm, addr, PAGE_SIZE, LINUX_MADV_DONTNEED);
			break;
		default:
			mm_mprotect(p->mm, addr, PAGE_SIZE, rand_r(seed) % 2 ? RW : LINUX_PROT_READ);
		}
	}
	if (rand_r(seed) % 2)
		mm_munmap(p->mm, a.addr, a.len);
}

/* A child that lives a little in its own thread's time. */
static void fork_and_exit(struct process *p, unsigned *seed)
{
	struct process child = { mm_fork(p->mm), p->id };

	struct mm *outer = current_mm;

	cr_assert_not(IS_ERR(child.mm));
	/* Its only thread: what it removes may wait. */
	current_mm = child.mm;
	touch(&child, seed);
	map_and_use(&child, rand_r(seed) % 4, seed);
	if (rand_r(seed) % 4 == 0)
		fork_and_exit(&child, seed);
	current_mm = outer;
	mm_put(child.mm);
}

struct runner {
	struct process *p;
	unsigned lane;
};

static void *runner_thread(void *arg)
{
	struct runner *r = arg;
	unsigned seed = (unsigned)r->p->id * 100 + r->lane;

	for (int i = 0; i < ROUNDS; i++) {
		switch (rand_r(&seed) % 4) {
		case 0:
			fork_and_exit(r->p, &seed);
			break;
		case 1:
			touch(r->p, &seed);
			break;
		default:
			map_and_use(r->p, r->lane, &seed);
		}
	}
	return NULL;
}

/* The page cache's other users: truncation, growth, write-back, reclaim, and I/O that holds a frame for a while. */
static void *file_thread(void *arg __unused)
{
	unsigned seed = 4711;

	while (!atomic_load(&stop)) {
		struct fake_file *f = files[rand_r(&seed) % NR_FILES];
		unsigned pgoff = rand_r(&seed) % FAKE_FILE_PAGES;
		pfn_t pfn;

		switch (rand_r(&seed) % 5) {
		case 0:
			fake_file_truncate(f, pgoff);
			break;
		case 1:
			mutex_lock(&f->lock);
			f->size = FAKE_FILE_PAGES;
			mutex_unlock(&f->lock);
			break;
		case 2:
			fake_file_writeback(f);
			break;
		case 3:
			fake_file_evict(f, pgoff);
			break;
		default:
			if (f->backing.ops->fault(&f->backing, pgoff, false, &pfn) == 0) {
				uint64_t before = fake_frame_word(pfn);

				cr_assert(known_file_word((int)(MARK(before) >> 32) - 1, before), "%#lx", (unsigned long)before);
				frame_put(pfn);
			}
		}
	}
	return NULL;
}

static void storm(void)
{
	pthread_t threads[2 * NR_RUNNERS], io[2];
	struct runner runners[2 * NR_RUNNERS];
	struct process procs[2];
	struct frame_stats st;

	cr_assert_eq(frames_init(256UL << 20), 0);
	fake_platform_init();
	for (unsigned n = 0; n < NR_FILES; n++) {
		files[n] = fake_file_new(FAKE_FILE_PAGES);
		for (unsigned i = 0; i < FAKE_FILE_PAGES; i++)
			files[n]->store[i] = FILE_MARK(n) + i;
	}
	for (int i = 0; i < 2; i++) {
		procs[i] = (struct process){ mm_new(), i };
		pthread_create(&io[i], NULL, file_thread, NULL);
	}
	for (unsigned i = 0; i < 2 * NR_RUNNERS; i++) {
		runners[i] = (struct runner){ &procs[i % 2], i / 2 };
		pthread_create(&threads[i], NULL, runner_thread, &runners[i]);
	}
	for (unsigned i = 0; i < 2 * NR_RUNNERS; i++)
		pthread_join(threads[i], NULL);
	atomic_store(&stop, true);
	for (int i = 0; i < 2; i++) {
		pthread_join(io[i], NULL);
		fake_check(procs[i].mm, NULL, 0);
		mm_put(procs[i].mm);
	}
	for (unsigned n = 0; n < NR_FILES; n++)
		fake_file_free(files[n]);
	frame_get_stats(&st);
	cr_assert_eq(st.used, 0);
	frame_check();
}

Test(mm_storm, processes_threads_and_files)
{
	fork_copy_max = 0;
	storm();
}

Test(mm_storm, with_a_platform_that_forgets)
{
	fake_options.knows_access = true;
	fake_options.max_pages = 20;
	fork_copy_max = 4;
	storm();
}
