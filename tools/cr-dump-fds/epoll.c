/* SPDX-License-Identifier: MIT */
/*
 * epoll: its items, from fdinfo.  An item names a number and holds a
 * description; which one, kcmp(KCMP_EPOLL_TFD, 4.13) tells.
 */
#include <inttypes.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clean.h"
#include "epoll-params.h"
#include "kinds.h"
#include "list.h"

/* What the kernel leaves of the events of a one-shot item that has fired. */
#define KEPT (EPOLLET | EPOLLONESHOT | EPOLLWAKEUP | EPOLLEXCLUSIVE)

struct item {
	uint32_t fd;
	uint32_t events;
	uint64_t data;
	uint64_t ino;
	size_t nth;	/* in fdinfo; then among the items with that number */
};

static bool match(const struct file *f)
{
	return file_target_is(f, "anon_inode:[eventpoll]");
}

/* "tfd: 5 events: 19 data: 7ffd00000005  pos:0 ino:61 sdev:7" */
static int parse_items(const struct file *f, struct item **out, size_t *count, struct cr_err *err)
{
	for (const char *p = f->info; (p = strstr(p, "\ntfd:")); p++) {
		struct item it = { 0 };

		if (sscanf(p,
			   "\ntfd: %" SCNu32 " events: %" SCNx32 " data: %" SCNx64
			   " pos:%*d ino:%" SCNx64,
			   &it.fd, &it.events, &it.data, &it.ino) != 4)
			return cr_err_set(err, CR_SYSTEM, "its fdinfo is not understood");
		if (cr_list_room(*out, *count, err) < 0)
			return -1;
		it.nth = *count;
		(*out)[(*count)++] = it;
	}
	return 0;
}

static int by_number(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->fd != y->fd)
		return x->fd < y->fd ? -1 : 1;
	return x->nth < y->nth ? -1 : x->nth > y->nth;
}

/* KCMP_EPOLL_TFD counts items of one number in the order of fdinfo. */
static void number_items(struct item *items, size_t n)
{
	if (n)
		qsort(items, n, sizeof(items[0]), by_number);
	for (size_t i = 0; i < n; i++)
		items[i].nth = i && items[i].fd == items[i - 1].fd ? items[i - 1].nth + 1 : 0;
}

/* 0: the item holds @target; 1: not; -1: error. */
static int holds(const struct file *epoll, const struct item *it, const struct file *target,
		 struct cr_err *err)
{
	struct kcmp_epoll_slot slot = { .efd = (uint32_t)epoll->fd,
					.tfd = it->fd,
					.toff = (uint32_t)it->nth };
	long r = syscall(SYS_kcmp, target->proc->pid, epoll->proc->pid, KCMP_EPOLL_TFD, target->fd,
			 &slot);

	if (r < 0)
		return cr_err_sys(err, "kcmp of its item %u", it->fd);
	return r != 0;
}

/* The number still leads there mostly; then the others with that inode. */
static int find_target(struct dump *d, const struct file *f, const struct item *it,
		       struct file **out, struct cr_err *err)
{
	struct file *guess = process_file(f->proc, (int)it->fd);
	int r = guess && guess->ino == it->ino ? holds(f, it, guess, err) : 1;

	*out = guess;
	for (uint32_t i = 0; r == 1 && i < d->n_all; i++) {
		*out = d->all[i];
		if (d->all[i]->ino == it->ino && d->all[i] != guess)
			r = holds(f, it, d->all[i], err);
	}
	if (r == 1)
		*out = NULL;
	return r < 0 ? -1 : 0;
}

static bool has_fired(const struct item *it)
{
	return it->events & EPOLLONESHOT && !(it->events & ~KEPT);
}

/* Is somebody told by a signal when something can be read from the pipe? */
static bool signals(const struct dump *d, const struct file *pipe)
{
	for (uint32_t i = 0; i < d->n_all; i++)
		if (d->all[i]->ino == pipe->ino && d->all[i]->flags & O_ASYNC)
			return true;
	return false;
}

/*
 * A one-shot item that has fired reports nothing, not even a hangup, and no
 * call makes one like it: at the restore it has to fire again.  Can it?
 */
static int can_fire(const struct dump *d, const struct file *target, bool *can, struct cr_err *err)
{
	static const char *const quiet[] = { "timerfd", "signalfd", "inotify", "fanotify",
					     "epoll" };
	cr_auto_fd int fd = file_get(target, err);
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (fd < 0)
		return -1;
	*can = poll(&p, 1, 0) == 1;
	/* A byte can be lent to an empty one. */
	if (target->kind == &kind_pipe && (target->flags & O_ACCMODE) == O_RDONLY)
		*can |= !signals(d, target);
	/* These know neither hangup nor error. */
	for (size_t i = 0; i < sizeof(quiet) / sizeof(quiet[0]); i++)
		*can |= target->kind && strcmp(target->kind->name, quiet[i]) == 0;
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0)
		*can |= listens;
	return 0;
}

static int check_fired(struct dump *d, const struct file *f, const struct item *it,
		       const struct file *target, bool *refused, struct cr_err *err)
{
	char what[128];
	bool can = true;

	if (has_fired(it) && can_fire(d, target, &can, err) < 0)
		return -1;
	if (can)
		return 0;
	*refused = true;
	snprintf(what, sizeof(what),
		 "its one-shot item %u has fired, and nothing would make it fire again", it->fd);
	return file_refuse(d, f, "epoll", what, "try again", err);
}

static int fill_items(struct dump *d, const struct file *f, const struct item *items, size_t n,
		      Cr__EpollItem *out, bool *refused, struct cr_err *err)
{
	struct file *target;
	char what[96];

	for (size_t i = 0; i < n; i++) {
		if (find_target(d, f, &items[i], &target, err) < 0)
			return -1;
		cr__epoll_item__init(&out[i]);
		out[i].fd = items[i].fd;
		out[i].events = items[i].events;
		out[i].data = items[i].data;
		if (target) {
			out[i].file = target->id;
			if (check_fired(d, f, &items[i], target, refused, err) < 0)
				return -1;
			continue;
		}
		*refused = true;
		snprintf(what, sizeof(what),
			 "watches a file by number %u that no process of the "
			 "tree has open",
			 items[i].fd);
		if (file_refuse(d, f, "epoll", what, "remove the item", err) < 0)
			return -1;
	}
	return 0;
}

/* A kernel that has none knows no such call. */
static int fill_params(const struct file *f, struct cr_epoll_params *params, Cr__Epoll *m,
		       struct cr_err *err)
{
	static const struct cr_epoll_params none;
	cr_auto_fd int fd = file_get(f, err);

	if (fd < 0)
		return -1;
	memset(params, 0, sizeof(*params));
	if (ioctl(fd, CR_EPIOCGPARAMS, params) == 0 && memcmp(params, &none, sizeof(none)) != 0) {
		m->params.data = (uint8_t *)params;
		m->params.len = sizeof(*params);
	}
	return 0;
}

static int late(struct dump *d, struct file *f, struct cr_err *err)
{
	struct cr_epoll_params params;
	Cr__Epoll m = CR__EPOLL__INIT;
	cr_auto_free struct item *items = NULL;
	cr_auto_free Cr__EpollItem *out = NULL;
	cr_auto_free Cr__EpollItem **list = NULL;
	bool refused = false;
	size_t n = 0;

	if (fill_params(f, &params, &m, err) < 0 || parse_items(f, &items, &n, err) < 0)
		return -1;
	number_items(items, n);
	out = calloc(n + 1, sizeof(*out));
	list = calloc(n + 1, sizeof(*list));
	if (!out || !list)
		return cr_err_sys(err, "out of memory");
	for (size_t i = 0; i < n; i++)
		list[i] = &out[i];
	if (fill_items(d, f, items, n, out, &refused, err) < 0)
		return -1;
	m.id = f->id;
	m.open_flags = f->flags;
	m.n_items = n;
	m.items = list;
	return refused ? 0 : cr_stage_put(d->st, CR_KIND_EPOLL, &m, err);
}

const struct file_kind kind_epoll = {
	.name = "epoll",
	.match = match,
	.late = late,
};
