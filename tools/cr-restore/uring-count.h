/* SPDX-License-Identifier: MIT */
/* Requests that do nothing, to bring a new ring's counters to where those of
 * another one were. */
#ifndef URING_COUNT_H
#define URING_COUNT_H

#include <linux/io_uring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct uring_count {
	int fd;
	const struct io_uring_params *params;
	uint8_t *rings;		/* mapped at IORING_OFF_SQ_RING */
	uint8_t *sqes;
	size_t sqe_size;
};

/* @count more requests, with @flags (IOSQE_*). */
int uring_count(struct uring_count *c, uint32_t count, uint32_t flags, struct cr_err *err) CR_MUST;

/* Is the kernel there, with nothing dropped? */
bool uring_counted(const struct uring_count *c, uint32_t sq_head, uint32_t cq_tail);

#endif
