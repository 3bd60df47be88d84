/* SPDX-License-Identifier: MIT */
#include "cover.h"

#include <stdlib.h>

#include "list.h"

static bool reaches(const struct cr_cover_run *last, uint32_t file, uint64_t start)
{
	return last->file == file && last->end >= start && last->start <= start;
}

int cr_cover_add(struct cr_cover *c, uint32_t file, uint64_t start, uint64_t length,
		 struct cr_err *err)
{
	struct cr_cover_run *last = c->count ? &c->list[c->count - 1] : NULL;
	uint64_t end = length > UINT64_MAX - start ? UINT64_MAX : start + length;

	/* Most follow each other. */
	if (last && reaches(last, file, start)) {
		last->end = end > last->end ? end : last->end;
		return 0;
	}
	if (cr_list_room(c->list, c->count, err) < 0)
		return -1;
	c->list[c->count++] = (struct cr_cover_run){ file, start, end };
	c->sorted = false;
	return 0;
}

static int by_start(const void *a, const void *b)
{
	const struct cr_cover_run *x = a, *y = b;

	if (x->file != y->file)
		return x->file < y->file ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static void sort(struct cr_cover *c)
{
	size_t n = 0;

	if (c->count)
		qsort(c->list, c->count, sizeof(*c->list), by_start);
	/* Join what touches. */
	for (size_t i = 1; i < c->count; i++) {
		struct cr_cover_run *last = &c->list[n], *r = &c->list[i];

		if (!reaches(last, r->file, r->start))
			c->list[++n] = *r;
		else if (r->end > last->end)
			last->end = r->end;
	}
	c->sorted = true;
	if (c->count)
		c->count = n + 1;
}

bool cr_cover_has(struct cr_cover *c, uint32_t file, uint64_t start, uint64_t length)
{
	size_t lo = 0, hi;

	if (!c->sorted)
		sort(c);
	if (!length || length > UINT64_MAX - start)
		return false;
	/* The last one that begins at @start or before it. */
	for (hi = c->count; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;
		const struct cr_cover_run *r = &c->list[mid];

		if (r->file < file || (r->file == file && r->start <= start))
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && c->list[lo - 1].file == file && c->list[lo - 1].end >= start + length;
}

void cr_cover_clear(struct cr_cover *c)
{
	free(c->list);
	*c = (struct cr_cover){ 0 };
}
