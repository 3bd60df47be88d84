/* SPDX-License-Identifier: MIT */
/*
 * The receive queue of an AF_UNIX socket, looked at with MSG_PEEK.  A stream
 * is one message for each run of bytes of one writer, as far as the kernel
 * tells writers apart (SO_PASSCRED).
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clean.h"
#include "common.h"
#include "peek-offset.h"
#include "unix.h"
#include "waiting.h"

/* Room for SCM_MAX_FD (253) descriptors, credentials and labels. */
#define CONTROL_MAX 4096
#ifndef SCM_PIDFD
#define SCM_PIDFD 4	/* 6.5 */
#endif
#define FIRST_ROOM (256u << 10)

struct look {
	uint8_t *buf;
	size_t room;
	size_t total;	/* bytes seen */
	Cr__UnixMessage **list;
	size_t count;
	unsigned int rights;	/* descriptors in the last message */
	struct waiting_list parts;	/* of a stream, when they are needed */
	bool unseen;	/* ... but cannot be seen */
	bool hidden;	/* empty messages that MSG_PEEK passes over */
};

/* Descriptors that come with a message are duplicates: close them. */
static void close_rights(struct look *l, const struct cmsghdr *c)
{
	const int *fds = (const int *)(const void *)CMSG_DATA(c);
	size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(*fds);

	for (size_t i = 0; i < count; i++)
		close(fds[i]);
	if (c->cmsg_type == SCM_RIGHTS)
		l->rights += (unsigned int)count;
}

static int take_cred(struct net *n, const struct cmsghdr *c, Cr__UnixMessage *m, struct cr_err *err)
{
	struct ucred uc;

	memcpy(&uc, CMSG_DATA(c), sizeof(uc));
	if (uc.pid <= 0)
		return 0;
	m->cred = net_alloc(n, sizeof(*m->cred), err);
	if (!m->cred)
		return -1;
	cr__unix_cred__init(m->cred);
	m->cred->tgid = (uint32_t)uc.pid;
	m->cred->uid = uc.uid;
	m->cred->gid = uc.gid;
	return 0;
}

static int take_control(struct net *n, struct look *l, struct msghdr *h, Cr__UnixMessage *m,
			struct cr_err *err)
{
	l->rights = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_RIGHTS || c->cmsg_type == SCM_PIDFD)
			close_rights(l, c);
		else if (c->cmsg_type == SCM_CREDENTIALS && take_cred(n, c, m, err) < 0)
			return -1;
	}
	return 0;
}

static int add_message(struct net *n, struct look *l, Cr__UnixMessage *m, struct cr_err *err)
{
	/* Room grows at each power of two. */
	if ((l->count & (l->count - 1)) == 0) {
		Cr__UnixMessage **grown =
			net_alloc(n, (l->count ? l->count * 2 : 1) * sizeof(*grown), err);

		if (!grown)
			return -1;
		if (l->count)
			memcpy(grown, l->list, l->count * sizeof(*grown));
		l->list = grown;
	}
	l->list[l->count++] = m;
	return 0;
}

static int keep(struct net *n, struct look *l, struct msghdr *h, size_t len, Cr__UnixMessage *m,
		struct cr_err *err)
{
	m->data.data = net_alloc(n, len, err);
	if (!m->data.data)
		return -1;
	memcpy(m->data.data, l->buf, len);
	m->data.len = len;
	l->total += len;
	if (l->rights) {
		/* Which ones unix_rights() knows. */
		m->files = net_alloc(n, l->rights * sizeof(*m->files), err);
		m->n_files = l->rights;
		if (!m->files)
			return -1;
	}
	if (h->msg_namelen && unix_set_name(n, &m->from, h->msg_name, h->msg_namelen, err) < 0)
		return -1;
	return add_message(n, l, m, err);
}

static int make_room(struct look *l, size_t room, struct cr_err *err)
{
	if (l->buf && room <= l->room)
		return 0;
	free(l->buf);
	l->room = room;
	l->buf = malloc(room);
	return l->buf ? 0 : cr_err_sys(err, "out of memory");
}

/* 1: *len bytes of a message are in the buffer; 0: there are no more. */
static int look_once(int fd, struct look *l, struct msghdr *h, size_t *len, struct cr_err *err)
{
	struct iovec iov = { l->buf, l->room };
	ssize_t got;

	h->msg_iov = &iov;
	h->msg_iovlen = 1;
	do {
		got = recvmsg(fd, h, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	h->msg_iov = NULL;
	*len = got < 0 ? 0 : (size_t)got;
	if (got >= 0)
		return 1;
	/* EINVAL: it is not connected; ENOTCONN: the same of a seqpacket one. */
	if (errno == EAGAIN || errno == EINVAL || errno == ENOTCONN)
		return 0;
	return cr_err_sys(err, "unable to look at its queue");
}

/* 1: one message was added, and *@len bytes of it; 0: there are no more. */
static int look_at_next(struct net *n, int fd, struct look *l, size_t *len, struct cr_err *err)
{
	union {
		char buf[CONTROL_MAX];
		struct cmsghdr align;
	} control;
	struct sockaddr_un name;
	Cr__UnixMessage *m = net_alloc(n, sizeof(*m), err);
	struct msghdr h;
	int r;

	if (!m)
		return -1;
	for (;;) {
		h = (struct msghdr){ .msg_name = &name,
				     .msg_namelen = sizeof(name),
				     .msg_control = &control,
				     .msg_controllen = sizeof(control) };
		cr__unix_message__init(m);
		r = look_once(fd, l, &h, len, err);
		if (r <= 0)
			return r;
		if (take_control(n, l, &h, m, err) < 0)
			return -1;
		if (*len <= l->room)
			return keep(n, l, &h, *len, m, err) < 0 ? -1 : 1;
		/* Once more, with room: the offset has gone on. */
		if (make_room(l, *len, err) < 0)
			return -1;
		r = (int)l->total;
		if (setsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &r, sizeof(r)) < 0)
			return cr_err_sys(err, "SO_PEEK_OFF");
	}
}

/* --- streams ----------------------------------------------------------------- */

/* How long is the part with descriptors that ends where we are?  0: not known. */
static size_t length_of_part(const struct waiting_list *w, size_t end)
{
	size_t at = 0;

	for (size_t i = 0; i < w->count; i++) {
		at += w->list[i].len;
		if (at == end && w->list[i].rights)
			return w->list[i].len;
	}
	return 0;
}

/*
 * Bytes that were written before those that descriptors come with are of the
 * same run, and a look at them has the descriptors too.  But who reads only them
 * does not get these: they are to be a message of their own.
 */
static int split_last(struct net *n, int fd, struct look *l, struct cr_err *err)
{
	Cr__UnixMessage *m = l->list[l->count - 1], *second;
	size_t len;

	if (!l->parts.list && waiting_look(n, fd, WAITING_UNIX, &l->parts, err) < 0)
		return -1;
	len = length_of_part(&l->parts, l->total);
	l->unseen |= !len || len > m->data.len;
	if (l->unseen || len == m->data.len)
		return 0;
	second = net_alloc(n, sizeof(*second), err);
	if (!second)
		return -1;
	*second = *m;
	m->data.len -= len;
	m->files = NULL;
	m->n_files = 0;
	second->data.data += m->data.len;
	second->data.len = len;
	return add_message(n, l, second, err);
}

static int look_at_runs(struct net *n, int fd, struct look *l, int inq, struct cr_err *err)
{
	struct cr_err second;
	size_t len;
	int r;

	if (peek_begin(&n->peek, fd, err) < 0)
		return -1;
	/* Behind the last, a look would take an error of the socket away. */
	do {
		r = look_at_next(n, fd, l, &len, err);
		if (r == 1 && len && l->rights && split_last(n, fd, l, err) < 0)
			r = -1;
	} while (r == 1 && len && l->total < (size_t)inq);
	if (peek_done(n->peek, r < 0 ? &second : err) < 0)
		return -1;
	return r;
}

/* Nothing of a stream that has only one run needs the offset. */
static int look_at_stream(struct net *n, struct unix_sock *u, int fd, struct look *l,
			  struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN | POLLPRI };
	int inq = 0, offset = -1, r;
	socklen_t optlen = sizeof(offset);
	size_t len;

	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	if (pfd.revents & POLLPRI)
		return unix_refuse(n, u, "out-of-band data in its queue: not supported", "read it",
				   err);
	if (!(pfd.revents & POLLIN))
		return 0;
	if (ioctl(fd, SIOCINQ, &inq) < 0)
		return errno == EINVAL ? 0 : cr_err_sys(err, "SIOCINQ");
	if (inq <= 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PEEK_OFF, &offset, &optlen) < 0)
		return cr_err_sys(err, "SO_PEEK_OFF");
	if (make_room(l, (size_t)inq + 1, err) < 0)
		return -1;
	if (offset < 0) {
		r = look_at_next(n, fd, l, &len, err);
		if (r <= 0 || (l->total == (size_t)inq && !l->rights))
			return r < 0 ? -1 : 0;
		l->total = 0;
		l->count = 0;
	}
	if (look_at_runs(n, fd, l, inq, err) < 0)
		return -1;
	if (l->unseen)
		return unix_refuse(n, u,
				   "which bytes the descriptors in its queue come with "
				   "cannot be seen",
				   WAITING_REMEDY, err);
	if (l->total != (size_t)inq)
		return cr_err_set(err, CR_SYSTEM, "%zu of %d bytes in its queue are seen", l->total,
				  inq);
	return 0;
}

/* --- messages ---------------------------------------------------------------- */

/* An empty one that MSG_PEEK passes over: 1, or 0 when it cannot be read. */
static int look_at_hidden(struct net *n, struct look *l, const struct waiting *w,
			  struct cr_err *err)
{
	struct sockaddr_un name;
	Cr__UnixMessage *m = net_alloc(n, sizeof(*m), err);
	struct msghdr h = { .msg_name = &name };
	size_t len;

	if (!m)
		return -1;
	cr__unix_message__init(m);
	if (waiting_unix_from(n, w, &name, sizeof(name), &len) < 0)
		return 0;
	h.msg_namelen = (socklen_t)len;
	l->rights = w->rights;
	l->hidden = true;
	return keep(n, l, &h, 0, m, err) < 0 ? -1 : 1;
}

/* 1: all that @w has were seen; 0: it was another one. */
static int look_at_each(struct net *n, int fd, const struct waiting_list *w, struct look *l,
			struct cr_err *err)
{
	l->count = l->total = 0;
	for (size_t i = 0; i < w->count; i++) {
		size_t len = 0;
		int r = w->list[i].hidden ? look_at_hidden(n, l, &w->list[i], err) :
					    look_at_next(n, fd, l, &len, err);

		if (r <= 0)
			return r;
		if (len != w->list[i].len)
			return 0;
	}
	return 1;
}

/* 1: all were seen; 0: they cannot be. */
static int look_at_all(struct net *n, int fd, struct look *l, struct cr_err *err)
{
	struct cr_err second;
	struct waiting_list w;
	int r = waiting_look(n, fd, WAITING_UNIX, &w, err);

	if (r != 0)
		return r < 0 ? -1 : 0;
	if (!w.count)
		return 1;
	if (make_room(l, FIRST_ROOM, err) < 0 || peek_begin(&n->peek, fd, err) < 0)
		return -1;
	r = look_at_each(n, fd, &w, l, err);
	if (peek_done(n->peek, r < 0 ? &second : err) < 0)
		return -1;
	return r;
}

/* A look would take the error away.  That a peer is gone is told anyway. */
static int look_past_error(struct net *n, struct unix_sock *u, int fd, struct cr_err *err)
{
	struct waiting_list w;
	int r = u->s.type == SOCK_SEQPACKET ? waiting_look(n, fd, WAITING_UNIX, &w, err) : 1;

	if (r < 0)
		return -1;
	return r || w.count ? unix_refuse(n, u, COMMON_ERROR, COMMON_ERROR_REMEDY, err) : 0;
}

static int look_at_messages(struct net *n, struct unix_sock *u, int fd, struct look *l,
			    struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int r, passcred = 0;
	socklen_t len = sizeof(passcred);

	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	if (pfd.revents & POLLERR)
		return look_past_error(n, u, fd, err);
	if (!(pfd.revents & POLLIN))
		return 0;
	r = look_at_all(n, fd, l, err);
	if (r == 0)
		r = waiting_none(fd, err);
	if (r == 0)
		return unix_refuse(n, u, WAITING_UNSEEN, WAITING_REMEDY, err);
	if (r < 0 || !l->hidden)
		return r < 0 ? -1 : 0;
	if (getsockopt(fd, SOL_SOCKET, SO_PASSCRED, &passcred, &len) < 0)
		return cr_err_sys(err, "SO_PASSCRED");
	return passcred ? unix_refuse(n, u,
				      "an empty message with its sender (SO_PASSCRED) was "
				      "looked at before: not supported",
				      "receive it", err) :
			  0;
}

int unix_queue(struct net *n, struct unix_sock *u, int fd, struct cr_err *err)
{
	struct look l = { 0 };
	int listens = 0, r;
	socklen_t len = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return cr_err_sys(err, "SO_ACCEPTCONN");
	if (listens)
		return 0;
	r = u->s.type == SOCK_STREAM ? look_at_stream(n, u, fd, &l, err) :
				       look_at_messages(n, u, fd, &l, err);
	free(l.buf);
	if (r < 0)
		return -1;
	u->m.queue = l.list;
	u->m.n_queue = l.count;
	return 0;
}
