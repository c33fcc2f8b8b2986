/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the loader: the parts that exec_load is made of.  All return 0 or -errno, and work on a mm that nobody else sees.
 */
#ifndef SENTRY_LOADER_BINFMT_H
#define SENTRY_LOADER_BINFMT_H

#include "loader/elf.h"
#include "loader/loader.h"

/* What Linux looks at to tell the kind of a file, and so the longest first line of a script. */
#define BINFMT_HEAD_SIZE 256

/* Programs may be scripts for scripts, this deep. */
#define BINFMT_MAX_DEPTH 5

/* Layout, as arch/x86/mm/mmap.c and fs/binfmt_elf.c have it for 47-bit address spaces. */
#define ELF_ET_DYN_BASE 0x555555554000UL
#define MMAP_RND_BITS 28  /* pages */
#define STACK_RND_BITS 22 /* pages */
#define BRK_RND_SIZE (1UL << 30)
#define STACK_EXPAND 131072UL

/* All the randomness of one exec, drawn at once; zero with ADDR_NO_RANDOMIZE but for at_random. */
struct exec_random {
	uint64_t mmap, stack, pie, brk, align;
	uint8_t at_random[16];
};

/* An ELF file, its headers checked, and where it was mapped. */
struct elf_object {
	struct file *file; /* borrowed */
	struct elf_info info;
	uint64_t bias;	   /* load address minus the file's own addresses; modulo 2^64 */
};

/* @head: the file's first @len bytes. */
int elf_object_read(struct file *f, const void *head, size_t len, struct elf_object *ret);
void elf_object_fini(struct elf_object *obj);
/* Maps all segments.  @hint: where to put a relocatable object; 0 leaves it to mm's search. */
int elf_object_map(struct mm *mm, struct elf_object *obj, uaddr_t hint);

/*
 * A #! line: replaces argv[0] of @req by interpreter, argument and script name, and req->file by the interpreter.
 * *interp is the name that the script was run under, and becomes the interpreter's (malloc).
 */
int script_load(struct exec_request *req, const char head[BINFMT_HEAD_SIZE], char **interp);

int exec_strings_prepend(struct exec_strings *s, const char *str);
void exec_strings_remove_first(struct exec_strings *s);

/* Sets req->cred and req->secure for running req->file (set-id bits, capabilities(7)). */
int exec_creds(struct exec_request *req);

struct stack_args {
	const struct exec_request *req;
	const struct exec_random *rnd;
	const struct elf_object *exe;
	uaddr_t interp_base; /* AT_BASE, 0 without interpreter */
	uaddr_t vdso;
};
/* Sets mm->mmap_base and chooses the stack's end; then makes the stack of @size bytes plus room to grow. */
void layout_init(struct mm *mm, uint64_t stack_limit, const struct exec_random *rnd, bool randomize);
int stack_map(struct mm *mm, const struct exec_request *req, bool executable);
/* Writes strings, vectors and auxv; sets mm->arg_start and so on. *ret_sp is the stack pointer at entry. */
int stack_fill(struct mm *mm, const struct stack_args *a, uaddr_t *ret_sp);

#endif
