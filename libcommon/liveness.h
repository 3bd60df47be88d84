/* SPDX-License-Identifier: MIT */
/*
 * How an agent learns that its owner has died: the owner holds the word
 * .alive of every struct cr_agent_ctl as a robust futex, so the kernel sets
 * FUTEX_OWNER_DIED in it and wakes the agent when the owner's thread ends for
 * any reason (set_robust_list(2); the list is limited to 2048 entries).
 *
 * The calling thread must be the one that calls all of these, and must not
 * use robust mutexes of its own.  The memory must stay mapped until
 * cr_alive_drop().
 */
#ifndef CR_LIVENESS_H
#define CR_LIVENESS_H

#include "../pie/agent.h"
#include "err.h"

#define CR_ALIVE_MAX 2000

int cr_alive_hold(struct cr_agent_ctl *ctl, struct cr_err *err) CR_MUST;
void cr_alive_drop(struct cr_agent_ctl *ctl);

#endif
