/* SPDX-License-Identifier: MIT */
/*
 * --link-remap: a deleted file that has other links, somewhere, is given a name
 * of ours beside where it was, and the image refers to it by that name.
 *
 * The name is written into a bulk file of the image first.  Whoever removes
 * that bulk file, because no manifest names it (image.h), removes the link
 * too; so it goes whenever the dump fails, however it ends.
 */
#ifndef CR_GHOST_LINK_H
#define CR_GHOST_LINK_H

#include <stdbool.h>
#include <sys/stat.h>

#include "err.h"
#include "schemas.h"

#define CR_LINK_PREFIX ".cr-link-"	/* of the names that are given */
#define CR_LINK_REMEDY "use --link-remap"

/* Is it deleted, and has it another link?  @path is what the kernel prints. */
bool cr_ghost_has_link(const struct stat *sb, const char *path);

/*
 * Make the link to @fd (O_PATH will do) and fill *g; cr_ghost_release() it.
 * Returns 0; 1 when no link can be made there, with the reason in @err
 * (CR_REFUSED); -1 on an error.
 */
int cr_ghost_link(int fd, const char *path, uint32_t id, int dirfd, Cr__Ghost *g,
		  struct cr_err *err) CR_MUST;

/* The bulk file @name of the image directory is to be removed: remove the link
 * that it is about, when it is about one. */
void cr_ghost_unlink(int dirfd, const char *name);

#endif
