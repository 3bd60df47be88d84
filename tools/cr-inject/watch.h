/* SPDX-License-Identifier: MIT */
/*
 * A second process that interrupts the call when cr-inject is killed while a
 * process makes it: with all its signals blocked, nothing else would.
 *
 * watch_begin() before anything is frozen, watch_agent() when it is known
 * where the agent is, watch_end() when the process is on its own again.
 */
#ifndef WATCH_H
#define WATCH_H

#include "inject.h"

/* *fd: the end of a pipe to the watcher. */
int watch_begin(int *fd, struct cr_err *err) CR_MUST;
int watch_agent(int fd, const struct cr_process *p, struct cr_err *err) CR_MUST;
void watch_end(int fd);

#endif
