/* SPDX-License-Identifier: MIT */
#include "cow-plan.h"

#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "list.h"

/* Kids whose pages are looked for in all that come later: with more that have
 * nothing of their maker, some of what they share is copied. */
#define ROUNDS 8

/* A task below the maker, and by which of its kids it comes from it. */
struct heir {
	const struct task_image *t;
	unsigned int branch;
};

struct planner {
	const struct restore *r;
	struct heir *heirs;	/* branch by branch */
	size_t n_heirs;
	struct cow_plan *out;
};

const struct task_image *cow_task(const struct restore *r, unsigned int index)
{
	const struct task_image *t = &r->img.tasks[index];

	return r->family.births[index].kind != CR_BIRTH_TASK || task_is_zombie(t) || t->share_vm ?
		       NULL :
		       t;
}

/* The kids from @index on, their kids and so on; @branch 0: each is one. */
static int find_heirs(struct planner *p, int index, unsigned int branch, struct cr_err *err)
{
	const struct cr_family *f = &p->r->family;

	for (; index != CR_OUTSIDE; index = f->births[index].next_kid) {
		const struct cr_birth *b = &f->births[index];
		unsigned int of = branch ? branch : (unsigned int)index + 1;
		const struct task_image *t = cow_task(p->r, (unsigned int)index);

		if (t) {
			if (cr_list_room(p->heirs, p->n_heirs, err) < 0)
				return -1;
			p->heirs[p->n_heirs++] = (struct heir){ t, of };
		}
		if (find_heirs(p, b->first_kid, of, err) < 0)
			return -1;
	}
	return 0;
}

static int add_area(struct cow_plan *out, const struct piece *p, struct cr_err *err)
{
	const struct area whole = { p->at.vma->start, p->at.vma->end, p->at.vma, p->at.mm };

	if (out->n_areas && out->areas[out->n_areas - 1].vma == p->at.vma)
		return 0;
	if (cr_list_room(out->areas, out->n_areas, err) < 0)
		return -1;
	out->areas[out->n_areas++] = whole;
	return 0;
}

/* What both have is to be held. */
static int add_common(struct planner *p, const struct piece_list *mine,
		      const struct piece_list *theirs, struct cr_err *err)
{
	struct piece_list here = { 0 }, there = { 0 };
	int ret = pieces_part(mine, theirs, PART_SAME, &here, err);

	if (ret == 0 && here.count)
		ret = pieces_part(theirs, mine, PART_SAME, &there, err);
	for (size_t i = 0; ret == 0 && i < here.count; i++)
		ret = add_area(p->out, &here.list[i], err);
	for (size_t i = 0; ret == 0 && i < there.count; i++)
		ret = add_area(p->out, &there.list[i], err);
	if (ret == 0 && here.count)
		ret = pieces_add(&p->out->pieces, &here, err);
	free(here.list);
	free(there.list);
	return ret;
}

/* What @mine are to share with the heirs from the @from-th on. */
static int share_with(struct planner *p, const struct piece_list *mine, size_t from,
		      struct cr_err *err)
{
	for (size_t i = from; i < p->n_heirs; i++) {
		struct piece_list theirs = { 0 };
		int ret = pieces_of(p->heirs[i].t, &theirs, err);

		if (ret == 0)
			ret = add_common(p, mine, &theirs, err);
		free(theirs.list);
		if (ret < 0)
			return -1;
	}
	return 0;
}

/* Without what is held, or is to be: at one place there is one page. */
static int free_pieces_of(struct planner *p, const struct task_image *t,
			  const struct piece_list *held, struct piece_list *out, struct cr_err *err)
{
	struct piece_list all = { 0 }, left = { 0 };
	int ret = pieces_of(t, &all, err);

	*out = left;
	if (ret == 0)
		ret = pieces_part(&all, held, PART_ALONE, &left, err);
	if (ret == 0)
		ret = pieces_part(&left, &p->out->pieces, PART_ALONE, out, err);
	free(all.list);
	free(left.list);
	return ret;
}

/* Pages that the maker itself does not have, but two of its branches. */
static int share_among(struct planner *p, const struct piece_list *held, struct cr_err *err)
{
	unsigned int rounds = 0;
	size_t next;

	for (size_t i = 0; i < p->n_heirs && rounds < ROUNDS; i++) {
		struct piece_list mine = { 0 };
		int ret;

		for (next = i + 1; next < p->n_heirs; next++)
			if (p->heirs[next].branch != p->heirs[i].branch)
				break;
		if (next == p->n_heirs)
			break;
		ret = free_pieces_of(p, p->heirs[i].t, held, &mine, err);
		if (ret == 0 && mine.count) {
			rounds++;
			ret = share_with(p, &mine, next, err);
		}
		free(mine.list);
		if (ret < 0)
			return -1;
	}
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct area *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return x->end < y->end ? 1 : x->end > y->end ? -1 : 0;
}

/* Mappings of several processes that overlap become one; where they are not
 * alike, the first one has the place. */
static void join_areas(struct cow_plan *out)
{
	size_t n = 0;

	if (out->n_areas)
		qsort(out->areas, out->n_areas, sizeof(*out->areas), by_start);
	for (size_t i = 0; i < out->n_areas; i++) {
		struct area *last = n ? &out->areas[n - 1] : NULL, a = out->areas[i];

		if (last && a.start < last->end) {
			if (area_alike(last, &a) && a.end > last->end)
				last->end = a.end;
			continue;
		}
		out->areas[n++] = a;
	}
	out->n_areas = n;
}

int cow_plan(const struct restore *r, unsigned int index, const struct piece_list *held,
	     struct cow_plan *out, struct cr_err *err)
{
	const struct task_image *t = cow_task(r, index);
	struct planner p = { .r = r, .out = out };
	struct piece_list own = { 0 };
	int ret;

	*out = (struct cow_plan){ 0 };
	ret = find_heirs(&p, r->family.births[index].first_kid, 0, err);
	if (ret == 0 && t && p.n_heirs)
		ret = pieces_of(t, &own, err);
	if (ret == 0 && own.count)
		ret = share_with(&p, &own, 0, err);
	if (ret == 0)
		ret = share_among(&p, held, err);
	free(own.list);
	free(p.heirs);
	join_areas(out);
	return ret;
}

void cow_plan_release(struct cow_plan *p)
{
	free(p->pieces.list);
	free(p->areas);
}
