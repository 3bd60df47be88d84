/* SPDX-License-Identifier: MIT */
/*
 * AF_UNIX sockets: what a descriptor tells is read when the socket is met,
 * what only sock_diag tells comes from one dump of it when all have been.
 */
#include "unix.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "clean.h"
#include "common.h"

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59	/* 4.13 */
#endif
#define DIAG_TRIES 5

static bool match(const struct sock *s)
{
	return s->family == AF_UNIX;
}

int unix_refuse(struct net *n, struct unix_sock *u, const char *what, const char *remedy,
		struct cr_err *err)
{
	u->refused = true;
	return sock_refuse(n, &u->s, what, remedy, err);
}

int unix_set_name(struct net *n, ProtobufCBinaryData *out, const void *addr, size_t len,
		  struct cr_err *err)
{
	const struct sockaddr_un *un = addr;
	size_t head = offsetof(struct sockaddr_un, sun_path);

	out->len = 0;
	if (len <= head)
		return 0;
	len -= head;
	/* The NUL behind a path is no part of it. */
	if (un->sun_path[0] && un->sun_path[len - 1] == '\0')
		len--;
	out->data = net_alloc(n, len, err);
	if (!out->data)
		return -1;
	memcpy(out->data, un->sun_path, len);
	out->len = len;
	return 0;
}

static int fill_name(struct net *n, struct unix_sock *u, int fd, struct cr_err *err)
{
	/* The kernel may put one byte behind a name that fills sun_path. */
	char buf[sizeof(struct sockaddr_un) + 16] = "";
	socklen_t len = sizeof(buf);

	if (getsockname(fd, (struct sockaddr *)buf, &len) < 0)
		return cr_err_sys(err, "getsockname");
	return unix_set_name(n, &u->m.name, buf, len, err);
}

/* The supplementary groups of the one that SO_PEERCRED tells. */
static int fill_groups(struct net *n, int fd, Cr__UnixCred *c, struct cr_err *err)
{
	socklen_t len = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE || !len)
		return 0;
	c->groups = net_alloc(n, len, err);
	if (!c->groups)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, c->groups, &len) < 0)
		return cr_err_sys(err, "SO_PEERGROUPS");
	c->n_groups = len / sizeof(gid_t);
	return 0;
}

static int fill_cred(struct net *n, struct unix_sock *u, int fd, struct cr_err *err)
{
	struct ucred uc;
	socklen_t len = sizeof(uc);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) < 0)
		return cr_err_sys(err, "SO_PEERCRED");
	if (uc.pid <= 0)
		return 0;
	u->m.cred = net_alloc(n, sizeof(*u->m.cred), err);
	if (!u->m.cred)
		return -1;
	cr__unix_cred__init(u->m.cred);
	u->m.cred->tgid = (uint32_t)uc.pid;
	u->m.cred->uid = uc.uid;
	u->m.cred->gid = uc.gid;
	return fill_groups(n, fd, u->m.cred, err);
}

static int add_sock(struct net *n, const struct sock *s, struct unix_sock **out, struct cr_err *err)
{
	struct unix_sock *u = net_alloc(n, sizeof(*u), err);
	struct unix_all *all = n->unix_all;

	if (!all)
		all = n->unix_all = net_alloc(n, sizeof(*all), err);
	if (!u || !all)
		return -1;
	/* Room grows at each power of two; what was before stays unused. */
	if ((all->count & (all->count - 1)) == 0) {
		struct unix_sock **grown =
			net_alloc(n, (all->count ? all->count * 2 : 1) * sizeof(*grown), err);

		if (!grown)
			return -1;
		if (all->count)
			memcpy(grown, all->list, all->count * sizeof(*grown));
		all->list = grown;
	}
	all->list[all->count++] = u;
	u->s = *s;
	u->s.record = NULL;
	u->group = u;
	cr__unix_socket__init(&u->m);
	u->m.id = s->id;
	u->m.open_flags = s->flags;
	u->m.sock_type = (uint32_t)s->type;
	*out = u;
	return 0;
}

static int dump(struct net *n, const struct sock *s, int fd, struct cr_err *err)
{
	struct unix_sock *u;
	int r;

	if (add_sock(n, s, &u, err) < 0)
		return -1;
	u->m.common = net_alloc(n, sizeof(*u->m.common), err);
	if (!u->m.common)
		return -1;
	r = common_fill(n, s, fd, u->m.common, err);
	if (r < 0)
		return -1;
	u->refused = r == 1;
	if (fill_name(n, u, fd, err) < 0 || fill_cred(n, u, fd, err) < 0)
		return -1;
	if (unix_queue(n, u, fd, err) < 0)
		return -1;
	return u->refused ? 0 : unix_rights(n, u, s->record, err);
}

/* --- sock_diag ------------------------------------------------------------- */

struct unix_sock *unix_by_ino(const struct unix_all *all, uint64_t ino)
{
	unsigned int lo = 0, hi = all->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (all->list[mid]->s.ino == ino)
			return all->list[mid];
		if (all->list[mid]->s.ino < ino)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static int by_ino(const void *a, const void *b)
{
	uint64_t x = (*(struct unix_sock *const *)a)->s.ino;
	uint64_t y = (*(struct unix_sock *const *)b)->s.ino;

	return x < y ? -1 : x > y;
}

static int take_pending(struct net *n, struct unix_sock *u, const struct cr_unix_diag *d,
			struct cr_err *err)
{
	if (!d->n_pending)
		return 0;
	u->pending = net_alloc(n, d->n_pending * sizeof(*u->pending), err);
	if (!u->pending)
		return -1;
	memcpy(u->pending, d->pending, d->n_pending * sizeof(*u->pending));
	u->n_pending = d->n_pending;
	return 0;
}

static int take_diag(void *ctx, const struct cr_unix_diag *d, struct cr_err *err)
{
	struct net *n = ctx;
	struct unix_sock *u = unix_by_ino(n->unix_all, d->ino);

	if (!u || u->found)
		return 0;
	u->found = true;
	u->has_peer = d->has_peer;
	u->peer_ino = d->peer;
	u->m.shutdown = d->shutdown;
	switch (d->state) {
	case TCP_LISTEN:
		u->m.state = CR__UNIX_STATE__UNIX_LISTENING;
		u->m.backlog = d->wqueue;
		return take_pending(n, u, d, err);
	case TCP_ESTABLISHED:
		/* One that has only been connected to is in that state too. */
		if (d->has_peer)
			u->m.state = CR__UNIX_STATE__UNIX_CONNECTED;
		u->wqueue = d->wqueue;
		return 0;
	default:
		return 0;
	}
}

static const struct unix_sock *find_missing(const struct unix_all *all)
{
	for (unsigned int i = 0; i < all->count; i++)
		if (!all->list[i]->found)
			return all->list[i];
	return NULL;
}

/* A dump of sock_diag goes on by counting, so when sockets of others vanish
 * meanwhile it may leave out one of ours. */
static int ask_diag(struct net *n, struct cr_err *err)
{
	const struct unix_sock *missing = NULL;

	for (int tries = 0; tries < DIAG_TRIES; tries++) {
		if (cr_unix_diag(take_diag, n, err) < 0)
			return -1;
		missing = find_missing(n->unix_all);
		if (!missing)
			return 0;
	}
	return cr_err_set(err, CR_SYSTEM, "pid %d: fd %u: sock_diag does not know the socket",
			  (int)missing->s.pid, missing->s.fd);
}

static int finish(struct net *n, struct cr_err *err)
{
	struct unix_all *all = n->unix_all;

	if (!all)
		return 0;
	if (all->count)
		qsort(all->list, all->count, sizeof(*all->list), by_ino);
	if (ask_diag(n, err) < 0 || unix_link(n, err) < 0)
		return -1;
	for (unsigned int i = 0; i < all->count; i++)
		if (!all->list[i]->refused &&
		    cr_stage_put(n->st, CR_KIND_UNIX_SOCKET, &all->list[i]->m, err) < 0)
			return -1;
	return 0;
}

const struct family unix_family = { .match = match, .dump = dump, .finish = finish };
