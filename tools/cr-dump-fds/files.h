/* SPDX-License-Identifier: MIT */
/*
 * Which descriptors refer to the same open file description.
 *
 * Descriptors are put into buckets by what must be equal: mount, inode, flags,
 * position and (of anonymous inodes) a number of their own from fdinfo.  Only
 * inside of a bucket kcmp(KCMP_FILE) is asked.  It gives an order, so the
 * descriptors of a process are sorted and merged with what the bucket has:
 * n log n calls for the first and n + m for what another process adds.
 */
#ifndef FILES_H
#define FILES_H

#include "dump.h"
#include "scan.h"

struct files;

int files_new(struct files **out, struct cr_err *err) CR_MUST;
void files_free(struct files *fs);

/* Set .file of every slot; a new description's has no id yet. */
int files_find(struct files *fs, struct process *p, struct scan *sc, struct cr_err *err) CR_MUST;

#endif
