/* SPDX-License-Identifier: MIT */
/* What pipes and fifos have in common: capacity and bytes (PipeData). */
#ifndef PIPE_FILL_H
#define PIPE_FILL_H

#include "restore.h"

/* NULL: it is not there. */
const Cr__PipeData *pipe_data(const struct restore *r, uint32_t pipe);

/* @fd: a writing end, O_NONBLOCK; its O_DIRECT is lost. */
int pipe_fill(int fd, const Cr__PipeData *d, struct cr_err *err) CR_MUST;

/* An entry of r->pipes for @pipe with no descriptors yet; valid until the next
 * call. */
struct object_fd *pipe_object_new(struct restore *r, uint32_t pipe, struct cr_err *err) CR_MUST;

#endif
