/* SPDX-License-Identifier: MIT */
/*
 * How a thread is scheduled: policy, nice value, clamps, I/O priority, CPUs;
 * and what else only a tracer sees of it.  All from outside of the task.
 */
#ifndef SCHEDULING_H
#define SCHEDULING_H

#include <sys/types.h>

#include "err.h"
#include "schemas.h"

/* Before the freeze: what is the same for all. */
int scheduling_prepare(struct cr_err *err) CR_MUST;

/* Sets m->sched when anything differs from how a thread is born. */
int scheduling_fill(pid_t tid, const char *status, Cr__Thread *m, struct cr_err *err) CR_MUST;
void scheduling_release(Cr__Thread *m);

#endif
