/* SPDX-License-Identifier: MIT */
/* What becomes of batches of pages: records of where they are. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "clean.h"
#include "dump.h"
#include "fault.h"
#include "loans.h"
#include "pagemap.h"

#define EXTENTS_MAX 65536	/* in one record: 2 MiB */

int refuse_vma(struct dump *d, pid_t pid, uint64_t address, const char *kind, const char *remedy,
	       struct cr_err *err)
{
	char object[40];

	if (d->rehearsal)
		return 0;
	snprintf(object, sizeof(object), "vma %" PRIx64, address);
	return cr_stage_refuse(d->st, pid, object, kind, remedy, err);
}

struct lister {
	struct dump *d;
	Cr__Pages m;
	uint64_t n_borrowed;	/* pages, so far */
	Cr__Extent *list[EXTENTS_MAX];
	Cr__Extent made[EXTENTS_MAX];	/* those of loans: in the places of their pointers */
};

static int flush(struct lister *l, struct cr_err *err)
{
	int ret = l->m.n_extents ? cr_stage_put(l->d->st, CR_KIND_PAGES, &l->m, err) : 0;

	l->m.n_extents = 0;
	return ret;
}

static int put_extent(struct lister *l, Cr__Extent *e, struct cr_err *err)
{
	if (l->m.n_extents == EXTENTS_MAX && flush(l, err) < 0)
		return -1;
	l->list[l->m.n_extents++] = e;
	return 0;
}

static int put_borrowed(void *ctx, const Cr__Extent *e, struct cr_err *err)
{
	struct lister *l = ctx;

	if (l->m.n_extents == EXTENTS_MAX && flush(l, err) < 0)
		return -1;
	l->n_borrowed += e->pages;
	l->made[l->m.n_extents] = *e;
	return put_extent(l, &l->made[l->m.n_extents], err);
}

/* The one of this dump, for the next of its batches. */
static struct lister *lister_of(struct dump *d, const struct batch *b, struct cr_err *err)
{
	struct lister *l = d->lister ? d->lister : malloc(sizeof(*l));

	if (!l) {
		cr_err_sys(err, "out of memory");
		return NULL;
	}
	d->lister = l;
	l->d = d;
	l->n_borrowed = 0;
	cr__pages__init(&l->m);
	l->m.pid = b->shmem ? 0 : (uint32_t)b->pid;
	l->m.shmem = b->shmem;
	l->m.extents = l->list;
	return l;
}

/* Without -D: where pages are, and nothing of where they would be. */
static int show_spans(struct dump *d, const struct batch *b, struct cr_err *err)
{
	struct lister *l = lister_of(d, b, err);
	cr_auto_free Cr__Extent *extents = malloc((b->n_spans + 1) * sizeof(*extents));

	if (!l || !extents)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < b->n_spans; i++) {
		cr__extent__init(&extents[i]);
		extents[i].address = b->spans[i].address;
		extents[i].pages = b->spans[i].length / CR_PAGE;
		d->n_pages += extents[i].pages;
		if (put_extent(l, &extents[i], err) < 0)
			return -1;
	}
	return flush(l, err);
}

int pages_add(struct dump *d, struct batch *b, struct cr_err *err)
{
	int ret;

	if (d->pool)
		return pool_add(d->pool, b, err);
	ret = show_spans(d, b, err);
	batch_free(b);
	return ret;
}

/* Those from *next on that lie before @address. */
static int put_loans(struct lister *l, const struct batch *b, size_t *next, uint64_t address,
		     struct cr_err *err)
{
	for (; *next < b->n_loans && b->loans[*next].address < address; ++*next)
		if (loan_extents(&b->loans[*next], put_borrowed, l, err) < 0)
			return -1;
	return 0;
}

static int put_batch(struct dump *d, struct batch *b, uint64_t *borrowed, struct cr_err *err)
{
	struct lister *l = lister_of(d, b, err);
	size_t loan = 0;

	if (!l)
		return -1;
	if (b->n_bad)
		return refuse_vma(d, b->pid, b->bad_address,
				  "pages that cannot be read (guard regions of a kernel before "
				  "6.15, or broken memory)",
				  "remove them, or use a newer kernel", err);
	for (size_t i = 0; i < b->n_units; i++)
		for (size_t k = 0; k < b->units[i].n_extents; k++) {
			Cr__Extent *e = &b->units[i].extents[k];

			if (put_loans(l, b, &loan, e->address, err) < 0 ||
			    put_extent(l, e, err) < 0)
				return -1;
		}
	if (put_loans(l, b, &loan, UINT64_MAX, err) < 0 || flush(l, err) < 0)
		return -1;
	*borrowed += l->n_borrowed;
	return 0;
}

/* Its size is known now, and the records that refer to it come behind it. */
static int put_file(struct dump *d, struct cr_err *err)
{
	Cr__PagesFile m = CR__PAGES_FILE__INIT;
	struct stat sb;

	if (fstat(d->pages_fd, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", d->pages_name);
	m.name = d->pages_name;
	m.size = (uint64_t)sb.st_size;
	return cr_stage_put(d->st, CR_KIND_PAGES_FILE, &m, err);
}

int pages_finish(struct dump *d, struct cr_err *err)
{
	struct pool_totals t;
	uint64_t borrowed = 0;

	cr_stage_count(d->st, "mappings", d->n_mappings);
	if (!d->pool) {
		cr_stage_count(d->st, "pages", d->n_pages);
		return 0;
	}
	if (pool_wait(d->pool, err) < 0)
		return -1;
	cr_fault("pages");
	if (put_file(d, err) < 0)
		return -1;
	for (struct batch *b = pool_batches(d->pool); b; b = b->next)
		if (put_batch(d, b, &borrowed, err) < 0)
			return -1;
	pool_totals(d->pool, &t);
	cr_stage_count(d->st, "pages", t.bytes / CR_PAGE);
	cr_stage_count(d->st, "pages_written", t.written / CR_PAGE);
	cr_stage_count(d->st, "pages_skipped", t.zero / CR_PAGE);
	cr_stage_count(d->st, "pages_shared", borrowed);
	cr_stage_count(d->st, "bytes_written", t.written);
	return 0;
}
