/* SPDX-License-Identifier: MIT */
/* A pty by its number, and the settings of a terminal. */
#ifndef PTY_H
#define PTY_H

#include "err.h"
#include "schemas.h"

/* The master of /dev/pts/@index, unlocked; CR_REFUSED when it is in use.  With
 * -1 that of any.  @path: "/dev/ptmx"; @number (may be NULL): the one it is. */
int pty_open(const char *path, int index, int *number, struct cr_err *err) CR_MUST;

/* @fd: the master, or of an external terminal the slave. */
int pty_set(int fd, const Cr__Terminal *m, struct cr_err *err) CR_MUST;

#endif
