/* SPDX-License-Identifier: MIT */
/*
 * From a fork of cr-restore, in its place in the tree, to a task: descriptors,
 * working directory, and then the agent with the vector that does the rest.
 */
#ifndef BECOME_H
#define BECOME_H

#include "restore.h"

void task_become(struct restore *r, const struct task_image *t) __attribute__((noreturn));

/* Leave the reason in the slot and end. */
void task_fail(struct restore *r, unsigned int index, const struct cr_err *err)
	__attribute__((noreturn));

#endif
