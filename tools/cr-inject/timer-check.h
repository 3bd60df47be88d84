/* SPDX-License-Identifier: MIT */
/* Timers whose clock or receiver must be looked for. */
#ifndef TIMER_CHECK_H
#define TIMER_CHECK_H

#include "timers.h"

/*
 * Refuse what cannot be made again, and find the thread whose CPU time a timer
 * of CLOCK_THREAD_CPUTIME_ID counts: its clock is replaced by the one that
 * names that thread.  @tids: those of the process, @tids[0] has the agent;
 * @in_tree tells whether a process is being dumped.
 */
int timer_check(struct cr_stage *st, struct cr_session *s, pid_t pid, const uint32_t *tids,
		size_t n_tids, bool (*in_tree)(const void *ctx, uint32_t pid), const void *ctx,
		struct timers *t, struct cr_err *err) CR_MUST;

#endif
