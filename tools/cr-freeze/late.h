/* SPDX-License-Identifier: MIT */
/* Signals that have come since the queues were read for the records. */
#ifndef LATE_H
#define LATE_H

#include "late-signals.h"
#include "tree.h"

/*
 * Of process @pid or with 0 of all, leaving out the first @skip.  *count has
 * the room in @out before and the number of entries after.
 */
int late_signals(const struct cr_tree *tree, pid_t pid, uint32_t skip, struct cr_late_signal *out,
		 size_t *count, struct cr_err *err) CR_MUST;

#endif
