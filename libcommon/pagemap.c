/* SPDX-License-Identifier: MIT */
#include "pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clean.h"

/* <linux/fs.h> since 6.7 */
struct scan_region {
	uint64_t start;
	uint64_t end;
	uint64_t categories;
};

struct scan_arg {
	uint64_t size;
	uint64_t flags;
	uint64_t start;
	uint64_t end;
	uint64_t walk_end;
	uint64_t vec;
	uint64_t vec_len;
	uint64_t max_pages;
	uint64_t category_inverted;
	uint64_t category_mask;
	uint64_t category_anyof_mask;
	uint64_t return_mask;
};

#define SCAN_IOCTL _IOWR('f', 16, struct scan_arg)
#define IS_FILE (1u << 2)
#define IS_PRESENT (1u << 3)
#define IS_SWAPPED (1u << 4)
#define IS_PFNZERO (1u << 5)
#define IS_GUARD (1u << 8)	/* 6.15 */

#define REGIONS 2048

/* A hole up to this size is walked rather than taken for a reason to call the
 * kernel again: one call costs as much as walking some hundred pages. */
#define NEAR (1u << 20)

struct scan {
	int fd;
	const struct cr_range *ranges;
	unsigned int count;
	unsigned int at;	/* the range that the next run can be in */
	struct cr_page_runs *out;
	uint64_t guard;		/* IS_GUARD, 0 when the kernel does not know it */
	void *buf;
};

static int push(struct scan *s, uint64_t start, uint64_t end, bool guard, struct cr_err *err)
{
	struct cr_page_runs *o = s->out;
	struct cr_page_run *last = o->count ? &o->list[o->count - 1] : NULL;

	if (last && last->end == start && last->range == s->at && last->guard == guard) {
		last->end = end;
		return 0;
	}
	if (o->count == o->room) {
		size_t room = o->room ? o->room * 2 : 64;
		struct cr_page_run *grown = realloc(o->list, room * sizeof(*grown));

		if (!grown)
			return cr_err_sys(err, "out of memory");
		o->list = grown;
		o->room = room;
	}
	o->list[o->count++] = (struct cr_page_run){ start, end, s->at, guard };
	return 0;
}

/* What lies inside of the ranges of a region that may span some. */
static int clip(struct scan *s, uint64_t start, uint64_t end, bool guard, struct cr_err *err)
{
	while (s->at < s->count) {
		const struct cr_range *r = &s->ranges[s->at];
		uint64_t from = start > r->start ? start : r->start;
		uint64_t to = end < r->end ? end : r->end;

		if (from < to && push(s, from, to, guard, err) < 0)
			return -1;
		if (end <= r->end)
			break;
		s->at++;
	}
	return 0;
}

/* 1: the kernel cannot do it this way. */
static int scan_span(struct scan *s, uint64_t start, uint64_t end, struct cr_err *err)
{
	struct scan_region *vec = s->buf;
	struct scan_arg a = {
		.size = sizeof(a),
		.end = end,
		.vec = (uint64_t)vec,
		.vec_len = REGIONS,
		.category_inverted = IS_FILE | IS_PFNZERO,
		.category_mask = IS_FILE | IS_PFNZERO,
		.category_anyof_mask = IS_PRESENT | IS_SWAPPED,
	};

	while (start < end) {
		int n;

		a.start = start;
		a.return_mask = s->guard;
		n = ioctl(s->fd, SCAN_IOCTL, &a);
		if (n < 0 && errno == EINVAL && s->guard) {
			s->guard = 0;
			continue;
		}
		if (n < 0 && (errno == EINVAL || errno == ENOTTY))
			return 1;
		if (n < 0)
			return cr_err_sys(err, "PAGEMAP_SCAN");
		for (int i = 0; i < n; i++)
			if (clip(s, vec[i].start, vec[i].end, vec[i].categories & IS_GUARD, err) <
			    0)
				return -1;
		if (a.walk_end <= start)
			return cr_err_set(err, CR_SYSTEM, "PAGEMAP_SCAN makes no progress");
		start = a.walk_end;
		/* The kernel hands out 512 regions at a time, and .walk_end may be
		 * where the last but one such lot had its end. */
		if (n > 0 && vec[n - 1].end > start)
			start = vec[n - 1].end;
	}
	return 0;
}

static int by_ioctl(struct scan *s, struct cr_err *err)
{
	unsigned int i = 0;
	int ret = 0;

	while (ret == 0 && i < s->count) {
		unsigned int last = i;

		while (last + 1 < s->count &&
		       s->ranges[last + 1].start - s->ranges[last].end < NEAR)
			last++;
		s->at = i;
		ret = scan_span(s, s->ranges[i].start, s->ranges[last].end, err);
		i = last + 1;
	}
	return ret;
}

static int read_range(struct scan *s, const struct cr_range *r, struct cr_err *err)
{
	const uint64_t most = REGIONS * sizeof(struct scan_region) / 8;
	const uint64_t *entries = s->buf;
	uint64_t at = r->start;

	while (at < r->end) {
		uint64_t n = (r->end - at) / CR_PAGE;
		ssize_t got;

		if (n > most)
			n = most;
		got = pread(s->fd, s->buf, n * 8, (off_t)(at / CR_PAGE * 8));
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 8)
			return cr_err_sys(err, "unable to read pagemap");
		for (ssize_t i = 0; i < got / 8; i++, at += CR_PAGE)
			if (entries[i] & (CR_PM_PRESENT | CR_PM_SWAP) &&
			    !(entries[i] & CR_PM_FILE) && push(s, at, at + CR_PAGE, false, err) < 0)
				return -1;
	}
	return 0;
}

static int by_pagemap(struct scan *s, struct cr_err *err)
{
	for (s->at = 0; s->at < s->count; s->at++)
		if (read_range(s, &s->ranges[s->at], err) < 0)
			return -1;
	return 0;
}

int cr_pagemap_scan(pid_t pid, const struct cr_range *ranges, unsigned int count,
		    struct cr_page_runs *out, struct cr_err *err)
{
	cr_auto_free void *buf = malloc(REGIONS * sizeof(struct scan_region));
	cr_auto_fd int fd = -1;
	struct scan s = {
		.ranges = ranges, .count = count, .out = out, .guard = IS_GUARD, .buf = buf
	};
	char path[64];
	int ret = 1;

	memset(out, 0, sizeof(*out));
	if (!buf)
		return cr_err_sys(err, "out of memory");
	snprintf(path, sizeof(path), "/proc/%d/pagemap", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return cr_err_sys(err, "unable to open %s", path);
	s.fd = fd;
	if (!getenv("CR_NO_PAGEMAP_SCAN"))
		ret = by_ioctl(&s, err);
	if (ret > 0) {
		out->count = 0;
		ret = by_pagemap(&s, err);
	}
	if (ret == 0)
		return 0;
	free(out->list);
	memset(out, 0, sizeof(*out));
	return cr_err_wrap(err, "pid %d", (int)pid);
}
