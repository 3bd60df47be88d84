/* SPDX-License-Identifier: MIT */
#include "cow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "cow-plan.h"
#include "enter.h"
#include "fault.h"
#include "fill.h"
#include "list.h"
#include "ref.h"
#include "vma.h"

#define PAGE 4096ull
#define STACK_ROOM (64ull << 20) /* that our own stack may grow by */

/* What this process holds, for itself and for who is made by it. */
static struct {
	struct area *areas;	/* mapped, by address */
	size_t n_areas;
	struct piece_list pieces;	/* what is in them; all else was never touched */
} held;

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

static bool lies_in(const struct area *a, const struct area *in)
{
	return a->start >= in->start && a->end <= in->end && area_alike(a, in);
}

/* The first one that ends behind @address. */
static struct area *first_behind(uint64_t address)
{
	size_t lo = 0, hi = held.n_areas;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (held.areas[mid].end > address)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < held.n_areas ? &held.areas[lo] : NULL;
}

static const struct area *area_of(const struct area *a)
{
	const struct area *in = first_behind(a->start);

	return in && lies_in(a, in) ? in : NULL;
}

static bool near_our_stack(const struct area *a)
{
	uint64_t sp = (uint64_t)(uintptr_t)__builtin_frame_address(0);

	return a->start < sp && a->end + STACK_ROOM > sp;
}

static int open_file(struct restore *r, const struct area *a)
{
	const struct object_fd *o;
	struct cr_err ignored;

	if (a->vma->file)
		return ref_open(r, a->mm->files[a->vma->file - 1], O_RDONLY, &ignored);
	o = object_find(r->shmems, r->n_shmems, a->vma->shmem);
	return o ? fcntl(o->fd[0], F_DUPFD_CLOEXEC, 0) : -1;
}

static int advise(const struct area *a)
{
	size_t len = a->end - a->start;

	if (a->vma->vma_flags & CR_VMA_HUGEPAGE &&
	    madvise((void *)a->start, len, MADV_HUGEPAGE) < 0)
		return -1;
	return a->vma->vma_flags & CR_VMA_NOHUGEPAGE ?
		       madvise((void *)a->start, len, MADV_NOHUGEPAGE) :
		       0;
}

/* Where that cannot be, everybody will say why who needs it. */
static bool map(struct restore *r, const struct area *a)
{
	bool file = a->vma->kind == CR__VMA_KIND__FILE_PRIVATE;
	cr_auto_fd int fd = file ? open_file(r, a) : -1;
	uint64_t at = file ? a->vma->pgoff - a->vma->start + a->start : 0;
	int flags = MAP_PRIVATE | MAP_FIXED_NOREPLACE | (file ? 0 : MAP_ANONYMOUS);
	void *got;

	if ((file && fd < 0) || near_our_stack(a))
		return false;
	flags |= a->vma->vma_flags & CR_VMA_NORESERVE ? MAP_NORESERVE : 0;
	flags |= a->vma->vma_flags & CR_VMA_GROWSDOWN ? MAP_GROWSDOWN : 0;
	got = mmap((void *)a->start, a->end - a->start, PROT_READ | PROT_WRITE, flags, fd,
		   (off_t)at);
	if (got == MAP_FAILED)
		return false;
	if (got == (void *)a->start && advise(a) == 0)
		return true;
	munmap(got, a->end - a->start);
	return false;
}

static int hold_area(struct restore *r, const struct area *a, struct cr_err *err)
{
	struct area *next = first_behind(a->start);
	size_t at = next ? (size_t)(next - held.areas) : held.n_areas;

	/* What we were born with cannot grow any more: it would be two mappings. */
	if (next && next->start < a->end)
		return 0;
	if (cr_list_room(held.areas, held.n_areas, err) < 0)
		return -1;
	if (!map(r, a))
		return 0;
	for (size_t i = held.n_areas++; i > at; i--)
		held.areas[i] = held.areas[i - 1];
	held.areas[at] = *a;
	return 0;
}

/* Only what its area could be made for. */
static void drop_homeless(struct piece_list *pieces)
{
	size_t n = 0;

	for (size_t i = 0; i < pieces->count; i++)
		if (area_of(&pieces->list[i].at))
			pieces->list[n++] = pieces->list[i];
	pieces->count = n;
}

static int extents_of(const struct piece_list *p, struct extent_list *out, struct cr_err *err)
{
	out->count = 0;
	out->list = malloc((p->count + 1) * sizeof(*out->list));
	if (!out->list)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < p->count; i++)
		out->list[out->count++] = (struct extent){
			.address = p->list[i].at.start,
			.pages = (p->list[i].at.end - p->list[i].at.start) / PAGE,
			.offset = p->list[i].offset,
			.bulk = p->list[i].bulk,
		};
	return 0;
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
		vmas[i] = *held.areas[i].vma;
		vmas[i].start = held.areas[i].start;
		vmas[i].end = held.areas[i].end;
		list[i] = &vmas[i];
	}
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

static int fill(struct restore *r, const struct piece_list *pieces, bool huge, struct cr_err *err)
{
	struct piece_list fresh = { 0 };
	struct extent_list x = { 0 };
	int ret = pieces_part(pieces, &held.pieces, PART_ALONE | PART_OTHER, &fresh, err);

	if (ret == 0)
		ret = extents_of(&fresh, &x, err);
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

		if (madvise((void *)a->start, a->end - a->start, MADV_DONTNEED) < 0)
			ret = cr_err_sys(err, "MADV_DONTNEED");
	}
	free(old.list);
	return ret;
}

static int hold(struct restore *r, struct cow_plan *plan, bool huge, struct cr_err *err)
{
	for (size_t i = 0; i < plan->n_areas; i++)
		if (!area_of(&plan->areas[i]) && hold_area(r, &plan->areas[i], err) < 0)
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

/* Is something in this area of use to who has these pieces? */
static bool is_useful(const struct area *in, const struct piece_list *same)
{
	size_t lo = 0, hi = same->count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (same->list[mid].at.end > in->start)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < same->count && same->list[lo].at.start < in->end;
}

static int keep_mappings(const struct task_image *t, const struct piece_list *same,
			 struct piece_list *kept, struct cr_err *err)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];
		const struct area a = { vma->start, vma->end, vma, t->mm };
		const struct area *in = area_can_share(vma) ? area_of(&a) : NULL;

		if (!in || !is_useful(in, same))
			continue;
		if (cr_list_room(kept->list, kept->count, err) < 0)
			return -1;
		kept->list[kept->count++] = (struct piece){ .at = a };
	}
	return 0;
}

/* All extents, whatever they are of. */
static int all_pieces(const struct extent_list *x, struct piece_list *out, struct cr_err *err)
{
	out->count = 0;
	out->list = calloc(x->count + 1, sizeof(*out->list));
	if (!out->list)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < x->count; i++) {
		const struct extent *e = &x->list[i];

		out->list[out->count++] = (struct piece){
			.at = { .start = e->address, .end = e->address + e->pages * PAGE },
			.offset = e->offset,
			.bulk = e->bulk,
		};
	}
	return 0;
}

static int settle(const struct task_image *t, const struct piece_list *mine, struct reuse *out,
		  struct cr_err *err)
{
	struct piece_list same = { 0 }, done = { 0 }, here = { 0 }, all = { 0 }, rest = { 0 };
	int ret = pieces_part(mine, &held.pieces, PART_SAME, &same, err);

	if (ret == 0)
		ret = keep_mappings(t, &same, &out->kept, err);
	if (ret == 0)
		ret = pieces_part(&same, &out->kept, PART_COVERED, &done, err);
	if (ret == 0)
		ret = pieces_part(&held.pieces, &out->kept, PART_COVERED, &here, err);
	if (ret == 0)
		ret = pieces_part(&here, mine, PART_ALONE | PART_OTHER, &out->stale, err);
	if (ret == 0)
		ret = all_pieces(&t->extents, &all, err);
	if (ret == 0)
		ret = pieces_part(&all, &done, PART_ALONE, &rest, err);
	if (ret == 0)
		ret = extents_of(&rest, &out->rest, err);
	free(same.list);
	free(done.list);
	free(here.list);
	free(all.list);
	free(rest.list);
	return ret;
}

int cow_settle(const struct restore *r, const struct task_image *t, struct reuse *out,
	       struct cr_err *err)
{
	struct piece_list mine = { 0 };
	int ret = 0;

	*out = (struct reuse){ .rest = t->extents };
	if (!r->has_borrowed || !held.n_areas)
		return 0;
	ret = pieces_of(t, &mine, err);
	if (ret == 0 && mine.count)
		ret = settle(t, &mine, out, err);
	free(mine.list);
	return ret;
}

bool reuse_keeps(const struct reuse *u, const Cr__Vma *vma)
{
	size_t lo = 0, hi = u->kept.count;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (u->kept.list[mid].at.end > vma->start)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo < u->kept.count && u->kept.list[lo].at.vma == vma;
}
