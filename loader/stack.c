/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The new program's stack, from its end down, as fs/exec.c and create_elf_tables() lay it out:
 *
 *     stack end
 *         8 bytes of zero
 *         file name                         <- AT_EXECFN
 *         environment strings               <- mm->env_start .. env_end
 *         argument strings                  <- mm->arg_start .. arg_end
 *         up to 8 KiB of random gap, alignment
 *         "x86_64"                          <- AT_PLATFORM
 *         16 random bytes                   <- AT_RANDOM
 *         alignment
 *         auxiliary vector
 *         environment pointers, NULL
 *         argument pointers, NULL
 *         argc                              <- sp, 16-byte aligned
 */
#include <stdlib.h>
#include <string.h>

#include "loader/binfmt.h"
#include "platform/host/host.h"
#include "sentry/abi/mman.h"
#include "sentry/mm/uaccess.h"

#define AUXV_MAX 26 /* pairs, AT_NULL included */
#define STACK_ALIGN_RND 8192U
#define CLOCK_TICKS 100

static const char platform_string[] = "x86_64";

struct auxv {
	uint64_t v[2 * AUXV_MAX];
	unsigned nr;
};
static_assert(sizeof(((struct auxv *)0)->v) <= sizeof(((struct mm *)0)->saved_auxv), "mm->saved_auxv holds all");

static void auxv_add(struct auxv *x, uint64_t type, uint64_t value)
{
	BUG_ON(x->nr >= AUXV_MAX);
	x->v[2 * x->nr] = type;
	x->v[2 * x->nr + 1] = value;
	x->nr++;
}

/* In Linux's order. */
static void auxv_fill(struct auxv *x, const struct stack_args *a, uaddr_t platform_str, uaddr_t at_random,
		      uaddr_t execfn)
{
	const struct elf_object *exe = a->exe;
	const struct cred *cred = a->req->cred;
	uint64_t minsigstksz = host_getauxval(LINUX_AT_MINSIGSTKSZ);

	if (a->vdso)
		auxv_add(x, LINUX_AT_SYSINFO_EHDR, a->vdso);
	/* The signal frame has the host's extended state in it.  A host too old to tell has no more than AVX-512. */
	auxv_add(x, LINUX_AT_MINSIGSTKSZ, minsigstksz ? minsigstksz : 3632);
	auxv_add(x, LINUX_AT_HWCAP, host_getauxval(LINUX_AT_HWCAP));
	auxv_add(x, LINUX_AT_PAGESZ, PAGE_SIZE);
	auxv_add(x, LINUX_AT_CLKTCK, CLOCK_TICKS);
	auxv_add(x, LINUX_AT_PHDR, exe->info.phdr_vaddr ? exe->info.phdr_vaddr + exe->bias : 0);
	auxv_add(x, LINUX_AT_PHENT, sizeof(struct linux_elf64_phdr));
	auxv_add(x, LINUX_AT_PHNUM, exe->info.phnum);
	auxv_add(x, LINUX_AT_BASE, a->interp_base);
	auxv_add(x, LINUX_AT_FLAGS, 0);
	auxv_add(x, LINUX_AT_ENTRY, exe->info.entry + exe->bias);
	auxv_add(x, LINUX_AT_UID, cred->uid);
	auxv_add(x, LINUX_AT_EUID, cred->euid);
	auxv_add(x, LINUX_AT_GID, cred->gid);
	auxv_add(x, LINUX_AT_EGID, cred->egid);
	auxv_add(x, LINUX_AT_SECURE, a->req->secure);
	auxv_add(x, LINUX_AT_RANDOM, at_random);
	/* A platform that patches text uses %gs, and has to see the guest set it: by arch_prctl(2), not by an instruction. */
	auxv_add(x, LINUX_AT_HWCAP2, platform->patch ? 0 : host_getauxval(LINUX_AT_HWCAP2) & LINUX_HWCAP2_FSGSBASE);
	auxv_add(x, LINUX_AT_EXECFN, execfn);
	auxv_add(x, LINUX_AT_PLATFORM, platform_str);
	/* No AT_RSEQ_*: rseq(2) is not there, and without them the C library does not try. */
	auxv_add(x, LINUX_AT_NULL, 0);
}

void layout_init(struct mm *mm, uint64_t stack_limit, const struct exec_random *rnd, bool randomize)
{
	uint64_t pad = STACK_GUARD_GAP + (randomize ? (1UL << STACK_RND_BITS) << PAGE_SHIFT : 0);
	uint64_t gap;

	/* Half a dozen terabytes for a stack without limit, and the search for free space still starts above ELF_ET_DYN_BASE. */
	if (__builtin_add_overflow(stack_limit, pad, &gap))
		gap = UINT64_MAX;
	gap = CLAMP(gap, 128UL << 20, GUEST_TASK_SIZE / 8);
	mm->mmap_base = PAGE_DOWN(GUEST_TASK_SIZE - gap - (rnd->mmap << PAGE_SHIFT));
	mm->start_stack = GUEST_TASK_SIZE - PAGE_SIZE - (rnd->stack << PAGE_SHIFT);
	mm->rlim_stack = stack_limit;
}

static uint64_t strings_size(const struct exec_request *req)
{
	return 8 + strlen(req->filename) + 1 + req->envp.len + req->argv.len;
}

static uint64_t tables_size(const struct exec_request *req)
{
	/* argc, two NULLs, auxv, what lies below the strings, and three alignments. */
	return (1 + req->argv.nr + 1 + req->envp.nr + 1) * 8ULL + AUXV_MAX * 16 + sizeof(platform_string) + 16 + 48;
}

/* mm->start_stack is the end of the stack, as layout_init chose it. */
int stack_map(struct mm *mm, const struct exec_request *req, bool executable)
{
	uint64_t need = strings_size(req) + tables_size(req) + STACK_ALIGN_RND;
	uint64_t size = PAGE_ALIGN(need) + STACK_EXPAND;
	struct mmap_args a = {
		.prot = LINUX_PROT_READ | LINUX_PROT_WRITE | (executable ? LINUX_PROT_EXEC : 0),
		.flags = LINUX_MAP_PRIVATE | LINUX_MAP_ANONYMOUS | LINUX_MAP_FIXED,
		.vm_flags = VM_STACK | VM_GROWSDOWN,
		.name = "[stack]",
	};
	int64_t ret;

	if (size > req->stack_limit)
		size = MAX(PAGE_ALIGN(need), PAGE_DOWN(req->stack_limit));
	a.addr = mm->start_stack - size;
	a.len = size;
	ret = mm_mmap(mm, &a);
	return ret < 0 ? (int)ret : 0;
}

/* A cursor that goes down through the block of memory that becomes [.., top) of the stack. */
struct stack_block {
	char *buf;
	size_t size;
	uaddr_t top;
};

static void *block_at(const struct stack_block *b, uaddr_t addr)
{
	BUG_ON(addr > b->top || b->top - addr > b->size);
	return b->buf + b->size - (b->top - addr);
}

static uaddr_t block_push(const struct stack_block *b, uaddr_t p, const void *data, size_t len)
{
	p -= len;
	if (len)
		memcpy(block_at(b, p), data, len);
	return p;
}

/* Pointers to each of @s, whose first string is at @addr, and NULL behind; returns the next free slot. */
static uint64_t *vector_fill(uint64_t *slot, const struct exec_strings *s, uaddr_t addr)
{
	const char *str = s->data;

	for (unsigned i = 0; i < s->nr; i++) {
		*slot++ = addr + (size_t)(str - s->data);
		str += strlen(str) + 1;
	}
	*slot++ = 0;
	return slot;
}

/* Fills the block; returns sp. */
static uaddr_t stack_compose(struct mm *mm, const struct stack_args *a, const struct stack_block *b)
{
	const struct exec_request *req = a->req;
	uaddr_t execfn, platform_str, at_random, p;
	struct auxv auxv = { .nr = 0 };
	uint64_t *slot;

	p = block_push(b, b->top - 8, req->filename, strlen(req->filename) + 1);
	execfn = p;
	mm->env_end = p;
	p = block_push(b, p, req->envp.data, req->envp.len);
	mm->env_start = mm->arg_end = p;
	p = block_push(b, p, req->argv.data, req->argv.len);
	mm->arg_start = p;

	p = (p - a->rnd->align) & ~15UL;
	p = platform_str = block_push(b, p, platform_string, sizeof(platform_string));
	p = at_random = block_push(b, p, a->rnd->at_random, sizeof(a->rnd->at_random));
	auxv_fill(&auxv, a, platform_str, at_random, execfn);
	/* Where Linux's arithmetic puts the vector: rounded down first for auxv, then for the rest. */
	p -= auxv.nr * 16;
	p = (p - (1 + req->argv.nr + 1 + req->envp.nr + 1) * 8ULL) & ~15UL;

	slot = block_at(b, p);
	*slot++ = req->argv.nr;
	slot = vector_fill(slot, &req->argv, mm->arg_start);
	slot = vector_fill(slot, &req->envp, mm->env_start);
	memcpy(slot, auxv.v, auxv.nr * 16);
	memset(mm->saved_auxv, 0, sizeof(mm->saved_auxv));
	memcpy(mm->saved_auxv, auxv.v, auxv.nr * 16);
	return p;
}

int stack_fill(struct mm *mm, const struct stack_args *a, uaddr_t *ret_sp)
{
	struct stack_block b = { .top = mm->start_stack };
	uaddr_t sp;
	size_t len;
	int err;

	/* A multiple of 16, so that the buffer is aligned as the stack is. */
	b.size = ALIGN_UP(strings_size(a->req) + tables_size(a->req) + STACK_ALIGN_RND, 16);
	b.buf = calloc(1, b.size);
	if (!b.buf)
		return -LINUX_ENOMEM;
	sp = stack_compose(mm, a, &b);
	len = b.top - sp;
	err = mm_copy_to(mm, sp, block_at(&b, sp), len, false) == len ? 0 : -LINUX_ENOMEM;
	free(b.buf);
	if (err)
		return err;
	mm->start_stack = *ret_sp = sp;
	return 0;
}
