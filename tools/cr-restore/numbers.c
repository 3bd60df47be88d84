/* SPDX-License-Identifier: MIT */
#include "numbers.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"

#define ENOUGH 4096u	/* rarely needs a restore more */
#define FIRST 64u	/* what is opened in passing has lower numbers */

/* How many numbers there can be; at least @wanted where that is allowed. */
static int raise_limit(uint32_t wanted, uint32_t *count, struct cr_err *err)
{
	struct rlimit lim, more;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return cr_err_sys(err, "getrlimit");
	more.rlim_cur = more.rlim_max = wanted;
	/* Beyond the hard limit with CAP_SYS_RESOURCE only, and fs.nr_open. */
	if (lim.rlim_max >= wanted || setrlimit(RLIMIT_NOFILE, &more) < 0) {
		more.rlim_cur = more.rlim_max = lim.rlim_max;
		if (setrlimit(RLIMIT_NOFILE, &more) < 0)
			return cr_err_sys(err, "setrlimit");
	}
	*count = more.rlim_cur > INT32_MAX ? INT32_MAX : (uint32_t)more.rlim_cur;
	return 0;
}

/* All that descriptors have, and those by which items of an epoll are added. */
static void each_number(const struct restore *r, void (*fn)(void *ctx, uint32_t fd), void *ctx)
{
	const struct msg_list *epolls = &r->img.kinds[CR_KIND_EPOLL];

	for (unsigned int i = 0; i < r->img.n_tasks; i++) {
		const Cr__FdTable *t = r->img.tasks[i].fds;

		for (size_t n = 0; t && n < t->n_fds; n++)
			fn(ctx, t->fds[n]->fd);
	}
	for (unsigned int i = 0; i < epolls->count; i++) {
		const Cr__Epoll *m = epolls->items[i];

		for (size_t n = 0; n < m->n_items; n++)
			fn(ctx, m->items[n]->fd);
	}
}

static void find_highest(void *ctx, uint32_t fd)
{
	uint32_t *max = ctx;

	if (fd > *max)
		*max = fd;
}

static void mark_used(void *ctx, uint32_t fd)
{
	bool *used = ctx;

	used[fd] = true;
}

/* The widest gap below @max, which is used. */
static int find_gap(struct restore *r, uint32_t max, uint32_t *base, uint32_t *end,
		    struct cr_err *err)
{
	cr_auto_free bool *used = calloc((size_t)max + 1, sizeof(*used));
	uint32_t from = FIRST;

	if (!used)
		return cr_err_sys(err, "out of memory");
	each_number(r, mark_used, used);
	used[max] = true;
	*base = *end = FIRST;
	for (uint32_t fd = FIRST; fd <= max; fd++) {
		if (!used[fd])
			continue;
		if (fd - from > *end - *base) {
			*base = from;
			*end = fd;
		}
		from = fd + 1;
	}
	return 0;
}

int numbers_choose(struct restore *r, struct cr_err *err)
{
	uint32_t max = FIRST - 1, count = 0, base = 0, end = 0;

	each_number(r, find_highest, &max);
	if (max >= INT32_MAX - ENOUGH)
		return cr_err_set(err, CR_BAD_INPUT, "a descriptor has the number %u", max);
	if (raise_limit(max + ENOUGH, &count, err) < 0)
		return -1;
	if (max >= count)
		return cr_err_set(err, CR_REFUSED,
				  "the image has a descriptor %u, beyond the hard "
				  "limit of %u; raise it with ulimit -Hn",
				  max, count);
	r->fd_base = (int)max + 1;
	r->fd_end = INT32_MAX;
	if (count - (max + 1) >= ENOUGH)
		return 0;
	if (find_gap(r, max, &base, &end, err) < 0)
		return -1;
	if (end - base > count - (max + 1)) {
		r->fd_base = (int)base;
		r->fd_end = (int)end;
	}
	return 0;
}

bool number_is_own(const struct restore *r, int fd)
{
	return fd >= r->fd_base && fd < r->fd_end;
}

int number_dup(const struct restore *r, int fd, struct cr_err *err)
{
	int own = fcntl(fd, F_DUPFD_CLOEXEC, r->fd_base);

	if (own >= 0 && own < r->fd_end)
		return own;
	if (own < 0 && errno != EMFILE)
		return cr_err_sys(err, "F_DUPFD_CLOEXEC");
	if (own >= 0)
		close(own);
	return cr_err_set(err, CR_REFUSED,
			  "the tree uses too many of the numbers that descriptors can have: there "
			  "is no room for more of the restore's own above %d; raise the hard "
			  "limit with ulimit -Hn",
			  r->fd_base);
}

static int close_range_of(unsigned int first, unsigned int last)
{
	return (int)syscall(SYS_close_range, first, last, 0);
}

int numbers_close_own(const struct restore *r)
{
	return close_range_of((unsigned int)r->fd_base, (unsigned int)r->fd_end - 1);
}

int numbers_close_others(const struct restore *r)
{
	if (close_range_of(0, (unsigned int)r->fd_base - 1) < 0)
		return -1;
	return close_range_of((unsigned int)r->fd_end, ~0u);
}
