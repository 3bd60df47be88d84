/* SPDX-License-Identifier: MIT */
/*
 * The agent inside of a frozen process, and the law of no harm.
 *
 * Injection touches the registers of a thread and the zero padding at the end
 * of the vDSO, or of another file's code (room.h), nothing else: not a byte of the task's stack or heap, no
 * descriptor, no FPU register (the agent has none in its code).
 *
 *  1. The exit code of the host, the thread that the agent runs in, is written
 *     into the padding: system call, detach the agent's mapping, then every
 *     register of the thread as immediate values, its signal mask, and a jump
 *     to where it was (arch.h).
 *  2. The host's registers are set to the exit code's first instruction with
 *     a shmat(2) in them, then all signals are blocked.  From here on, whatever
 *     instant the tracer dies at, the thread runs on through the exit code.
 *  3. The agent's mapping is a SysV segment, because attaching one takes no
 *     descriptor in the target.  Our side has it attached as well: commands go
 *     through shared memory and futexes, without ptrace stops.  A task that
 *     forbids memory that is writable and executable (PR_SET_MDWE, 6.3) gets
 *     the segment read-only and executable, and over all but its code another
 *     one, which is writable.
 *  4. The agent waits on a robust futex of ours too (liveness.h).  When we die
 *     it leaves by the exit code's second instruction.
 *  5. Other threads visit the agent as guests, a few at a time, each with an
 *     exit code of its own.  A word in it, which only we can write, says
 *     whether the guest may be in the mapping: both the guest and the host go
 *     by it, so that the host never detaches what a guest still needs.
 *  6. cr_agent_evict() detaches the mapping, restores mask and then registers,
 *     and clears the padding last.
 *
 * Calling sequence: cr_agent_inject(), any number of runs, cr_agent_evict().
 * Of processes that share their memory one can have an agent at a time: another
 * one's is evicted.
 * Errors: CR_REFUSED when the process cannot have an agent, or does not live.
 */
#ifndef CR_INJECT_H
#define CR_INJECT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "../pie/agent.h"
#include "err.h"
#include "tree.h"

struct cr_agent;

/* Before the freeze: do what can be done already for an agent in @pid. */
void cr_agent_prepare(pid_t pid);

int cr_agent_inject(struct cr_process *p, struct cr_err *err) CR_MUST;

/* Where it is in the task: mapping and the place of a vector's data. */
uint64_t cr_agent_address(const struct cr_agent *a);
uint64_t cr_agent_length(void);
uint64_t cr_agent_data(const struct cr_agent *a);

/* Can code in a vector's data be executed there? */
bool cr_agent_can_call(const struct cr_agent *a);
/* Of a mapping of a segment of the warden: is it the agent's, or a part of it? */
bool cr_agent_has_length(uint64_t length);

/* Largest vector and data. */
#define CR_AGENT_OPS 256
#define CR_AGENT_DATA (64u << 10)
/* The same of a guest. */
#define CR_AGENT_GUEST_OPS 24
#define CR_AGENT_GUEST_DATA 1024u

/* See cr_session_run() and cr_session_run_each() for the meaning. */
int cr_agent_run(struct cr_agent *a, struct cr_op *ops, uint32_t count, void *data, size_t data_len,
		 uint32_t *done, struct cr_err *err) CR_MUST;
int cr_agent_run_each(struct cr_agent *a, const uint32_t *tids, uint32_t n_tids,
		      const struct cr_op *ops, uint32_t count, void *data, size_t data_len,
		      struct cr_err *err) CR_MUST;

/*
 * A vector that takes longer than @ms (0: CR_TRACE_PATIENCE_NS, as at the start), or is
 * still running when *@stop is set (may be NULL), fails, and the agent is good
 * for eviction only.
 */
void cr_agent_set_limits(struct cr_agent *a, unsigned int ms, const volatile sig_atomic_t *stop);

/*
 * Make one system call in the host after its vector has failed, with @len bytes
 * copied to the data before.  It must be one that no signal interrupts.
 */
int cr_agent_syscall(struct cr_agent *a, long nr, const uint64_t args[6], const void *data,
		     size_t len, long *result, struct cr_err *err) CR_MUST;

/* Undo; never fails, see tree.h.  Frees the agent. */
void cr_agent_evict(struct cr_agent *a);

/*
 * Is a thread of the frozen process still on its way out of an agent whose
 * owner has died?  1 yes, 0 no, -1 error.
 */
int cr_agent_leaving(struct cr_process *p, struct cr_err *err) CR_MUST;

#endif
