/* SPDX-License-Identifier: MIT */
/* Which bulk files a manifest names: for image.c. */
#ifndef CR_IMAGE_NAMES_H
#define CR_IMAGE_NAMES_H

#include "image.h"

/* 0 read; 1 there is no such manifest; -1 it cannot be read to its end. */
int image_names_read(int dirfd, const char *manifest, struct cr_image_files *out);
/* Sorts the list. */
bool image_names_has(struct cr_image_files *files, const char *name);

#endif
