/* SPDX-License-Identifier: MIT */
/*
 * One traced thread.  All calls must come from the thread that seized it.
 *
 * cr_tracee_seize() attaches without stopping (PTRACE_SEIZE, 3.4) and asks for
 * a stop; cr_tracee_wait_stop() waits for it.  A tracee that has been stopped
 * has its true registers and signal mask in .regs and .sigmask; they are put
 * back by cr_tracee_restore(), which leaves it in a PTRACE_EVENT_STOP, where
 * the kernel still decides about signals and the restart of an interrupted
 * call, and cr_tracee_detach() lets it go.
 *
 * Signals that stop the thread while it runs our code are held back and sent
 * again at detach: only SIGSTOP can come, all others are blocked then.
 */
#ifndef CR_TRACE_H
#define CR_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/user.h>

#include "err.h"

enum cr_tracee_state {
	CR_TRACEE_RUNNING,
	CR_TRACEE_STOPPED,	/* in a PTRACE_EVENT_STOP */
	CR_TRACEE_IN_CALL,	/* in another ptrace-stop */
	CR_TRACEE_GONE,
};

struct cr_tracee {
	pid_t pid;
	pid_t tid;
	enum cr_tracee_state state;
	int stop_signal;	/* of the group stop it was in when seized, or 0 */
	uint64_t held;		/* signals held back, bit SIG - 1 */
	bool changed;		/* registers or mask are not the true ones */
	struct user_regs_struct regs;
	uint64_t sigmask;
	struct __ptrace_rseq_configuration rseq;	/* all zero: none */
};

/* 0 seized; 1 the thread is a zombie or gone; -1 error. */
int cr_tracee_seize(struct cr_tracee *t, pid_t pid, pid_t tid, struct cr_err *err) CR_MUST;

/* Wait for the stop that seize or cr_tracee_interrupt() asked for.
 * 0 stopped; 1 it exited; -1 error; errnum EINTR: a signal handler ran. */
int cr_tracee_wait_stop(struct cr_tracee *t, struct cr_err *err) CR_MUST;
int cr_tracee_interrupt(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* Read .regs and .sigmask of a stopped tracee. */
int cr_tracee_save(struct cr_tracee *t, struct cr_err *err) CR_MUST;

int cr_tracee_set_regs(struct cr_tracee *t, const struct user_regs_struct *regs,
		       struct cr_err *err) CR_MUST;
int cr_tracee_set_mask(struct cr_tracee *t, uint64_t mask, struct cr_err *err) CR_MUST;

/* Make one system call at @ip, where a system call instruction is. */
int cr_tracee_syscall(struct cr_tracee *t, uint64_t ip, long nr, const uint64_t args[6],
		      long *result, struct cr_err *err) CR_MUST;

/* Let it run our code. */
int cr_tracee_cont(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* A running tracee may have got a stop signal: hold it and go on.
 * 0 nothing; 1 the tracee is gone; -1 error. */
int cr_tracee_poll(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* From whatever stop into a PTRACE_EVENT_STOP, without running user code. */
int cr_tracee_settle(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* Is a stopped tracee to be killed when we die (PTRACE_O_EXITKILL, 3.8)? */
int cr_tracee_exitkill(struct cr_tracee *t, bool on, struct cr_err *err) CR_MUST;

/* True mask, then true registers. */
int cr_tracee_restore(struct cr_tracee *t, struct cr_err *err) CR_MUST;
void cr_tracee_detach(struct cr_tracee *t);

#endif
