/* SPDX-License-Identifier: MIT */
/*
 * What a description is, in words, for refusals: from the text of its link,
 * its mode and the file system it is on.  None of it allocates.
 */
#ifndef NATURES_H
#define NATURES_H

#include <stddef.h>

#include "dump.h"

/* Any description. */
void nature_of(const struct file *f, char *kind, size_t size);
/* One whose path does not lead to it; @fd is a descriptor of ours for it. */
void nature_without_path(const struct file *f, int fd, char *kind, size_t size);
/* A file that is more than its path and position, and cannot be opened again;
 * NULL: it is not. */
const char *nature_with_state(const struct file *f);
/* Is it on a file system on which a file like it can be made? */
bool nature_is_ghost(int fd);

#endif
