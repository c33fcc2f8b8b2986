/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sentry's end of the control socket: one thread that accepts, and one for each connection.  They are service threads, and look
 * into the guest with root's rights and PID 1's root directory.
 */
#include "sentry/cli/control.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/netif.h"
#include "platform/host/host_thread.h"
#include "sentry/abi/errno.h"
#include "sentry/abi/poll.h"
#include "sentry/abi/signal.h"
#include "sentry/base/log.h"
#include "sentry/cli/cli.h"
#include "sentry/kernel/kernel.h"
#include "sentry/kernel/task.h"
#include "sentry/mm/frame.h"
#include "vfs/proc/proc.h"
#include "vfs/pagecache.h"

#define THREAD_STACK (256UL << 10)
#define MAX_CONNECTIONS 256
/* A client says at once what it wants. */
#define REQUEST_PATIENCE_MS 10000

static struct control_params params;
static atomic_uint nr_connections;

void control_error(int sock, int status, const char *fmt, ...)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	int32_t code = status;
	va_list ap;

	strbuf_add(&out, &code, sizeof(code));
	va_start(ap, fmt);
	strbuf_vaddf(&out, fmt, ap);
	va_end(ap);
	control_send(sock, CONTROL_ERROR, strbuf_str(&out), out.len, NULL, 0);
}

static void send_text(int sock, struct strbuf *out)
{
	if (strbuf_err(out))
		control_error(sock, STATUS_SENTRY, "the sentry is out of memory");
	else
		control_send(sock, CONTROL_TEXT, strbuf_str(out), out->len, NULL, 0);
}

/* --- what there is --- */

static void add_field(struct strbuf *out, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < ' ' || c == 0x7f || c == '\\')
			strbuf_addf(out, "\\%03o", c);
		else
			strbuf_addc(out, (char)c);
	}
}

/* "[comm]" for what has no arguments, a zombie above all. */
static void add_command(struct task *t, struct strbuf *out)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	struct mm *mm = task_mm_get(t);
	char comm[TASK_COMM_LEN];

	if (mm) {
		proc_cmdline_text(mm, &line);
		mm_put(mm);
	}
	if (line.len) {
		while (line.len && !line.buf[line.len - 1])
			line.len--;
		for (size_t i = 0; i < line.len; i++)
			if (!line.buf[i])
				line.buf[i] = ' ';
		add_field(out, line.buf, line.len);
		return;
	}
	task_comm(t, comm);
	strbuf_addc(out, '[');
	add_field(out, comm, strnlen(comm, sizeof(comm)));
	strbuf_addc(out, ']');
}

static void add_process(struct task *t, struct strbuf *out)
{
	const struct cred *cred = task_cred_get(t);
	struct mm *mm = task_mm_get(t);
	uint64_t utime, stime, rss = 0;

	if (mm) {
		mutex_lock(&mm->pt_lock);
		rss = (uint64_t)(MAX(mm->rss[MM_FILEPAGES], 0) + MAX(mm->rss[MM_SHMEMPAGES], 0) + MAX(mm->rss[MM_ANONPAGES], 0));
		mutex_unlock(&mm->pt_lock);
		mm_put(mm);
	}
	tgroup_cputime(t->tg, &utime, &stime);
	strbuf_addf(out, "%d\t%d\t%u\t%c\t%" PRIu64 "\t%" PRIu64 "\t", task_tgid(t), atomic_load(&t->ppid), cred->euid,
		    task_state_char(t), (utime + stime) / 1000000, rss * PAGE_SIZE);
	cred_put(cred);
	add_command(t, out);
	strbuf_addc(out, '\n');
}

/* Their leaders, with references; malloc. */
static struct task **all_processes(unsigned *ret_nr)
{
	struct task **list;
	unsigned nr = 0, max = 0;
	struct tgroup *tg;
	MUTEX_GUARD(&pids_lock);

	list_for_each_entry(tg, &all_tgroups, all_link)
		max++;
	list = calloc(max + 1, sizeof(*list));
	list_for_each_entry(tg, &all_tgroups, all_link)
		if (list && tg->leader)
			list[nr++] = task_get(tg->leader);
	*ret_nr = nr;
	return list;
}

static void serve_ps(int sock)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	unsigned nr;
	struct task **list = all_processes(&nr);

	for (unsigned i = 0; i < nr; i++) {
		add_process(list[i], &out);
		task_put(list[i]);
	}
	free(list);
	send_text(sock, &out);
}

static void serve_stats(int sock)
{
	_cleanup_strbuf_ struct strbuf out = STRBUF_INIT;
	struct kernel_counts c;
	struct frame_stats s;

	kernel_counts(&c);
	frame_get_stats(&s);
	strbuf_addf(&out, "memory\t%" PRIu64 "\nmemory_limit\t%" PRIu64 "\ncached\t%" PRIu64 "\n", s.used * PAGE_SIZE,
		    s.limit * PAGE_SIZE, pagecache_pages() * PAGE_SIZE);
	strbuf_addf(&out, "tasks\t%u\ncpu_ms\t%" PRIu64 "\nforks\t%" PRIu64 "\n", c.nr_tasks, (c.utime + c.stime) / 1000000,
		    c.nr_forks);
	send_text(sock, &out);
}

/* --- signals --- */

static void serve_signal(int sock, const struct control_message *m)
{
	int32_t sig;

	if (m->size != sizeof(sig) || m->nr_fds) {
		control_error(sock, STATUS_SENTRY, "malformed request");
		return;
	}
	memcpy(&sig, m->data, sizeof(sig));
	if (sig < 1 || sig > LINUX_NSIG) {
		control_error(sock, STATUS_SENTRY, "there is no signal %d", sig);
		return;
	}
	if (sig == LINUX_SIGKILL) {
		signals_end_within(SIGNALS_END_GRACE_NS, STATUS_SIGNAL + LINUX_SIGKILL);
		kernel_kill_all();
	} else {
		kernel_kill_init(sig);
	}
	control_send(sock, CONTROL_DONE, NULL, 0, NULL, 0);
}

/* As the same signal from kill(1): boot.c makes a shutdown of it. */
static void serve_stop(int sock)
{
	if (!(signals_taken && signals_taken(LINUX_SIGTERM, LINUX_SI_USER)))
		kernel_kill_init(LINUX_SIGTERM);
	control_send(sock, CONTROL_DONE, NULL, 0, NULL, 0);
}

/* Who waits for the end of the guest reads until this socket closes. */
static void wait_hangup(int sock)
{
	char c;

	while (host_read(sock, &c, 1) > 0)
		;
}

/* --- connections --- */

static void serve(int sock, struct control_message *m)
{
	switch (m->type) {
	case CONTROL_PS:
		serve_ps(sock);
		break;
	case CONTROL_STATS:
		serve_stats(sock);
		break;
	case CONTROL_SIGNAL:
		serve_signal(sock, m);
		wait_hangup(sock);
		break;
	case CONTROL_STOP:
		serve_stop(sock);
		wait_hangup(sock);
		break;
	case CONTROL_EXEC:
		control_serve_exec(sock, m, params.env);
		break;
	case CONTROL_COPY_STAT:
	case CONTROL_COPY_OUT:
	case CONTROL_COPY_IN:
		control_serve_copy(sock, m);
		break;
	default:
		control_error(sock, STATUS_SENTRY, "unknown request");
	}
}

static bool peer_allowed(int sock)
{
	uint32_t uid;

	return !host_peer_uid(sock, &uid) && (uid == host_geteuid() || uid == 0);
}

static void *connection_main(void *arg)
{
	struct pollfd p = { .fd = (int)(intptr_t)arg, .events = LINUX_EPOLLIN };
	struct control_message m;
	int err;

	if (peer_allowed(p.fd) && host_poll(&p, 1, REQUEST_PATIENCE_MS) > 0) {
		err = control_recv(p.fd, CONTROL_REQUEST_MAX, &m);
		if (!err) {
			serve(p.fd, &m);
			control_message_fini(&m);
		} else if (err != -LINUX_EPIPE) {
			control_error(p.fd, STATUS_SENTRY, "malformed request");
		}
	}
	host_close(p.fd);
	if (current_fs)
		fs_struct_put(current_fs);
	current_fs = NULL;
	atomic_fetch_sub(&nr_connections, 1);
	return NULL;
}

static void *accept_main(void *arg __unused)
{
	for (;;) {
		int sock = host_accept(params.listen);

		if (sock < 0) {
			/* Out of descriptors, say. */
			host_nanosleep(100000000);
			continue;
		}
		if (atomic_fetch_add(&nr_connections, 1) < MAX_CONNECTIONS &&
		    !host_thread_start_detached(connection_main, (void *)(intptr_t)sock, THREAD_STACK))
			continue;
		atomic_fetch_sub(&nr_connections, 1);
		host_close(sock);
	}
	return NULL;
}

int control_start(const struct control_params *p)
{
	params = *p;
	if (host_thread_start_detached(accept_main, NULL, THREAD_STACK))
		return cli_error("cannot start a thread for the control socket");
	return 0;
}
