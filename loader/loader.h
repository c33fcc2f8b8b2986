/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading a program into a new, empty address space.
 *
 * exec builds the new mm completely before the old one is given up, so every failure leaves the caller as it was.
 */
#ifndef SENTRY_LOADER_LOADER_H
#define SENTRY_LOADER_LOADER_H

#include "sentry/mm/mm.h"
#include "vfs/vfs.h"

/* NUL-terminated strings one behind the other. */
struct exec_strings {
	char *data; /* malloc */
	size_t len, cap;
	unsigned nr;
};
/* -LINUX_ENOMEM; -LINUX_E2BIG past MAX_ARG_STRLEN (32 pages, NUL included). */
int exec_strings_add(struct exec_strings *s, const char *str);
void exec_strings_fini(struct exec_strings *s);
/*
 * The bytes that argument and environment strings, their pointers and the file name may fill with RLIMIT_STACK @stack_limit
 * (bprm_stack_limits in Linux): whoever copies them from the guest stops with -LINUX_E2BIG past it.
 */
uint64_t exec_arg_space(uint64_t stack_limit);

struct exec_request {
	struct file *file;	 /* opened for execution (FMODE_EXEC, write denied); reference, replaced by interpreters of scripts */
	char *filename;		 /* as given: AT_EXECFN and the script name; malloc */
	struct exec_strings argv, envp;
	uint64_t stack_limit;	 /* RLIMIT_STACK of the caller: argument space and stack size */
	bool no_randomize;	 /* personality ADDR_NO_RANDOMIZE */
	bool path_inaccessible;	 /* script through a close-on-exec fd: ENOENT */
	/* in: the caller's, borrowed; out: those to run with (set-id bits, capabilities(7)), a reference.  Unchanged on failure */
	const struct cred *cred;
	bool secure;		 /* AT_SECURE */
	bool setid_allowed;	 /* false: no_new_privs, ptraced, or nosuid is looked at too */
};

struct exec_image {
	struct mm *mm;	 /* new, one user */
	uaddr_t entry, sp;
	char comm[16];
};

/*
 * Loads req->file (ELF64, or #! scripts up to 5 deep) with its interpreter, stack, auxiliary vector and vDSO.  0 and *ret
 * filled, or -LINUX_ENOEXEC, -LINUX_ENOENT, -LINUX_EACCES, -LINUX_E2BIG, -LINUX_ENOMEM, -LINUX_ELIBBAD, -LINUX_EIO...
 */
int exec_load(struct exec_request *req, struct exec_image *ret);

#endif
