/* SPDX-License-Identifier: MIT */
#include "cow.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "cow-held.h"
#include "list.h"
#include "mem.h"
#include "pagemap.h"

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
		const struct held_area *in = area_can_share(vma) ? held_for(&a) : NULL;

		if (!in || !is_useful(&in->as, same))
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
			.at = { .start = e->address, .end = e->address + e->pages * CR_PAGE },
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
		ret = pieces_extents(&rest, &out->rest, err);
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

static int by_place(const void *a, const void *b)
{
	uint64_t x = ((const struct held_area *)a)->at, y = ((const struct held_area *)b)->at;

	return x < y ? -1 : x > y;
}

int reuse_clear(const struct reuse *u, uint64_t agent, uint64_t agent_end, struct vec *v,
		struct cr_err *err)
{
	struct held_area *kept = calloc(u->kept.count + 1, sizeof(*kept));
	size_t n = u->kept.count;
	uint64_t at = 0;

	if (!kept)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < n; i++) {
		const struct area *a = &u->kept.list[i].at;

		kept[i] = (struct held_area){ *a, held_at(held_for(a), a->start) };
	}
	kept[n++] = (struct held_area){ { .start = agent, .end = agent_end }, agent };
	qsort(kept, n, sizeof(*kept), by_place);
	for (size_t i = 0; i < n; i++) {
		vec_unmap(v, at, kept[i].at);
		at = kept[i].at + (kept[i].as.end - kept[i].as.start);
	}
	vec_unmap(v, at, MEM_TASK_END);
	for (size_t i = 0; i < n; i++) {
		int64_t len = (int64_t)(kept[i].as.end - kept[i].as.start);

		if (kept[i].at != kept[i].as.start)
			vec_sys(v, LABEL_MAP, SYS_mremap, (int64_t)kept[i].at, len, len,
				MREMAP_MAYMOVE | MREMAP_FIXED, (int64_t)kept[i].as.start);
	}
	for (size_t i = 0; i < u->stale.count; i++) {
		const struct area *a = &u->stale.list[i].at;

		vec_sys(v, LABEL_ADVISE, SYS_madvise, (int64_t)a->start,
			(int64_t)(a->end - a->start), MADV_DONTNEED);
	}
	free(kept);
	return 0;
}

size_t reuse_ops(const struct reuse *u)
{
	return 3 * u->kept.count + u->stale.count;
}
