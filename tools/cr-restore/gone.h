/* SPDX-License-Identifier: MIT */
/*
 * Files of /proc/PID, opened while PID lived, which has ended since: what is read
 * from them fails (ESRCH), or is empty.
 */
#ifndef GONE_H
#define GONE_H

#include "restore.h"

int gone_check(const Cr__Reg *m, struct cr_err *err) CR_MUST;
/* In the restorer, before the tree is there.  The descriptor, -1. */
int gone_open(struct restore *r, const Cr__Reg *m, int flags, struct cr_err *err) CR_MUST;

#endif
