/* SPDX-License-Identifier: MIT */
/*
 * How threads are scheduled.  The restorer sets it from outside as the last
 * thing: a thread of SCHED_IDLE or on a busy CPU would hold up the restore, one
 * of SCHED_DEADLINE could not make others, and few keep the right to do it.
 */
#ifndef SCHEDULING_H
#define SCHEDULING_H

#include "restore.h"

int scheduling_check(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;
int scheduling_set(const struct task_image *t, unsigned int n, pid_t tid,
		   struct cr_err *err) CR_MUST;

#endif
