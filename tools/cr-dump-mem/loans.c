/* SPDX-License-Identifier: MIT */
#include "loans.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "crc32c.h"
#include "frames.h"
#include "list.h"
#include "pagemap.h"
#include "proc.h"

#define LOOK 8192u		/* pages of pagemap in one read */
#define NEAR 16u		/* pages: a hole that is read rather than skipped */

/* Processes of one past. */
struct kin {
	uint32_t crc;
	size_t auxv_len;
	void *auxv;
	size_t known;		/* of its members: those that are in the table of frames */
	const struct batch **members;
	size_t n_members;
};

struct loans {
	struct kin *kin;
	size_t n_kin;
	struct kin *now;	/* that of the batch taken last */
	struct frames frames;
	const struct batch **lenders;	/* by number, from 1 */
	uint32_t n_lenders;
	uint64_t *entries;	/* LOOK of them */
	uint64_t *again;
};

int loans_new(struct loans **out, struct cr_err *err)
{
	struct loans *l = *out = calloc(1, sizeof(*l));

	if (!l)
		return cr_err_sys(err, "out of memory");
	l->entries = malloc(LOOK * sizeof(*l->entries));
	l->again = malloc(LOOK * sizeof(*l->again));
	return l->entries && l->again ? 0 : cr_err_sys(err, "out of memory");
}

void loans_free(struct loans *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n_kin; i++) {
		free(l->kin[i].auxv);
		free(l->kin[i].members);
	}
	free(l->kin);
	free(l->lenders);
	free(l->entries);
	free(l->again);
	frames_clear(&l->frames);
	free(l);
}

static int find_kin(struct loans *l, const void *auxv, size_t len, struct cr_err *err)
{
	uint32_t crc = cr_crc32c(0, auxv, len);
	struct kin *k;

	for (k = l->kin; k < l->kin + l->n_kin; k++)
		if (k->crc == crc && k->auxv_len == len && memcmp(k->auxv, auxv, len) == 0) {
			l->now = k;
			return 0;
		}
	if (cr_list_room(l->kin, l->n_kin, err) < 0)
		return -1;
	k = &l->kin[l->n_kin];
	*k = (struct kin){ .crc = crc, .auxv_len = len, .auxv = malloc(len + 1) };
	if (!k->auxv)
		return cr_err_sys(err, "out of memory");
	memcpy(k->auxv, auxv, len);
	l->n_kin++;
	l->now = k;
	return 0;
}

/* -1 as well when it cannot be read: then nothing is shared. */
static int open_pagemap(const struct batch *b)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)b->eye);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static bool look(int fd, uint64_t address, uint64_t pages, uint64_t *to)
{
	ssize_t want = (ssize_t)(pages * sizeof(*to));

	return pread(fd, to, (size_t)want, (off_t)(address / CR_PAGE * sizeof(*to))) == want;
}

/* Where the way out of an agent may be, bytes are left out of what is read. */
static bool is_blank(const struct batch *b, uint64_t address)
{
	return b->blank < address + CR_PAGE && b->blank_end > address;
}

typedef int visit(struct loans *l, const struct batch *b, const struct span *s, uint64_t address,
		  uint64_t entry, void *ctx, struct cr_err *err);

/* Every page of the spans, in order, with its entry of pagemap. */
static int each_page(struct loans *l, const struct batch *b, int fd, visit *fn, void *ctx,
		     struct cr_err *err)
{
	uint64_t from = 0, end = 0;	/* what l->entries are of */

	for (size_t i = 0; i < b->n_spans; i++) {
		const struct span *s = &b->spans[i];

		for (uint64_t at = s->address; at < s->address + s->length; at += CR_PAGE) {
			if (at >= end) {
				uint64_t n = (s->address + s->length - at) / CR_PAGE;

				/* Reading on over holes is cheaper than to begin again. */
				for (size_t k = i + 1; k < b->n_spans && n < LOOK; k++) {
					const struct span *next = &b->spans[k];

					if (next->address - (at + n * CR_PAGE) > NEAR * CR_PAGE)
						break;
					n = (next->address + next->length - at) / CR_PAGE;
				}
				from = at;
				n = n < LOOK ? n : LOOK;
				end = from + n * CR_PAGE;
				if (!look(fd, from, n, l->entries))
					memset(l->entries, 0, n * sizeof(*l->entries));
			}
			if (fn(l, b, s, at, l->entries[(at - from) / CR_PAGE], ctx, err) < 0)
				return -1;
		}
	}
	return 0;
}

static int index_page(struct loans *l, const struct batch *b, const struct span *s,
		      uint64_t address, uint64_t entry, void *ctx, struct cr_err *err)
{
	(void)ctx;
	if (!frame_of(entry) || is_blank(b, address))
		return 0;
	return frames_add(&l->frames, frame_of(entry),
			  (struct frame_user){ .lender = l->n_lenders,
					       .page = address / CR_PAGE,
					       .keep_zero = s->keep_zero },
			  err);
}

/* Those before the batch, which nobody had to know until now. */
static int index_members(struct loans *l, struct cr_err *err)
{
	struct kin *k = l->now;

	for (; k->known < k->n_members; k->known++) {
		cr_auto_fd int fd = open_pagemap(k->members[k->known]);

		if (cr_list_room(l->lenders, l->n_lenders, err) < 0)
			return -1;
		l->lenders[l->n_lenders++] = k->members[k->known];
		if (fd >= 0 && each_page(l, k->members[k->known], fd, index_page, NULL, err) < 0)
			return -1;
	}
	return 0;
}

/* What is found in a batch: its loans, and what is left of its spans. */
struct taking {
	struct batch *b;
	struct span *left;
	size_t n_left;
	struct loan loan;	/* that grows; no length: none */
	bool keep_zero;		/* of its pages */
	uint64_t frames[LOOK];
	int fd;			/* pagemap of .fd_of */
	const struct batch *fd_of;
};

static int leave(struct taking *t, const struct span *s, struct cr_err *err)
{
	struct span *last = t->n_left ? &t->left[t->n_left - 1] : NULL;

	if (last && last->address + last->length == s->address && last->forced == s->forced &&
	    last->keep_zero == s->keep_zero) {
		last->length += s->length;
		return 0;
	}
	if (cr_list_room(t->left, t->n_left, err) < 0)
		return -1;
	t->left[t->n_left++] = *s;
	return 0;
}

/* Does the lender still have all of these frames? */
static bool holds(struct loans *l, struct taking *t)
{
	uint64_t n = t->loan.length / CR_PAGE;

	if (t->fd_of != t->loan.from) {
		if (t->fd >= 0)
			close(t->fd);
		t->fd = open_pagemap(t->loan.from);
		t->fd_of = t->loan.from;
	}
	if (t->fd < 0 || !look(t->fd, t->loan.from_address, n, l->again))
		return false;
	for (uint64_t i = 0; i < n; i++)
		if (frame_of(l->again[i]) != t->frames[i])
			return false;
	return true;
}

/* The loan is complete: it is one, or its pages are as all others. */
static int settle(struct loans *l, struct taking *t, struct cr_err *err)
{
	struct span s = { t->loan.address, t->loan.length, true, t->keep_zero };
	struct batch *b = t->b;

	if (!t->loan.length)
		return 0;
	if (!holds(l, t)) {
		t->loan.length = 0;
		return leave(t, &s, err);
	}
	if (cr_list_room(b->loans, b->n_loans, err) < 0)
		return -1;
	b->loans[b->n_loans++] = t->loan;
	t->loan.length = 0;
	return 0;
}

static int take_page(struct loans *l, const struct batch *b, const struct span *s, uint64_t address,
		     uint64_t entry, void *ctx, struct cr_err *err)
{
	const struct span page = { address, CR_PAGE, s->forced || frame_is_shared(entry),
				   s->keep_zero };
	const struct frame_user *u = frames_find(&l->frames, frame_of(entry));
	struct taking *t = ctx;
	struct loan *n = &t->loan;

	if (!u || u->keep_zero != s->keep_zero || is_blank(b, address))
		return settle(l, t, err) < 0 ? -1 : leave(t, &page, err);
	if (!n->length || n->address + n->length != address ||
	    n->from != l->lenders[u->lender - 1] ||
	    n->from_address + n->length != (uint64_t)u->page * CR_PAGE ||
	    t->keep_zero != s->keep_zero || n->length == LOOK * (uint64_t)CR_PAGE) {
		if (settle(l, t, err) < 0)
			return -1;
		*n = (struct loan){ address, 0, l->lenders[u->lender - 1],
				    (uint64_t)u->page * CR_PAGE };
		t->keep_zero = s->keep_zero;
	}
	t->frames[n->length / CR_PAGE] = frame_of(entry);
	n->length += CR_PAGE;
	return 0;
}

static int take(struct loans *l, struct batch *b, int fd, struct cr_err *err)
{
	cr_auto_free struct taking *t = calloc(1, sizeof(*t));
	int ret;

	if (!t)
		return cr_err_sys(err, "out of memory");
	t->b = b;
	t->fd = -1;
	ret = each_page(l, b, fd, take_page, t, err);
	if (ret == 0)
		ret = settle(l, t, err);
	if (t->fd >= 0)
		close(t->fd);
	if (ret < 0) {
		free(t->left);
		return -1;
	}
	free(b->spans);
	b->spans = t->left;
	b->n_spans = t->n_left;
	return 0;
}

/* Has it any, it may share pages with those. */
static bool has_children(pid_t pid)
{
	cr_auto_free pid_t *kids = NULL;
	struct cr_err ignored;
	unsigned int n = 0;

	return cr_proc_children(pid, &kids, &n, &ignored) < 0 || n;
}

static int open_memory(struct batch *b)
{
	char path[64];

	if (b->fd >= 0)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)b->eye);
	b->fd = open(path, O_RDONLY | O_CLOEXEC);
	return b->fd;
}

int loans_take(struct loans *l, struct batch *b, const void *auxv, size_t auxv_len,
	       struct cr_err *err)
{
	cr_auto_fd int fd = -1;

	if (find_kin(l, auxv, auxv_len, err) < 0)
		return -1;
	if (cr_list_room(l->now->members, l->now->n_members, err) < 0 || index_members(l, err) < 0)
		return -1;
	if (!l->now->n_members && !has_children(b->eye))
		return 0;
	fd = open_pagemap(b);
	if (fd < 0 || open_memory(b) < 0)
		return 0;
	return take(l, b, fd, err);
}

void loans_add(struct loans *l, const struct batch *b)
{
	l->now->members[l->now->n_members++] = b;
}

/* The first unit that may have bytes of @address. */
static size_t unit_of(const struct batch *b, uint64_t address)
{
	size_t lo = 0, hi = b->n_units;

	while (hi - lo > 1) {
		size_t mid = (lo + hi) / 2;
		const struct unit *u = &b->units[mid];

		if (b->spans[u->span].address + u->skip <= address)
			lo = mid;
		else
			hi = mid;
	}
	return lo;
}

int loan_extents(const struct loan *loan,
		 int (*put)(void *ctx, const Cr__Extent *e, struct cr_err *err), void *ctx,
		 struct cr_err *err)
{
	const uint64_t start = loan->from_address, end = start + loan->length;

	for (size_t i = unit_of(loan->from, start); i < loan->from->n_units; i++) {
		const struct unit *u = &loan->from->units[i];

		for (size_t k = 0; k < u->n_extents; k++) {
			const Cr__Extent *of = &u->extents[k];
			uint64_t of_end = of->address + of->pages * CR_PAGE;
			uint64_t lo = of->address > start ? of->address : start;
			uint64_t hi = of_end < end ? of_end : end;
			Cr__Extent e = CR__EXTENT__INIT;

			if (of->address >= end)
				return 0;
			if (lo >= hi)
				continue;
			e.address = loan->address + (lo - start);
			e.pages = (hi - lo) / CR_PAGE;
			e.offset = of->offset + (lo - of->address);
			e.borrowed = true;
			if (put(ctx, &e, err) < 0)
				return -1;
		}
	}
	return 0;
}
