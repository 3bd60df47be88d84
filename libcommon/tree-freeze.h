/* SPDX-License-Identifier: MIT */
/* Between the files that implement tree.h. */
#ifndef CR_TREE_FREEZE_H
#define CR_TREE_FREEZE_H

#include "tree.h"

void tree_free_process(struct cr_process *p);

/* Is @pid something that may be frozen at all? */
int tree_check_root(pid_t pid, struct cr_err *err) CR_MUST;

#endif
