/* SPDX-License-Identifier: MIT */
/*
 * From a fork of cr-restore to a task: children, session, group, descriptors,
 * working directory, and then the agent with the vector that does the rest.
 */
#ifndef BECOME_H
#define BECOME_H

#include "restore.h"

/* Make the process of a task as a child of the caller: its pid in our
 * namespace, or -1. */
pid_t task_spawn(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

#endif
