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

/* How much of the arena it takes at most. */
size_t fill_size(const struct task_image *t);

int fill_pages(struct restore *r, const struct task_image *t, const struct extent_list *x,
	       struct vec *v, struct arena *a, struct cr_err *err) CR_MUST;

#endif
