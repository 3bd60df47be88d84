/* SPDX-License-Identifier: MIT */
/*
 * Terminals.  All descriptions of them are opened by the restorer before there
 * is any process: the master must be there before its slaves, and a terminal
 * that was hung up is so only when its slaves are open.  Processes take them
 * over by dup.
 */
#ifndef TTY_H
#define TTY_H

#include "restore.h"

int ttys_check(struct restore *r, struct cr_err *err) CR_MUST;
int ttys_make(struct restore *r, struct cr_err *err) CR_MUST;

/* In the process of a session's leader, before it has children there, which
 * inherit it: take the controlling terminal. */
int ttys_lead(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

/* In a task's process, when all are there: the terminal's foreground. */
int ttys_control(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;

/* At the end: who is in the foreground of the terminal we are on. */
void ttys_foreground(struct restore *r);

#endif
