/* SPDX-License-Identifier: MIT */
#include "huge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "hugetlb.h"
#include "list.h"
#include "pagemap.h"

/* What has been seen of the kernel's files: told by their numbers. */
struct huge_files {
	struct seen {
		dev_t dev;
		uint64_t ino;
		uint64_t space;	/* the first address space that has it */
		bool shared;
	} * list;
	size_t count;
};

/* Pages in the file itself are of a shared mapping that is elsewhere, or gone. */
static int has_pages(const struct target *t, const struct cr_map *m, bool *pages,
		     struct cr_err *err)
{
	char link[96];
	struct stat sb;

	snprintf(link, sizeof(link), "/proc/%d/map_files/%" PRIx64 "-%" PRIx64, (int)t->eye,
		 m->start, m->end);
	if (stat(link, &sb) < 0)
		return cr_err_sys(err, "unable to look at %s", link);
	*pages = sb.st_blocks;
	return 0;
}

static struct seen *find(const struct huge_files *h, dev_t dev, uint64_t ino)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->list[i].ino == ino && h->list[i].dev == dev)
			return &h->list[i];
	return NULL;
}

static int add(struct dump *d, const struct cr_map *m, dev_t dev, struct cr_err *err)
{
	struct huge_files *h = d->huge;

	/* What is seen before the freeze may be gone by then. */
	if (d->rehearsal)
		return 0;
	if (cr_list_room(h->list, h->count, err) < 0)
		return -1;
	h->list[h->count++] = (struct seen){ dev, m->ino, d->n_spaces, m->shared };
	return 0;
}

int huge_look(struct dump *d, const struct target *t, const struct cr_map *m, const char *name,
	      enum huge_kind *kind, struct cr_err *err)
{
	dev_t dev = makedev(m->dev_major, m->dev_minor);
	const struct seen *s;
	bool pages = false;

	*kind = HUGE_FILE;
	if (!m->huge_shift || strcmp(name, "/anon_hugepage (deleted)") != 0 ||
	    !cr_huge_own_shift(dev))
		return 0;
	if (!d->huge)
		d->huge = calloc(1, sizeof(*d->huge));
	if (!d->huge)
		return cr_err_sys(err, "out of memory");
	s = find(d->huge, dev, m->ino);
	if (!m->shared && !s && has_pages(t, m, &pages, err) < 0)
		return -1;
	if (pages || (s && s->shared != m->shared))
		*kind = HUGE_MIXED;
	else if (!m->shared)
		*kind = s && s->space != d->n_spaces ? HUGE_CHILD : HUGE_PRIVATE;
	return s ? 0 : add(d, m, dev, err);
}

void huge_free(struct huge_files *h)
{
	if (h)
		free(h->list);
	free(h);
}

int huge_spans(struct batch *b, uint64_t start, uint64_t end, uint32_t shift, bool keep_zero,
	       bool forced, struct cr_err *err)
{
	const uint64_t page = 1ull << shift;

	for (uint64_t next; start < end; start = next) {
		struct span first = { start, CR_PAGE, forced, true }, rest = first;

		next = (start & ~(page - 1)) + page;
		next = next < end ? next : end;
		rest.address += CR_PAGE;
		rest.length = next - rest.address;
		rest.keep_zero = keep_zero;
		if (batch_span(b, &first, err) < 0 ||
		    (rest.length && batch_span(b, &rest, err) < 0))
			return -1;
	}
	return 0;
}
