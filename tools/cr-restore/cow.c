/* SPDX-License-Identifier: MIT */
#include "cow.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "clean.h"
#include "cow-held.h"
#include "cow-plan.h"
#include "enter.h"
#include "fault.h"
#include "fill.h"

bool cow_is_wanted(const struct restore *r)
{
	/* Memory that we map would have these properties of ours. */
	if (r->own.memory_merge || r->own.mempolicy)
		return false;
	for (unsigned int i = 0; i < r->img.n_tasks; i++)
		for (size_t n = 0; n < r->img.tasks[i].extents.count; n++)
			if (r->img.tasks[i].extents.list[n].borrowed)
				return true;
	return false;
}

/* Only what its area could be made for. */
static void drop_homeless(struct piece_list *pieces)
{
	size_t n = 0;

	for (size_t i = 0; i < pieces->count; i++)
		if (held_for(&pieces->list[i].at))
			pieces->list[n++] = pieces->list[i];
	pieces->count = n;
}

/* What an agent would do. */
static int run_here(const struct vec *v, struct cr_err *err)
{
	for (uint32_t i = 0; i < v->count; i++) {
		const struct cr_op *op = &v->ops[i];
		long got = raw_syscall(op->nr, op->arg[0], op->arg[1], op->arg[2], op->arg[3],
				       op->arg[4]);

		if (op->expect == CR_EXPECT_ANY ||
		    (op->expect == CR_EXPECT_EQUAL ? got == op->want : got >= 0))
			continue;
		errno = got < 0 ? (int)-got : EIO;
		return cr_err_sys(err, "%s", label_name(op->label));
	}
	return v->failed ? cr_err_set(err, CR_SYSTEM, "out of memory") : 0;
}

static int by_start(const void *a, const void *b)
{
	uint64_t x = (*(Cr__Vma *const *)a)->start, y = (*(Cr__Vma *const *)b)->start;

	return x < y ? -1 : x > y;
}

static int by_address(const void *a, const void *b)
{
	uint64_t x = ((const struct extent *)a)->address, y = ((const struct extent *)b)->address;

	return x < y ? -1 : x > y;
}

/* Of @x, by where they are. */
static int fill_list(struct restore *r, const struct extent_list *x, bool huge, struct cr_err *err)
{
	cr_auto_free Cr__Vma *vmas = calloc(held.n_areas + 1, sizeof(*vmas));
	cr_auto_free Cr__Vma **list = calloc(held.n_areas + 1, sizeof(*list));
	struct fill_vmas in = { list, held.n_areas, huge };
	struct arena a = { .size = fill_size(held.n_areas, x) };
	struct vec v = { 0 };
	int ret;

	if (!vmas || !list)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < held.n_areas; i++) {
		const struct area *as = &held.areas[i].as;

		vmas[i] = *as->vma;
		vmas[i].start = held.areas[i].at;
		vmas[i].end = held.areas[i].at + (as->end - as->start);
		list[i] = &vmas[i];
	}
	qsort(list, held.n_areas, sizeof(*list), by_start);
	qsort(x->list, x->count, sizeof(*x->list), by_address);
	a.base = mmap(NULL, a.size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a.base == MAP_FAILED)
		return cr_err_sys(err, "unable to map memory");
	ret = fill_pages(r, &in, x, &v, &a, err);
	if (ret == 0)
		ret = run_here(&v, err);
	free(v.ops);
	munmap(a.base, a.size);
	return ret;
}

/* Every piece is in one of the areas. */
static uint64_t place_of(const struct area *a)
{
	return held_at(held_for(a), a->start);
}

static int fill(struct restore *r, const struct piece_list *pieces, bool huge, struct cr_err *err)
{
	struct piece_list fresh = { 0 };
	struct extent_list x = { 0 };
	int ret = pieces_part(pieces, &held.pieces, PART_ALONE | PART_OTHER, &fresh, err);

	if (ret == 0)
		ret = pieces_extents(&fresh, &x, err);
	for (size_t i = 0; ret == 0 && i < x.count; i++)
		x.list[i].address = place_of(&fresh.list[i].at);
	if (ret == 0 && x.count)
		ret = fill_list(r, &x, huge, err);
	free(fresh.list);
	free(x.list);
	return ret;
}

/* What gives way to other bytes at its place. */
static int empty(const struct piece_list *pieces, struct cr_err *err)
{
	struct piece_list old = { 0 };
	int ret = pieces_part(&held.pieces, pieces, PART_OTHER, &old, err);

	for (size_t i = 0; ret == 0 && i < old.count; i++) {
		const struct area *a = &old.list[i].at;

		if (madvise((void *)place_of(a), a->end - a->start, MADV_DONTNEED) < 0)
			ret = cr_err_sys(err, "MADV_DONTNEED");
	}
	free(old.list);
	return ret;
}

static int hold(struct restore *r, struct cow_plan *plan, bool huge, struct cr_err *err)
{
	for (size_t i = 0; i < plan->n_areas; i++)
		if (!held_for(&plan->areas[i]) && held_add(r, &plan->areas[i], err) < 0)
			return -1;
	drop_homeless(&plan->pieces);
	if (empty(&plan->pieces, err) < 0 || fill(r, &plan->pieces, huge, err) < 0 ||
	    pieces_add(&plan->pieces, &held.pieces, err) < 0)
		return -1;
	free(held.pieces.list);
	held.pieces = plan->pieces;
	plan->pieces = (struct piece_list){ 0 };
	return 0;
}

int cow_prepare(struct restore *r, unsigned int index, struct cr_err *err)
{
	const struct cr_birth *b = &r->family.births[index];
	const struct task_image *t = cow_task(r, index);
	bool huge = r->huge_pages && !(t && t->inside->thp_disable);
	struct cow_plan plan;
	int ret;

	if (!r->has_borrowed || b->first_kid == CR_OUTSIDE || b->share_vm)
		return 0;
	ret = cow_plan(r, index, &held.pieces, &plan, err);
	if (ret == 0 && plan.pieces.count)
		ret = hold(r, &plan, huge, err);
	cow_plan_release(&plan);
	if (ret < 0)
		return cr_err_wrap(err, "pid %d: what it shares with others", (int)b->pid);
	cr_fault("held");
	return 0;
}
