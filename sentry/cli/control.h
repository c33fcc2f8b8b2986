/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket: what `sentry exec`, `ps`, `kill` and the like say to a running sentry, and its answers.
 *
 * A message is a header, with descriptors (SCM_RIGHTS) where its type has some, and `size` bytes behind it.  One request per
 * connection; the answer ends with ERROR, TEXT, DONE or EXITED.
 *
 *     client                                   sentry
 *     PS, STATS                           -->
 *                                         <--  TEXT: a line per record, tab-separated fields, escaped
 *     SIGNAL {sig}, STOP                  -->
 *                                         <--  DONE; the connection stays open until the guest is gone, if the client waits for that
 *     EXEC {control_exec, strings} + fds  -->
 *                                         <--  STARTED {pid}
 *     RESIZE {rows, cols}, SIGNAL {sig}   -->  any time
 *                                         <--  EXITED {wait status}
 *
 *     COPY_STAT {control_copy, path, ""}  -->
 *                                         <--  TEXT: "missing", "directory" or "file"
 *     COPY_OUT {control_copy, path, top} + a stream  -->
 *                                         <--  a tar archive on the stream (tar.h), then DONE
 *     COPY_IN {control_copy, path, ""} + a stream    -->
 *                                         <--  DONE, when the archive on the stream is unpacked below path
 *
 * Both ends belong to one user, or the client to root: the sentry asks the kernel who connected, and hangs up on others.  Still
 * everything is parsed as if it came from an enemy: sizes are bounded, strings counted, descriptors of the right number or refused.
 */
#ifndef SENTRY_CLI_CONTROL_H
#define SENTRY_CLI_CONTROL_H

#include "platform/host/host.h"
#include "sentry/base/strbuf.h"
#include "sentry/base/types.h"

#define CONTROL_MAGIC 0x31797473U
#define CONTROL_REQUEST_MAX (1U << 20)
#define CONTROL_ANSWER_MAX (64U << 20)

enum control_type {
	CONTROL_ERROR = 1, /* int32 exit status, text */
	CONTROL_TEXT,
	CONTROL_DONE,
	CONTROL_STARTED,
	CONTROL_EXITED,
	CONTROL_PS,
	CONTROL_STATS,
	CONTROL_SIGNAL,
	CONTROL_STOP,
	CONTROL_EXEC,
	CONTROL_RESIZE,
	CONTROL_COPY_STAT,
	CONTROL_COPY_OUT,
	CONTROL_COPY_IN,
	NR_CONTROL_TYPES
};

struct control_header {
	uint32_t magic;
	uint16_t type, nr_fds;
	uint32_t size;
};

/* Behind it: user, working directory ("" for none of them), @argc words, @envc assignments, each with its NUL. */
struct control_exec {
	uint32_t flags; /* CONTROL_EXEC_* */
	uint16_t rows, cols;
	uint32_t argc, envc;
};
#define CONTROL_EXEC_TTY 1    /* one descriptor, a stream that carries what is typed and printed; else 0, 1 and 2 */
#define CONTROL_EXEC_DETACH 2 /* no descriptors: /dev/null */

/* Behind it: the absolute path in the guest, and the name of the archive's top, each with its NUL. */
struct control_copy {
	uint32_t flags; /* CONTROL_COPY_* */
};
#define CONTROL_COPY_FOLLOW 1 /* the path itself, when it is a link */
#define CONTROL_COPY_OWNER 2  /* what is unpacked gets its owner */

struct control_resize {
	uint16_t rows, cols;
};

struct control_message {
	enum control_type type;
	uint8_t *data; /* malloc, NUL behind it; NULL when size is 0 */
	uint32_t size;
	int fds[HOST_FDS_MAX];
	unsigned nr_fds;
};

/* --- control_proto.c: both ends --- */

/* 0 or -errno; -LINUX_EPIPE when the other end is gone. */
int control_send(int sock, enum control_type type, const void *data, size_t size, const int *fds, unsigned nr_fds);
/* The next message: 0; -LINUX_EPIPE at the end, -LINUX_EPROTO for nonsense.  The caller's to fini. */
int control_recv(int sock, uint32_t max, struct control_message *ret);
void control_message_fini(struct control_message *m);

/* --- control.c: the sentry's --- */

struct run_options;
/* What `exec` starts from. */
struct control_params {
	int listen;	  /* taken */
	char *const *env; /* borrowed for ever */
	const char *kind; /* as guest_state.kind */
};
/* Starts the thread that answers; after kernel_start. */
int control_start(const struct control_params *p);
/* Answers with an error text. */
void control_error(int sock, int status, const char *fmt, ...) __printf(3, 4);
/* control_exec.c: serves one EXEC until the program has ended.  Takes the descriptors out of @m. */
void control_serve_exec(int sock, struct control_message *m, char *const *env);
/* control_cp.c: serves a COPY_*.  Takes the descriptor out of @m. */
void control_serve_copy(int sock, struct control_message *m);

/* --- client.c --- */

/* Connected to guest @name: a descriptor; or reports and returns -1. */
int client_connect(const char *name);
/* Reports an ERROR answer, or @err of control_recv; returns the exit status. */
int client_failed(const char *name, int err, const struct control_message *m);
/* Sends a request without descriptors and takes the answer, which must be @want: 0, or the exit status after reporting. */
int client_ask(int sock, const char *name, enum control_type type, const void *data, size_t size, enum control_type want,
	       struct control_message *ret);

#endif
