/* SPDX-License-Identifier: MIT */
/*
 * One traced thread.  All calls must come from the thread that seized it.
 *
 * cr_tracee_seize() attaches without stopping (PTRACE_SEIZE, 3.4) and asks for
 * a stop; cr_tracee_wait_stop() waits for it.  What such a thread brings into
 * the world afterwards is traced from its birth.  cr_tracee_save() reads the
 * true registers and signal mask into .regs and .sigmask; they are put back by
 * cr_tracee_restore(), which leaves it in a PTRACE_EVENT_STOP, where the
 * kernel still decides about signals and the restart of an interrupted call,
 * and cr_tracee_detach() lets it go.
 *
 * While the thread runs our code all its signals are blocked.  SIGSTOP cannot
 * be: it is delivered, so the kernel keeps the process's group stop, and the
 * thread goes on running for us all the same until it is detached.
 */
#ifndef CR_TRACE_H
#define CR_TRACE_H

#include <signal.h>
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
	CR_TRACEE_GONE,		/* ended, or let go */
};

struct cr_tracee {
	pid_t pid;
	pid_t tid;
	enum cr_tracee_state state;
	int stop_signal;	/* of the group stop it was in when seized, or 0 */
	int crash;		/* the fault signal that our code met, or 0 */
	pid_t born;		/* a child or thread that the kernel attached to us, or 0 */
	bool vforked;		/* it is a child for which the thread waits */
	bool saved;		/* .regs, .sigmask and .rseq are filled */
	bool changed;		/* registers or mask are not the true ones */
	bool leaves;		/* it is not put back but finds its own way out */
	struct user_regs_struct regs;
	uint64_t sigmask;
	struct __ptrace_rseq_configuration rseq;	/* all zero: none */
	char seccomp;		/* "Seccomp" of its status in /proc; 0: nobody has looked */
	bool suspended;		/* its seccomp filters are, while we trace it */
	uint32_t signals_known;	/* entries of its queue that its owner has read */
	char *status;		/* see cr_tracee_status() */
};

/*
 * TRACESYSGOOD: without it a tracer that dies during a system call stop leaves
 * a SIGTRAP behind that kills the tracee.  The others: what the thread creates
 * from now on is attached at birth and cannot run away.
 */
#define CR_TRACE_OPTIONS                                                                           \
	(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK)

/*
 * What a thread does for us takes microseconds, but it may have to wait for a
 * CPU, or for memory from a disk.  Nothing waits for it longer than this.
 */
#define CR_TRACE_PATIENCE_NS 30000000000ull

/* 0 seized; 1 the thread is a zombie or gone; -1 error. */
int cr_tracee_seize(struct cr_tracee *t, pid_t pid, pid_t tid, struct cr_err *err) CR_MUST;

/* Wait for the stop that seize or cr_tracee_interrupt() asked for, until
 * CLOCK_MONOTONIC is @until_ns; 0: only look, UINT64_MAX: for ever.
 * 0 stopped; 1 it exited; 2 not in time; -1 error. */
int cr_tracee_wait_stop(struct cr_tracee *t, uint64_t until_ns, struct cr_err *err) CR_MUST;
int cr_tracee_interrupt(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* Read .regs and .sigmask of a stopped tracee; see cr_arch_take_up(). */
int cr_tracee_save(struct cr_tracee *t, struct cr_err *err) CR_MUST;

int cr_tracee_set_regs(struct cr_tracee *t, const struct user_regs_struct *regs,
		       struct cr_err *err) CR_MUST;
int cr_tracee_set_mask(struct cr_tracee *t, uint64_t mask, struct cr_err *err) CR_MUST;

/* Let no seccomp filter judge its calls as long as we trace it (4.3; needs
 * CAP_SYS_ADMIN, and that we are under no filter ourselves). */
int cr_tracee_suspend_seccomp(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* Take over one that the caller has seized by other means, as cr_tracee_seize()
 * does with the others. */
int cr_tracee_adopt(struct cr_tracee *t, pid_t pid, pid_t tid, struct cr_err *err) CR_MUST;

/* Are its system calls turned into SIGSYS (PR_SET_SYSCALL_USER_DISPATCH, 5.11)? */
int cr_tracee_dispatched(struct cr_tracee *t, bool *yes, struct cr_err *err) CR_MUST;

/* Make one system call, which no signal can interrupt, at @ip, where a system
 * call instruction is.  It is in a PTRACE_EVENT_STOP again then.  Fails with
 * CR_REFUSED when it does not run: the call was not made then. */
int cr_tracee_syscall(struct cr_tracee *t, uint64_t ip, long nr, const uint64_t args[6],
		      long *result, struct cr_err *err) CR_MUST;
/* The same with registers of cr_arch_call_regs(). */
int cr_tracee_call(struct cr_tracee *t, const struct user_regs_struct *call, long *result,
		   struct cr_err *err) CR_MUST;

/*
 * "status" of a stopped thread in /proc, which costs as much as ten other
 * calls: read once, kept until cr_tracee_forget_status().  Pending signals in
 * it may be old.  NULL on an error.
 */
const char *cr_tracee_status(struct cr_tracee *t, struct cr_err *err) CR_MUST;
void cr_tracee_forget_status(struct cr_tracee *t);

/* Has it been let run, and does not because its cgroup is frozen (v2, 5.2)? */
bool cr_tracee_is_held(const struct cr_tracee *t);

/* CR_REFUSED: it has not done in time what it was to do, and why. */
int cr_tracee_late(const struct cr_tracee *t, struct cr_err *err);

/* Let it run our code. */
int cr_tracee_cont(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/*
 * A tracee that runs our code may have stopped for a signal: let it go on.
 * 0 it runs; 1 it is gone; -1 error.  When our code has crashed it stays
 * stopped, .crash is the signal.
 */
int cr_tracee_poll(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* From running our code or from whatever stop into a PTRACE_EVENT_STOP. */
int cr_tracee_settle(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* Is a stopped tracee to be killed when we die (PTRACE_O_EXITKILL, 3.8)? */
int cr_tracee_exitkill(struct cr_tracee *t, bool on, struct cr_err *err) CR_MUST;

/* True mask, then true registers. */
int cr_tracee_restore(struct cr_tracee *t, struct cr_err *err) CR_MUST;

/* A thread that runs, or whose state could not be put back, stays attached
 * until the tracer exits: the kernel lets it go then. */
void cr_tracee_detach(struct cr_tracee *t);

/* Does the thread wait in vfork(2), or a clone with CLONE_VFORK?  Nothing but
 * its child ends that wait. */
bool cr_tracee_in_vfork(const struct cr_tracee *t);

/*
 * Each stop of a tracee sends SIGCHLD, which is how a wait with an end hears of
 * it: whoever has many to wait for keeps it blocked.  *@old is the mask before.
 */
void cr_trace_block_sigchld(sigset_t *old);
void cr_trace_unblock_sigchld(const sigset_t *old);

uint64_t cr_now_ns(void);	/* CLOCK_MONOTONIC */

#endif
