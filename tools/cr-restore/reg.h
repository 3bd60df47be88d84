/* SPDX-License-Identifier: MIT */
/* Positions in files whose text the kernel makes: see regs_seek(). */
#ifndef REG_H
#define REG_H

#include "restore.h"

/*
 * The kernel makes the text up to the position, and keeps what it has made
 * beyond it for the next read: so all of that is done when the tasks are what
 * they were.
 */
int regs_seek(struct restore *r, struct cr_err *err) CR_MUST;

#endif
