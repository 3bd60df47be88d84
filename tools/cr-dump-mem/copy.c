/* SPDX-License-Identifier: MIT */
#include "copy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#include "clean.h"
#include "crc32c.h"
#include "list.h"
#include "pagemap.h"
#include "prefault.h"

#define PAGES (COPY_BUF / CR_PAGE)
#define ZERO_RUN 16u	/* pages: shorter runs are not worth an extent */

_Static_assert(PAGES == 64 && COPY_PIECES >= PAGES, "a page of the buffer is a bit of a mask");

int copier_init(struct copier *c, int out, size_t size, struct cr_err *err)
{
	memset(c, 0, sizeof(*c));
	c->out = out;
	c->size = size;
	c->buf = aligned_alloc(CR_PAGE, size);
	if (!c->buf)
		return cr_err_sys(err, "out of memory");
	/* Page faults are taken now, before anything is frozen. */
	cr_prefault(c->buf, size);
	return 0;
}

void copier_release(struct copier *c)
{
	free(c->buf);
	c->buf = NULL;
}

/* One page the way that no protection stops. */
static void read_page(struct copier *c, const struct batch *b, uint64_t address, uint8_t *to)
{
	cr_auto_fd int own = -1;
	char path[64];
	int fd = b->fd;

	if (fd < 0) {
		snprintf(path, sizeof(path), "/proc/%d/mem", (int)b->eye);
		fd = own = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd >= 0 && pread(fd, to, CR_PAGE, (off_t)address) == (ssize_t)CR_PAGE)
		return;
	memset(to, 0, CR_PAGE);
	if (!c->n_bad++)
		c->bad_address = address;
}

static void read_forced(struct copier *c, const struct batch *b, const struct span *s, uint8_t *to)
{
	uint64_t done = 0;

	while (done < s->length) {
		ssize_t n = pread(b->fd, to + done, s->length - done, (off_t)(s->address + done));

		if (n < 0 && errno == EINTR)
			continue;
		n = n > 0 ? n & ~(ssize_t)(CR_PAGE - 1) : 0;
		if (!n) {
			read_page(c, b, s->address + done, to + done);
			n = CR_PAGE;
		}
		done += (uint64_t)n;
	}
}

/* Pieces from @i on, up to one that must be forced; returns where that is. */
static int read_plain(struct copier *c, const struct batch *b, unsigned int i, uint8_t *to,
		      unsigned int *end, struct cr_err *err)
{
	struct iovec local = { to, 0 };
	unsigned int n = 0, first = 0;

	for (; i + n < c->n_pieces && !c->pieces[i + n].forced; n++) {
		c->iov[n].iov_base = (void *)c->pieces[i + n].address;
		c->iov[n].iov_len = c->pieces[i + n].length;
		local.iov_len += c->pieces[i + n].length;
	}
	*end = i + n;
	while (first < n) {
		ssize_t got = process_vm_readv(b->eye, &local, 1, c->iov + first, n - first, 0);

		if (got < 0 && errno != EFAULT)
			return cr_err_sys(err, "pid %d: unable to read its memory", (int)b->pid);
		got = got > 0 ? got & ~(ssize_t)(CR_PAGE - 1) : 0;
		if (!got) {
			read_page(c, b, (uint64_t)c->iov[first].iov_base, local.iov_base);
			got = CR_PAGE;
		}
		local.iov_base = (uint8_t *)local.iov_base + got;
		local.iov_len -= (size_t)got;
		while (first < n && (size_t)got >= c->iov[first].iov_len)
			got -= (ssize_t)c->iov[first++].iov_len;
		if (first < n) {
			c->iov[first].iov_base = (uint8_t *)c->iov[first].iov_base + got;
			c->iov[first].iov_len -= (size_t)got;
		}
	}
	return 0;
}

/* The way out of an agent, in the unused end of a page. */
static void wipe(struct copier *c, const struct batch *b)
{
	uint8_t *to = c->buf;

	for (unsigned int i = 0; i < c->n_pieces; i++) {
		const struct span *s = &c->pieces[i];
		uint64_t end = s->address + s->length;
		uint64_t from = b->blank > s->address ? b->blank : s->address;
		uint64_t until = b->blank_end < end ? b->blank_end : end;

		if (from < until)
			memset(to + (from - s->address), 0, until - from);
		to += s->length;
	}
}

static int read_process(struct copier *c, const struct batch *b, struct cr_err *err)
{
	uint8_t *to = c->buf;
	unsigned int i = 0, end;

	while (i < c->n_pieces) {
		if (c->pieces[i].forced) {
			read_forced(c, b, &c->pieces[i], to);
			to += c->pieces[i++].length;
			continue;
		}
		if (read_plain(c, b, i, to, &end, err) < 0)
			return -1;
		while (i < end)
			to += c->pieces[i++].length;
	}
	if (b->blank_end)
		wipe(c, b);
	return 0;
}

/* The last page of an object may end before the page does. */
static int read_object(struct copier *c, const struct batch *b, struct cr_err *err)
{
	uint8_t *to = c->buf;

	for (unsigned int i = 0; i < c->n_pieces; i++) {
		const struct span *s = &c->pieces[i];
		uint64_t done = 0;

		while (done < s->length) {
			ssize_t n = pread(b->fd, to + done, s->length - done,
					  (off_t)(s->address + done));

			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0)
				return cr_err_sys(err, "unable to read shared memory");
			if (n == 0)
				break;
			done += (uint64_t)n;
		}
		memset(to + done, 0, s->length - done);
		to += s->length;
	}
	return 0;
}

static bool is_zero(const uint8_t *page)
{
	uint64_t w[8];

	memcpy(w, page, sizeof(w));
	if (w[0] | w[1] | w[2] | w[3] | w[4] | w[5] | w[6] | w[7])
		return false;
	return memcmp(page, page + sizeof(w), CR_PAGE - sizeof(w)) == 0;
}

/* End of the run of pages from @i on that are all zero, or all not. */
static unsigned int run_end(const uint8_t *data, unsigned int i, unsigned int n, bool *zero)
{
	*zero = is_zero(data + i * CR_PAGE);
	for (i++; i < n && is_zero(data + i * CR_PAGE) == *zero; i++)
		;
	return i;
}

static int keep(struct unit *u, uint64_t address, uint64_t offset, const uint8_t *data,
		uint64_t length, struct cr_err *err)
{
	Cr__Extent *last = u->n_extents ? &u->extents[u->n_extents - 1] : NULL;

	if (!last || last->address + last->pages * CR_PAGE != address ||
	    last->offset + last->pages * CR_PAGE != offset) {
		if (cr_list_room(u->extents, u->n_extents, err) < 0)
			return -1;
		last = &u->extents[u->n_extents++];
		cr__extent__init(last);
		last->address = address;
		last->offset = offset;
	}
	last->crc = cr_crc32c(last->crc, data, length);
	last->pages += length / CR_PAGE;
	return 0;
}

static void leave_out(struct copier *c, uint64_t offset, uint64_t length)
{
	c->zero += length;
	/* If it fails there is memory in use for nothing. */
	if (c->punch && fallocate(c->out, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
				  (off_t)length) < 0)
		c->punch = false;
}

/* Sort out one piece at @at in the buffer: extents, and a bit for each page
 * that is to be written. */
static int sort_piece(struct copier *c, struct unit *u, const struct span *s, uint64_t at,
		      uint64_t offset, uint64_t *mask, struct cr_err *err)
{
	const uint8_t *data = c->buf + at;
	unsigned int n = (unsigned int)(s->length / CR_PAGE), end;
	bool zero;

	for (unsigned int i = 0; i < n; i = end) {
		end = s->keep_zero ? n : run_end(data, i, n, &zero);
		if (!s->keep_zero && zero && (end - i >= ZERO_RUN || end - i == n)) {
			leave_out(c, offset + at + i * CR_PAGE, (end - i) * CR_PAGE);
			continue;
		}
		if (keep(u, s->address + i * CR_PAGE, offset + at + i * CR_PAGE, data + i * CR_PAGE,
			 (end - i) * CR_PAGE, err) < 0)
			return -1;
		for (unsigned int k = i; k < end; k++)
			*mask |= 1ull << (at / CR_PAGE + k);
	}
	return 0;
}

static int write_pages(struct copier *c, uint64_t mask, uint64_t offset, struct cr_err *err)
{
	while (mask) {
		unsigned int from = (unsigned int)__builtin_ctzll(mask), n;
		uint64_t rest = ~(mask >> from), at = from * CR_PAGE, left;

		n = rest ? (unsigned int)__builtin_ctzll(rest) : 64;
		mask = from + n >= 64 ? 0 : mask >> (from + n) << (from + n);
		left = n * CR_PAGE;
		c->written += left;
		while (left) {
			ssize_t got = pwrite(c->out, c->buf + at, left, (off_t)(offset + at));

			if (got < 0 && errno == EINTR)
				continue;
			if (got < 0)
				return cr_err_sys(err, "unable to write the pages file");
			at += (uint64_t)got;
			left -= (uint64_t)got;
		}
	}
	return 0;
}

/* What is in the buffer, to be at @offset in the pages file. */
static int flush(struct copier *c, const struct batch *b, struct unit *u, uint64_t offset,
		 struct cr_err *err)
{
	uint64_t at = 0, mask = 0;

	if ((b->shmem ? read_object(c, b, err) : read_process(c, b, err)) < 0)
		return -1;
	for (unsigned int i = 0; i < c->n_pieces; i++) {
		if (sort_piece(c, u, &c->pieces[i], at, offset, &mask, err) < 0)
			return -1;
		at += c->pieces[i].length;
	}
	return write_pages(c, mask, offset, err);
}

int copy_unit(struct copier *c, const struct batch *b, struct unit *u, struct cr_err *err)
{
	size_t i = u->span;
	uint64_t skip = u->skip, left = u->length, offset = u->offset;

	while (left) {
		uint64_t fill = 0;

		c->n_pieces = 0;
		while (left && fill < c->size) {
			struct span *piece = &c->pieces[c->n_pieces++];

			*piece = b->spans[i];
			piece->address += skip;
			piece->length -= skip;
			if (piece->length > c->size - fill)
				piece->length = c->size - fill;
			if (piece->length > left)
				piece->length = left;
			fill += piece->length;
			left -= piece->length;
			skip += piece->length;
			if (skip == b->spans[i].length) {
				i++;
				skip = 0;
			}
		}
		if (flush(c, b, u, offset, err) < 0)
			return -1;
		offset += fill;
	}
	return 0;
}
