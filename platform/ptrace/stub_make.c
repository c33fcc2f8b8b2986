/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a stub is made, in the spawner (platform/spawner.h).  It costs a vfork and an exec, some 300 us.
 *
 * Start-up needs no ptrace: the child execs the image, whose code finds in the shared page a list of calls that turn an
 * ordinary new process into a stub, makes them, reports, and parks (stub.h).  Until then whoever could write the page could
 * have any call made; so the sentry gets to see it when the stub is ready, and has shut itself in.
 */
#define _GNU_SOURCE 1
#include <linux/audit.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "platform/bpf_build.h"
#include "platform/host/host.h"
#include "platform/ptrace/ptrace.h"
#include "platform/stub_exec.h"
#include "platform/vdso.h"
#include "sentry/abi/errno.h"

#define STUB_START_TIMEOUT_NS 10000000000

/* From the second on, there is always one more than was asked for: a guest that forks does not wait for a host's exec. */
#define SPARE_FROM 2

#ifndef SECCOMP_FILTER_FLAG_SPEC_ALLOW
#define SECCOMP_FILTER_FLAG_SPEC_ALLOW 4
#endif

/* Set up before the fork; the spawner's own after it. */
static struct {
	int image_fd, memory_fd, lifeline;
	void *child_stack;
	bool have_vvar, vvar_checked; /* the first stub told whether the host lets its vDSO data be moved */
	int backing_fd[STUB_MAX_BACKINGS];
	unsigned nr_backings;
	unsigned nr_made;
	bool no_spare; /* the end is near */
} make = { .image_fd = -1, .memory_fd = -1, .lifeline = -1 };

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

/* A block for the syscall instruction that ends at @off in the text: allows the calls listed, kills on others. */
static void filter_add_site(struct bpf_build *f, unsigned off, const uint16_t *nr, unsigned n)
{
	bpf_load(f, offsetof(struct seccomp_data, instruction_pointer));
	bpf_jump_equal(f, (uint32_t)STUB_TEXT + off, 0, (uint8_t)(n + 3));
	bpf_load(f, offsetof(struct seccomp_data, nr));
	for (unsigned i = 0; i < n; i++)
		bpf_jump_equal(f, nr[i], (uint8_t)(n - i), 0);
	bpf_return(f, SECCOMP_RET_KILL_PROCESS);
	bpf_return(f, SECCOMP_RET_ALLOW);
}

/*
 * The second wall.  PTRACE_SYSEMU already keeps every guest syscall from the host; should one slip through, it is neither
 * at one of the stub's own instructions nor among their few calls.  The exception is the vsyscall page, which the host
 * emulates without asking the tracer: TRAP makes it a SIGSYS that stop.c turns into a syscall stop.
 */
static void filter_build(struct bpf_build *f)
{
	static const uint16_t loop[] = { SYS_mmap, SYS_mprotect, SYS_munmap, SYS_mremap, SYS_clone, SYS_exit };
	static const uint16_t park[] = { SYS_recvfrom }, wake[] = { SYS_futex }, leave[] = { SYS_exit_group };

	bpf_load(f, offsetof(struct seccomp_data, arch));
	bpf_jump_equal(f, AUDIT_ARCH_X86_64, 1, 0);
	bpf_return(f, SECCOMP_RET_KILL_PROCESS);
	bpf_load(f, offsetof(struct seccomp_data, instruction_pointer) + 4);
	bpf_jump_equal(f, (uint32_t)(STUB_TEXT >> 32), 3, 0);
	bpf_jump_equal(f, 0xffffffff, 1, 0);
	bpf_return(f, SECCOMP_RET_KILL_PROCESS);
	bpf_return(f, SECCOMP_RET_TRAP);
	filter_add_site(f, STUB_LOOP_RET_OFF, loop, ARRAY_SIZE(loop));
	filter_add_site(f, STUB_PARK_RET_OFF, park, ARRAY_SIZE(park));
	filter_add_site(f, STUB_WAKE_RET_OFF, wake, ARRAY_SIZE(wake));
	filter_add_site(f, STUB_EXIT_RET_OFF, leave, ARRAY_SIZE(leave));
	bpf_return(f, SECCOMP_RET_KILL_PROCESS);
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
	struct bpf_build filter = { data->insn, 0, ARRAY_SIZE(data->insn) };
	size_t vvar_size = make.have_vvar ? vdso->pub.vvar_size : 0;

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
	page_add_unmap(page, STUB_VVAR + vvar_size, STUB_USER_HALF_END);

	page_add_op(page, SYS_close, STUB_FD_PAGE, 0, 0, 0);
	page_add_op(page, SYS_rt_sigprocmask, SIG_SETMASK, START_DATA(sigmask), 0, sizeof(data->sigmask));
	filter_build(&filter);
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

/* Between vfork and exec: shares the spawner's memory, has its own descriptors and signal actions. */
static int child_main(void *arg)
{
	static char name[] = "sentry-stub";
	struct child_args *a = arg;
	int exec_fd = STUB_FD_BACKING + (int)make.nr_backings;

	/* Should someone have stopped it, it must go on to see the end of the lifeline. */
	host_prctl(PR_SET_PDEATHSIG, SIGCONT, 0, 0, 0);
	a->err = -LINUX_EBADF;
	if (host_dup2(make.memory_fd, STUB_FD_MEMORY) < 0 || host_dup2(a->page_fd, STUB_FD_PAGE) < 0 ||
	    host_dup2(make.lifeline, STUB_FD_LIFELINE) < 0 || host_dup3(make.image_fd, exec_fd) < 0)
		host_exit_group(1);
	for (unsigned i = 0; i < make.nr_backings; i++)
		if (host_dup2(make.backing_fd[i], STUB_FD_BACKING + (int)i) < 0)
			host_exit_group(1);
	host_close_range((unsigned)exec_fd + 1, ~0U);
	a->err = 0;
	a->err = stub_exec(exec_fd, name);
	host_exit_group(1);
}

/* A stub that is ready, as long as only the spawner knows it. */
struct made {
	int err;
	pid_t pid; /* 0: not even a process came of it */
	int page_fd, pidfd;
	struct stub_page *page;
};

static struct made spare;

static bool has_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };

	return host_poll(&p, 1, 0) > 0;
}

/* Waits until start-up has reported.  0 or -errno. */
static int made_wait_ready(const struct made *m)
{
	int64_t deadline = host_clock_ns(1 /* CLOCK_MONOTONIC */) + STUB_START_TIMEOUT_NS;
	unsigned status;

	while (!(status = atomic_load(&m->page->status))) {
		host_shared_futex_wait(&m->page->status, 0, 20000000);
		if (atomic_load(&m->page->status))
			continue;
		if (has_ended(m->pidfd))
			return -LINUX_EAGAIN;
		if (host_clock_ns(1) > deadline)
			return -LINUX_ETIMEDOUT;
	}
	return status == STUB_STATUS_READY ? 0 : (int)status;
}

/* The host may keep its vDSO data where it is (mseal); then no stub can place it. */
static void check_vvar(const struct stub_page *page)
{
	const struct vdso_layout *vdso = vdso_layout();

	for (unsigned i = 0; i < vdso->nr_pieces && make.have_vvar; i++)
		if (page->op[i].result < 0 && page->op[i].result > -4096)
			make.have_vvar = false;
	make.vvar_checked = true;
}

/* Its parent is the sentry: to reap it, and to be told when it dies. */
static int made_exec(struct made *m)
{
	int high = host_dup(m->page_fd, STUB_HIGH_FD);
	struct child_args args = { .page_fd = high };
	uint64_t mask;
	int pid;

	if (high < 0)
		return high;
	mask = host_signals_block();
	pid = host_vfork(child_main, &args, (char *)make.child_stack + STUB_CHILD_STACK_SIZE, CLONE_PARENT);
	host_signals_restore(mask);
	host_close(high);
	if (pid < 0)
		return pid;
	m->pid = pid;
	m->pidfd = host_pidfd_open(pid);
	if (args.err)
		return args.err;
	return m->pidfd < 0 ? m->pidfd : made_wait_ready(m);
}

static int made_start(struct made *m)
{
	void *page;
	int err = m->page_fd = host_memfd_create("sentry-stub-page", 0);

	if (err < 0)
		return err;
	err = host_ftruncate(m->page_fd, STUB_PAGE_SIZE);
	if (!err)
		err = host_mmap(NULL, STUB_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, m->page_fd, 0, &page);
	if (err)
		return err;
	m->page = page;
	page_fill(m->page);
	return made_exec(m);
}

static struct made made_new(void)
{
	struct made m = { .page_fd = -1, .pidfd = -1 };

	m.err = made_start(&m);
	if (!m.err && !make.vvar_checked)
		check_vvar(m.page);
	/* The sentry reaps it: until then the pid is nobody else's. */
	if (m.err && m.pid)
		host_kill(m.pid, SIGKILL);
	return m;
}

/* Turns it over to the sentry. */
static void made_tell(struct made *m, struct spawner_msg *reply)
{
	struct stub_reply r = { .err = m->err, .pid = m->pid, .have_vvar = make.have_vvar };

	if (!m->err) {
		r.tid = m->page->tid;
		reply->fd[0] = m->page_fd;
		reply->fd[1] = m->pidfd;
		reply->nr_fds = 2;
	} else {
		host_close(m->page_fd);
		host_close(m->pidfd);
	}
	if (m->page)
		host_munmap(m->page, STUB_PAGE_SIZE);
	memcpy(reply->data, &r, sizeof(r));
	reply->len = sizeof(r);
	*m = (struct made){ 0 };
}

static void make_stub(struct spawner_msg *reply)
{
	struct made m;

	make.nr_made++;
	if (!spare.pid)
		spare = made_new();
	m = spare;
	spare = (struct made){ 0 };
	made_tell(&m, reply);
}

/* It goes the way of one that failed. */
static void drop_spare(struct spawner_msg *reply)
{
	struct made m = spare;

	spare = (struct made){ 0 };
	if (m.pid)
		host_kill(m.pid, SIGKILL);
	else
		m.page_fd = m.pidfd = -1;
	m.err = -LINUX_EAGAIN;
	made_tell(&m, reply);
}

static void make_end(struct spawner_msg *reply)
{
	make.no_spare = true;
	drop_spare(reply);
}

/* The spare lacks the new one. */
static void make_add_backing(struct spawner_msg *req, struct spawner_msg *reply)
{
	struct stub_reply r;
	int high;

	drop_spare(reply);
	memcpy(&r, reply->data, sizeof(r));
	high = req->nr_fds == 1 && make.nr_backings < STUB_MAX_BACKINGS ? host_dup(req->fd[0], STUB_HIGH_FD) : -LINUX_ENOSPC;
	if (high >= 0)
		make.backing_fd[make.nr_backings++] = high;
	r.err = MIN(high, 0);
	memcpy(reply->data, &r, sizeof(r));
	reply->len = sizeof(r);
}

static void make_handle(struct spawner_msg *req, struct spawner_msg *reply)
{
	uint32_t kind = 0;

	memcpy(&kind, req->data, MIN(req->len, sizeof(kind)));
	if (kind == STUB_REQUEST_NEW)
		make_stub(reply);
	else if (kind == STUB_REQUEST_BACKING)
		make_add_backing(req, reply);
	else if (kind == STUB_REQUEST_NO_SPARE)
		make_end(reply);
	else
		reply->len = 1;
}

static void make_idle(void)
{
	if (make.no_spare || make.nr_made < SPARE_FROM || spare.pid)
		return;
	spare = made_new();
	/* The next request tries again, and says why it fails. */
	if (spare.err && !spare.pid) {
		host_close(spare.page_fd);
		spare = (struct made){ 0 };
	}
}

static void make_start(int sock)
{
	const int keep[] = { sock, make.image_fd, make.memory_fd, make.lifeline };

	spawner_keep_fds(keep, ARRAY_SIZE(keep));
}

const struct spawner_ops stub_make_ops = {
	.start = make_start,
	.handle = make_handle,
	.idle = make_idle,
};

int stub_make_init(int memory_fd, int lifeline, const char **ret_why)
{
	const struct vdso_layout *vdso = vdso_layout();
	const struct stub_image program = { stub_text, sizeof(stub_text), STUB_TEXT_SIZE, STUB_TEXT, STUB_ENTRY_OFF };
	int image, err;

	image = stub_image_new(&program, ret_why);
	if (image < 0)
		return image;
	err = make.image_fd = host_dup(image, STUB_HIGH_FD);
	host_close(image);
	if (err >= 0)
		err = make.memory_fd = host_dup(memory_fd, STUB_HIGH_FD);
	if (err >= 0)
		err = make.lifeline = host_dup(lifeline, STUB_HIGH_FD);
	if (err >= 0)
		err = host_mmap(NULL, STUB_CHILD_STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
				&make.child_stack);
	make.have_vvar = vdso->pub.vvar_size && vdso->pub.vvar_size <= STUB_VVAR_MAX;
	make.vvar_checked = false;
	if (err < 0)
		*ret_why = host_why(err);
	return MIN(err, 0);
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		host_close(*fd);
	*fd = -1;
}

void stub_make_fini(void)
{
	close_fd(&make.image_fd);
	close_fd(&make.memory_fd);
	close_fd(&make.lifeline);
	if (make.child_stack)
		host_munmap(make.child_stack, STUB_CHILD_STACK_SIZE);
	make.child_stack = NULL;
}
