/* SPDX-License-Identifier: MIT */
/*
 * The process that removes a half-made tree when cr-restore is killed: it
 * waits for the restorer's end and, unless the tree was committed by then,
 * kills every process in the slots.  It shares their memory.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include "restore.h"

int watcher_start(struct restore *r, pid_t *out, struct cr_err *err) CR_MUST;
void watcher_stop(pid_t pid);

/* Kill what has been created, and reap what is ours. */
void kill_created(struct restore *r);

#endif
