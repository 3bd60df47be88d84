/* SPDX-License-Identifier: MIT */
/*
 * The robust futexes that a thread holds, set_robust_list(2).  When it is killed the
 * kernel says in each that its owner has died, and where that is memory of a file,
 * the file keeps it: a restore has to know what was there.
 */
#ifndef HELD_H
#define HELD_H

#include "schemas.h"
#include "trace.h"

/* By @m->robust_list.  What cannot be read there the kernel passes over, too. */
int held_fill(const struct cr_tracee *t, Cr__Thread *m, struct cr_err *err) CR_MUST;
void held_release(Cr__Thread *m);

#endif
