/* SPDX-License-Identifier: MIT */
/*
 * Deleted files that are still open or mapped: they are carried in the image
 * (schemas/file.proto), once each; who dumps them keeps (dev, ino) and id.
 *
 * cr_ghost_fill() writes the content of a regular file, without its holes,
 * into a bulk file of the image directory @dirfd (-1: says only what is there,
 * without runs) and fills *g; release it with cr_ghost_release().  @fd is the
 * file (O_PATH will do), @path what the kernel prints for it, " (deleted)" and
 * all.  Returns 0; 1 when the data is larger than @limit, with the reason in
 * @err (CR_REFUSED); -1 on an error.
 */
#ifndef CR_GHOST_H
#define CR_GHOST_H

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "err.h"
#include "schemas.h"

#define CR_GHOST_LIMIT (1u << 20)	/* the default of --ghost-limit */
#define CR_GHOST_REMEDY "raise --ghost-limit"

int cr_ghost_fill(int fd, const char *path, uint32_t id, uint64_t limit, int dirfd, Cr__Ghost *g,
		  struct cr_err *err) CR_MUST;
/* What stat(2) says, and nothing else. */
void cr_ghost_fill_stat(const struct stat *sb, Cr__Ghost *g);
void cr_ghost_release(Cr__Ghost *g);

/* Length of @path without the " (deleted)" that the kernel puts behind it. */
size_t cr_ghost_path_len(const char *path);

#endif
