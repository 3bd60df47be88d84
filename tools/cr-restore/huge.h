/* SPDX-License-Identifier: MIT */
/* Are there the huge pages that a tree needs? */
#ifndef HUGE_H
#define HUGE_H

#include "restore.h"

/* A mapping of them: is it well-formed, and is its file on the right file system? */
int huge_check_vma(struct restore *r, const struct task_image *t, const Cr__Vma *vma,
		   struct cr_err *err) CR_MUST;

/* Refuses the image when there are not enough free ones: a task that found none would
 * be killed by SIGBUS, and so would we. */
int huge_check_free(struct restore *r, struct cr_err *err) CR_MUST;

#endif
