/* SPDX-License-Identifier: MIT */
/*
 * Private memory that processes shared copy-on-write is shared again: whoever
 * makes others fills it before, at its place, and they are born with it.
 *
 * cow_prepare() in a process before it makes others: maps and fills what two or
 * more of itself and those that descend from it are to have in common.  What
 * it was born with itself serves, too.
 *
 * cow_settle() when a task's own memory is to be built: what of all that it keeps.
 * Its vector then begins with reuse_clear(), and reads .rest.
 *
 * What a process holds it notes in memory of its own, so its children know it.
 * Where our own memory is in the way, what is held waits at another place, and
 * moves to its own in every process: mremap(2) leaves pages shared.  Whatever
 * cannot be held is not: who would share it reads a copy.
 */
#ifndef COW_H
#define COW_H

#include "piece.h"
#include "restore.h"
#include "vec.h"

/* What a process made by another one has already. */
struct reuse {
	struct piece_list kept;		/* of its mappings, whole ones; of the bytes it says nothing */
	struct piece_list stale;	/* pages in them that it does not have, or has changed */
	struct extent_list rest;	/* what is still to be read */
};

/* Is there anything to share?  Then the two below do something. */
bool cow_is_wanted(const struct restore *r);

/* @index of the birth; a process without memory of its own prepares nothing. */
int cow_prepare(struct restore *r, unsigned int index, struct cr_err *err) CR_MUST;

int cow_settle(const struct restore *r, const struct task_image *t, struct reuse *out,
	       struct cr_err *err) CR_MUST;

/* In the task's vector: unmap all but the agent and what is kept, have that at its
 * place, without what is stale. */
int reuse_clear(const struct reuse *u, uint64_t agent, uint64_t agent_end, struct vec *v,
		struct cr_err *err) CR_MUST;
/* How many operations that may take at most. */
size_t reuse_ops(const struct reuse *u);

/* Is it one of those that are kept? */
bool reuse_keeps(const struct reuse *u, const Cr__Vma *vma);

#endif
