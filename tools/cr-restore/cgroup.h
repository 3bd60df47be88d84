/* SPDX-License-Identifier: MIT */
/*
 * Processes in the cgroups that they were in.
 *
 * cgroups_check() finds out where they are to be, in each hierarchy that there is
 * here; where that is where this program is, nothing is done.  A process moves
 * itself before anything else, so that what it makes is charged to the right
 * one, and its children are born there.
 */
#ifndef CGROUP_H
#define CGROUP_H

#include "restore.h"

int cgroups_check(struct restore *r, struct cr_err *err) CR_MUST;

/* In a new process, of the birth @index. */
int cgroups_join(const struct restore *r, unsigned int index, struct cr_err *err) CR_MUST;

/* Thread @n of a task, from outside. */
int cgroups_move_thread(const struct task_image *t, unsigned int n, pid_t tid,
			struct cr_err *err) CR_MUST;

#endif
