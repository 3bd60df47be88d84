/* SPDX-License-Identifier: MIT */
/* Sets of the ids that records have and that others refer to. */
#ifndef IDS_H
#define IDS_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

enum id_set {
	IDS_TASK,	/* pid */
	IDS_THREAD,	/* pid << 32 | tid */
	IDS_TASK_TID,	/* the same, as the Task has it */
	IDS_MM,		/* pid */
	IDS_FS,
	IDS_FD_TABLE,
	IDS_FILE,	/* open file descriptions */
	IDS_SHMEM,
	IDS_GHOST,
	IDS_PIPE_DATA,
	IDS_TERMINAL,
	IDS_CGROUPS,
	N_IDS
};

struct ids {
	uint64_t *list;
	uint64_t count;
	bool sorted;
};

int ids_add(struct ids *s, uint64_t id, struct cr_err *err) CR_MUST;
/* These sort the set: all have been added by then. */
bool ids_has(struct ids *s, uint64_t id);
/* An id that is there twice, 0: none. */
uint64_t ids_twice(struct ids *s);
void ids_clear(struct ids *s);

#endif
