/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a stub comes to be, as far as all platforms do the same.  The image is written by the sentry when it starts, and
 * sealed; the exec is made by a child of the spawner, which has one thread and shares its memory (vfork).
 */
#define _GNU_SOURCE 1
#include "platform/stub_exec.h"

#include <elf.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>

#include "platform/host/host.h"
#include "sentry/abi/errno.h"
#include "sentry/base/bug.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef SECCOMP_RET_TRAP
#define SECCOMP_RET_TRAP 0x00030000U
#endif

#define TRAP_BYTE 0xcc
#define SEAL_ALL 0xf /* SEAL, SHRINK, GROW, WRITE */

/* --- the image --- */

static void image_fill(const struct stub_image *image, uint8_t *bytes)
{
	const Elf64_Ehdr ehdr = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = image->addr + image->entry,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	const Elf64_Phdr phdr[2] = {
		{ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = image->addr, .p_paddr = image->addr,
		  .p_filesz = image->size, .p_memsz = image->size, .p_align = PAGE_SIZE },
		{ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W },
	};

	BUG_ON(sizeof(ehdr) + sizeof(phdr) > image->entry || image->text_size > image->size);
	memset(bytes, TRAP_BYTE, image->size);
	memcpy(bytes, image->text, image->text_size);
	memcpy(bytes, &ehdr, sizeof(ehdr));
	memcpy(bytes + sizeof(ehdr), phdr, sizeof(phdr));
}

static int image_write(const struct stub_image *image, int fd)
{
	uint8_t *bytes = malloc(image->size);
	int err = -LINUX_ENOMEM;

	if (bytes) {
		image_fill(image, bytes);
		err = host_write_full(fd, bytes, image->size);
	}
	free(bytes);
	return err ? err : host_memfd_seal(fd, SEAL_ALL);
}

int stub_image_new(const struct stub_image *image, const char **ret_why)
{
	int fd, err;

	fd = host_memfd_create("sentry-stub", MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd == -LINUX_EMFILE || fd == -LINUX_ENOMEM) {
		*ret_why = host_why(fd);
		return fd;
	}
	if (fd < 0) {
		*ret_why = "the host refuses an executable memfd; on the host, as root: sysctl vm.memfd_noexec=0";
		return fd;
	}
	err = image_write(image, fd);
	if (err) {
		*ret_why = host_why(err);
		host_close(fd);
		return err;
	}
	return fd;
}

/* --- the process --- */

/*
 * Signals that a user or the terminal may send to processes, and that would kill a stub: ignored, which exec keeps.  A
 * traced thread shows them to its tracer all the same, and that drops them; what the hardware sends is not among them.
 */
static const uint8_t ignored_signals[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGABRT,	SIGUSR1, SIGUSR2,   SIGPIPE,
					   SIGALRM, SIGTERM, SIGTSTP, SIGTTIN,	SIGTTOU, SIGXCPU,   SIGXFSZ,
					   SIGIO,   SIGPROF, SIGPWR,  SIGSTKFLT, SIGVTALRM };
#define FIRST_FREE_RT_SIGNAL 34 /* libc keeps two for itself */
#define LAST_RT_SIGNAL 64

int stub_exec(int exec_fd, char *name)
{
	static const struct host_rlimit no_core = { 0, 0 };
	char *argv[] = { name, NULL }, *envp[] = { NULL };
	int err;

	for (unsigned i = 0; i < ARRAY_SIZE(ignored_signals); i++)
		host_sigaction(ignored_signals[i], SIG_IGN, 0);
	for (int sig = FIRST_FREE_RT_SIGNAL; sig <= LAST_RT_SIGNAL; sig++)
		host_sigaction(sig, SIG_IGN, 0);
	host_setsid(); /* away from the terminal's signals */
	host_setrlimit(4 /* RLIMIT_CORE */, &no_core);
	/* A fixed layout keeps the stack away from the image; where it is forbidden, the odd collision is retried. */
	host_personality(ADDR_NO_RANDOMIZE);
	err = host_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return err ? err : host_execveat(exec_fd, "", argv, envp, 0x1000 /* AT_EMPTY_PATH */);
}

/* --- what the host may refuse --- */

static char refusal[240];

/* Calls that everyone may make on a plain host: whether something (a filter, a security module) keeps them from us. */
static int pidfd_check(void)
{
	int fd = host_pidfd_open(host_getpid()), err;

	if (fd < 0)
		return fd;
	err = host_pidfd_send_signal(fd, 0);
	host_close(fd);
	return err;
}

int stub_exec_check(const char **ret_why)
{
	int err = host_seccomp_action_avail(SECCOMP_RET_TRAP);
	const char *what = "seccomp filters (seccomp", *needs = "CONFIG_SECCOMP_FILTER";

	if (!err) {
		err = pidfd_check();
		what = "pidfds (pidfd_open, pidfd_send_signal";
		needs = "Linux 5.3";
	}
	if (!err)
		return 0;
	snprintf(refusal, sizeof(refusal),
		 "the host refuses %s: %s); it needs %s, and in a container a profile that allows them, such as docker's own", what,
		 host_why(err), needs);
	*ret_why = refusal;
	return err;
}

const char *stub_exec_why(int err)
{
	if (err == -LINUX_EACCES || err == -LINUX_EPERM || err == -LINUX_ENOSYS)
		snprintf(refusal, sizeof(refusal),
			 "the host refuses to execute a memfd (execveat: %s); a container's profile or a security module is to allow that",
			 host_why(err));
	else
		snprintf(refusal, sizeof(refusal), "a stub process could not be started: %s", host_why(err));
	return refusal;
}
