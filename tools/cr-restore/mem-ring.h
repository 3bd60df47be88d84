/* SPDX-License-Identifier: MIT */
/*
 * Mappings of rings (io_uring, AIO).  The kernel alone says where one goes (since 6.5, any
 * wish is refused), and it cannot be moved.  So for a moment the address space
 * has no other free place than the one where it was.
 */
#ifndef MEM_RING_H
#define MEM_RING_H

#include "mem.h"

/* As long as nothing but the agent's place is mapped. */
int mem_map_rings(struct restore *r, const struct task_image *t, const struct agent_place *p,
		  struct vec *v, struct arena *a, struct cr_err *err) CR_MUST;

#endif
