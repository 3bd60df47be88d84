/* SPDX-License-Identifier: MIT */
#include "piece.h"

#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "list.h"
#include "pagemap.h"
#include "vma.h"

/* What only mmap(2) sets, and advice that can be changed but not taken back. */
#define BORN_FLAGS \
	(CR_VMA_GROWSDOWN | CR_VMA_NORESERVE | CR_VMA_DROPPABLE | CR_VMA_HUGEPAGE | \
	 CR_VMA_NOHUGEPAGE)

static bool same_file(const struct area *a, const struct area *b)
{
	const Cr__FileRef *x, *y;

	if (!a->vma->file || !b->vma->file)
		return a->vma->file == b->vma->file && a->vma->shmem == b->vma->shmem;
	x = a->mm->files[a->vma->file - 1];
	y = b->mm->files[b->vma->file - 1];
	return x == y || (x->dev == y->dev && x->ino == y->ino && x->ghost == y->ghost &&
			  x->embedded == y->embedded && strcmp(x->path, y->path) == 0);
}

bool area_alike(const struct area *a, const struct area *b)
{
	const Cr__Vma *x = a->vma, *y = b->vma;

	if (x == y)
		return true;
	if (!x || !y || x->kind != y->kind || (x->vma_flags ^ y->vma_flags) & BORN_FLAGS)
		return false;
	return x->kind == CR__VMA_KIND__ANON ||
	       (x->pgoff - x->start == y->pgoff - y->start && same_file(a, b));
}

bool area_can_share(const Cr__Vma *vma)
{
	return (vma->kind == CR__VMA_KIND__ANON || vma->kind == CR__VMA_KIND__FILE_PRIVATE) &&
	       !(vma->vma_flags & CR_VMA_DROPPABLE) && !vma->huge_shift;
}

static bool are_disjoint(const struct extent_list *x)
{
	uint64_t end = 0;

	for (size_t i = 0; i < x->count; i++) {
		const struct extent *e = &x->list[i];

		if (e->address < end || e->pages > (UINT64_MAX - e->address) / CR_PAGE)
			return false;
		end = e->address + e->pages * CR_PAGE;
	}
	return true;
}

/* At the end of the list: as a part of its last one, if it goes on there. */
static int append(struct piece_list *to, const struct piece *p, struct cr_err *err)
{
	struct piece *last = to->count ? &to->list[to->count - 1] : NULL;

	if (last && last->at.end == p->at.start && last->at.vma == p->at.vma &&
	    last->bulk == p->bulk && last->offset + (last->at.end - last->at.start) == p->offset) {
		last->at.end = p->at.end;
		return 0;
	}
	if (cr_list_room(to->list, to->count, err) < 0)
		return -1;
	to->list[to->count++] = *p;
	return 0;
}

static struct piece cut(const struct piece *p, uint64_t start, uint64_t end)
{
	struct piece out = *p;

	out.offset += start - p->at.start;
	out.at.start = start;
	out.at.end = end;
	return out;
}

int pieces_of(const struct task_image *t, struct piece_list *out, struct cr_err *err)
{
	size_t x = 0;

	*out = (struct piece_list){ 0 };
	if (!are_disjoint(&t->extents))
		return 0;
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const Cr__Vma *vma = t->mm->vmas[i];

		if (!area_can_share(vma))
			continue;
		for (; x < t->extents.count; x++) {
			const struct extent *e = &t->extents.list[x];
			struct piece p = {
				.at = { e->address, e->address + e->pages * CR_PAGE, vma, t->mm },
				.offset = e->offset,
				.bulk = e->bulk,
			};
			uint64_t from = p.at.start > vma->start ? p.at.start : vma->start;
			uint64_t to = p.at.end < vma->end ? p.at.end : vma->end;

			if (p.at.start >= vma->end)
				break;
			if (from < to) {
				p = cut(&p, from, to);
				if (append(out, &p, err) < 0)
					return -1;
			}
			if (e->address + e->pages * CR_PAGE > vma->end)
				break;
		}
	}
	return 0;
}

static enum piece_part relation(const struct piece *a, const struct piece *b, uint64_t at)
{
	return a->bulk == b->bulk &&
			       a->offset + (at - a->at.start) == b->offset + (at - b->at.start) &&
			       area_alike(&a->at, &b->at) ?
		       PART_SAME :
		       PART_OTHER;
}

int pieces_part(const struct piece_list *a, const struct piece_list *b, unsigned int parts,
		struct piece_list *out, struct cr_err *err)
{
	size_t first = 0;

	*out = (struct piece_list){ 0 };
	for (size_t i = 0; i < a->count; i++) {
		const struct piece *p = &a->list[i];
		uint64_t at = p->at.start;

		while (first < b->count && b->list[first].at.end <= at)
			first++;
		for (size_t k = first; at < p->at.end; k++) {
			const struct piece *q = k < b->count ? &b->list[k] : NULL;
			uint64_t lo = q && q->at.start < p->at.end ? q->at.start : p->at.end;
			uint64_t hi = q && q->at.end < p->at.end ? q->at.end : p->at.end;
			struct piece alone = cut(p, at, lo > at ? lo : at), both;

			if (lo > at && parts & PART_ALONE && append(out, &alone, err) < 0)
				return -1;
			at = lo > at ? lo : at;
			if (at == p->at.end || !q)
				break;
			both = cut(p, at, hi);
			if (parts & relation(p, q, at) && append(out, &both, err) < 0)
				return -1;
			at = hi;
		}
	}
	return 0;
}

int pieces_add(struct piece_list *to, const struct piece_list *more, struct cr_err *err)
{
	struct piece_list fresh, all = { 0 };
	int ret = pieces_part(more, to, PART_ALONE, &fresh, err);
	size_t i = 0, k = 0;

	while (ret == 0 && (i < to->count || k < fresh.count)) {
		bool own = k == fresh.count ||
			   (i < to->count && to->list[i].at.start < fresh.list[k].at.start);

		ret = append(&all, own ? &to->list[i++] : &fresh.list[k++], err);
	}
	free(fresh.list);
	free(to->list);
	*to = all;
	return ret;
}

int pieces_extents(const struct piece_list *p, struct extent_list *out, struct cr_err *err)
{
	out->count = 0;
	out->list = malloc((p->count + 1) * sizeof(*out->list));
	if (!out->list)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < p->count; i++)
		out->list[out->count++] = (struct extent){
			.address = p->list[i].at.start,
			.pages = (p->list[i].at.end - p->list[i].at.start) / CR_PAGE,
			.offset = p->list[i].offset,
			.bulk = p->list[i].bulk,
		};
	return 0;
}
