/* SPDX-License-Identifier: MIT */
/*
 * epoll: made empty; its items are added when everything has its number.  An
 * item is added by the number it had, which may since have been closed or
 * given to another file: then the description stands there for a moment.
 *
 * A one-shot item that has fired reports nothing until it is armed again, not
 * even errors, and only the kernel makes it so: it is added for everything and
 * fires, before anything else is in the epoll that could.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "epoll-params.h"
#include "file-kinds.h"
#include "numbers.h"
#include "restore.h"

#define EVERYTHING                                                                             \
	(EPOLLIN | EPOLLPRI | EPOLLOUT | EPOLLRDNORM | EPOLLRDBAND | EPOLLWRNORM | EPOLLWRBAND | \
	 EPOLLMSG | EPOLLRDHUP)
#define KEPT (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)

static int epoll_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Epoll *m = msg;

	if (m->params.len && m->params.len != sizeof(struct cr_epoll_params))
		return cr_err_set(err, CR_BAD_INPUT, "epoll %u: malformed parameters", m->id);
	for (size_t i = 0; i < m->n_items; i++)
		if (!image_file(&r->img, m->items[i]->file))
			return cr_err_set(err, CR_BAD_INPUT,
					  "epoll %u: item %u: its description is missing", m->id,
					  m->items[i]->fd);
	return 0;
}

static uint32_t epoll_uses(const void *msg, size_t n)
{
	const Cr__Epoll *m = msg;

	return n < m->n_items ? m->items[n]->file : 0;
}

static int epoll_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__Epoll *m = msg;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	(void)r;
	if (fd < 0)
		return cr_err_sys(err, "epoll_create1");
	if (!m->params.len || ioctl(fd, CR_EPIOCSPARAMS, m->params.data) == 0)
		return fd;
	cr_err_sys(err, "EPIOCSPARAMS");
	close(fd);
	return -1;
}

static bool has_fired(const Cr__EpollItem *it)
{
	return it->events & EPOLLONESHOT && !(it->events & ~(uint32_t)KEPT);
}

/* An empty pipe has something to read for a moment.  Nobody of the tree looks
 * yet, and the dump has seen to it that nobody is told by a signal. */
static int fire_by_byte(const struct file_image *f, int epoll)
{
	struct epoll_event ev;
	char path[40], byte = 0;
	int fd, n = 0;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
	fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && write(fd, &byte, 1) == 1) {
		n = epoll_wait(epoll, &ev, 1, 0);
		if (read(fd, &byte, 1) != 1)
			n = 0;
	}
	if (fd >= 0)
		close(fd);
	return n;
}

static int fire(struct restore *r, int epoll, const Cr__EpollItem *it, struct cr_err *err)
{
	const struct file_image *f = image_file(&r->img, it->file);
	struct epoll_event ev = { .events = it->events, .data.u64 = it->data };
	int n = epoll_wait(epoll, &ev, 1, 0);

	if (n == 0 && f->kind == CR_KIND_PIPE)
		n = fire_by_byte(f, epoll);
	if (n == 1)
		return 0;
	/* It is of a kind that has no errors: none is what it may report. */
	ev = (struct epoll_event){ .events = it->events, .data.u64 = it->data };
	if (n < 0 || epoll_ctl(epoll, EPOLL_CTL_MOD, (int)it->fd, &ev) < 0)
		return cr_err_sys(err, "unable to set item %u of an epoll", it->fd);
	return 0;
}

static int add(struct restore *r, int epoll, const Cr__EpollItem *it, struct cr_err *err)
{
	struct epoll_event ev = { .events = it->events, .data.u64 = it->data };

	if (has_fired(it))
		ev.events |= EVERYTHING;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, (int)it->fd, &ev) < 0)
		return cr_err_sys(err, "unable to add item %u to an epoll", it->fd);
	return has_fired(it) ? fire(r, epoll, it, err) : 0;
}

static uint32_t holder_of(const struct task_image *t, uint32_t number)
{
	const Cr__FdTable *table = t->fds;

	for (size_t i = 0; i < table->n_fds; i++)
		if (table->fds[i]->fd == number)
			return table->fds[i]->file;
	return 0;
}

/* Its number is free or another file's: lend it to the description. */
static int add_by_lent_number(struct restore *r, int epoll, const Cr__EpollItem *it, bool taken,
			      struct cr_err *err)
{
	int number = (int)it->fd, saved = -1, flags = 0, ret;
	/* The epoll itself may stand at that number. */
	int own = number_dup(r, epoll, err), fd = file_number(r, it->file, err);

	if (own < 0 || fd < 0)
		return -1;
	if (taken) {
		flags = fcntl(number, F_GETFD);
		if (flags < 0)
			return cr_err_sys(err, "unable to lend number %d", number);
		saved = number_dup(r, number, err);
		if (saved < 0)
			return -1;
	}
	if (dup3(fd, number, O_CLOEXEC) < 0)
		return cr_err_sys(err, "dup3 to %d", number);
	ret = add(r, own, it, err);
	if (saved >= 0) {
		if (dup3(saved, number, flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0 && ret == 0)
			ret = cr_err_sys(err, "dup3 back to %d", number);
		close(saved);
	} else {
		close(number);
	}
	close(own);
	return ret;
}

static int add_item(struct restore *r, const struct task_image *t, int epoll,
		    const Cr__EpollItem *it, struct cr_err *err)
{
	uint32_t holder = holder_of(t, it->fd);

	if (holder == it->file)
		return add(r, epoll, it, err);
	return add_by_lent_number(r, epoll, it, holder != 0, err);
}

static int epoll_late(struct restore *r, const struct task_image *t, const void *msg, int fd,
		      struct cr_err *err)
{
	const Cr__Epoll *m = msg;

	for (int fired = 1; fired >= 0; fired--)
		for (size_t i = 0; i < m->n_items; i++)
			if (has_fired(m->items[i]) == fired &&
			    add_item(r, t, fd, m->items[i], err) < 0)
				return -1;
	return 0;
}

const struct file_ops epoll_ops = {
	.kind = CR_KIND_EPOLL,
	.check = epoll_check,
	.uses = epoll_uses,
	.open = epoll_open,
	.late = epoll_late,
};
