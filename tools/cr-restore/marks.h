/* SPDX-License-Identifier: MIT */
/*
 * What the mappings of a task have beside pages and protection: advice, locks,
 * names, guards without a mapping of their own, seals.
 */
#ifndef MARKS_H
#define MARKS_H

#include "restore.h"
#include "vec.h"

/* Operations on mappings that have their pages and their protection. */
void marks_build(const struct task_image *t, struct vec *v, struct arena *a, struct cr_err *err);

/* mseal(2), the last of all: nothing can be changed then. */
bool marks_can_seal(void);
void marks_seal(const struct task_image *t, struct vec *v);

#endif
