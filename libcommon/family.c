/* SPDX-License-Identifier: MIT */
#include "family-plan.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"

static const struct cr_kin *sort_kin;	/* for the comparisons below: qsort has no context */

static int by_pid(const void *a, const void *b)
{
	pid_t x = sort_kin[*(const unsigned int *)a].pid,
	      y = sort_kin[*(const unsigned int *)b].pid;

	return x < y ? -1 : x > y;
}

static int by_group(const void *a, const void *b)
{
	unsigned int i = *(const unsigned int *)a, k = *(const unsigned int *)b;

	if (sort_kin[i].pgid != sort_kin[k].pgid)
		return sort_kin[i].pgid < sort_kin[k].pgid ? -1 : 1;
	return i < k ? -1 : i > k;
}

int family_find(const struct plan *p, pid_t pid)
{
	unsigned int lo = 0, hi = p->n;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		pid_t at = p->kin[p->by_pid[mid]].pid;

		if (at == pid)
			return (int)p->by_pid[mid];
		if (at < pid)
			lo = mid + 1;
		else
			hi = mid;
	}
	return CR_OUTSIDE;
}

pid_t family_session_of(const struct plan *p, int i)
{
	if (i != CR_OUTSIDE)
		return p->kin[i].sid;
	return p->outer_sid;
}

int family_refuse(const struct plan *p, int i, struct cr_err *err, const char *why, pid_t id)
{
	return cr_err_set(err, CR_REFUSED, "pid %d: %s %d", (int)p->kin[i].pid, why, (int)id);
}

static int add_helper(struct plan *p, const struct cr_birth *b, struct cr_err *err)
{
	struct cr_family *f = p->f;

	if (f->count == p->room) {
		unsigned int room = p->room * 2;
		struct cr_birth *grown = realloc(f->births, room * sizeof(*grown));

		if (!grown) {
			cr_err_sys(err, "out of memory");
			return -1;
		}
		f->births = grown;
		p->room = room;
	}
	f->births[f->count] = *b;
	return (int)f->count++;
}

static int find_helper(const struct plan *p, enum cr_birth_kind kind, pid_t pid, int maker,
		       int heir)
{
	for (unsigned int i = p->n; i < p->f->count; i++) {
		const struct cr_birth *b = &p->f->births[i];

		if (b->kind == kind && b->pid == pid && b->maker == maker && b->heir == heir)
			return (int)i;
	}
	return CR_OUTSIDE;
}

/* Leaders that are gone, each under the deepest parent that needs it. */
static int add_session_helpers(struct plan *p, struct cr_err *err)
{
	for (unsigned int i = 0; i < p->n_needs; i++) {
		const struct need *n = &p->needs[i];
		struct cr_birth b = {
			.kind = CR_BIRTH_SESSION,
			.pid = n->sid,
			.parent = n->parent,
			.maker = n->parent,
			.exit_signal = SIGCHLD,
			.setsid = true,
			.heir = CR_OUTSIDE,
		};

		if ((i && n->sid == n[-1].sid) || family_find(p, n->sid) != CR_OUTSIDE)
			continue;
		/* What it makes with CLONE_PARENT has its exit signal. */
		for (unsigned int k = 0; k < p->n; k++)
			if (p->kin[k].parent == n->parent && p->born[k] == n->sid &&
			    p->kin[k].exit_signal != SIGCHLD)
				b.exit_signal = p->kin[k].exit_signal;
		if (add_helper(p, &b, err) < 0)
			return -1;
	}
	return 0;
}

static int session_leader(const struct plan *p, pid_t sid)
{
	int i = family_find(p, sid);

	for (unsigned int k = p->n; i == CR_OUTSIDE && k < p->f->count; k++)
		if (p->f->births[k].kind == CR_BIRTH_SESSION && p->f->births[k].pid == sid)
			i = (int)k;
	return i;
}

/* A child that its parent cannot make: by the leader of its session. */
static int adopted(struct plan *p, int i, struct cr_err *err)
{
	struct cr_birth *b = &p->f->births[i];
	int leader = session_leader(p, p->born[i]), middle;
	struct cr_birth m = {
		.kind = CR_BIRTH_MIDDLE,
		.parent = leader,
		.maker = leader,
		.exit_signal = SIGCHLD,
		.heir = b->parent,
	};

	if (p->f->births[leader].parent == b->parent &&
	    p->f->births[leader].exit_signal == b->exit_signal) {
		b->maker = leader;
		b->clone_parent = true;
		return 0;
	}
	/* The kernel gives orphans SIGCHLD; nobody adopts on behalf of the restorer. */
	if (b->exit_signal != SIGCHLD || b->parent == CR_OUTSIDE)
		return family_refuse(p, i, err, "cannot be an orphan with exit signal",
				     b->exit_signal);
	middle = find_helper(p, CR_BIRTH_MIDDLE, 0, leader, b->parent);
	if (middle == CR_OUTSIDE) {
		middle = add_helper(p, &m, err);
		if (middle < 0)
			return -1;
		p->f->births[m.heir].adopts++;
		p->f->n_middle++;
	}
	p->f->births[i].maker = middle;
	return 0;
}

static int choose_makers(struct plan *p, struct cr_err *err)
{
	for (unsigned int i = 0; i < p->n; i++) {
		struct cr_birth *b = &p->f->births[i];
		int parent = b->parent;

		b->maker = parent;
		if (!p->born[i] || p->born[i] == family_session_of(p, parent))
			continue;
		if (parent != CR_OUTSIDE && p->born[parent] == p->born[i])
			b->before = true;
		else if (adopted(p, (int)i, err) < 0)
			return -1;
	}
	return 0;
}

static int plan_group(struct plan *p, const unsigned int *member, unsigned int n,
		      struct cr_err *err)
{
	const struct cr_kin *first = &p->kin[member[0]];
	int leader = family_find(p, first->pgid);
	struct cr_birth helper = {
		.kind = CR_BIRTH_GROUP,
		.pid = first->pgid,
		.parent = (int)member[0],
		.maker = (int)member[0],
		.exit_signal = SIGCHLD,
		.lead = true,
		.heir = CR_OUTSIDE,
	};

	for (unsigned int i = 0; i < n; i++) {
		const struct cr_kin *k = &p->kin[member[i]];
		struct cr_birth *b = &p->f->births[member[i]];

		if (k->sid != first->sid || k->outer_group != first->outer_group ||
		    (k->outer_group && (!k->outer_session || k->pgid != p->outer_pgid)))
			return family_refuse(p, (int)member[i], err, "no way into process group",
					     k->pgid);
		b->outer_group = k->outer_group;
		if (k->pid != k->pgid)
			b->join = k->pgid;
	}
	if (first->outer_group || first->pgid == first->sid)
		return 0;
	if (leader == CR_OUTSIDE)
		return add_helper(p, &helper, err) < 0 ? -1 : 0;
	if (p->kin[leader].sid != first->sid)
		return family_refuse(p, leader, err, "in another session than process group",
				     first->pgid);
	p->f->births[leader].lead = true;
	if (p->kin[leader].pgid == first->pgid)
		return 0;
	/* It goes on to another group; somebody must hold this one open. */
	helper.pid = 0;
	helper.lead = false;
	helper.parent = helper.maker = leader;
	return add_helper(p, &helper, err) < 0 ? -1 : 0;
}

static int plan_groups(struct plan *p, struct cr_err *err)
{
	cr_auto_free unsigned int *order = malloc(p->n * sizeof(*order));
	int ret = 0;

	if (!order)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < p->n; i++)
		order[i] = i;
	if (p->n)
		qsort(order, p->n, sizeof(*order), by_group);
	for (unsigned int i = 0, k; ret == 0 && i < p->n; i = k) {
		for (k = i + 1; k < p->n; k++)
			if (p->kin[order[k]].pgid != p->kin[order[i]].pgid)
				break;
		ret = plan_group(p, &order[i], k - i, err);
	}
	return ret;
}

static const struct cr_birth *sort_births;

/* Those before their maker's setsid() first, then by the tables they need. */
static int by_order(const void *a, const void *b)
{
	unsigned int i = *(const unsigned int *)a, k = *(const unsigned int *)b;
	const struct cr_birth *x = &sort_births[i], *y = &sort_births[k];

	if (x->before != y->before)
		return x->before ? -1 : 1;
	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return i < k ? -1 : i > k;
}

/* Whom each makes, those before its setsid() first; is everybody made? */
static int link_kids(struct plan *p, struct cr_err *err)
{
	struct cr_family *f = p->f;
	cr_auto_free int *stack = malloc((f->count + 1) * sizeof(*stack));
	cr_auto_free bool *made = calloc(f->count, sizeof(*made));
	cr_auto_free unsigned int *order = malloc(f->count * sizeof(*order));
	unsigned int top = 0;

	if (!stack || !made || !order)
		return cr_err_sys(err, "out of memory");
	f->first_kid = CR_OUTSIDE;
	for (unsigned int i = 0; i < f->count; i++)
		f->births[i].first_kid = f->births[i].next_kid = CR_OUTSIDE;
	for (unsigned int i = 0; i < f->count; i++)
		order[i] = i;
	sort_births = f->births;
	if (f->count)
		qsort(order, f->count, sizeof(*order), by_order);
	for (unsigned int k = f->count; k-- > 0;) {
		struct cr_birth *b = &f->births[order[k]];
		int *head = b->maker == CR_OUTSIDE ? &f->first_kid : &f->births[b->maker].first_kid;

		b->next_kid = *head;
		*head = (int)order[k];
	}
	for (int i = f->first_kid; i != CR_OUTSIDE || top; i = f->births[i].next_kid) {
		while (i == CR_OUTSIDE && top)
			i = stack[--top];
		if (i == CR_OUTSIDE)
			break;
		made[i] = true;
		stack[top++] = f->births[i].first_kid;
	}
	for (unsigned int i = 0; i < p->n; i++)
		if (!made[i])
			return family_refuse(p, (int)i, err,
					     "would be made by its own descendants; session",
					     p->kin[i].sid);
	return 0;
}

static int begin(struct plan *p, struct cr_err *err)
{
	struct cr_family *f = p->f;

	p->room = p->n + 16;
	f->births = calloc(p->room, sizeof(*f->births));
	p->by_pid = malloc(p->n * sizeof(*p->by_pid));
	p->born = calloc(p->n, sizeof(*p->born));
	p->needs = calloc(p->n + 1, sizeof(*p->needs));
	if (!f->births || !p->by_pid || !p->born || !p->needs)
		return cr_err_sys(err, "out of memory");
	f->count = f->n_kin = p->n;
	for (unsigned int i = 0; i < p->n; i++) {
		const struct cr_kin *k = &p->kin[i];
		struct cr_birth *b = &f->births[i];

		p->by_pid[i] = i;
		if (k->outer_session && p->outer_sid && k->sid != p->outer_sid)
			return family_refuse(p, (int)i, err,
					     "led from outside of the tree, like another: session",
					     k->sid);
		if (k->outer_session)
			p->outer_sid = k->sid;
		if (k->outer_group && !p->outer_pgid)
			p->outer_pgid = k->pgid;
		b->pid = k->pid;
		b->parent = k->parent;
		b->exit_signal = k->exit_signal;
		b->setsid = k->sid == k->pid;
		b->heir = CR_OUTSIDE;
		b->depth = k->parent == CR_OUTSIDE ? 1 : f->births[k->parent].depth + 1;
		if (b->depth > f->max_depth)
			f->max_depth = b->depth;
	}
	if (p->n)
		qsort(p->by_pid, p->n, sizeof(*p->by_pid), by_pid);
	return 0;
}

int cr_family_plan(const struct cr_kin *kin, unsigned int n, struct cr_family *out,
		   struct cr_err *err)
{
	struct plan p = { .kin = kin, .n = n, .f = out };
	int ret = -1;

	memset(out, 0, sizeof(*out));
	sort_kin = kin;
	if (begin(&p, err) == 0 && family_settle_sessions(&p, err) == 0 &&
	    add_session_helpers(&p, err) == 0 && choose_makers(&p, err) == 0 &&
	    plan_groups(&p, err) == 0 && family_share(&p, err) == 0 &&
	    family_share_memory(&p, err) == 0 && link_kids(&p, err) == 0)
		ret = family_follow_shares(&p, err);
	family_free_shares(&p);
	free(p.by_pid);
	free(p.born);
	free(p.needs);
	if (ret < 0)
		cr_family_release(out);
	return ret;
}

void cr_family_release(struct cr_family *f)
{
	free(f->births);
	memset(f, 0, sizeof(*f));
}
