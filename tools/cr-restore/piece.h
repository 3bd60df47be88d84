/* SPDX-License-Identifier: MIT */
/*
 * Which bytes of the image are where in memory: sets of pieces, runs of pages
 * with the place of their content.
 *
 * A list is sorted by address, and no two pieces of it overlap.  Functions that
 * make one leave it to the caller, who frees .list, also when they fail.
 */
#ifndef PIECE_H
#define PIECE_H

#include "load.h"

/* Memory that is mapped as @vma is, a mapping of @mm. */
struct area {
	uint64_t start, end;
	const Cr__Vma *vma;
	const Cr__Mm *mm;
};

struct piece {
	struct area at;
	uint64_t offset;	/* of its bytes in the bulk file */
	uint32_t bulk;
};

struct piece_list {
	struct piece *list;
	size_t count;
};

/* Could one mapping be both of them, as far as mmap(2) decides? */
bool area_alike(const struct area *a, const struct area *b);

/* Private memory that a child made by fork(2) can go on sharing. */
bool area_can_share(const Cr__Vma *vma);

/* All that the task has in such memory; none, when its extents overlap. */
int pieces_of(const struct task_image *t, struct piece_list *out, struct cr_err *err) CR_MUST;

enum piece_part {
	PART_ALONE = 1,		/* nothing of the other list is there */
	PART_SAME = 2,		/* the other has the same bytes, in a mapping alike */
	PART_OTHER = 4,		/* it has something else */
};
#define PART_COVERED (PART_SAME | PART_OTHER)

/* The parts of @a that are in these relations to @b; @a alone may overlap itself. */
int pieces_part(const struct piece_list *a, const struct piece_list *b, unsigned int parts,
		struct piece_list *out, struct cr_err *err) CR_MUST;

/* Add to @to what it has nothing at the place of. */
int pieces_add(struct piece_list *to, const struct piece_list *more, struct cr_err *err) CR_MUST;

/* As what the image has; malloc'ed, too. */
int pieces_extents(const struct piece_list *p, struct extent_list *out, struct cr_err *err) CR_MUST;

#endif
