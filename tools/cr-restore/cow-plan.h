/* SPDX-License-Identifier: MIT */
/* What a process should hold before it makes others: see cow.h. */
#ifndef COW_PLAN_H
#define COW_PLAN_H

#include "piece.h"
#include "restore.h"

struct cow_plan {
	struct piece_list pieces;	/* what to hold */
	struct area *areas;		/* the mappings that they are in, by address */
	size_t n_areas;
};

/* The task of a birth, if it is one that has memory of its own; else NULL. */
const struct task_image *cow_task(const struct restore *r, unsigned int index);

/* @held is there already. */
int cow_plan(const struct restore *r, unsigned int index, const struct piece_list *held,
	     struct cow_plan *out, struct cr_err *err) CR_MUST;
void cow_plan_release(struct cow_plan *p);

#endif
