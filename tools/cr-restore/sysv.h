/* SPDX-License-Identifier: MIT */
/*
 * System V shared memory.  The segment that is there is used, when it is the
 * same and nobody has it attached; otherwise one of that id and key is made.
 */
#ifndef SYSV_H
#define SYSV_H

#include "mem.h"
#include "restore.h"
#include "vec.h"

int sysv_check(struct restore *r, const Cr__Shmem *s, struct cr_err *err) CR_MUST;
/* A descriptor of its memory. */
int sysv_make(const Cr__Shmem *s, struct cr_err *err) CR_MUST;
/* All have attached it. */
int sysv_finish(const Cr__Shmem *s, struct cr_err *err) CR_MUST;
/* The restore has failed: take away what was made. */
void sysv_undo(void);

/* The segment of a mapping, or NULL: it is none. */
const Cr__Shmem *sysv_of(const struct restore *r, const Cr__Vma *vma);
/* Operations that attach it, or a part of it, where @vma was. */
int sysv_map(const struct restore *r, const struct task_image *t, const struct agent_place *p,
	     struct vec *v, const Cr__Vma *vma, struct cr_err *err) CR_MUST;

#endif
