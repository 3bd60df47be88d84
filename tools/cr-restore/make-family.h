/* SPDX-License-Identifier: MIT */
/*
 * The processes of the tree with their parents, sessions and process groups,
 * and the helpers that this takes (libcommon/family.h).
 *
 * family_check() makes the plan.  family_start() makes the first processes;
 * each of them makes its own, takes its place, waits until all others have
 * done the same, and goes on in task_become().  family_end() waits for the
 * helpers that are the restorer's children.
 */
#ifndef MAKE_FAMILY_H
#define MAKE_FAMILY_H

#include "restore.h"

/* Also collects r->ids. */
int family_check(struct restore *r, struct cr_err *err) CR_MUST;

/* The root's pid in our namespace, or -1. */
pid_t family_start(struct restore *r, struct cr_err *err) CR_MUST;
int family_end(struct restore *r, struct cr_err *err) CR_MUST;

/* What shared->steps has come to when every process is in its place. */
uint32_t family_arrivals(const struct restore *r);

#endif
