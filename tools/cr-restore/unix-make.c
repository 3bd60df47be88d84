/* SPDX-License-Identifier: MIT */
/* Making AF_UNIX sockets: the steps, each over all that are made here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "sock.h"
#include "unix.h"
#include "unix-connect.h"

struct batch {
	struct unix_sock **list;
	unsigned int n;
	int (*step)(struct restore *r, struct unix_sock *u, struct cr_err *err);
};

static int by_cred(const void *a, const void *b)
{
	return creator_compare((*(struct unix_sock *const *)a)->cred,
			       (*(struct unix_sock *const *)b)->cred);
}

static int run_batch(struct restore *r, void *ctx, struct cr_err *err)
{
	const struct batch *b = ctx;

	for (unsigned int i = 0; i < b->n; i++)
		if (b->step(r, b->list[i], err) < 0)
			return cr_err_wrap(err, "socket %u", b->list[i]->m->id);
	return 0;
}

/* The step for each of them as its .cred; a process for each of these. */
int unix_run_as(struct restore *r, struct unix_sock **list, unsigned int n,
		int (*step)(struct restore *r, struct unix_sock *u, struct cr_err *err),
		struct cr_err *err)
{
	struct batch b = { .step = step };

	if (n)
		qsort(list, n, sizeof(*list), by_cred);
	for (unsigned int i = 0; i < n; i += b.n) {
		b.list = list + i;
		for (b.n = 1; i + b.n < n && by_cred(&list[i], &list[i + b.n]) == 0; b.n++)
			;
		if (creator_run(r, list[i]->cred, run_batch, &b, err) < 0)
			return -1;
	}
	return 0;
}

/* --- sockets and pairs ------------------------------------------------------ */

static bool is_stream(const struct unix_sock *u)
{
	return u->m->sock_type != SOCK_DGRAM;
}

/* Of a datagram socket and its peer: were they made by socketpair(2)? */
static bool is_datagram_pair(const struct unix_sock *u)
{
	if (!u->peer)
		return false;
	if (u->peer->peer != u)
		return !u->peer->m->name.len;
	return !u->m->name.len || !u->peer->m->name.len || u->m->cred;
}

/* Can it be made with socketpair(2), its other end being .peer or .temp? */
static bool is_pair(const struct unix_sock *u)
{
	/* It was one, until it wrote to an end that was closed. */
	if (!is_stream(u) && u->m->state == CR__UNIX_STATE__UNIX_UNCONNECTED && u->m->cred)
		return true;
	if (u->m->state != CR__UNIX_STATE__UNIX_CONNECTED)
		return false;
	/* Who was connected by name knows nobody's credentials, and a pair does. */
	if (u->m->peer_closed && !is_stream(u) && u->m->peer_name.len && !u->m->cred)
		return false;
	/* An abstract name may have got another owner: it is let go. */
	if (u->m->peer_closed)
		return !unix_is_path(&u->m->peer_name) && !unix_was_accepted(u);
	if (!is_stream(u))
		return is_datagram_pair(u);
	return u->peer && u->peer->peer == u && !unix_was_accepted(u) &&
	       !unix_was_accepted(u->peer);
}

static int make_pair(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	int fd[2];

	if (socketpair(AF_UNIX, (int)u->m->sock_type | SOCK_CLOEXEC, 0, fd) < 0)
		return cr_err_sys(err, "socketpair");
	u->fd = file_stash(r, fd[0], err);
	if (u->fd < 0)
		return -1;
	if (u->m->state != CR__UNIX_STATE__UNIX_CONNECTED) {
		struct sockaddr none = { .sa_family = AF_UNSPEC };

		close(fd[1]);
		return connect(u->fd, &none, sizeof(none)) < 0 ?
			       cr_err_sys(err, "unable to disconnect a socket") :
			       0;
	}
	fd[1] = file_stash(r, fd[1], err);
	if (fd[1] < 0)
		return -1;
	if (u->m->peer_closed)
		u->temp = fd[1];
	else
		u->peer->fd = fd[1];
	return 0;
}

static int make_single(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	u->fd = socket(AF_UNIX, (int)u->m->sock_type | SOCK_CLOEXEC, 0);
	if (u->fd < 0)
		return cr_err_sys(err, "socket");
	u->fd = file_stash(r, u->fd, err);
	return u->fd < 0 ? -1 : 0;
}

static int make_sockets(struct restore *r, struct unix_sock **list, unsigned int n,
			struct cr_err *err)
{
	cr_auto_free struct unix_sock **pairs = calloc(n + 1, sizeof(*pairs));
	unsigned int n_pairs = 0;

	if (!pairs)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < n; i++) {
		struct unix_sock *u = list[i];

		if (u->made || !is_pair(u))
			continue;
		u->made = true;
		if (u->peer && !u->m->peer_closed)
			u->peer->made = true;
		u->cred = u->m->cred;
		pairs[n_pairs++] = u;
	}
	if (unix_run_as(r, pairs, n_pairs, make_pair, err) < 0)
		return -1;
	/* Who was accepted comes from its listener. */
	for (unsigned int i = 0; i < n; i++)
		if (!list[i]->made && !unix_was_accepted(list[i]) &&
		    make_single(r, list[i], err) < 0)
			return -1;
	return 0;
}

/* --- the steps over all ------------------------------------------------------ */

static bool is_abstract_listener(const struct unix_sock *u)
{
	return u->m->state == CR__UNIX_STATE__UNIX_LISTENING && !unix_is_path(&u->m->name);
}

static int bind_one(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	if (u->fd >= 0 && sock_early(u->fd, u->m->common, err) < 0)
		return -1;
	/* What it has accepted needs its name first. */
	if (is_abstract_listener(u))
		return 0;
	return u->m->bound ? unix_bind(r, u, err) : 0;
}

static int bind_abstract_listener(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	return is_abstract_listener(u) ? unix_bind(r, u, err) : 0;
}

static int fill_datagrams(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	return is_stream(u) ? 0 : unix_fill(r, u, err);
}

static int fill_streams(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	return is_stream(u) ? unix_fill(r, u, err) : 0;
}

/* What was never read when it closed makes the other end see ECONNRESET. */
static int close_temp(struct unix_sock *u, struct cr_err *err)
{
	if (u->temp < 0)
		return 0;
	if (u->m->reset && send(u->fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return cr_err_sys(err, "unable to have a connection reset");
	close(u->temp);
	u->temp = -1;
	return 0;
}

static int finish_one(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	static const int how[] = { [1] = SHUT_RD, [2] = SHUT_WR, [3] = SHUT_RDWR };
	unsigned int shut = u->m->shutdown & 3;

	(void)r;
	if (close_temp(u, err) < 0)
		return -1;
	if (shut && shutdown(u->fd, how[shut]) < 0 && errno != ENOTCONN)
		return cr_err_sys(err, "shutdown");
	return sock_late(u->fd, u->m->common, u->m->open_flags, err);
}

static int for_all(struct restore *r, struct unix_sock **list, unsigned int n,
		   int (*step)(struct restore *r, struct unix_sock *u, struct cr_err *err),
		   struct cr_err *err)
{
	struct batch b = { list, n, step };

	return run_batch(r, &b, err);
}

/* The restorer makes those that are shared, a process its own. */
static unsigned int choose(struct restore *r, struct unix_sock **list)
{
	const struct unix_socks *s = r->unix_socks;
	const struct task_image *t = image_task(&r->img, (uint32_t)getpid());
	unsigned int n = 0;

	for (unsigned int i = 0; i < s->count; i++) {
		const struct file_image *f = image_file(&r->img, s->list[i].m->id);

		if (t ? f->shared || f->first_user != t->index + 1 : !f->shared)
			continue;
		s->list[i].maker = getpid();
		list[n++] = &s->list[i];
	}
	return n;
}

int unix_make(struct restore *r, struct cr_err *err)
{
	cr_auto_free struct unix_sock **list = calloc(r->unix_socks->count + 1, sizeof(*list));
	unsigned int n;

	if (!list)
		return cr_err_sys(err, "out of memory");
	r->unix_socks->done = getpid();
	n = choose(r, list);
	/* All must be there before one of them is sent in a message. */
	if (make_sockets(r, list, n, err) < 0 || for_all(r, list, n, bind_one, err) < 0 ||
	    unix_connect_streams(r, list, n, err) < 0 ||
	    for_all(r, list, n, fill_datagrams, err) < 0 ||
	    for_all(r, list, n, unix_connect_datagrams, err) < 0 ||
	    for_all(r, list, n, fill_streams, err) < 0 ||
	    for_all(r, list, n, bind_abstract_listener, err) < 0 ||
	    unix_listen_all(r, list, n, err) < 0)
		return -1;
	return for_all(r, list, n, finish_one, err);
}
