/* SPDX-License-Identifier: MIT */
/* Text that the kernel has made for a file, and that nobody has read yet. */
#ifndef SEQ_H
#define SEQ_H

#include "dump.h"

/* How much of it the next read(2) of a file that stands at @pos gets; -1: that
 * cannot be seen. */
int64_t seq_rest(struct dump *d, int fd, uint64_t pos);

#endif
