/* SPDX-License-Identifier: MIT */
/* Bulk files: that they are there, their sizes, and the bytes of each run. */
#include <stdlib.h>
#include <unistd.h>

#include "check.h"
#include "clean.h"
#include "crc32c.h"
#include "pagemap.h"
#include "schemas.h"

#define CHUNK (256u << 10)

/* A run of bytes in a bulk file, and what a fault in it is called. */
struct run {
	const char *what;
	size_t index;
	uint64_t offset;
	uint64_t length;
	uint32_t crc;
};

static int check_crc(struct check *c, int fd, const char *name, const struct run *r,
		     struct cr_err *err)
{
	cr_auto_free uint8_t *buf = malloc(CHUNK);
	uint64_t done = 0;
	uint32_t crc = 0;

	if (!buf)
		return cr_err_sys(err, "out of memory");
	while (done < r->length) {
		size_t want = r->length - done < CHUNK ? r->length - done : CHUNK;
		ssize_t n = pread(fd, buf, want, (off_t)(r->offset + done));

		if (n < 0)
			return cr_err_sys(err, "unable to read %s", name);
		if (n == 0)	/* it has become shorter */
			break;
		crc = cr_crc32c(crc, buf, (size_t)n);
		done += (uint64_t)n;
		cr_progress_add(&c->progress, (uint64_t)n);
	}
	c->bytes += done;
	if (done != r->length || crc != r->crc)
		fault(c, "%s[%zu]: wrong checksum of %llu bytes at %llu in %s", r->what, r->index,
		      (unsigned long long)r->length, (unsigned long long)r->offset, name);
	return 0;
}

static int check_run(struct check *c, int fd, const struct cr_image_file *f, const struct run *r,
		     struct cr_err *err)
{
	if (r->length > f->size || r->offset > f->size - r->length) {
		fault(c, "%s[%zu]: %llu bytes at %llu are not in %s", r->what, r->index,
		      (unsigned long long)r->length, (unsigned long long)r->offset, f->name);
		return 0;
	}
	return fd < 0 ? 0 : check_crc(c, fd, f->name, r, err);
}

/* A file that cannot be opened is a fault of the image, named once. */
static int open_bulk(struct check *c, const struct cr_image_file *f, bool say)
{
	struct cr_err why;
	int fd = cr_image_open_bulk(c->src->dirfd, f->name, f->size, &why);

	if (fd < 0 && say)
		fault(c, "%s", why.msg);
	return fd;
}

/* Pages of another process, which are checked with that one's. */
static void check_borrowed(struct check *c, const Cr__Pages *p, size_t i)
{
	const Cr__Extent *e = p->extents[i];

	if (!p->pid || e->crc ||
	    !cr_cover_has(&c->cover, c->pages_seen, e->offset, e->pages * CR_PAGE))
		fault(c, "extents[%zu]: no process has the %llu bytes at %llu that it borrows", i,
		      (unsigned long long)(e->pages * CR_PAGE), (unsigned long long)e->offset);
}

/* Pages lie in the last PagesFile before them. */
static int check_pages(struct check *c, const Cr__Pages *p, struct cr_err *err)
{
	const struct cr_image_file *f;
	cr_auto_fd int fd = -1;

	if (!p->n_extents)
		return 0;
	if (!c->pages_seen) {
		fault(c, "pages before any pages file");
		return 0;
	}
	f = &c->pages.list[c->pages_seen - 1];
	fd = open_bulk(c, f, false);
	for (size_t i = 0; i < p->n_extents; i++) {
		const Cr__Extent *e = p->extents[i];
		struct run r = { "extents", i, e->offset, e->pages * CR_PAGE, e->crc };

		if (e->address % CR_PAGE || e->offset % CR_PAGE || !e->pages ||
		    e->pages > UINT64_MAX / CR_PAGE || e->address > UINT64_MAX - e->pages * CR_PAGE)
			fault(c, "extents[%zu]: no run of pages", i);
		else if (e->borrowed)
			check_borrowed(c, p, i);
		else if (check_run(c, fd, f, &r, err) < 0)
			return -1;
	}
	return 0;
}

static int check_ghost(struct check *c, const Cr__Ghost *g, struct cr_err *err)
{
	struct cr_image_file f = { .name = g->name, .size = g->bulk_size };
	cr_auto_fd int fd = g->name[0] ? open_bulk(c, &f, true) : -1;
	uint64_t end = 0;

	if (!g->name[0] && g->n_runs)
		fault(c, "runs without a bulk file");
	for (size_t i = 0; i < g->n_runs && g->name[0]; i++) {
		const Cr__GhostRun *gr = g->runs[i];
		struct run r = { "runs", i, gr->bulk_offset, gr->length, gr->crc };

		if (gr->offset < end || gr->length > g->size || gr->offset > g->size - gr->length)
			fault(c, "runs[%zu]: not behind the one before it, or not in the file", i);
		else if (check_run(c, fd, &f, &r, err) < 0)
			return -1;
		end = gr->offset + gr->length;
	}
	return 0;
}

int check_bulk(struct check *c, const struct cr_record *rec, const void *msg, struct cr_err *err)
{
	cr_auto_fd int fd = -1;

	switch (rec->kind) {
	case CR_KIND_PAGES_FILE:
		fd = open_bulk(c, &c->pages.list[c->pages_seen++], true);
		return 0;
	case CR_KIND_PAGES:
		return check_pages(c, msg, err);
	case CR_KIND_GHOST:
		return check_ghost(c, msg, err);
	default:
		return 0;
	}
}
