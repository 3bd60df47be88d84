/* SPDX-License-Identifier: MIT */
/*
 * Between family.c and family-sessions.c: a plan being made.
 */
#ifndef CR_FAMILY_PLAN_H
#define CR_FAMILY_PLAN_H

#include "family.h"

struct need {	/* a parent whose children are in a session that is not its own */
	pid_t sid;
	int parent;
	unsigned int depth;
};

struct plan {
	const struct cr_kin *kin;
	unsigned int n;
	pid_t outer_sid, outer_pgid;	/* 0: none */
	unsigned int *by_pid;	/* indices, sorted */
	pid_t *born;	/* session at birth; 0: of a leader, and it does not matter */
	struct need *needs;
	unsigned int n_needs;
	struct tables *shares;	/* of FS, of FILES; NULL: nobody shares */
	struct cr_family *f;
	unsigned int room;	/* of f->births */
};

/* Index of a process; CR_OUTSIDE when it is not in the tree. */
int family_find(const struct plan *p, pid_t pid);

/* The session that a process ends up in; 0: one that is not in the tree. */
pid_t family_session_of(const struct plan *p, int i);

/* Choose who is born in which session, so that everybody can be made: fills
 * .born, and .needs with what parents cannot make themselves. */
int family_settle_sessions(struct plan *p, struct cr_err *err) CR_MUST;

/* Tables that processes share: before the kids are in their order, after it. */
int family_share(struct plan *p, struct cr_err *err) CR_MUST;
int family_follow_shares(struct plan *p, struct cr_err *err) CR_MUST;
void family_free_shares(struct plan *p);

/* Memory and handlers, when everybody has a maker. */
int family_share_memory(struct plan *p, struct cr_err *err) CR_MUST;

/* "pid N: WHY ID", CR_REFUSED; -1. */
int family_refuse(const struct plan *p, int i, struct cr_err *err, const char *why, pid_t id);

#endif
