/* SPDX-License-Identifier: MIT */
/*
 * The last step: every thread is parked in the agent; the restorer traces it,
 * removes the agent's memory, gives each thread its registers, FPU state and
 * signal mask, and lets all of them go together.
 */
#ifndef FINISH_H
#define FINISH_H

#include "restore.h"

int finish_check(struct restore *r, struct cr_err *err) CR_MUST;

/* -1: a process has failed, and says why, or has died. */
int finish_look(struct restore *r, struct cr_err *err) CR_MUST;

/* Wait until all threads have parked. */
int finish_wait(struct restore *r, struct cr_err *err) CR_MUST;

/* Seize, set, release.  After it has returned 0 the tree lives. */
int finish_release(struct restore *r, struct cr_err *err) CR_MUST;

#endif
