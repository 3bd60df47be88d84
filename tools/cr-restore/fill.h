/* SPDX-License-Identifier: MIT */
/*
 * The part of a task's vector that reads its pages from the image into the
 * mappings that are there already.
 */
#ifndef FILL_H
#define FILL_H

#include "restore.h"
#include "vec.h"

/* Does the administrator allow huge pages at all? */
bool fill_may_be_huge(void);

/* The mappings that pages come into, by address. */
struct fill_vmas {
	Cr__Vma *const *list;
	size_t count;
	bool huge;	/* they may have huge pages */
};

/* How much of the arena it takes at most. */
size_t fill_size(size_t n_vmas, const struct extent_list *x);

int fill_pages(struct restore *r, const struct fill_vmas *in, const struct extent_list *xs,
	       struct vec *v, struct arena *a, struct cr_err *err) CR_MUST;

#endif
