/* SPDX-License-Identifier: MIT */
/*
 * The root's ancestors and all their children.  Whoever has something that was
 * given on at a birth, and is not of the tree, is one of them: the maker, those
 * that it has made, and orphans, who are children of an ancestor then, down to
 * init.
 *
 * To find them takes a good part of what a small tree is frozen for.  So they
 * are looked for before the freeze.  In the freeze who was born since is added,
 * relative or not.  Who belonged to the tree and was orphaned since would be
 * missed: when the root has children, near_update() looks again.
 */
#ifndef NEAR_H
#define NEAR_H

#include <stdbool.h>
#include <sys/types.h>

#include "err.h"
#include "tree.h"

struct near {
	pid_t root;
	long newest;		/* the pid or tid given out last; -1 is not known */
	bool childless;		/* the root was */
	pid_t *list;
	unsigned int count;
};

/* Before the freeze; what fails is done by near_renew(). */
void near_sample(struct near *n, pid_t root);

/* Right before the freeze. */
void near_update(struct near *n);

/* Once the tree is frozen: with all that may have come since, relatives or not. */
int near_renew(struct near *n, const struct cr_tree *tree, struct cr_err *err) CR_MUST;

void near_release(struct near *n);

#endif
