/* SPDX-License-Identifier: MIT */
/* File locks, which fdinfo lists for each descriptor. */
#ifndef LOCKS_H
#define LOCKS_H

#include "dump.h"
#include "scan.h"

/* All of one process; the descriptions have their ids. */
int locks_dump(struct dump *d, struct process *p, const struct scan *sc,
	       struct cr_err *err) CR_MUST;

#endif
