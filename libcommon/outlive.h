/* SPDX-License-Identifier: MIT */
/*
 * A child that is to undo something when its parent has been killed: whatever is
 * sent to the process group of the parent does not reach it.
 */
#ifndef CR_OUTLIVE_H
#define CR_OUTLIVE_H

#include <sys/prctl.h>
#include <unistd.h>

#include "all-signals.h"

/* @name: of a process, at most 15 bytes. */
static inline void cr_outlive(const char *name)
{
	cr_all_signals(SIG_BLOCK);
	setsid();
	prctl(PR_SET_NAME, name);
}

#endif
