/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --strace: each syscall as a line of text, as strace -f prints it.
 *
 * A call's line is begun when the call is entered, with the arguments that are known then, and ended when it returns.  While
 * it waits for its end, `open_line` names its task; whoever wants to print first ends it with "<unfinished ...>", and the
 * call goes on later on a line of its own, "<... read resumed>".
 */
#include "sentry/trace/trace.h"

#include <stdio.h>
#include <string.h>

#include "platform/host/host.h"
#include "sentry/abi/signal.h"
#include "sentry/base/lock.h"
#include "sentry/base/trace.h"
#include "sentry/kernel/task.h"
#include "sentry/trace/decode.h"
#include "sentry/trace/strace_result.h"

#define RESULT_COLUMN 40

/* The call in progress of the calling thread. */
struct call {
	uint64_t nr;
	uint64_t saved[6];
	unsigned next_arg;  /* the first that was not printed on entry */
	bool comma_printed; /* in front of it */
	bool active;
};

static struct decode_arg compiled[NR_SYSCALLS][6];
static int out_fd = -1;
static struct mutex line_lock = MUTEX_INIT; /* a leaf but for host writes */
static int open_line;			    /* line_lock; tid, 0: none */
static size_t open_column;		    /* line_lock */
static int nr_tasks = 1;		    /* line_lock */
static _Thread_local struct call call;

static int own_tid(void)
{
	return current ? atomic_load(&current->tid) : 0;
}

/* --- lines; line_lock held --- */

static void out(const struct strbuf *sb)
{
	if (sb->len)
		host_write_full(out_fd, sb->buf, sb->len);
}

/* Ends somebody else's line, and begins one of our own. */
static void begin_line(struct strbuf *sb, int tid)
{
	if (open_line)
		strbuf_adds(sb, " <unfinished ...>\n");
	open_line = 0;
	if (nr_tasks > 1)
		strbuf_addf(sb, "[pid %5d] ", tid);
}

/* The column behind the last newline of @sb. */
static size_t column_of(const struct strbuf *sb)
{
	const char *nl = sb->len ? memrchr(sb->buf, '\n', sb->len) : NULL;

	return sb->len - (nl ? (size_t)(nl + 1 - sb->buf) : 0);
}

static void pad_to_result(struct strbuf *sb, size_t column)
{
	do
		strbuf_addc(sb, ' ');
	while (++column < RESULT_COLUMN);
}

/* --- syscalls --- */

static const struct syscall_desc *desc_of(uint64_t nr)
{
	return nr < NR_SYSCALLS && syscall_table[nr].name ? &syscall_table[nr] : NULL;
}

static void print_name(struct strbuf *sb, const struct syscall_desc *desc, uint64_t nr)
{
	if (desc)
		strbuf_adds(sb, desc->name);
	else
		strbuf_addf(sb, "syscall_%#llx", (unsigned long long)nr);
}

static void print_unknown_args(struct strbuf *sb, const uint64_t *args)
{
	for (int i = 0; i < 6; i++)
		strbuf_addf(sb, "%s%#llx", i ? ", " : "", (unsigned long long)args[i]);
}

static void strbuf_cut(struct strbuf *sb, size_t len)
{
	sb->len = len;
	sb->buf[len] = '\0';
}

/* Prints from call.next_arg on, up to the first argument that has to wait for the result. */
static void print_args(struct decode *d, const struct syscall_desc *desc, uint64_t nr)
{
	const struct decode_arg *a = compiled[nr];
	unsigned i = call.next_arg;

	for (; i < desc->nr_args; i++) {
		size_t before = d->sb->len, comma = i && !call.comma_printed ? 2 : 0;

		if (comma)
			strbuf_adds(d->sb, ", ");
		call.comma_printed = false;
		if (!d->exiting && (a[i].out || (a[i].inout && decode_waits(&a[i])))) {
			/* clone's arguments come with their own names, or not at all. */
			call.comma_printed = i > 0 && a[i].fn != decode_clone_ptid;
			if (comma && !call.comma_printed)
				strbuf_cut(d->sb, before);
			break;
		}
		d->index = i;
		decode_print(d, &a[i], d->args[i]);
		/* An argument that the call does not look at, such as open's mode, is left out with its comma. */
		if (d->sb->len == before + comma && comma)
			strbuf_cut(d->sb, before);
	}
	call.next_arg = i;
}

static void strace_enter(uint64_t nr, const uint64_t *args)
{
	const struct syscall_desc *desc = desc_of(nr);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, line = STRBUF_INIT;
	struct decode d = { .sb = &text, .args = args, .saved = call.saved };
	int tid = own_tid();

	call.nr = nr;
	call.next_arg = 0;
	call.comma_printed = false;
	call.active = true;
	print_name(&text, desc, nr);
	strbuf_addc(&text, '(');
	if (desc) {
		decode_save(compiled[nr], desc->nr_args, args, call.saved);
		print_args(&d, desc, nr);
	} else {
		print_unknown_args(&text, args);
	}
	mutex_lock(&line_lock);
	begin_line(&line, tid);
	strbuf_add(&line, text.buf, text.len);
	out(&line);
	open_line = tid;
	open_column = column_of(&line);
	mutex_unlock(&line_lock);
}

/* The rest of a call's line.  @text: what comes behind the arguments that were printed on entry. */
static void end_line(const struct strbuf *text, size_t args_len, const char *name, int tid)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;
	size_t column;

	mutex_lock(&line_lock);
	if (open_line == tid) {
		column = open_column;
		open_line = 0;
	} else {
		begin_line(&line, tid);
		strbuf_addf(&line, "<... %s resumed>", name);
		column = column_of(&line);
	}
	strbuf_add(&line, text->buf, args_len);
	pad_to_result(&line, column + args_len);
	strbuf_add(&line, text->buf + args_len, text->len - args_len);
	strbuf_addc(&line, '\n');
	out(&line);
	mutex_unlock(&line_lock);
}

static void strace_exit(uint64_t nr, const uint64_t *args, int64_t ret)
{
	const struct syscall_desc *desc = desc_of(nr);
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, name = STRBUF_INIT;
	struct decode d = { .sb = &text, .args = args, .saved = call.saved, .exiting = true, .ret = ret };
	size_t args_len;

	/* exit and exit_group do not return: their line is ended by the task's end. */
	if (!call.active || (desc && desc->ret && strcmp(desc->ret, "none") == 0))
		return;
	call.active = false;
	if (desc)
		print_args(&d, desc, nr);
	strbuf_addc(&text, ')');
	args_len = text.len;
	print_result(&d, desc);
	print_name(&name, desc, nr);
	end_line(&text, args_len, strbuf_str(&name), own_tid());
}

/* --- other lines --- */

static void print_line(int tid, const struct strbuf *text)
{
	_cleanup_strbuf_ struct strbuf line = STRBUF_INIT;

	mutex_lock(&line_lock);
	begin_line(&line, tid);
	strbuf_add(&line, text->buf, text->len);
	strbuf_addc(&line, '\n');
	out(&line);
	mutex_unlock(&line_lock);
}

static void strace_signal(const void *siginfo)
{
	const struct linux_siginfo *info = siginfo;
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT;

	strbuf_adds(&text, "--- ");
	decode_signal_value(&text, (uint32_t)info->si_signo);
	strbuf_addc(&text, ' ');
	decode_siginfo_value(&text, info);
	strbuf_adds(&text, " ---");
	print_line(own_tid(), &text);
}

static void strace_task_new(int32_t tid __unused)
{
	mutex_lock(&line_lock);
	nr_tasks++;
	mutex_unlock(&line_lock);
}

/* exit and exit_group never return: their line ends here. */
static void strace_task_exit(int32_t tid, int wait_status)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, end = STRBUF_INIT;
	int sig = wait_status & 0x7f;

	if (call.active) {
		call.active = false;
		strbuf_adds(&end, ")= ?");
		end_line(&end, 1, desc_of(call.nr) ? desc_of(call.nr)->name : "syscall", tid);
	}
	if (sig) {
		strbuf_adds(&text, "+++ killed by ");
		decode_signal_value(&text, (uint32_t)sig);
		strbuf_adds(&text, wait_status & 0x80 ? " (core dumped) +++" : " +++");
	} else {
		strbuf_addf(&text, "+++ exited with %d +++", (wait_status >> 8) & 0xff);
	}
	print_line(tid, &text);
	mutex_lock(&line_lock);
	nr_tasks--;
	mutex_unlock(&line_lock);
}

static const struct trace_hooks strace_hooks = {
	.syscall_enter = strace_enter,
	.syscall_exit = strace_exit,
	.signal = strace_signal,
	.task_new = strace_task_new,
	.task_exit = strace_task_exit,
};

void strace_note_exec(const char *path, char *const *argv, char *const *envp)
{
	_cleanup_strbuf_ struct strbuf text = STRBUF_INIT, found = STRBUF_INIT;
	uint64_t dev, ino;
	unsigned nr_env = 0;
	const char *sep = "";

	while (envp[nr_env])
		nr_env++;
	/* What a search along PATH found. */
	if (!strchr(path, '/') && current_mm && current_mm->exe)
		current_mm->exe->ops->describe(current_mm->exe, &found, &dev, &ino);
	strbuf_adds(&text, "execve(");
	decode_quote(&text, found.len ? strbuf_str(&found) : path, found.len ? found.len : strlen(path), false);
	strbuf_adds(&text, ", [");
	for (; *argv; argv++) {
		strbuf_adds(&text, sep);
		decode_quote(&text, *argv, strnlen(*argv, DECODE_MAX_STRING), strlen(*argv) > DECODE_MAX_STRING);
		sep = ", ";
	}
	strbuf_addf(&text, "], %p /* %u vars */) = 0", (const void *)envp, nr_env);
	print_line(1, &text);
}

void strace_start(int fd)
{
	for (unsigned nr = 0; nr < NR_SYSCALLS; nr++)
		if (syscall_table[nr].name)
			decode_compile(syscall_table[nr].args, syscall_table[nr].nr_args, compiled[nr]);
	out_fd = fd;
	trace_set_hooks(&strace_hooks);
}
