/* SPDX-License-Identifier: MIT */
/*
 * The agent inside of a frozen process, and the law of no harm.
 *
 * Injection touches the registers of one thread and the zero padding at the
 * end of the vDSO, nothing else: not a byte of the task's stack or heap, no
 * descriptor, no FPU register (the agent has none in its code).
 *
 *  1. The exit code is written into the padding: system call, detach the
 *     agent's mapping, then every register of the thread as immediate values,
 *     its signal mask, and a jump to where it was (arch.h).
 *  2. The thread's registers are set to the exit code's first instruction with
 *     a shmat(2) in them, then all signals are blocked.  From here on, whatever
 *     instant the tracer dies at, the thread runs on through the exit code.
 *  3. The agent's mapping is a SysV segment, because attaching one takes no
 *     descriptor in the target.  Our side has it attached as well: commands go
 *     through shared memory and futexes, without ptrace stops.
 *  4. The agent waits on a robust futex of ours too (liveness.h).  When we die
 *     it leaves by the exit code's second instruction.
 *  5. Another thread that is asked something runs one vector in the mapping
 *     and waits the same way; its exit code does not detach, but clears a word
 *     (.inside) without which the host does not detach either.
 *  6. cr_agent_evict() detaches the mapping, restores mask and then registers,
 *     and clears the padding last.
 */
#ifndef CR_INJECT_H
#define CR_INJECT_H

#include <stdint.h>

#include "../pie/agent.h"
#include "err.h"
#include "session.h"
#include "tree.h"

struct cr_agent;

int cr_agent_inject(struct cr_process *p, struct cr_err *err) CR_MUST;

/* Where it is in the task: mapping and the place of a vector's data. */
uint64_t cr_agent_address(const struct cr_agent *a);
uint64_t cr_agent_length(const struct cr_agent *a);
uint64_t cr_agent_data(const struct cr_agent *a);

/* Largest vector and data. */
#define CR_AGENT_OPS 256
#define CR_AGENT_DATA (64u << 10)

/* See cr_session_run() and cr_session_run_threads() for the meaning. */
int cr_agent_run(struct cr_agent *a, struct cr_op *ops, uint32_t count, void *data, size_t data_len,
		 uint32_t *done, struct cr_err *err) CR_MUST;
int cr_agent_run_thread(struct cr_agent *a, struct cr_tracee *t, const struct cr_op *ops,
			uint32_t count, struct cr_thread_answer *answer, size_t data_len,
			struct cr_err *err) CR_MUST;

/* Undo; never fails, see tree.h.  Frees the agent. */
void cr_agent_evict(struct cr_agent *a);

/* To be called from a SIGCHLD handler of a program that runs agents: a wait
 * for an agent looks up then. */
void cr_agent_on_sigchld(void);

#endif
