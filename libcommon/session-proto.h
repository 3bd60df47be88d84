/* SPDX-License-Identifier: MIT */
/*
 * Messages of a session, between session.c and the warden: one SEQPACKET
 * message each way.  A struct cr_session_msg, then .count operations, then
 * .n_tids thread ids, then .data_len bytes; in an error reply a text instead
 * of all that.  Programs of one
 * build talk to each other, so the C structs are the format.
 */
#ifndef CR_SESSION_PROTO_H
#define CR_SESSION_PROTO_H

#include <stdint.h>

#include "../pie/agent.h"
#include "session.h"

enum cr_session_request {
	CR_SESSION_READY,	/* no reply */
	CR_SESSION_HOLD,	/* .done: milliseconds; no reply */
	CR_SESSION_HELLO,	/* no reply: a stage that is no tail */
	CR_SESSION_TAIL,	/* reply: .done is 1 when a tail has been READY */
	CR_SESSION_INJECT,	/* and run what it carries */
	CR_SESSION_EVICT,	/* no reply */
	CR_SESSION_RUN,
	CR_SESSION_RUN_EACH,	/* the data is that of all threads */
	CR_SESSION_RELEASE,
	CR_SESSION_COMMIT,
	CR_SESSION_LATE_SIGNALS,	/* the data: struct cr_late_signal, .done of them */
};

struct cr_session_msg {
	uint32_t version;	/* size of struct cr_op: catches a mix of builds */
	uint32_t request;
	int32_t pid;
	uint32_t n_tids;
	uint32_t count;
	uint32_t data_len;
	uint32_t done;
	uint32_t class;		/* of a reply: enum cr_class, 0 is success */
	int32_t errnum;
	uint32_t skip;		/* LATE_SIGNALS: that many are known already */
	struct cr_agent_info agent;
	struct cr_freeze_times times;
};

/* One LATE_SIGNALS request; see cr_session_late_signals(). */
int cr_session_peek(struct cr_session *s, pid_t pid, uint32_t skip, void *data, size_t data_len,
		    uint32_t *got, struct cr_err *err) CR_MUST;

#define CR_SESSION_MSG_MAX                                                                        \
	(sizeof(struct cr_session_msg) + CR_SESSION_OPS_MAX * sizeof(struct cr_op) + \
	 CR_SESSION_TIDS_MAX * sizeof(uint32_t) + CR_SESSION_DATA_MAX)

#endif
