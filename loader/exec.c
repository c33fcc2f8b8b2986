/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "loader/binfmt.h"
#include "platform/host/host.h"
#include "sentry/abi/fcntl.h"

#define MAX_ARG_STRLEN (32 * PAGE_SIZE)
#define ARG_SPACE_MIN (128UL << 10)
#define ARG_SPACE_MAX (6UL << 20) /* three quarters of the default stack limit */

static int exec_strings_reserve(struct exec_strings *s, size_t more)
{
	size_t cap = MAX(s->cap * 2, 1024U);
	char *data;

	if (s->cap - s->len >= more)
		return 0;
	while (cap - s->len < more)
		cap *= 2;
	data = realloc(s->data, cap);
	if (!data)
		return -LINUX_ENOMEM;
	s->data = data;
	s->cap = cap;
	return 0;
}

static int exec_strings_insert(struct exec_strings *s, size_t at, const char *str)
{
	size_t len = strlen(str) + 1;
	int err;

	if (len > MAX_ARG_STRLEN)
		return -LINUX_E2BIG;
	err = exec_strings_reserve(s, len);
	if (err)
		return err;
	memmove(s->data + at + len, s->data + at, s->len - at);
	memcpy(s->data + at, str, len);
	s->len += len;
	s->nr++;
	return 0;
}

int exec_strings_add(struct exec_strings *s, const char *str)
{
	return exec_strings_insert(s, s->len, str);
}

int exec_strings_prepend(struct exec_strings *s, const char *str)
{
	return exec_strings_insert(s, 0, str);
}

void exec_strings_remove_first(struct exec_strings *s)
{
	size_t len;

	if (!s->nr)
		return;
	len = strlen(s->data) + 1;
	memmove(s->data, s->data + len, s->len - len);
	s->len -= len;
	s->nr--;
}

void exec_strings_fini(struct exec_strings *s)
{
	free(s->data);
	*s = (struct exec_strings){ NULL, 0, 0, 0 };
}

uint64_t exec_arg_space(uint64_t stack_limit)
{
	return MAX(MIN(stack_limit / 4, ARG_SPACE_MAX), ARG_SPACE_MIN);
}

/*
 * The pointers are counted once, for the vectors as given; what scripts add counts as strings only.
 */
static int exec_check_space(const struct exec_request *req, uint64_t ptr_size)
{
	uint64_t space = exec_arg_space(req->stack_limit);
	uint64_t strings = strlen(req->filename) + 1 + req->argv.len + req->envp.len;

	return space <= ptr_size || strings > space - ptr_size ? -LINUX_E2BIG : 0;
}

static int exec_read_head(struct file *f, char head[BINFMT_HEAD_SIZE], size_t *ret_len)
{
	int64_t n = kernel_read(f, head, BINFMT_HEAD_SIZE, 0);

	if (n < 0)
		return (int)n;
	memset(head + n, 0, BINFMT_HEAD_SIZE - (size_t)n);
	*ret_len = (size_t)n;
	return 0;
}

/* Replaces scripts by their interpreters until req->file is something else, whose head is left in @head. */
static int exec_resolve_scripts(struct exec_request *req, char head[BINFMT_HEAD_SIZE], size_t *ret_len)
{
	uint64_t ptr_size = (MAX(req->argv.nr, 1U) + (uint64_t)req->envp.nr) * 8;
	char *interp = strdup(req->filename);
	int err = interp ? exec_check_space(req, ptr_size) : -LINUX_ENOMEM;

	for (int depth = 0; !err; depth++) {
		if (depth > BINFMT_MAX_DEPTH)
			err = -LINUX_ELOOP;
		if (!err)
			err = exec_read_head(req->file, head, ret_len);
		if (err || head[0] != '#' || head[1] != '!')
			break;
		err = script_load(req, head, &interp);
		if (!err)
			err = exec_check_space(req, ptr_size);
	}
	free(interp);
	return err;
}

static int exec_random_init(struct exec_random *rnd, bool randomize)
{
	int err = host_getrandom(rnd, sizeof(*rnd));

	if (err)
		return err;
	rnd->mmap = randomize ? rnd->mmap & (BIT(MMAP_RND_BITS) - 1) : 0;
	rnd->pie = randomize ? rnd->pie & (BIT(MMAP_RND_BITS) - 1) : 0;
	rnd->stack = randomize ? rnd->stack & (BIT(STACK_RND_BITS) - 1) : 0;
	rnd->brk = randomize ? rnd->brk & (BRK_RND_SIZE / PAGE_SIZE - 1) : 0;
	rnd->align = randomize ? rnd->align & 8191 : 0;
	return 0;
}

/* The program interpreter that @exe names, or NULL; a reference. */
static struct file *exec_open_interp(const struct elf_object *exe)
{
	size_t size = exe->info.interp_size;
	struct file *f = NULL;
	int64_t n;
	char *name;

	if (!size)
		return NULL;
	name = malloc(size);
	if (!name)
		return ERR_PTR(-LINUX_ENOMEM);
	n = kernel_read(exe->file, name, size, exe->info.interp_offset);
	if (n != (int64_t)size)
		f = ERR_PTR(n < 0 ? n : -LINUX_EIO);
	else if (name[size - 1])
		f = ERR_PTR(-LINUX_ENOEXEC);
	else
		f = do_filp_open(LINUX_AT_FDCWD, name, LINUX_O_RDONLY | LINUX_O_EXEC, 0, LOOKUP_FOLLOW);
	free(name);
	return f;
}

static int exec_read_interp(struct file *f, struct elf_object *ret)
{
	char head[sizeof(struct linux_elf64_ehdr)];
	int64_t n = kernel_read(f, head, sizeof(head), 0);
	int err;

	if (n != sizeof(head))
		return n < 0 ? (int)n : -LINUX_EIO;
	err = elf_object_read(f, head, sizeof(head), ret);
	return err == -LINUX_ENOEXEC ? -LINUX_ELIBBAD : err;
}

/* start_code and so on, as /proc/pid/stat shows them. */
static void exec_set_bounds(struct mm *mm, const struct elf_object *exe)
{
	uaddr_t code_start = UINT64_MAX, code_end = 0, data_start = 0, data_end = 0;

	for (unsigned i = 0; i < exe->info.nr_loads; i++) {
		const struct elf_load *ld = &exe->info.loads[i];

		if (ld->prot & PLATFORM_EXEC) {
			code_start = MIN(code_start, ld->vaddr);
			code_end = MAX(code_end, ld->vaddr + ld->filesz);
		}
		data_start = MAX(data_start, ld->vaddr);
		data_end = MAX(data_end, ld->vaddr + ld->filesz);
	}
	mm->start_code = code_start == UINT64_MAX ? 0 : code_start + exe->bias;
	mm->end_code = code_end + exe->bias;
	mm->start_data = data_start + exe->bias;
	mm->end_data = data_end + exe->bias;
}

/*
 * The heap starts behind the last segment.  A program without an interpreter that is relocatable (static-PIE, or ld.so run by
 * hand) lies among the mappings; its heap goes where PIE programs go, so that it has room to grow.
 */
static int exec_set_brk(struct mm *mm, const struct elf_object *exe, const struct exec_random *rnd)
{
	uaddr_t start = exe->info.end + exe->bias;

	if (exe->info.dyn && !exe->info.interp_size)
		start = ELF_ET_DYN_BASE;
	return mm_set_brk_start(mm, start + (rnd->brk << PAGE_SHIFT));
}

static void exec_set_exe(struct mm *mm, const struct exec_request *req)
{
	const struct cred *cred = req->cred;

	mm->exe = &req->file->vm;
	mm->exe->ops->get(mm->exe);
	mm->dumpable =
		cred->euid == cred->uid && cred->egid == cred->gid && inode_permission(req->file->inode, MAY_READ) == 0;
}

static int exec_map(struct mm *mm, const struct exec_request *req, struct elf_object *exe, struct elf_object *interp,
		    struct exec_image *ret)
{
	struct stack_args args = { .req = req, .exe = exe };
	const struct elf_object *start = interp ? interp : exe;
	struct exec_random rnd;
	uaddr_t hint = 0;
	int err;

	err = exec_random_init(&rnd, !req->no_randomize);
	if (err)
		return err;
	layout_init(mm, req->stack_limit, &rnd, !req->no_randomize);
	err = stack_map(mm, req, exe->info.exec_stack);
	if (err)
		return err;
	if (exe->info.dyn && interp)
		hint = ELF_ET_DYN_BASE + (rnd.pie << PAGE_SHIFT);
	err = elf_object_map(mm, exe, hint);
	if (!err)
		err = exec_set_brk(mm, exe, &rnd);
	if (!err && interp)
		err = elf_object_map(mm, interp, 0);
	if (err)
		return err;
	args.rnd = &rnd;
	args.interp_base = interp ? interp->info.start + interp->bias : 0;
	args.vdso = mm->vdso = mm_map_vdso(mm);
	exec_set_bounds(mm, exe);
	exec_set_exe(mm, req);
	ret->entry = start->info.entry + start->bias;
	return stack_fill(mm, &args, &ret->sp);
}

/* The last component, as /proc/pid/comm shows it. */
static void exec_set_comm(struct exec_image *ret, const char *filename)
{
	const char *slash = strrchr(filename, '/');
	const char *base = slash ? slash + 1 : filename;

	memset(ret->comm, 0, sizeof(ret->comm));
	memcpy(ret->comm, base, strnlen(base, sizeof(ret->comm) - 1));
}

static int exec_load_elf(struct exec_request *req, const char *head, size_t len, struct exec_image *ret)
{
	struct elf_object exe = { 0 }, interp = { 0 };
	_cleanup_fput_ struct file *interp_file = NULL;
	const struct cred *caller = req->cred;
	struct mm *mm = NULL;
	int err;

	err = elf_object_read(req->file, head, len, &exe);
	if (err)
		return err;
	interp_file = exec_open_interp(&exe);
	if (IS_ERR(interp_file))
		err = (int)PTR_ERR(interp_file);
	else if (interp_file)
		err = exec_read_interp(interp_file, &interp);
	if (!err)
		err = exec_creds(req);
	if (!err) {
		mm = mm_new();
		err = IS_ERR(mm) ? (int)PTR_ERR(mm) : exec_map(mm, req, &exe, interp_file ? &interp : NULL, ret);
	}
	elf_object_fini(&interp);
	elf_object_fini(&exe);
	if (!err) {
		exec_set_comm(ret, req->filename);
		ret->mm = mm;
		return 0;
	}
	if (mm && !IS_ERR(mm))
		mm_put(mm);
	if (req->cred != caller) {
		cred_put(req->cred);
		req->cred = caller;
	}
	return err;
}

int exec_load(struct exec_request *req, struct exec_image *ret)
{
	char head[BINFMT_HEAD_SIZE];
	size_t len = 0;
	int err;

	err = exec_resolve_scripts(req, head, &len);
	if (err)
		return err;
	/* exec(2) with an empty argv: programs count on argv[0]. */
	if (!req->argv.nr) {
		err = exec_strings_add(&req->argv, "");
		if (err)
			return err;
	}
	return exec_load_elf(req, head, len, ret);
}
