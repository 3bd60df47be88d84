/* SPDX-License-Identifier: MIT */
/*
 * What only a task itself can be asked: the vectors of system calls, and the
 * records made of their answers.
 *
 * Calling sequence: ask_build_process() or ask_build_thread(), run the vector,
 * then ask_put_inside() and ask_put_thread().
 */
#ifndef ASK_H
#define ASK_H

#include "news.h"
#include "numa.h"
#include "stage.h"
#include "timers.h"

#define ASK_OPS_MAX 128
#define ASK_NODES 1024	/* MAX_NUMNODES of the largest configuration */

#define ASK_PKEYS 16

/* Where the answers lie in a vector's data.  Those of 64 bits and a sign are
 * results of calls; an error means that the kernel has no such thing. */
struct ask_thread_data {
	uint64_t altstack[3];	/* stack_t */
	uint64_t clear_child_tid;
	uint32_t parent_death_signal;
	uint32_t tsc;
	uint32_t mempolicy;
	uint32_t pad;
	uint8_t nodes[ASK_NODES / 8];
	int64_t securebits;
	int64_t cpuid;
	int64_t mce_kill;
	int64_t io_flusher;
	int64_t timer_slack;
	int64_t spec_store_bypass;
	int64_t spec_indirect_branch;
	int64_t spec_l1d_flush;
	int64_t sees_us;	/* see landlock.h */
	uint64_t core_cookie;	/* PR_SCHED_CORE, 0: none */
	/* Not asked under seccomp filters. */
	int64_t keyring;	/* its own one */
	int64_t request_keyring;
	int64_t session;	/* its session keyring, see session-keys.h */
	/* The question for that. */
	char keyring_type[8];
	char session_name[8];
};

struct ask_sigaction {
	uint64_t handler;
	uint64_t flags;
	uint64_t restorer;
	uint64_t mask;
};

struct ask_process_data {
	struct ask_thread_data thread;	/* of the thread that was asked: the leader */
	struct ask_sigaction actions[64];	/* of signal SIG at SIG - 1 */
	uint64_t itimers[3][4];	/* struct itimerval */
	uint64_t pending;	/* signals */
	uint32_t child_subreaper;
	uint32_t pad;
	uint64_t xstate_permitted;
	int64_t brk;
	int64_t dumpable;
	int64_t thp_disable;
	int64_t mdwe;
	int64_t memory_merge;
	int64_t membarrier;
	int64_t timer_restore_ids;
	int64_t futex_slots;
	int64_t pkeys[ASK_PKEYS - 1];	/* from 1 on: see add_keys() */
	/* Not asked under seccomp filters; the keys neither. */
	int64_t keyring;
	int64_t ldt_size;
	uint8_t ldt[16];
	int64_t locked;		/* -EBUSY: what it maps is locked in memory */
	int32_t child_news[32];	/* siginfo_t: something to tell of a child, or 0 */
};

struct ask {
	struct cr_op ops[ASK_OPS_MAX];
	uint32_t count;
};

/* @filtered: a thread has seccomp filters, which may forbid the less common. */
void ask_build_process(struct ask *a, pid_t pid, bool filtered);
void ask_build_thread(struct ask *a, pid_t pid, bool filtered);

/* Did the vector run to its end?  Names the call that failed. */
int ask_check(const struct ask *a, uint32_t done, pid_t pid, struct cr_err *err) CR_MUST;

int ask_put_inside(struct cr_stage *st, pid_t pid, const struct ask_process_data *d,
		   uint32_t lock_future, const struct timers *t, const struct news *news,
		   const struct policies *policies, Cr__SessionKeyring *session,
		   struct cr_err *err) CR_MUST;
int ask_put_thread(struct cr_stage *st, pid_t pid, pid_t tid, const struct ask_thread_data *d,
		   struct cr_err *err) CR_MUST;

#endif
