/* SPDX-License-Identifier: MIT */
/*
 * Session keyrings, session-keyring(7).
 *
 * To ask a process for its own would give one to a process that has none.  A
 * search by the name that those have which have none of their own ("_ses") does
 * not, and gives its number.  What is in it decides:
 *  - a link to the user's keyring and nothing else, as a login has it: the
 *    restored process has that of who restores it;
 *  - nothing: a new one is made, for all that had it;
 *  - keys: they are not carried, and refused.
 * The key that systemd puts into that of a service, whose text the environment
 * has too, does not count.
 */
#ifndef SESSION_KEYS_H
#define SESSION_KEYS_H

#include "ask.h"

struct session_keys {
	bool ignore;	/* keys are left behind */
	struct session_ring *rings;	/* all that were seen */
	size_t n_rings;
	struct ring_owner {
		uint32_t pid;
		int32_t ring;	/* that is made anew; 0: none */
	} * owners;
	size_t n_owners;
};

/* Before the question: what is searched for. */
void session_keys_prepare(struct ask_thread_data *d);

/*
 * Of a process whose first thread's is @serial, a parent before its children;
 * *@out: to be made anew, or NULL.
 */
int session_keys_check(struct session_keys *k, struct cr_stage *st, struct cr_session *s, pid_t pid,
		       pid_t ppid, int64_t serial, Cr__SessionKeyring **out,
		       struct cr_err *err) CR_MUST;

/* Of another thread of it. */
int session_keys_check_thread(const struct session_keys *k, struct cr_stage *st, pid_t pid,
			      uint32_t tid, int64_t first, int64_t serial,
			      struct cr_err *err) CR_MUST;

void session_keys_free(struct session_keys *k);

#endif
