/* SPDX-License-Identifier: MIT */
/*
 * Timers of setitimer(2) and timer_create(2).
 *
 * They are made with their ids by the first thread while it has its rights,
 * and started when all tasks have arrived.  A timer whose signal was pending is
 * started so that it has expired already: its own signal is pending again, and
 * overruns are counted on.
 */
#ifndef TIMERS_H
#define TIMERS_H

#include "restore.h"
#include "vec.h"

int timers_check(struct restore *r, const struct task_image *t, struct cr_err *err) CR_MUST;
int timers_create(const struct task_image *t, struct vec *v, struct arena *a,
		  struct cr_err *err) CR_MUST;

/* Is there something to start? */
bool timers_any(const struct task_image *t);
int timers_start(const struct task_image *t, struct vec *v, struct arena *a,
		 struct cr_err *err) CR_MUST;

/* A queued signal (siginfo_t) that a timer will send again by itself. */
bool timers_send_again(const struct task_image *t, const void *siginfo);

#endif
