/* SPDX-License-Identifier: MIT */
/*
 * Timers of a frozen process: setitimer(2) and timer_create(2).
 *
 * Timers on real clocks run on while their process is frozen.  What is
 * recorded is what was left at the time of the freeze; a timer that has
 * expired since then is one that was about to.
 *
 * Calling sequence: timers_note_signals() with every queue of the process,
 * timers_ask() just after getitimer(2), then timers_fill_itimer() and .list;
 * timers_clear().
 */
#ifndef TIMERS_H
#define TIMERS_H

#include <stdbool.h>
#include <stdint.h>

#include "stage.h"

/* Timer signals that were queued when the process was frozen. */
struct timer_signals {
	uint32_t *ids;		/* of POSIX timers */
	size_t count;
	bool alarm;		/* ITIMER_REAL */
};
int timers_note_signals(struct timer_signals *known, const ProtobufCBinaryData *signals,
			size_t count, struct cr_err *err) CR_MUST;
void timers_forget_signals(struct timer_signals *known);

struct timers {
	Cr__PosixTimer **list;	/* by id */
	size_t count;
	uint64_t passed_ns;	/* from the freeze until the timers were asked */
	bool alarm_came;	/* the alarm of ITIMER_REAL has come since */
};

/* @pending: the signals that are pending now, bit SIG - 1. */
int timers_ask(struct cr_session *s, pid_t pid, uint64_t frozen_ns,
	       const struct timer_signals *known, uint64_t pending, struct timers *t,
	       struct cr_err *err) CR_MUST;

/* @from: struct itimerval; @which: ITIMER_REAL ... */
void timers_fill_itimer(const struct timers *t, int which, const uint64_t from[4], Cr__ITimer *to);
void timers_clear(struct timers *t);

#endif
