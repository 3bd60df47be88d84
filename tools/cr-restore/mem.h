/* SPDX-License-Identifier: MIT */
/*
 * The address space of a task: the part of its vector that takes cr-restore's
 * own memory away and builds the target's.
 */
#ifndef MEM_H
#define MEM_H

#include "cow.h"
#include "restore.h"
#include "vec.h"

#define MEM_TASK_END 0x7ffffffff000ull /* of 4-level page tables */

/* The end of the first mapping of the task that [start, end) comes too near to; 0. */
uint64_t mem_conflict(const struct task_image *t, uint64_t start, uint64_t end);

/* Where a task's process will have the agent: [start, end), free in both
 * address spaces; the arena stands behind room for the vDSO. */
struct agent_place {
	uint64_t start, end;
	uint64_t vdso; /* room for our own [vvar] and [vdso] */
	uint8_t *ctls; /* shared pages: of the task and of its mates */
	struct arena arena;
	struct reuse reuse; /* what is there already of the task's memory */
};

int mem_check(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

/* Read where our own [vvar] and [vdso] are; before the first fork. */
int mem_own_maps(struct restore *r, struct cr_err *err) CR_MUST;

/* Map the agent's memory in this process. */
int mem_place_agent(struct restore *r, const struct task_image *t, struct agent_place *p,
		    struct cr_err *err) CR_MUST;

/* Close the restore's own descriptors; a table that others have as well must
 * keep them until all tasks have arrived. */
void mem_close_own(const struct restore *r, struct vec *v);

/* All operations on the address space; opens the files that are mapped. */
int mem_build(struct restore *r, const struct task_image *t, const struct agent_place *p,
	      struct vec *v, struct arena *a, struct cr_err *err) CR_MUST;

#endif
