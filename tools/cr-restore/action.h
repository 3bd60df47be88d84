/* SPDX-License-Identifier: MIT */
/* --action-script at the stages of a restore. */
#ifndef ACTION_H
#define ACTION_H

#include "restore.h"

/* Run all of them; @root 0: it is not there yet. */
int action_run(struct restore *r, const char *action, pid_t root, struct cr_err *err) CR_MUST;

#endif
