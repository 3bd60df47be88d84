/* SPDX-License-Identifier: MIT */
/* The records of cr-freeze: Header, Task and Thread. */
#ifndef RECORDS_H
#define RECORDS_H

#include "kin.h"
#include "stream.h"
#include "sleepers.h"

int records_header(struct cr_writer *w, const char *session, pid_t root, bool shell_job,
		   struct cr_err *err) CR_MUST;
/* A first one at once: to the stages behind it says that the tree is frozen. */
int records_first(struct cr_writer *w, const struct cr_tree *tree, struct cr_err *err) CR_MUST;

int records_tree(struct cr_writer *w, const struct cr_tree *tree, const struct kin *kin,
		 const struct sleepers *sl, struct cr_err *err) CR_MUST;

#endif
