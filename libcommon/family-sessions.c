/* SPDX-License-Identifier: MIT */
#include "family-plan.h"

#include <stdlib.h>

/* By session, the deepest first. */
static int by_session(const void *a, const void *b)
{
	const struct need *x = a, *y = b;

	if (x->sid != y->sid)
		return x->sid < y->sid ? -1 : 1;
	if (x->depth != y->depth)
		return x->depth > y->depth ? -1 : 1;
	return x->parent < y->parent ? -1 : x->parent > y->parent;
}

static bool is_leader(const struct plan *p, int i)
{
	return p->kin[i].sid == p->kin[i].pid;
}

/* The child of @above on the way down to @i; CR_OUTSIDE - 1: @i is not below. */
static int step_towards(const struct plan *p, int above, int i)
{
	while (i != CR_OUTSIDE && p->kin[i].parent != above)
		i = p->kin[i].parent;
	return i == CR_OUTSIDE ? CR_OUTSIDE - 1 : i;
}

static void collect_needs(struct plan *p)
{
	p->n_needs = 0;
	for (unsigned int i = 0; i < p->n; i++) {
		int parent = p->kin[i].parent;
		pid_t sid = p->born[i];
		struct need *last = &p->needs[p->n_needs - (p->n_needs > 0)];

		if (!sid || sid == family_session_of(p, parent) ||
		    (parent != CR_OUTSIDE && sid == p->born[parent]))
			continue;
		if (p->n_needs && last->sid == sid && last->parent == parent)
			continue;
		p->needs[p->n_needs++] = (struct need){
			.sid = sid,
			.parent = parent,
			.depth = parent == CR_OUTSIDE ? 0 : p->f->births[parent].depth,
		};
	}
	if (p->n_needs)
		qsort(p->needs, p->n_needs, sizeof(*p->needs), by_session);
}

/* Have the parent born in the session as well: it has left it since. */
static bool lift(struct plan *p, const struct need *n)
{
	if (n->parent == CR_OUTSIDE || !is_leader(p, n->parent) || p->born[n->parent])
		return false;
	p->born[n->parent] = n->sid;
	return true;
}

static int no_way(const struct plan *p, const struct need *n, struct cr_err *err)
{
	for (unsigned int i = 0; i < p->n; i++)
		if (p->kin[i].parent == n->parent && p->born[i] == n->sid)
			return family_refuse(p, (int)i, err,
					     "no way to be its parent's child in session", n->sid);
	return family_refuse(p, 0, err, "no way into session", n->sid);
}

/*
 * Can a leader that stands below @below (or directly under it) make what @n
 * is about?  Not when it would descend from what it is to make.
 */
static bool can_serve(const struct plan *p, const struct need *n, int below)
{
	int step;

	if (n->parent == below)
		return true;
	step = step_towards(p, n->parent, below);
	return step >= 0 && p->born[step] != n->sid;
}

/* Needs of one session.  0 all can be met; 1 something was lifted; -1. */
static int settle_session(struct plan *p, const struct need *n, unsigned int count,
			  struct cr_err *err)
{
	int leader = family_find(p, n->sid);
	/* Of a leader that is gone the place is ours to choose. */
	bool gone = leader == CR_OUTSIDE && n->sid != family_session_of(p, CR_OUTSIDE);
	int below = gone ? n->parent : leader;

	for (unsigned int i = 0; i < count; i++) {
		if (can_serve(p, &n[i], below))
			continue;
		if ((gone && lift(p, &n[0])) || lift(p, &n[i]))
			return 1;
		return no_way(p, &n[i], err);
	}
	return 0;
}

int family_settle_sessions(struct plan *p, struct cr_err *err)
{
	int ret;

	for (unsigned int i = 0; i < p->n; i++)
		p->born[i] = is_leader(p, (int)i) ? 0 : p->kin[i].sid;
	do {
		ret = 0;
		collect_needs(p);
		for (unsigned int i = 0, k; ret == 0 && i < p->n_needs; i = k) {
			for (k = i + 1; k < p->n_needs; k++)
				if (p->needs[k].sid != p->needs[i].sid)
					break;
			ret = settle_session(p, &p->needs[i], k - i, err);
		}
	} while (ret > 0);
	return ret;
}
