/* SPDX-License-Identifier: MIT */
/*
 * Messages to people: one line each on stderr, "PROG: text".
 *
 * cr_prog is set once by cr_opt_parse().  cr_debug() prints only after -v.
 */
#ifndef CR_MSG_H
#define CR_MSG_H

#include "err.h"

extern const char *cr_prog;
extern int cr_verbose;

void cr_msg(const char *fmt, ...) CR_PRINTF(1, 2);
void cr_debug(const char *fmt, ...) CR_PRINTF(1, 2);

#endif
