/* SPDX-License-Identifier: MIT */
/*
 * AIO contexts: made by the agent where they were, brought to the same places
 * of the ring by as many reads of nothing, with the completions that nobody has
 * reaped yet.
 */
#ifndef AIO_H
#define AIO_H

#include "restore.h"
#include "vec.h"

int aio_check(struct restore *r, struct cr_err *err) CR_MUST;

/* The context of a mapping: when there is no other free place than its own. */
int aio_make(struct restore *r, const struct task_image *t, const Cr__Vma *vma, struct vec *v,
	     struct arena *a, struct cr_err *err) CR_MUST;

#endif
