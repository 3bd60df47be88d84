/* SPDX-License-Identifier: MIT */
/*
 * Block or unblock every signal.
 *
 * The C library's sigfillset(3) and sigprocmask(2) leave out the signals that it
 * keeps for itself (32 to 34: cancellation, timers of SIGEV_THREAD, changes of
 * credentials).  A process that becomes another, in which such a timer runs,
 * would die of them; and a zombie may have died of one.
 */
#ifndef CR_ALL_SIGNALS_H
#define CR_ALL_SIGNALS_H

#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

static inline void cr_all_signals(int how)
{
	uint64_t all = UINT64_MAX;

	syscall(SYS_rt_sigprocmask, how, &all, NULL, sizeof(all));
}

#endif
