/* SPDX-License-Identifier: MIT */
/* Objects of the kernel's own tmpfs: MAP_SHARED|MAP_ANONYMOUS and memfd. */
#ifndef SHMEM_H
#define SHMEM_H

#include <sys/stat.h>

#include "dump.h"

/* The device of that tmpfs. */
int shmem_device(dev_t *out, struct cr_err *err) CR_MUST;

/* Its record, and its pages to the pool.  @fd is open for reading, @path what
 * the kernel prints for it. */
int shmem_dump(struct dump *d, int fd, const char *path, const struct stat *sb, uint32_t id,
	       struct cr_err *err) CR_MUST;

/* Give the stream @s and the pool its pages, which are read through @fd. */
int shmem_put(struct dump *d, int fd, const Cr__Shmem *s, struct cr_err *err) CR_MUST;

#endif
