/* SPDX-License-Identifier: MIT */
/* Processes that have ended and were not waited for. */
#ifndef ZOMBIE_H
#define ZOMBIE_H

#include "restore.h"

int zombie_check(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

/* End as it did; returns only when that fails. */
int zombie_die(const struct task_image *t, struct cr_err *err) CR_MUST;

#endif
