/* SPDX-License-Identifier: MIT */
/*
 * The image directory: manifest.img, the stream, and the pages files it names.
 * An image is complete exactly when manifest.img is there.
 *
 * cr_image_dir() opens (and with @create makes) the directory.  Bulk files are
 * made under names that no earlier image uses, so a new dump never harms the
 * image that is there until cr_image_commit() replaces it and removes what it
 * no longer names.
 */
#ifndef CR_IMAGE_H
#define CR_IMAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "err.h"

#define CR_MANIFEST "manifest.img"

int cr_image_dir(const char *path, bool create, struct cr_err *err) CR_MUST;

/*
 * Make a new bulk file "STEM-N.img", 0600, in the directory; its name goes to
 * @name (at least 64 bytes).  Returns the descriptor.
 */
int cr_image_create(int dirfd, const char *stem, char *name, struct cr_err *err) CR_MUST;

/* The manifest under construction: an unnamed or temporary file. */
int cr_image_manifest_begin(int dirfd, char *tmpname, struct cr_err *err) CR_MUST;

/* Sync @fd and every file in @names, rename the manifest into place, sync the
 * directory, remove bulk files that the new manifest does not name. */
int cr_image_commit(int dirfd, int fd, const char *tmpname, const char *const *names,
		    unsigned int count, struct cr_err *err) CR_MUST;

#endif
