/* SPDX-License-Identifier: MIT */
/*
 * File locks.  Those of a description are taken when it has its number; those
 * of a process last of all, by the agent, since whatever the process closes of
 * a file takes its locks away.
 */
#ifndef LOCK_H
#define LOCK_H

#include "restore.h"
#include "vec.h"

/* Refuse what others have locked. */
void locks_check(struct restore *r);
int locks_of_file(struct restore *r, uint32_t file, int fd, struct cr_err *err) CR_MUST;
/* When all owners are set: has none been broken in between, unseen by them? */
int leases_verify(struct restore *r, struct cr_err *err) CR_MUST;
int locks_of_process(struct restore *r, const struct task_image *t, struct vec *v, struct arena *a,
		     struct cr_err *err) CR_MUST;

#endif
