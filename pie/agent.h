/* SPDX-License-Identifier: MIT */
/*
 * The agent: a position-independent blob that executes a vector of operations
 * in shared memory.  It knows nothing of images.  This header is the contract
 * between it and the ordinary C code on the other side; both are built from
 * the same tree, so there is no version.
 *
 * Entry: cr_agent_main(struct cr_agent_ctl *), or of a guest struct
 * cr_agent_guest *, on a stack of the caller's, with all signals blocked.
 *
 *  - mode CR_AGENT_SERVE (dump): after each vector it waits on .command and
 *    .alive; a new value of .command starts the next vector.  When .alive gets
 *    FUTEX_OWNER_DIED (the warden holds it as a robust futex), it leaves
 *    through the exit code in the vDSO's padding (or elsewhere), which detaches the agent's
 *    own mapping and gives the thread its state back.
 *  - mode CR_AGENT_GUEST (dump): another thread of the same process runs one
 *    vector and waits.  When the owner dies it leaves through an exit code of
 *    its own; the mapping stays until all guests have said that they are out.
 *  - mode CR_AGENT_ONCE (restore): it runs one vector and does not return;
 *    the vector ends in CR_OP_PARK, or the process exits with 99.
 */
#ifndef CR_AGENT_H
#define CR_AGENT_H

#include <stdint.h>

enum cr_op_type {
	CR_OP_SYSCALL,	/* result = syscall nr(arg[0..5]) */
	CR_OP_CALL,	/* result = ((long (*)(long))arg[0])(arg[1]); with arg[2] the
			 * floating-point state is kept there meanwhile: zeroed
			 * and aligned to 64 bytes, as large as XSAVE needs */
	CR_OP_THREAD,	/* clone3(arg[0], arg[1]); the child runs the struct
			 * cr_vector at arg[2] on the stack of the clone_args */
	CR_OP_WAIT,	/* until the 32-bit word at arg[0] is no longer arg[1] */
	CR_OP_ADD,	/* add arg[1] to the 32-bit word at arg[0] and wake its waiters */
	CR_OP_COPY,	/* copy arg[2] bytes from arg[1] to arg[0] */
	CR_OP_CLOCK,	/* struct timespec at arg[0] = time of clock arg[1] plus
			 * arg[2] ns, at least 1 ns */
	CR_OP_RIGHTS,	/* the thread may access memory of all protection keys */
	CR_OP_PARK,	/* add 1 to .arrived, then wait to be taken over by a
			 * tracer: with nr >= 0 inside of the system call
			 * nr(arg[0..5]), which it makes once */
	CR_OP_TYPES,
};

/* Which results let the vector go on. */
enum cr_op_expect {
	CR_EXPECT_OK,	/* not an error: result >= 0 or a valid address */
	CR_EXPECT_EQUAL,	/* result == .want */
	CR_EXPECT_ANY,
};

struct cr_op {
	uint8_t type;
	uint8_t expect;
	uint8_t refs;		/* bit i: arg[i] is the index of an earlier op whose result is meant */
	uint8_t label;		/* for the owner's messages */
	int32_t nr;		/* of the system call */
	uint32_t in_data;	/* bit i: arg[i] is an offset in the vector's data */
	uint32_t result_at;	/* 1 + offset in the data where the result goes too, 0: nowhere */
	int64_t arg[6];
	int64_t want;
	int64_t result;
};

struct cr_vector {
	struct cr_agent_ctl *ctl;
	uint32_t count;
	uint32_t done;		/* operations that met their expectation */
	uint32_t failed;	/* 1: stopped at ops[done] */
	uint32_t tid;		/* for messages of the owner */
	uint64_t data;		/* what offsets count from */
	struct cr_op ops[];
};

enum cr_agent_mode {
	CR_AGENT_SERVE,
	CR_AGENT_ONCE,
	CR_AGENT_GUEST,
};

/* Addresses in a thread's exit code (libcommon/arch.h), and what decides
 * between its two tails. */
struct cr_exit_path {
	uint64_t leave;
	uint64_t tail;		/* the interrupted call goes on */
	uint64_t tail_eintr;	/* it returns EINTR */
	uint64_t sigmask;	/* the thread's own */
	uint32_t restart;	/* enum cr_restart of the interrupted call */
	uint32_t pad;
};

struct cr_agent_guest {
	uint32_t mode;
	uint32_t finished;	/* the vector has ended */
	uint32_t done;		/* set by the exit code: it will not touch the mapping again */
	uint32_t pad;
	struct cr_agent_ctl *ctl;
	struct cr_vector *vector;
	uint64_t armed;		/* address of the exit code's word: may the guest be in
				 * the mapping?  Only the owner can write it. */
	struct cr_exit_path exit;
};

#define CR_AGENT_GUESTS 3

/* At the start of the agent's data, page-aligned; shared with the owner. */
struct cr_agent_ctl {
	uint32_t mode;
	uint32_t alive;		/* robust futex of the owner */
	uint32_t command;	/* number of the vector to run; SERVE */
	uint32_t doorbell;	/* changed and woken when the owner should look */
	uint32_t finished;	/* number of the last vector that ended; SERVE */
	uint32_t arrived;	/* threads in CR_OP_PARK; ONCE */
	uint32_t failed;	/* threads whose vector failed; ONCE */
	uint32_t gate;		/* words for the owner's own use */
	uint32_t first_gate;
	uint32_t synced;
	struct cr_vector *vector;	/* in the task's addresses */
	uint64_t base;		/* address of the mapping to detach; SERVE */
	struct cr_exit_path exit;	/* of the host; SERVE */
	struct cr_agent_guest guests[CR_AGENT_GUESTS];
	uint32_t n_guests;
	uint32_t parked;	/* what CR_OP_PARK waits on; never changes */
	uint64_t owner_link;	/* the owner's list of robust futexes, in its addresses */
	uint64_t end;		/* of the agent's memory; ONCE */
	uint64_t vectors;	/* address of those of all threads' vectors; ONCE */
};

/* How the call that the freeze interrupted would meet a signal handler. */
enum cr_restart {
	CR_RESTART_NONE,	/* was not in a call */
	CR_RESTART_SYS,		/* goes on after a handler with SA_RESTART */
	CR_RESTART_NOHAND,	/* EINTR after any handler */
	CR_RESTART_BLOCK,	/* the same, continued by restart_syscall(2) */
};

#define CR_PARKED INT64_MIN	/* result of a CR_OP_PARK whose call has not returned */

#define CR_AGENT_FAILED 99	/* exit status of a restore that failed in the agent */

/* The blob as linked into a tool (build/pie/agent-blob.c). */
extern const unsigned char cr_agent_blob[];
extern const unsigned int cr_agent_blob_size;
extern const unsigned int cr_agent_entry;	/* offset of cr_agent_main */

#endif
