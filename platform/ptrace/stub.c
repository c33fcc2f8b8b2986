/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stub processes.  A new one costs a vfork and an exec, some 300 us; an idle one costs nothing, so some are kept.
 *
 * Start-up needs no ptrace: the child execs the image, whose code finds in the shared page a list of calls that turn an
 * ordinary new process into a stub, makes them, reports, and parks (stub.h).
 */
#define _GNU_SOURCE 1
#include "platform/ptrace/ptrace.h"

#include <elf.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "platform/host/host.h"
#include "platform/vdso.h"
#include "sentry/abi/errno.h"

#define STUBS_MAX_IDLE 16
#define STUB_START_TIMEOUT_NS 10000000000
#define STUB_TRIES 4 /* exec fails, rarely, when the randomised stack lands on the image */
#define MAX_BACKINGS 8
#define HIGH_FD 64 /* our duplicates are above the numbers that a child fills */
#define CHILD_STACK_SIZE (64 * 1024)

#define USER_HALF_END 0x7ffffffff000

#ifndef MFD_EXEC
#define MFD_EXEC 0x10U
#endif
#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#endif

static struct mutex stubs_lock = MUTEX_INIT;

/* Guarded by stubs_lock, but for what init sets. */
static struct {
	int image_fd, memory_fd;
	int lifeline[2]; /* [0] stays here and dies with the sentry; [1] is inherited */
	void *child_stack;
	bool have_vvar;
	bool vvar_checked; /* the first stub told whether the host lets its vDSO data be moved */
	int backing_fd[MAX_BACKINGS];
	unsigned nr_backings;
	struct list_head idle;
	unsigned nr_idle;
} stubs = { .image_fd = -1, .memory_fd = -1, .lifeline = { -1, -1 }, .idle = LIST_HEAD_INIT(stubs.idle) };

/* --- the image --- */

static int image_new(const char **ret_why)
{
	static const Elf64_Ehdr ehdr = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = STUB_TEXT + STUB_ENTRY_OFF,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 2,
	};
	static const Elf64_Phdr phdr[2] = {
		{ .p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = STUB_TEXT, .p_paddr = STUB_TEXT,
		  .p_filesz = STUB_TEXT_SIZE, .p_memsz = STUB_TEXT_SIZE, .p_align = STUB_TEXT_SIZE },
		{ .p_type = PT_GNU_STACK, .p_flags = PF_R | PF_W },
	};
	uint8_t image[STUB_TEXT_SIZE];
	int fd, err;

	static_assert(sizeof(ehdr) + sizeof(phdr) <= STUB_ENTRY_OFF, "the headers fit in front of the entry");
	memset(image, 0xcc, sizeof(image));
	memcpy(image, stub_text, sizeof(stub_text));
	memcpy(image, &ehdr, sizeof(ehdr));
	memcpy(image + sizeof(ehdr), phdr, sizeof(phdr));

	fd = host_memfd_create("sentry-stub", MFD_ALLOW_SEALING | MFD_EXEC);
	if (fd == -LINUX_EINVAL) /* before Linux 6.3 every memfd was executable */
		fd = host_memfd_create("sentry-stub", MFD_ALLOW_SEALING);
	if (fd < 0) {
		*ret_why = "the host refuses an executable memfd; on the host, as root: sysctl vm.memfd_noexec=0";
		return fd;
	}
	err = host_write_full(fd, image, sizeof(image));
	if (!err)
		err = host_memfd_seal(fd, 0xf); /* SEAL, SHRINK, GROW, WRITE */
	if (err) {
		*ret_why = "the stub image could not be written to a memfd";
		host_close(fd);
		return err;
	}
	return fd;
}

/* --- the list of start-up calls --- */

/* What the calls point to; in stub_page.data. */
struct start_data {
	uint64_t sigmask;
	struct sock_fprog filter;
	struct sock_filter insn[64];
};
static_assert(sizeof(struct start_data) <= sizeof(((struct stub_page *)0)->data) - 4, "the page's data area");
#define START_DATA_OFF 16 /* in the page: data[], aligned */
#define START_DATA(field) (STUB_PAGE + START_DATA_OFF + offsetof(struct start_data, field))

struct filter {
	struct sock_filter *insn;
	unsigned nr;
};

static void filter_add(struct filter *f, uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	f->insn[f->nr++] = (struct sock_filter){ code, jt, jf, k };
}

/* A block for the syscall instruction that ends at @off in the text: allows the calls listed, kills on others. */
static void filter_add_site(struct filter *f, unsigned off, const uint16_t *nr, unsigned n)
{
	filter_add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, instruction_pointer));
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 0, (uint8_t)(n + 3), (uint32_t)STUB_TEXT + off);
	filter_add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < n; i++)
		filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, (uint8_t)(n - i), 0, nr[i]);
	filter_add(f, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	filter_add(f, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
}

/*
 * The second wall.  PTRACE_SYSEMU already keeps every guest syscall from the host; should one slip through, it is neither
 * at one of the stub's own instructions nor among their few calls.  The exception is the vsyscall page, which the host
 * emulates without asking the tracer: TRAP makes it a SIGSYS that stop.c turns into a syscall stop.
 */
static void filter_build(struct filter *f)
{
	static const uint16_t loop[] = { SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_clone, SYS_exit };
	static const uint16_t park[] = { SYS_recvfrom }, wake[] = { SYS_futex }, leave[] = { SYS_exit_group };

	filter_add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
	filter_add(f, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	filter_add(f, BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, instruction_pointer) + 4);
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 3, 0, (uint32_t)(STUB_TEXT >> 32));
	filter_add(f, BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0xffffffff);
	filter_add(f, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
	filter_add(f, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_TRAP);
	filter_add_site(f, STUB_LOOP_RET_OFF, loop, ARRAY_SIZE(loop));
	filter_add_site(f, STUB_PARK_RET_OFF, park, ARRAY_SIZE(park));
	filter_add_site(f, STUB_WAKE_RET_OFF, wake, ARRAY_SIZE(wake));
	filter_add_site(f, STUB_EXIT_RET_OFF, leave, ARRAY_SIZE(leave));
	filter_add(f, BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS);
}

static struct stub_op *page_add_op(struct stub_page *page, uint64_t nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct stub_op *op = &page->op[page->nr_ops++];

	BUG_ON(page->nr_ops > STUB_NR_OPS);
	*op = (struct stub_op){ .nr = nr, .arg = { a, b, c, d } };
	return op;
}

static void page_add_unmap(struct stub_page *page, uint64_t from, uint64_t to)
{
	if (from < to)
		page_add_op(page, SYS_munmap, from, to - from, 0, 0);
}

static void page_fill(struct stub_page *page)
{
	struct start_data *data = (struct start_data *)((char *)page + START_DATA_OFF);
	const struct vdso_layout *vdso = vdso_layout();
	struct filter filter = { data->insn, 0 };
	size_t vvar_size = stubs.have_vvar ? vdso->pub.vvar_size : 0;

	if (vvar_size) {
		for (unsigned i = 0; i < vdso->nr_pieces; i++) {
			const struct vdso_piece *p = &vdso->piece[i];
			struct stub_op *op = page_add_op(page, SYS_mremap, -(uint64_t)p->below, p->size, p->size,
							 MREMAP_MAYMOVE | MREMAP_FIXED);

			op->arg[4] = STUB_VVAR + vvar_size - p->below;
			op->flags = STUB_OP_VDSO | STUB_OP_MAY_FAIL;
		}
	}
	page_add_unmap(page, 0, STUB_TEXT);
	page_add_unmap(page, STUB_TEXT + STUB_TEXT_SIZE, STUB_PAGE);
	page_add_unmap(page, STUB_PAGE + STUB_PAGE_SIZE, STUB_VVAR);
	page_add_unmap(page, STUB_VVAR + vvar_size, USER_HALF_END);

	page_add_op(page, SYS_close, STUB_FD_PAGE, 0, 0, 0);
	page_add_op(page, SYS_rt_sigprocmask, SIG_SETMASK, START_DATA(sigmask), 0, sizeof(data->sigmask));
	filter_build(&filter);
	BUG_ON(filter.nr > ARRAY_SIZE(data->insn));
	data->filter.len = (unsigned short)filter.nr;
	data->filter.filter = (struct sock_filter *)START_DATA(insn);
	page_add_op(page, SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW, START_DATA(filter), 0);
	page_add_op(page, SYS_clone, STUB_CLONE_FLAGS | CLONE_PARENT_SETTID, 0,
		    STUB_PAGE + offsetof(struct stub_page, tid), 0);
}

/* --- making one --- */

struct child_args {
	int page_fd;
	int err;
};

/*
 * Signals that a user or the terminal may send to processes, and that would kill a parked thread: ignored, which exec keeps.
 * A traced thread shows them to its tracer all the same, and that drops them.
 */
static const uint8_t ignored_signals[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGABRT,	SIGUSR1, SIGUSR2,   SIGPIPE,
					   SIGALRM, SIGTERM, SIGTSTP, SIGTTIN,	SIGTTOU, SIGXCPU,   SIGXFSZ,
					   SIGIO,   SIGPROF, SIGPWR,  SIGSTKFLT, SIGVTALRM };
#define FIRST_FREE_RT_SIGNAL 34 /* libc keeps two for itself */
#define LAST_RT_SIGNAL 64

/* Between vfork and exec: shares the sentry's memory, has its own descriptors and signal actions. */
static int child_main(void *arg)
{
	static const struct host_rlimit no_core = { 0, 0 };
	struct child_args *a = arg;
	char *argv[] = { "sentry-stub", NULL }, *envp[] = { NULL };
	int exec_fd = STUB_FD_BACKING + (int)stubs.nr_backings;

	a->err = -LINUX_EBADF;
	if (host_dup2(stubs.memory_fd, STUB_FD_MEMORY) < 0 || host_dup2(a->page_fd, STUB_FD_PAGE) < 0 ||
	    host_dup2(stubs.lifeline[1], STUB_FD_LIFELINE) < 0 || host_dup3(stubs.image_fd, exec_fd) < 0)
		host_exit_group(1);
	for (unsigned i = 0; i < stubs.nr_backings; i++)
		if (host_dup2(stubs.backing_fd[i], STUB_FD_BACKING + (int)i) < 0)
			host_exit_group(1);
	host_close_range((unsigned)exec_fd + 1, ~0U);

	for (unsigned i = 0; i < ARRAY_SIZE(ignored_signals); i++)
		host_sigaction(ignored_signals[i], SIG_IGN, 0);
	for (int sig = FIRST_FREE_RT_SIGNAL; sig <= LAST_RT_SIGNAL; sig++)
		host_sigaction(sig, SIG_IGN, 0);
	host_setsid(); /* away from the terminal's signals */
	/* Should someone have stopped it, it must go on to see the end of the lifeline.  (A mere thread's death sends it too.) */
	host_prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0);
	host_setrlimit(4 /* RLIMIT_CORE */, &no_core);
	/* A fixed layout keeps the stack away from the image; where it is forbidden, the odd collision is retried. */
	host_personality(ADDR_NO_RANDOMIZE);
	a->err = host_prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (!a->err)
		a->err = host_execveat(exec_fd, "", argv, envp, 0x1000 /* AT_EMPTY_PATH */);
	host_exit_group(1);
}

/* Waits until start-up has reported.  0 or -errno. */
static int stub_wait_ready(struct stub *stub)
{
	int64_t deadline = host_clock_ns(1 /* CLOCK_MONOTONIC */) + STUB_START_TIMEOUT_NS;
	unsigned status;
	int wstatus;

	while (!(status = atomic_load(&stub->page->status))) {
		host_shared_futex_wait(&stub->page->status, 0, 20000000);
		if (atomic_load(&stub->page->status))
			continue;
		if (host_waitpid(stub->pid, &wstatus, __WALL | WNOHANG) != 0) {
			stub->pid = 0;
			return -LINUX_EAGAIN;
		}
		if (host_clock_ns(1) > deadline)
			return -LINUX_ETIMEDOUT;
	}
	return status == STUB_STATUS_READY ? 0 : (int)status;
}

/* The host may keep its vDSO data where it is (mseal); then no stub can place it. */
static void stub_check_vvar(struct stub *stub)
{
	const struct vdso_layout *vdso = vdso_layout();

	for (unsigned i = 0; i < vdso->nr_pieces && stubs.have_vvar; i++)
		if (stub->page->op[i].result < 0 && stub->page->op[i].result > -4096)
			stubs.have_vvar = false;
	stubs.vvar_checked = true;
}

static void stub_free(struct stub *stub)
{
	if (stub->page)
		host_munmap(stub->page, STUB_PAGE_SIZE);
	free(stub);
}

static int stub_exec(struct stub *stub, int page_fd)
{
	struct child_args args = { .page_fd = page_fd };
	uint64_t mask;
	int pid;

	mask = host_signals_block();
	pid = host_vfork(child_main, &args, (char *)stubs.child_stack + CHILD_STACK_SIZE, 0);
	host_signals_restore(mask);
	if (pid < 0)
		return pid;
	stub->pid = pid;
	return stub_wait_ready(stub);
}

/* stubs_lock keeps the child's stack and the list of backings. */
static struct stub *stub_new_locked(void)
{
	struct stub *stub = calloc(1, sizeof(*stub));
	int page_fd, err;
	void *page;

	if (!stub)
		return ERR_PTR(-LINUX_ENOMEM);
	list_init(&stub->link);
	page_fd = err = host_memfd_create("sentry-stub-page", 0);
	if (err < 0)
		goto fail;
	err = host_ftruncate(page_fd, STUB_PAGE_SIZE);
	if (!err)
		err = host_mmap(NULL, STUB_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, page_fd, 0, &page);
	if (!err) {
		int high = host_dup(page_fd, HIGH_FD);

		stub->page = page;
		page_fill(stub->page);
		err = high < 0 ? high : stub_exec(stub, high);
		if (high >= 0)
			host_close(high);
	}
	host_close(page_fd);
	if (err)
		goto fail;
	if (!stubs.vvar_checked)
		stub_check_vvar(stub);
	stub->vvar = stubs.have_vvar ? STUB_VVAR : 0;
	stub->nr_backings = stubs.nr_backings;
	stub->parked[stub->nr_parked++] = stub->page->tid;
	return stub;
fail:
	if (stub->pid) {
		stub_destroy(stub);
		return ERR_PTR(err);
	}
	stub_free(stub);
	return ERR_PTR(err);
}

struct stub *stub_get(void)
{
	struct stub *stub;

	MUTEX_GUARD(&stubs_lock);
	if (!list_empty(&stubs.idle)) {
		stub = list_first_entry(&stubs.idle, struct stub, link);
		list_del(&stub->link);
		stubs.nr_idle--;
		return stub;
	}
	for (int i = 0;; i++) {
		stub = stub_new_locked();
		if (!IS_ERR(stub) || PTR_ERR(stub) != -LINUX_EAGAIN || i == STUB_TRIES)
			return stub;
	}
}

void stub_put(struct stub *stub)
{
	bool keep;

	BUG_ON(stub->nr_attached);
	mutex_lock(&stubs_lock);
	keep = !stub->dead && stub->nr_parked && stubs.nr_idle < STUBS_MAX_IDLE &&
	       (stub->vvar || !stubs.have_vvar) && stub->nr_backings == stubs.nr_backings;
	if (keep) {
		/* The last one used is the first one reused: its pages are warm. */
		list_add(&stub->link, &stubs.idle);
		stubs.nr_idle++;
	}
	mutex_unlock(&stubs_lock);
	if (!keep)
		stub_destroy(stub);
}

int stub_fail(struct stub *stub)
{
	stub->dead = true;
	host_kill(stub->pid, SIGKILL);
	return -LINUX_ESRCH;
}

void stub_destroy(struct stub *stub)
{
	int status;

	host_kill(stub->pid, SIGKILL);
	host_waitpid(stub->pid, &status, __WALL);
	stub_free(stub);
}

/* --- the whole --- */

bool stubs_have_vvar(void)
{
	return stubs.have_vvar;
}

bool stubs_backing_exists(int id)
{
	return id > 0 && (unsigned)id <= READ_ONCE(stubs.nr_backings);
}

static void idle_destroy_locked(void)
{
	struct stub *stub, *tmp;

	list_for_each_entry_safe(stub, tmp, &stubs.idle, link) {
		list_del(&stub->link);
		stub_destroy(stub);
	}
	stubs.nr_idle = 0;
}

int stubs_backing_add(int fd)
{
	int high;

	MUTEX_GUARD(&stubs_lock);
	if (stubs.nr_backings == MAX_BACKINGS)
		return -LINUX_ENOSPC;
	high = host_dup(fd, HIGH_FD);
	if (high < 0)
		return high;
	stubs.backing_fd[stubs.nr_backings++] = high;
	idle_destroy_locked();
	return (int)stubs.nr_backings;
}

int stubs_init(int memory_fd, const char **ret_why)
{
	const struct vdso_layout *vdso = vdso_layout();
	int fds[2], err;
	struct stub *stub;

	err = stubs.image_fd = image_new(ret_why);
	if (err < 0)
		return err;
	*ret_why = "out of descriptors or memory";
	err = host_socketpair(5 /* SOCK_SEQPACKET */, fds);
	if (err)
		goto fail;
	stubs.lifeline[0] = fds[0];
	err = stubs.lifeline[1] = host_dup(fds[1], HIGH_FD);
	host_close(fds[1]);
	if (err < 0)
		goto fail;
	err = stubs.memory_fd = host_dup(memory_fd, HIGH_FD);
	if (err < 0)
		goto fail;
	err = host_dup(stubs.image_fd, HIGH_FD);
	if (err < 0)
		goto fail;
	host_close(stubs.image_fd);
	stubs.image_fd = err;
	err = host_mmap(NULL, CHILD_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
			&stubs.child_stack);
	if (err)
		goto fail;
	stubs.have_vvar = vdso->pub.vvar_size && vdso->pub.vvar_size <= STUB_VVAR_MAX;
	stubs.vvar_checked = false;

	*ret_why = "a stub process could not be started";
	stub = stub_get();
	if (IS_ERR(stub)) {
		err = (int)PTR_ERR(stub);
		goto fail;
	}
	stub_put(stub);
	return 0;
fail:
	stubs_fini();
	return err;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		host_close(*fd);
	*fd = -1;
}

void stubs_fini(void)
{
	mutex_lock(&stubs_lock);
	idle_destroy_locked();
	mutex_unlock(&stubs_lock);
	for (unsigned i = 0; i < stubs.nr_backings; i++)
		close_fd(&stubs.backing_fd[i]);
	stubs.nr_backings = 0;
	close_fd(&stubs.image_fd);
	close_fd(&stubs.memory_fd);
	close_fd(&stubs.lifeline[0]);
	close_fd(&stubs.lifeline[1]);
	if (stubs.child_stack)
		host_munmap(stubs.child_stack, CHILD_STACK_SIZE);
	stubs.child_stack = NULL;
}
