/* SPDX-License-Identifier: MIT */
/*
 * Which numbers our own descriptors have while processes become tasks: above all that
 * a task uses, or, where the limit leaves no room there, in the widest gap that no task
 * uses.  Some programs keep descriptors just below the limit, as valgrind does.
 */
#ifndef NUMBERS_H
#define NUMBERS_H

#include "restore.h"

/* Choose them; the limit is raised as far as that is allowed. */
int numbers_choose(struct restore *r, struct cr_err *err) CR_MUST;

bool number_is_own(const struct restore *r, int fd);

/* A duplicate of @fd among them, close-on-exec, or -1. */
int number_dup(const struct restore *r, int fd, struct cr_err *err) CR_MUST;

/* Close all that is among them, or all that is not. */
int numbers_close_own(const struct restore *r);
int numbers_close_others(const struct restore *r);

#endif
