/* SPDX-License-Identifier: MIT */
/*
 * Being the parent of the restored root: signals are passed on to it, and its
 * end is ours.  With --shell-job we stand between a shell and its job: when the
 * job stops, so do we, and the terminal's foreground goes from us to it and back.
 */
#ifndef ATTEND_H
#define ATTEND_H

#include "restore.h"

/* Pass signals on to it, and no more. */
void attend_forward(pid_t root);

/* The exit status of cr-restore. */
int attend(const struct restore *r, pid_t root);

/* The exit status for what waitpid(2) says of the root. */
int attend_status(int status);

#endif
