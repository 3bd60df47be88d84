/* SPDX-License-Identifier: MIT */
/*
 * Parents, sessions and process groups of a frozen tree: what /proc/PID/stat
 * says of each process, who leads them from outside of the tree, and who shares
 * what with whom.
 */
#ifndef KIN_H
#define KIN_H

#include "proc.h"
#include "share.h"
#include "tree.h"

struct kin {
	struct cr_proc_stat st;
	bool outer_session;	/* its leader lives outside of the tree */
	bool outer_group;
	struct share share;
};

/* One for each process of the tree; malloc'ed, NULL on an error. */
struct kin *kin_read(const struct cr_tree *tree, struct near *near, struct cr_err *err);

/* Can the tree be made again (libcommon/family.h)?  CR_REFUSED: no. */
int kin_check(const struct cr_tree *tree, const struct kin *kin, struct cr_err *err) CR_MUST;

#endif
