/* SPDX-License-Identifier: MIT */
/*
 * Stopped processes, and what their parents have been told of it.
 *
 * A process is stopped while the restorer traces it and all of its signals but
 * that one are blocked, so that no signal which waits for SIGCONT gets ahead
 * of the stop.  The kernel tells the parent; a parent that had been told before
 * the dump takes that news, and the SIGCHLD of it, before it goes on.
 */
#ifndef STOPPED_H
#define STOPPED_H

#include "restore.h"
#include "trace.h"

/* The signal that a task is to be stopped by, 0: it is to run. */
int stopped_by(const struct restore *r, const struct task_image *t);

/* Is the signal none to be queued again: it is the stop itself? */
bool stopped_absorbs(const struct restore *r, const struct task_image *t, int sig);

/*
 * @threads: all of the tree, in order, in ptrace-stops in the agent, where they
 * are again afterwards.
 */
int stopped_make(struct restore *r, struct cr_tracee *threads, struct cr_err *err) CR_MUST;

#endif
