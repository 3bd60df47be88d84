/* SPDX-License-Identifier: MIT */
/*
 * The session of a freeze: what other tools ask the warden (cr-freeze) for.
 *
 * A client opens it by the name in the stream's Header; the socket is an
 * abstract unix socket and the warden talks only to its own user (and root).
 * Requests are answered in order, one at a time.  When the client goes away
 * nothing happens to the tree: only cr_session_commit() decides its fate.
 */
#ifndef CR_SESSION_H
#define CR_SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../pie/agent.h"
#include "err.h"

struct cr_session;

int cr_session_open(const char *name, struct cr_session **out, struct cr_err *err) CR_MUST;
void cr_session_close(struct cr_session *s);

/* For poll(2): POLLHUP when the warden has ended. */
int cr_session_fd(const struct cr_session *s);

/* The pipeline is up: the warden may begin to freeze. */
int cr_session_ready(struct cr_session *s, struct cr_err *err) CR_MUST;

/* A stage is there whose output is a pipe; is there one at the end of the pipes? */
int cr_session_hello(struct cr_session *s, struct cr_err *err) CR_MUST;
int cr_session_has_tail(struct cr_session *s, bool *tail, struct cr_err *err) CR_MUST;

struct cr_agent_info {
	uint64_t address;	/* of the agent's mapping in the task */
	uint64_t length;
	uint64_t data;		/* where the data of a vector lies */
};
#define CR_SESSION_DATA_MAX (64u << 10)
#define CR_SESSION_OPS_MAX 256
#define CR_SESSION_TIDS_MAX 1024u

/* The pipeline is not up yet: the warden waits that long for the word that it
 * is; 0: no longer than for any pipeline. */
int cr_session_hold(struct cr_session *s, uint32_t ms, struct cr_err *err) CR_MUST;

/*
 * Bring the agent into a frozen process (again is fine), and run a vector there
 * as cr_session_run() does: one round trip for both.
 */
int cr_session_inject(struct cr_session *s, pid_t pid, struct cr_op *ops, uint32_t count,
		      void *data, size_t data_len, struct cr_agent_info *out, uint32_t *done,
		      struct cr_err *err) CR_MUST;

/* It is done with: the agent leaves while others work.  Whoever runs a vector
 * there later brings it back. */
int cr_session_evict(struct cr_session *s, pid_t pid, struct cr_err *err) CR_MUST;

/*
 * Run a vector in the process's agent.  @data (may be NULL) is copied to
 * cr_agent_info.data before and back after, results are in ops[].result.
 * A vector that stopped early is not an error: *done says how many ran.
 */
int cr_session_run(struct cr_session *s, pid_t pid, struct cr_op *ops, uint32_t count, void *data,
		   size_t data_len, uint32_t *done, struct cr_err *err) CR_MUST;

/*
 * Run the same vector of a few system calls in each of @n_tids other threads
 * of an injected process.  @data has @data_len bytes for each, in their order;
 * arguments refer to them by cr_op.in_data.  Results are not given back: each
 * must be as expected, or the whole fails and names the thread.
 */
int cr_session_run_each(struct cr_session *s, pid_t pid, const uint32_t *tids, size_t n_tids,
			const struct cr_op *ops, uint32_t count, void *data, size_t data_len,
			struct cr_err *err) CR_MUST;

/*
 * Everything has been read, and only the disk is waited for: a tree that is to
 * go on after the commit goes on now, any other stays frozen.
 */
int cr_session_release(struct cr_session *s, struct cr_err *err) CR_MUST;

/*
 * The image is safe: give the tree its requested end (--then).  0 it has it;
 * -1 the warden did nothing, the tree goes on; 1 no answer came (@err says
 * why): the tree may have its end or go on.
 */
int cr_session_commit(struct cr_session *s, struct cr_err *err) CR_MUST;

/* How long it took, known after cr_session_commit(). */
struct cr_freeze_times {
	uint64_t freezing_us;	/* first seize to all stopped */
	uint64_t frozen_us;	/* first seize to last release or kill */
};
void cr_session_times(const struct cr_session *s, struct cr_freeze_times *out);

#endif
