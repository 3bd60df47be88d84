/* SPDX-License-Identifier: MIT */
/*
 * Signals that came while a tree was frozen: the session's answer.
 *
 * The Task and Thread records have the queues of the moment of the freeze.
 * What other processes send after that must not be lost when the tree is
 * killed, so the last stage asks for it and adds LateSignals records.  Signals
 * of the tree's own timers are not among them: for its timers no time passes.
 */
#ifndef CR_LATE_SIGNALS_H
#define CR_LATE_SIGNALS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "session.h"

struct cr_late_signal {
	int32_t pid;
	int32_t tid;		/* 0: the process's queue */
	siginfo_t info;
};

/*
 * Of one process, or with @pid 0 of all; those of timers as well.  *list is
 * malloc'ed, in queue order for each thread and process.
 */
int cr_session_late_signals(struct cr_session *s, pid_t pid, struct cr_late_signal **list,
			    size_t *count, struct cr_err *err) CR_MUST;

/* Did a timer of the process send it: timer_create(2), setitimer(2)? */
static inline bool cr_is_timer_signal(const siginfo_t *info)
{
	if (info->si_code == SI_TIMER)
		return true;
	return info->si_code == SI_KERNEL &&
	       (info->si_signo == SIGALRM || info->si_signo == SIGVTALRM ||
		info->si_signo == SIGPROF);
}

#endif
