/* SPDX-License-Identifier: MIT */
/*
 * The checksums of the tasks' pages, computed by a process of ours while the
 * tasks read the same pages into their memory.  A thread would get any id, one
 * of the image's perhaps before the task that it belongs to is there.
 *
 * verify_start() after the root is made; verify_end() before the tree is let go.
 */
#ifndef VERIFY_H
#define VERIFY_H

#include "restore.h"

struct verify;

/* Do all pages that are borrowed have a checksum, by an extent that is not?
 * CR_BAD_INPUT names some that have not. */
int verify_check(const struct restore *r, struct cr_err *err) CR_MUST;

int verify_start(struct restore *r, struct verify **out, struct cr_err *err) CR_MUST;

/* Wait for the result; frees it.  CR_BAD_INPUT names the pages that are bad. */
int verify_end(struct verify *v, struct cr_err *err) CR_MUST;

#endif
