/* SPDX-License-Identifier: MIT */
/* A new ring, in the process that it is of. */
#ifndef IO_URING_SETUP_H
#define IO_URING_SETUP_H

#include <linux/io_uring.h>

#include "restore.h"

/* -1 and errno; with our own credentials. */
int uring_setup(const Cr__IoUring *m, struct io_uring_params *p);

/* The same, for good: the kernel thread that submits (IORING_SETUP_SQPOLL) has the
 * credentials of the process. */
int uring_setup_as(struct restore *r, const Cr__IoUring *m, struct io_uring_params *p,
		   struct cr_err *err) CR_MUST;

#endif
