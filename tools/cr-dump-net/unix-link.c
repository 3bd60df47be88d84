/* SPDX-License-Identifier: MIT */
/*
 * What AF_UNIX sockets have to do with each other: who is connected to whom,
 * whose name is whose, which connections wait, and what must therefore be made
 * together at the restore.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clean.h"
#include "unix.h"

static int compare_names(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	size_t len = a->len < b->len ? a->len : b->len;
	int r = len ? memcmp(a->data, b->data, len) : 0;

	return r ? r : (a->len > b->len) - (a->len < b->len);
}

static bool listens(const struct unix_sock *u)
{
	return u->m.state == CR__UNIX_STATE__UNIX_LISTENING;
}

/* A listener before those that it has accepted. */
static int by_name(const void *a, const void *b)
{
	const struct unix_sock *x = *(struct unix_sock *const *)a;
	const struct unix_sock *y = *(struct unix_sock *const *)b;
	int r = compare_names(&x->m.name, &y->m.name);

	return r ? r : listens(y) - listens(x);
}

struct unix_sock *unix_by_name(const struct unix_all *all, const ProtobufCBinaryData *name)
{
	unsigned int lo = 0, hi = all->n_names;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (compare_names(&all->by_name[mid]->m.name, name) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == all->n_names || compare_names(&all->by_name[lo]->m.name, name) != 0)
		return NULL;
	return all->by_name[lo];
}

static int sort_names(struct net *n, struct unix_all *all, struct cr_err *err)
{
	all->by_name = net_alloc(n, (all->count + 1) * sizeof(*all->by_name), err);
	if (!all->by_name)
		return -1;
	for (unsigned int i = 0; i < all->count; i++)
		if (all->list[i]->m.name.len)
			all->by_name[all->n_names++] = all->list[i];
	if (all->n_names)
		qsort(all->by_name, all->n_names, sizeof(*all->by_name), by_name);
	return 0;
}

/* --- groups ---------------------------------------------------------------- */

static struct unix_sock *group_of(struct unix_sock *u)
{
	while (u->group != u) {
		u->group = u->group->group;
		u = u->group;
	}
	return u;
}

static void join(struct unix_sock *a, struct unix_sock *b)
{
	if (!a || !b)
		return;
	a = group_of(a);
	b = group_of(b);
	if (a->m.id < b->m.id)
		b->group = a;
	else
		a->group = b;
}

static void join_names(struct unix_all *all)
{
	for (unsigned int i = 1; i < all->n_names; i++)
		if (compare_names(&all->by_name[i - 1]->m.name, &all->by_name[i]->m.name) == 0)
			join(all->by_name[i - 1], all->by_name[i]);
}

/* --- peers ----------------------------------------------------------------- */

/* The peer lives elsewhere. */
static int outside(struct net *n, struct unix_sock *u, struct cr_err *err)
{
	char remedy[160];

	if (sock_is_external(n, "unix", u->s.ino)) {
		u->m.peer_closed = true;
		return 0;
	}
	if (u->s.type == SOCK_DGRAM && u->m.peer_name.len && n->opts.ext_unix)
		return 0;
	snprintf(remedy, sizeof(remedy), "use %s--external 'unix[%llu]' to have it closed",
		 u->s.type == SOCK_DGRAM && u->m.peer_name.len ?
			 "--ext-unix-sk to have it connected again, or " :
			 "",
		 (unsigned long long)u->s.ino);
	return unix_refuse(n, u, "its peer is outside of the tree", remedy, err);
}

static int fill_peer_name(struct net *n, struct unix_sock *u, int fd, struct cr_err *err)
{
	char buf[sizeof(struct sockaddr_un) + 16] = "";
	socklen_t len = sizeof(buf);

	if (getpeername(fd, (struct sockaddr *)buf, &len) < 0)
		return errno == ENOTCONN ? 0 : cr_err_sys(err, "getpeername");
	return unix_set_name(n, &u->m.peer_name, buf, len, err);
}

/* The peer is none of the tree's open sockets: closed, waiting, or elsewhere. */
static int no_peer(struct net *n, struct unix_sock *u, struct cr_err *err)
{
	cr_auto_fd int fd = sock_get(n, &u->s, err);
	struct pollfd pfd = { .fd = fd };

	if (fd < 0 || fill_peer_name(n, u, fd, err) < 0)
		return -1;
	/* Who waits to be accepted has no inode either, but is not shut down. */
	if (u->peer_ino || (u->s.type != SOCK_DGRAM && u->m.shutdown != 3))
		return outside(n, u, err);
	u->m.peer_closed = true;
	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	u->m.reset = u->s.type != SOCK_DGRAM && pfd.revents & POLLERR;
	return 0;
}

static int link_peer(struct net *n, struct unix_sock *u, struct cr_err *err)
{
	if (!u->has_peer || u->in_flight)
		return 0;
	u->peer = u->peer_ino ? unix_by_ino(n->unix_all, u->peer_ino) : NULL;
	if (!u->peer)
		return no_peer(n, u, err);
	u->m.peer = u->peer->m.id;
	join(u, u->peer);
	return 0;
}

/* --- connections that wait -------------------------------------------------- */

static int refuse_pending(struct net *n, struct unix_sock *u, const char *what, struct cr_err *err)
{
	return unix_refuse(n, u, what, "accept it, or drop it with --skip-in-flight", err);
}

static int link_client(struct net *n, struct unix_sock *u, struct unix_sock *c, struct cr_err *err)
{
	if (n->opts.skip_in_flight) {
		if (!c)
			return 0;
		c->in_flight = true;
		c->m.peer_closed = true;
		return 0;
	}
	if (!c)
		return refuse_pending(
			n, u, "a connection waits whose client is closed or outside of the tree",
			err);
	if (c->s.carrier_pid)
		return refuse_pending(n, u, "a connection waits whose client is in a message", err);
	c->in_flight = true;
	/* They lie in a socket that nobody can open yet. */
	if (c->wqueue)
		return refuse_pending(n, u, "a connection waits that bytes were sent to", err);
	c->peer = u;
	c->m.peer = u->m.id;
	u->m.pending[u->m.n_pending++] = c->m.id;
	join(u, c);
	return 0;
}

static int link_pending(struct net *n, struct unix_sock *u, struct cr_err *err)
{
	if (!u->n_pending)
		return 0;
	u->m.pending = net_alloc(n, u->n_pending * sizeof(*u->m.pending), err);
	if (!u->m.pending)
		return -1;
	for (size_t i = 0; i < u->n_pending && !u->refused; i++) {
		struct unix_sock *c = u->pending[i] ? unix_by_ino(n->unix_all, u->pending[i]) :
						      NULL;

		if (link_client(n, u, c, err) < 0)
			return -1;
	}
	return 0;
}

/* --- names ----------------------------------------------------------------- */

static struct unix_sock *listener_of(const struct unix_all *all, const ProtobufCBinaryData *name)
{
	struct unix_sock *u = unix_by_name(all, name);

	return u && listens(u) ? u : NULL;
}

/*
 * A socket that was accepted has the name of its listener.  The kernel does
 * not tell it from one that was bound before it was connected: with a listener
 * of that name it was accepted, else the older of the two was bound.
 */
static bool is_bound(const struct unix_all *all, const struct unix_sock *u)
{
	if (!u->m.name.len)
		return false;
	if (u->s.type == SOCK_DGRAM || u->m.state != CR__UNIX_STATE__UNIX_CONNECTED || u->in_flight)
		return true;
	if (listener_of(all, &u->m.name))
		return false;
	if (u->peer ? !u->peer->m.name.len : !u->m.peer_name.len)
		return false;
	return !u->peer || listener_of(all, &u->peer->m.name) || u->s.ino < u->peer->s.ino;
}

static int link_name(struct net *n, struct unix_sock *u, struct cr_err *err)
{
	cr_auto_fd int fd = -1;

	u->m.bound = is_bound(n->unix_all, u);
	if (!u->m.bound || !unix_is_path(&u->m.name))
		return 0;
	fd = sock_get(n, &u->s, err);
	return fd < 0 ? -1 : unix_file(n, u, fd, err);
}

/* The senders of datagrams must be there, or be made for a moment. */
static int link_senders(struct net *n, struct unix_sock *u, struct cr_err *err)
{
	/* On a connection only its other end sends. */
	if (u->s.type != SOCK_DGRAM)
		return 0;
	for (size_t i = 0; i < u->m.n_queue; i++) {
		const ProtobufCBinaryData *from = &u->m.queue[i]->from;
		struct unix_sock *sender = from->len ? unix_by_name(n->unix_all, from) : NULL;

		if (sender)
			join(u, sender);
		else if (from->len && !unix_is_path(from))
			return unix_refuse(n, u,
					   "a datagram from an abstract name that is not "
					   "of the tree is in its queue: not supported",
					   "receive it", err);
	}
	return 0;
}

static int for_all(struct net *n, int (*fn)(struct net *n, struct unix_sock *u, struct cr_err *err),
		   struct cr_err *err)
{
	struct unix_all *all = n->unix_all;

	for (unsigned int i = 0; i < all->count; i++)
		if (fn(n, all->list[i], err) < 0)
			return cr_err_wrap(err, "pid %d: fd %u", (int)all->list[i]->s.pid,
					   all->list[i]->s.fd);
	return 0;
}

int unix_link(struct net *n, struct cr_err *err)
{
	struct unix_all *all = n->unix_all;

	if (sort_names(n, all, err) < 0)
		return -1;
	join_names(all);
	if (for_all(n, link_pending, err) < 0 || for_all(n, link_peer, err) < 0 ||
	    for_all(n, link_name, err) < 0 || for_all(n, link_senders, err) < 0)
		return -1;
	for (unsigned int i = 0; i < all->count; i++)
		all->list[i]->m.group = group_of(all->list[i])->m.id;
	return 0;
}
