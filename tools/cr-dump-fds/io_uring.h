/* SPDX-License-Identifier: MIT */
/* Between io_uring.c, which makes the record, and io_uring-state.c, which asks
 * the kernel's memory for what fdinfo does not tell. */
#ifndef IO_URING_H
#define IO_URING_H

#include "dump.h"
#include "peek.h"

/* What the kernel knows of a ring. */
struct uring_state {
	uint32_t setup_flags;
	uint32_t sq_entries;
	uint32_t cq_entries;
	uint32_t sq_head;
	uint32_t cq_tail;
	bool skips;		/* CQEs have been left out: there can be less than SQEs */
	uint32_t n_files;
	uint64_t *files;	/* struct file of each, 0: none; malloc'ed */
	uint64_t issuer;	/* task_struct of the only one that may submit, or 0 */
};

/*
 * @fd: ours for the ring.  Returns 0; 1 when it cannot be carried, with the
 * reason in *why; -1 on an error.
 */
int uring_look(struct peek *p, int fd, struct uring_state *s, const char **why,
	       struct cr_err *err) CR_MUST;

/* A mapping of a ring: there must be a descriptor of it. */
int uring_note_mapping(struct dump *d, const Cr__RingMapping *m, struct cr_err *err) CR_MUST;

#endif
