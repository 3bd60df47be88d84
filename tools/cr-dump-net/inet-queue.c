/* SPDX-License-Identifier: MIT */
/* The datagrams in the queue of a UDP socket, looked at with MSG_PEEK. */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "clean.h"
#include "inet.h"
#include "peek-offset.h"
#include "waiting.h"

#define DATAGRAM_MAX 65536
#define TRIES 3
#define CONTROL_MAX 4096

/* 1: one was added; 0: there are no more. */
static int look_at_next(struct net *n, int fd, uint8_t *buf, Cr__InetMessage **out,
			struct cr_err *err)
{
	union {
		char buf[CONTROL_MAX];
		struct cmsghdr align;
	} control;
	union inet_address from;
	struct iovec iov = { buf, DATAGRAM_MAX };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	Cr__InetMessage *m;
	ssize_t got;

	do {
		h.msg_name = &from;
		h.msg_namelen = sizeof(from);
		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
		got = recvmsg(fd, &h, MSG_PEEK | MSG_DONTWAIT);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return errno == EAGAIN ? 0 : cr_err_sys(err, "unable to look at its queue");
	*out = m = net_alloc(n, sizeof(*m), err);
	if (!m)
		return -1;
	cr__inet_message__init(m);
	m->data.len = (size_t)got;
	m->data.data = net_alloc(n, (size_t)got, err);
	m->from = inet_address(n, &from, err);
	if (!m->data.data || !m->from)
		return -1;
	memcpy(m->data.data, buf, (size_t)got);
	return inet_control(n, &h, m, err) < 0 ? -1 : 1;
}

static int add(struct net *n, Cr__InetSocket *m, Cr__InetMessage *msg, struct cr_err *err)
{
	/* Room grows at each power of two. */
	if ((m->n_queue & (m->n_queue - 1)) == 0) {
		Cr__InetMessage **grown =
			net_alloc(n, (m->n_queue ? m->n_queue * 2 : 1) * sizeof(*grown), err);

		if (!grown)
			return -1;
		if (m->n_queue)
			memcpy(grown, m->queue, m->n_queue * sizeof(*grown));
		m->queue = grown;
	}
	m->queue[m->n_queue++] = msg;
	return 0;
}

static int refuse(struct net *n, const struct sock *s, const char *what, const char *remedy,
		  struct cr_err *err)
{
	return sock_refuse(n, s, what, remedy, err) < 0 ? -1 : 1;
}

/* An empty one that MSG_PEEK passes over: 1, or 0 when it cannot be read. */
static int look_at_hidden(struct net *n, const Cr__InetSocket *s, const struct waiting *w,
			  Cr__InetMessage **out, struct cr_err *err)
{
	union inet_address from = { .sa.sa_family = (sa_family_t)s->family };
	struct waiting_from found;
	Cr__InetMessage *m;

	if (waiting_udp_from(n, w, &found) < 0 || (found.six && s->family != AF_INET6))
		return 0;
	if (s->family == AF_INET6) {
		from.in6.sin6_port = found.port;
		memcpy(&from.in6.sin6_addr, found.addr, sizeof(found.addr));
		if (!found.six)
			memset(from.in6.sin6_addr.s6_addr + 10, 0xff, 2);
	} else {
		from.in.sin_port = found.port;
		memcpy(&from.in.sin_addr, found.addr + 12, sizeof(from.in.sin_addr));
	}
	*out = m = net_alloc(n, sizeof(*m), err);
	if (!m)
		return -1;
	cr__inet_message__init(m);
	m->from = inet_address(n, &from, err);
	return m->from ? 1 : -1;
}

static bool has_hidden(const struct waiting_list *w)
{
	for (size_t i = 0; i < w->count; i++)
		if (w->list[i].hidden)
			return true;
	return false;
}

/* 1: all that @w has are in the record; 0: it was another one. */
static int look_at_each(struct net *n, int fd, const struct waiting_list *w, Cr__InetSocket *m,
			struct cr_err *err)
{
	cr_auto_free uint8_t *buf = malloc(DATAGRAM_MAX);
	Cr__InetMessage *msg = NULL;

	if (!buf)
		return cr_err_sys(err, "out of memory");
	m->n_queue = 0;
	for (size_t i = 0; i < w->count; i++) {
		int r = w->list[i].hidden ? look_at_hidden(n, m, &w->list[i], &msg, err) :
					    look_at_next(n, fd, buf, &msg, err);

		if (r <= 0)
			return r;
		if (msg->data.len != w->list[i].len)
			return 0;
		if (add(n, m, msg, err) < 0)
			return -1;
	}
	return 1;
}

/* 1: it was refused.  One with a wrong checksum vanishes when it is looked at. */
static int look_at_all(struct net *n, const struct sock *s, int fd, Cr__InetSocket *m,
		       struct cr_err *err)
{
	struct cr_err second;
	struct waiting_list w;
	int r = 0, none;

	for (int tries = 0; tries < TRIES && r == 0; tries++) {
		r = waiting_look(n, fd, WAITING_UDP, &w, err);
		if (r != 0)
			break;
		if (peek_begin(&n->peek, fd, err) < 0)
			return -1;
		r = look_at_each(n, fd, &w, m, err);
		if (peek_done(n->peek, r < 0 ? &second : err) < 0)
			return -1;
		if (r == 1 && has_hidden(&w) && inet_asks(m))
			return refuse(n, s,
				      "an empty datagram was looked at before, and it asks where "
				      "to: not supported",
				      "receive it", err);
		if (r == 1)
			return 0;
	}
	if (r < 0)
		return -1;
	none = waiting_none(fd, err);
	if (none != 0)
		return none < 0 ? -1 : 0;
	return refuse(n, s, WAITING_UNSEEN, WAITING_REMEDY, err);
}

static bool is_group(const Cr__InetAddress *a)
{
	if (a->addr.len == 4)
		return (a->addr.data[0] & 0xf0) == 0xe0 || a->addr.data[0] == 0xff;
	return a->addr.data[0] == 0xff;
}

/* fe80::/10 means something only together with the device it came from. */
static bool is_link_local(const Cr__InetSocket *m)
{
	for (size_t i = 0; i < m->n_queue; i++) {
		const ProtobufCBinaryData *a = &m->queue[i]->from->addr;

		if (a->len == 16 && a->data[0] == 0xfe && (a->data[1] & 0xc0) == 0x80)
			return true;
	}
	return false;
}

/* They come back through the loopback device, to this socket and no other. */
static const char *why_not(const Cr__InetSocket *m)
{
	if (inet_has_option(m, "SO_BINDTODEVICE"))
		return "datagrams wait in its queue and it is bound to a device: not supported";
	if (inet_has_option(m, "SO_REUSEPORT"))
		return "datagrams wait in its queue and its port may be shared: not supported";
	if (inet_has_option(m, "UDP_GRO"))
		return "datagrams wait in its queue, perhaps in batches (UDP_GRO): not supported";
	if (m->local && is_group(m->local))
		return "datagrams wait in its queue and it is bound to a group: not supported";
	if (is_link_local(m))
		return "datagrams wait in its queue, from an address of a link: not supported";
	return NULL;
}

int inet_queue(struct net *n, const struct sock *s, int fd, Cr__InetSocket *m, struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	const char *why;
	int corked = 0, r;

	if (inet_has_option(m, "UDP_CORK") && ioctl(fd, SIOCOUTQ, &corked) == 0 && corked)
		return refuse(n, s, "a datagram that is not complete (UDP_CORK): not supported",
			      "send it", err);
	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	if (!(pfd.revents & POLLIN))
		return 0;
	r = look_at_all(n, s, fd, m, err);
	if (r != 0)
		return r;
	why = m->n_queue ? why_not(m) : NULL;
	if (!why && inet_control_why_not(m, &why, err) < 0)
		return -1;
	return why ? refuse(n, s, why, "receive them", err) : 0;
}
