/* SPDX-License-Identifier: MIT */
/*
 * Bytes on their way through a new pty.  First pty_fill(), which changes its
 * settings, then the settings, then pty_stop().
 */
#ifndef PTY_FILL_H
#define PTY_FILL_H

#include <asm/termbits.h>

#include "err.h"
#include "schemas.h"

int pty_fill(int master, const Cr__Terminal *m, struct cr_err *err) CR_MUST;

/* Stop its output as it was; @tio are its settings. */
int pty_stop(int master, const Cr__Terminal *m, const struct termios2 *tio,
	     struct cr_err *err) CR_MUST;

#endif
