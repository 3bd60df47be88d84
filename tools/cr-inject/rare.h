/* SPDX-License-Identifier: MIT */
/*
 * What few programs have, and no file in /proc shows.  Refused by name: keys
 * that only a process or a thread holds, segments of its own in an LDT.  Carried:
 * that all new memory is locked (mlockall(2) with MCL_FUTURE).
 */
#ifndef RARE_H
#define RARE_H

#include "ask.h"

int rare_check_process(struct cr_stage *st, pid_t pid, const struct ask_process_data *d,
		       struct cr_err *err) CR_MUST;
int rare_check_thread(struct cr_stage *st, pid_t pid, uint32_t tid, const struct ask_thread_data *d,
		      struct cr_err *err) CR_MUST;

/* What it maps is locked, said msync(2): flags of mlockall(2), from the
 * agent's mapping at @address. */
int rare_lock_future(pid_t tid, int64_t said, uint64_t address, uint32_t *flags,
		     struct cr_err *err) CR_MUST;

#endif
