/* SPDX-License-Identifier: MIT */
/* What a tree may have that this version does not carry. */
#ifndef REFUSE_H
#define REFUSE_H

#include <stdbool.h>

#include "kin.h"
#include "stream.h"

/* Look at ourselves, before the freeze. */
int refuse_prepare(struct cr_err *err) CR_MUST;

/* Name everything in the tree that cr-freeze can see and that cannot be
 * restored.  *count is the number of refusals. */
int refuse_tree(struct cr_writer *w, const struct cr_tree *tree, const struct kin *kin,
		bool shell_job, unsigned int *count, struct cr_err *err) CR_MUST;

#endif
