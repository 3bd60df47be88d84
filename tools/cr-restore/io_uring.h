/* SPDX-License-Identifier: MIT */
/* Rings: what is mapped and registered in the task's own address space. */
#ifndef IO_URING_H
#define IO_URING_H

#include "mem.h"
#include "restore.h"
#include "vec.h"

/* The task's descriptor of the ring that a mapping is of. */
int uring_of_mapping(struct restore *r, const struct task_image *t, const Cr__Vma *vma, int *fd,
		     struct cr_err *err) CR_MUST;

/* Operations that register its buffers, when its memory is filled. */
int uring_register_buffers(struct restore *r, const struct task_image *t, struct vec *v,
			   struct arena *a, struct cr_err *err) CR_MUST;

#endif
