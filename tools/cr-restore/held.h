/* SPDX-License-Identifier: MIT */
/*
 * Robust futexes that threads held, in files that they map shared: the kernel has
 * written there that the owner died.  All other memory is as the image has it.
 */
#ifndef HELD_H
#define HELD_H

#include "restore.h"

/* Of all tasks, when everything else is done: each has its owner again.  Refused when
 * somebody else has taken one. */
int held_take(struct restore *r, struct cr_err *err) CR_MUST;

#endif
