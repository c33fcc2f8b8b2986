/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of exec that starting PID 1 shares with execve(2). */
#ifndef SENTRY_KERNEL_EXEC_H
#define SENTRY_KERNEL_EXEC_H

#include "loader/loader.h"

struct task;

/* Fills in what comes from the calling task @t. */
void exec_request_init(struct exec_request *req, struct task *t);
/* Finds and opens the program: req->file, req->filename.  @at_flags: LINUX_AT_*.  0 or -errno. */
int exec_open(struct exec_request *req, int dfd, const char *name, unsigned at_flags);
void exec_request_fini(struct exec_request *req);
/*
 * Makes current run @img, whose mm is taken in every case, with req->cred, taken on success.  0, or -errno with current as it
 * was.
 */
int exec_install(struct exec_request *req, struct exec_image *img);

/* The same for PID 1, which has no program yet, on a service thread. */
int exec_install_init(struct task *t, struct exec_request *req, struct exec_image *img);

#endif
