/* SPDX-License-Identifier: MIT */
/*
 * Directories that are watched by F_NOTIFY.  A task must ask for it itself, with
 * the descriptor number that it is told of; it does so at the very end, by a
 * traced call, so that nothing the restore does is told.
 */
#ifndef DNOTIFY_H
#define DNOTIFY_H

#include "restore.h"
#include "trace.h"

int dnotify_check(struct restore *r, struct cr_err *err) CR_MUST;

/* With a thread of the task that is stopped; its registers are left changed.
 * @ip: where it has a system call instruction. */
int dnotify_restore(struct restore *r, const struct task_image *t, struct cr_tracee *th,
		    uint64_t ip, struct cr_err *err) CR_MUST;

#endif
