/* SPDX-License-Identifier: MIT */
/* Between io_uring.c, which makes the record, and io_uring-state.c, which asks
 * the kernel's memory for what fdinfo does not tell. */
#ifndef IO_URING_H
#define IO_URING_H

#include "dump.h"
#include "peek.h"

/* What the kernel knows of a ring. */
struct uring_state {
	uint64_t ctx;		/* struct io_ring_ctx */
	uint32_t setup_flags;
	uint32_t sq_entries;
	uint32_t cq_entries;
	uint32_t sq_head;
	uint32_t cq_tail;
	bool skips;		/* CQEs have been left out: there can be less than SQEs */
	uint32_t n_files;
	uint64_t *files;	/* struct file of each, 0: none; malloc'ed */
	uint64_t issuer;	/* task_struct of the only one that may submit, or 0 */
	uint32_t sq_idle_ms;	/* of a kernel thread that submits */
	uint32_t sq_cpu;
};

/*
 * @fd: ours for the ring.  Returns 0; 1 when it cannot be carried, with the
 * reason in *why; -1 on an error.
 */
int uring_look(struct peek *p, int fd, struct uring_state *s, const char **why,
	       struct cr_err *err) CR_MUST;

/* The same of the kernel thread that submits.  NULL, or why it cannot be carried. */
const char *uring_look_sqpoll(struct peek *p, const struct file *f, struct uring_state *s);

/* A mapping of a ring: there must be a descriptor of it. */
int uring_note_mapping(struct dump *d, const Cr__RingMapping *m, struct cr_err *err) CR_MUST;

#endif
