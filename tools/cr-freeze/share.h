/* SPDX-License-Identifier: MIT */
/*
 * Which processes of the tree share their memory, descriptor table or working
 * directory (kcmp(2)): clone(2) without CLONE_THREAD can do that.
 */
#ifndef SHARE_H
#define SHARE_H

#include "tree.h"

struct near;

/* Pid of the first process of the tree with the same; 0: nobody before it. */
struct share {
	pid_t vm;
	pid_t files;
	pid_t fs;
	pid_t sighand;
	pid_t outside;		/* an ancestor of the root or a child of one, which is not
				 * of the tree but has the same; 0: none */
	const char *what;	/* "memory", ... */
};

/* One for each process of the tree; malloc'ed, NULL on an error.  Also fills
 * .vm_owner of the processes. */
struct share *share_find(const struct cr_tree *tree, struct near *near, struct cr_err *err);

#endif
