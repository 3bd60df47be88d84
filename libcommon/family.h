/* SPDX-License-Identifier: MIT */
/*
 * How a tree of processes can be made so that every one ends up with the
 * parent, session and process group that it had.
 *
 * What the kernel lets us do: a process is born in the session and the group
 * of its maker.  Only setsid(2) changes the session, to the process's own.
 * setpgid(2) moves a process to a group of its session that has a member.  The
 * parent is the maker, or the maker's own parent with CLONE_PARENT, or, once
 * the maker has died, the nearest ancestor that is a child subreaper (3.4).
 *
 * So a process is made by its parent when that is, or before its own setsid()
 * was, in the right session; else by the leader of the session, which must
 * then stand below the parent, with CLONE_PARENT or through a middle process
 * that dies.  A leader that is gone is played by a helper of its pid, which
 * ends when everybody has his place; so is the leader of a group.
 *
 * Tables that processes share, of descriptors or for the working directory,
 * are shared at birth or never: see family-share.c.  So is memory, and nobody
 * can leave that again: who shares it is made by one who has it.
 *
 * cr_family_plan() takes the processes, a parent before its children, and
 * gives one struct cr_birth for each, in the same order, and then those of the
 * helpers.  It fails with CR_REFUSED, naming the process, where it finds no
 * way.  Release the plan with cr_family_release().
 */
#ifndef CR_FAMILY_H
#define CR_FAMILY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "err.h"

#define CR_OUTSIDE (-1)	/* the restorer, as a parent or maker */

struct cr_kin {
	pid_t pid;
	pid_t pgid;
	pid_t sid;
	int parent;	/* index; CR_OUTSIDE: the root */
	int exit_signal;
	/* Led from outside of the tree: that of the restorer takes its place.
	 * There can be one of each. */
	bool outer_session;
	bool outer_group;
	/* Index of the first process that it shares its descriptor table and
	 * its working directory with, its own when there is none; a zombie: -1. */
	int files;
	int fs;
	/* 1 + index of the first process that it shares its memory with, and its
	 * signal handlers, which stands before it; 0: none. */
	unsigned int vm_with;
	unsigned int sighand_with;
};

enum cr_birth_kind {
	CR_BIRTH_TASK,
	CR_BIRTH_SESSION,	/* plays the leader of a session */
	CR_BIRTH_GROUP,		/* of a group; without a pid: holds its maker's open */
	CR_BIRTH_MIDDLE,	/* leaves its children to an ancestor */
};

struct cr_birth {
	enum cr_birth_kind kind;
	pid_t pid;	/* 0: whatever is free */
	int parent;	/* at the end; a helper's reaps it */
	int maker;
	int exit_signal;	/* as the parent is to see it */
	bool clone_parent;
	bool before;	/* made before its maker's setsid() */
	bool setsid;
	bool lead;	/* begins the group of its pid */
	bool outer_group;	/* joins the restorer's group */
	pid_t join;	/* group to join, 0: none */
	bool share_files;	/* with its maker, by CLONE_FILES */
	bool share_fs;
	bool share_vm;
	bool share_sighand;
	bool unshare_files;	/* its maker leaves its own before it makes this one */
	bool unshare_fs;
	bool leave_files;	/* it leaves its own when it has made all */
	bool leave_fs;
	uint64_t order;	/* among its maker's kids */
	unsigned int depth;	/* of the root: 1 */
	unsigned int adopts;	/* middle processes whose children are to be its */
	int heir;	/* of a middle process: who adopts */
	int first_kid;	/* whom it makes: a list through .next_kid that ends in CR_OUTSIDE */
	int next_kid;
};

struct cr_family {
	struct cr_birth *births;
	unsigned int n_kin;
	unsigned int count;	/* with the helpers */
	unsigned int n_middle;
	unsigned int max_depth;
	int first_kid;	/* whom the restorer makes */
};

int cr_family_plan(const struct cr_kin *kin, unsigned int n, struct cr_family *out,
		   struct cr_err *err) CR_MUST;
void cr_family_release(struct cr_family *f);

#endif
