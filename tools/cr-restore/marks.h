/* SPDX-License-Identifier: MIT */
/*
 * What the mappings of a task have beside pages and protection: advice, locks,
 * names, guards without a mapping of their own.
 */
#ifndef MARKS_H
#define MARKS_H

#include "restore.h"
#include "vec.h"

/* Operations on mappings that have their pages and their protection. */
void marks_build(const struct task_image *t, struct vec *v, struct arena *a, struct cr_err *err);

#endif
