/* SPDX-License-Identifier: MIT */
#include "huge.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/shm.h>

#include "clean.h"
#include "hugetlb.h"
#include "list.h"
#include "pagemap.h"
#include "vma.h"

/* What a page is of; address spaces are told by their index. */
enum owner { OWNER_SPACE, OWNER_SHMEM, OWNER_GHOST };

/* Huge pages of one owner: all that are reserved or filled. */
struct run {
	enum owner owner;
	uint32_t id;
	uint32_t shift;
	uint64_t start;		/* by number */
	uint64_t end;
};

struct run_list {
	struct run *list;
	size_t count;
};

static const char *size_text(uint32_t shift, char text[40])
{
	snprintf(text, 40, "huge pages of %llu kB", (1ull << shift) / 1024);
	return text;
}

int huge_check_vma(struct restore *r, const struct task_image *t, const Cr__Vma *vma,
		   struct cr_err *err)
{
	const Cr__FileRef *ref = vma->file ? t->mm->files[vma->file - 1] : NULL;
	char object[40], text[40];
	uint32_t shift;

	if (!vma->huge_shift)
		return 0;
	if (!cr_huge_is_shift(vma->huge_shift) ||
	    (vma->start | vma->end | vma->pgoff) & ((1ull << vma->huge_shift) - 1))
		return cr_err_set(err, CR_BAD_INPUT,
				  "pid %u: vma %" PRIx64 ": malformed for huge pages", t->task->pid,
				  vma->start);
	/* Of a file that is missing, or carried, its own check speaks. */
	if (!ref || ref->ghost)
		return 0;
	shift = cr_huge_shift_at(ref->path);
	if (shift == vma->huge_shift || access(ref->path, F_OK) < 0)
		return 0;
	snprintf(object, sizeof(object), "vma %" PRIx64, vma->start);
	refuse(r, t->task->pid, object, "%s is on no hugetlbfs with %s", ref->path,
	       size_text(vma->huge_shift, text));
	return 0;
}

static int add(struct run_list *l, enum owner owner, uint32_t id, uint32_t shift, uint64_t start,
	       uint64_t end, struct cr_err *err)
{
	struct run run = { owner, id, shift, start >> shift, ((end - 1) >> shift) + 1 };
	struct run *last = l->count ? &l->list[l->count - 1] : NULL;

	if (start >= end)
		return 0;
	if (last && last->owner == owner && last->id == id && last->shift == shift &&
	    last->start <= run.start && last->end >= run.start) {
		last->end = last->end > run.end ? last->end : run.end;
		return 0;
	}
	if (cr_list_room(l->list, l->count, err) < 0)
		return -1;
	l->list[l->count++] = run;
	return 0;
}

/* What is mapped is reserved, except as it was not; what is private, is so for each. */
static int add_mapping(struct run_list *l, uint32_t space, const Cr__Mm *mm, const Cr__Vma *vma,
		       struct cr_err *err)
{
	bool private = vma->kind == CR__VMA_KIND__ANON || vma->kind == CR__VMA_KIND__FILE_PRIVATE;
	uint64_t end = vma->pgoff + (vma->end - vma->start);

	if (!vma->huge_shift || vma->vma_flags & CR_VMA_NORESERVE)
		return 0;
	if (private)
		return add(l, OWNER_SPACE, space, vma->huge_shift, vma->start, vma->end, err);
	if (vma->kind == CR__VMA_KIND__SHMEM)
		return add(l, OWNER_SHMEM, vma->shmem, vma->huge_shift, vma->pgoff, end, err);
	/* A file that has a name has kept what was reserved for it. */
	if (!vma->file || !mm->files[vma->file - 1]->ghost)
		return 0;
	return add(l, OWNER_GHOST, mm->files[vma->file - 1]->ghost, vma->huge_shift, vma->pgoff,
		   end, err);
}

/* Both are in order of address. */
static int add_filled(struct run_list *l, uint32_t space, const struct task_image *t,
		      struct cr_err *err)
{
	const struct extent_list *x = &t->extents;
	size_t i = 0;

	for (size_t n = 0; n < t->mm->n_vmas; n++) {
		const Cr__Vma *vma = t->mm->vmas[n];

		for (; i < x->count && x->list[i].address < vma->end; i++) {
			uint64_t start = x->list[i].address;
			uint64_t end = start + x->list[i].pages * CR_PAGE;

			start = start > vma->start ? start : vma->start;
			if (vma->huge_shift && add(l, OWNER_SPACE, space, vma->huge_shift, start,
						   end < vma->end ? end : vma->end, err) < 0)
				return -1;
			if (end > vma->end)
				break;
		}
	}
	return 0;
}

static int add_spaces(const struct restore *r, struct run_list *l, struct cr_err *err)
{
	for (uint32_t i = 0; i < r->img.n_tasks; i++) {
		const struct task_image *t = &r->img.tasks[i];

		if (task_is_zombie(t) || t->share_vm)
			continue;
		for (size_t n = 0; n < t->mm->n_vmas; n++)
			if (add_mapping(l, i, t->mm, t->mm->vmas[n], err) < 0)
				return -1;
		if (add_filled(l, i, t, err) < 0)
			return -1;
	}
	return 0;
}

static int add_object(const struct restore *r, struct run_list *l, const Cr__Shmem *s,
		      struct cr_err *err)
{
	struct shmid_ds ds;
	struct extent_list x;
	int ret;

	/* A segment has its pages from the start: one that is there needs none. */
	if (s->sysv)
		return shmctl((int)s->shmid, IPC_STAT, &ds) == 0 ?
			       0 :
			       add(l, OWNER_SHMEM, s->id, s->huge_shift, 0,
				   cr_huge_round(s->size, s->huge_shift), err);
	ret = image_extents(&r->img, 0, s->id, &x, err);
	for (size_t i = 0; ret == 0 && i < x.count; i++)
		ret = add(l, OWNER_SHMEM, s->id, s->huge_shift, x.list[i].address,
			  x.list[i].address + x.list[i].pages * CR_PAGE, err);
	free(x.list);
	return ret;
}

static int add_objects(const struct restore *r, struct run_list *l, struct cr_err *err)
{
	const struct msg_list *shmems = &r->img.kinds[CR_KIND_SHMEM];
	const struct msg_list *ghosts = &r->img.kinds[CR_KIND_GHOST];

	for (unsigned int i = 0; i < shmems->count; i++) {
		const Cr__Shmem *s = shmems->items[i];

		if (s->huge_shift && add_object(r, l, s, err) < 0)
			return -1;
	}
	for (unsigned int i = 0; i < ghosts->count; i++) {
		const Cr__Ghost *g = ghosts->items[i];

		if (g->embedded && !(r->embedded && r->embedded[i]))
			continue;
		for (size_t n = 0; g->huge_shift && n < g->n_runs; n++)
			if (add(l, OWNER_GHOST, g->id, g->huge_shift, g->runs[n]->offset,
				g->runs[n]->offset + g->runs[n]->length, err) < 0)
				return -1;
	}
	return 0;
}

static int by_owner(const void *a, const void *b)
{
	const struct run *x = a, *y = b;

	if (x->shift != y->shift)
		return x->shift < y->shift ? -1 : 1;
	if (x->owner != y->owner)
		return x->owner < y->owner ? -1 : 1;
	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void check_size(struct restore *r, uint32_t shift, uint64_t need)
{
	char text[40];
	uint64_t there;

	if (!cr_huge_free(shift, &there))
		refuse(r, 0, size_text(shift, text), "this machine has none of that size");
	else if (there < need)
		refuse(r, 0, size_text(shift, text),
		       "%" PRIu64 " are needed, %" PRIu64 " are free; raise "
		       "/sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages by %" PRIu64,
		       need, there, (1ull << shift) / 1024, need - there);
}

int huge_check_free(struct restore *r, struct cr_err *err)
{
	struct run_list l = { 0 };
	int ret = add_spaces(r, &l, err);
	uint64_t need = 0, end = 0;

	if (ret == 0)
		ret = add_objects(r, &l, err);
	if (ret == 0 && l.count)
		qsort(l.list, l.count, sizeof(*l.list), by_owner);
	for (size_t i = 0; ret == 0 && i < l.count; i++) {
		const struct run *run = &l.list[i], *next = i + 1 < l.count ? run + 1 : NULL;
		bool same = i && run[-1].shift == run->shift && run[-1].owner == run->owner &&
			    run[-1].id == run->id;

		/* Runs of one owner may overlap. */
		end = same ? end : 0;
		if (run->end > end) {
			need += run->end - (run->start > end ? run->start : end);
			end = run->end;
		}
		if (!next || next->shift != run->shift) {
			check_size(r, run->shift, need);
			need = 0;
		}
	}
	free(l.list);
	return ret;
}
