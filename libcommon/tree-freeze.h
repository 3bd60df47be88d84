/* SPDX-License-Identifier: MIT */
/* Between the files that implement tree.h. */
#ifndef CR_TREE_FREEZE_H
#define CR_TREE_FREEZE_H

#include "tree.h"

void tree_free_process(struct cr_process *p);

/* Threads of the kernel's own behind the others; see n_workers. */
void tree_set_workers_aside(struct cr_process *p);

/* Is @pid something that may be frozen at all? */
int tree_check_root(pid_t pid, struct cr_err *err) CR_MUST;

/* Does cr-restore still make it?  Looks only. */
bool tree_being_restored(pid_t pid);

/* Is a thread of it in vfork(2), perhaps?  Its child must go on until it is free. */
bool tree_may_vfork(const struct cr_process *p);

/* What never stopped for us is a zombie, or was reaped while we looked. */
int tree_drop_reaped(struct cr_tree *t, struct cr_err *err) CR_MUST;

/* Parents that have ended meanwhile have left their children to others. */
int tree_settle_parents(struct cr_tree *t, struct cr_err *err) CR_MUST;

#endif
