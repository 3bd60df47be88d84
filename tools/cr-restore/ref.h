/* SPDX-License-Identifier: MIT */
/*
 * Files that the image refers to (FileRef): checked before anything exists,
 * opened where they are needed.  A deleted file (FileRef.ghost) comes from
 * ghost.h.
 */
#ifndef REF_H
#define REF_H

#include "fileref.h"
#include "restore.h"

/* Refuses what is missing or changed; remembers what was checked already. */
int ref_check(struct restore *r, uint32_t pid, const Cr__FileRef *ref, enum cr_fileref_rule rule,
	      struct cr_err *err) CR_MUST;

/* A file of /proc that is there as soon as a process of the tree, or a thread, is:
 * its id.  Else 0. */
uint32_t ref_task(const struct image *img, const Cr__FileRef *ref);

/* open(2), close-on-exec; -1 with *err. */
int ref_open(struct restore *r, const Cr__FileRef *ref, int flags, struct cr_err *err) CR_MUST;

#endif
