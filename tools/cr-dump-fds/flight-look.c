/* SPDX-License-Identifier: MIT */
#include "flight-look.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clean.h"
#include "peek-offset.h"

/* Room for SCM_MAX_FD (253) descriptors, credentials and labels. */
#define CONTROL_MAX 4096
#define FIRST_ROOM (256u << 10)
/* More than fit into a queue; a connection that has ended gives no end of empty
 * messages. */
#define LOOKS_MAX (1u << 16)

#ifndef SCM_PIDFD
#define SCM_PIDFD 4	/* 6.5 */
#endif

static int add(struct flight_look *l, const int *fds, unsigned int n)
{
	int *grown = realloc(l->fds, (l->count + n) * sizeof(*grown));
	unsigned int *messages = NULL;

	if (grown) {
		l->fds = grown;
		messages = realloc(l->messages, (l->n_messages + 1) * sizeof(*messages));
	}
	if (!messages) {
		for (unsigned int i = 0; i < n; i++)
			close(fds[i]);
		return -1;
	}
	l->messages = messages;
	memcpy(l->fds + l->count, fds, n * sizeof(*fds));
	l->count += n;
	l->messages[l->n_messages++] = n;
	return 0;
}

static int take_control(struct flight_look *l, struct msghdr *h)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		const int *fds = (const int *)(const void *)CMSG_DATA(c);

		if (c->cmsg_level != SOL_SOCKET)
			continue;
		if (c->cmsg_type == SCM_PIDFD)
			close(fds[0]);
		if (c->cmsg_type == SCM_RIGHTS &&
		    add(l, fds, (unsigned int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int))) < 0)
			return -1;
	}
	return 0;
}

/* 1: a message was looked at, of *@len bytes; 0: there is none. */
static int look_once(int sock, void *buf, size_t room, size_t *len, struct flight_look *l,
		     struct cr_err *err)
{
	union {
		char buf[CONTROL_MAX];
		struct cmsghdr align;
	} control;
	struct iovec iov = { buf, room };
	struct msghdr h = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	ssize_t got;

	do {
		got = recvmsg(sock, &h, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	} while (got < 0 && errno == EINTR);
	if (got < 0)
		return 0;
	*len = (size_t)got;
	return take_control(l, &h) < 0 ? cr_err_sys(err, "out of memory") : 1;
}

/* With @room; 1: a message did not fit, *@room is what it needs. */
static int look_at_all(struct dump *d, int sock, unsigned int expected, size_t *room,
		       struct flight_look *l, struct cr_err *err)
{
	cr_auto_free uint8_t *buf = malloc(*room);
	struct cr_err second;
	size_t len = 0;
	int r = 1;

	if (!buf)
		return cr_err_sys(err, "out of memory");
	if (peek_begin(&d->offset, sock, err) < 0)
		return -1;
	for (unsigned int i = 0; r == 1 && i < LOOKS_MAX && l->count < expected; i++) {
		r = look_once(sock, buf, *room, &len, l, err);
		if (r == 1 && len > *room)
			break;
	}
	if (peek_done(d->offset, r < 0 ? &second : err) < 0)
		return -1;
	if (r < 0 || len <= *room)
		return r < 0 ? -1 : 0;
	*room = len;
	return 1;
}

int flight_look(struct dump *d, int sock, unsigned int expected, struct flight_look *l,
		struct cr_err *err)
{
	struct pollfd pfd = { .fd = sock, .events = POLLIN };
	int type = 0, inq = 0, r;
	socklen_t optlen = sizeof(type);
	size_t room = FIRST_ROOM;

	memset(l, 0, sizeof(*l));
	if (getsockopt(sock, SOL_SOCKET, SO_TYPE, &type, &optlen) < 0)
		return cr_err_sys(err, "SO_TYPE");
	/* A look at a message would take an error away. */
	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	if (type != SOCK_STREAM && pfd.revents & POLLERR)
		return 0;
	/* One look at a stream must not end inside of a message with descriptors. */
	if (ioctl(sock, SIOCINQ, &inq) == 0 && inq > 0 && (size_t)inq > room)
		room = (size_t)inq;
	do {
		flight_look_free(l);
		r = look_at_all(d, sock, expected, &room, l, err);
	} while (r == 1);
	return r;
}

void flight_look_free(struct flight_look *l)
{
	for (unsigned int i = 0; i < l->count; i++)
		if (l->fds[i] >= 0)
			close(l->fds[i]);
	free(l->fds);
	free(l->messages);
	memset(l, 0, sizeof(*l));
}
