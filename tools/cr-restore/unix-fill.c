/* SPDX-License-Identifier: MIT */
/*
 * The receive queue of an AF_UNIX socket: what is in it is sent once more, by
 * the same socket or one with the same name, and as the same process where the
 * receiver is told by whom (SO_PASSCRED), with the descriptors that came with it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "unix.h"

#define ROOM_MAX (1 << 29)
#define FDS_MAX 253	/* SCM_MAX_FD of the kernel */

/* A sender and the room in its send buffer, which is put back. */
struct sender {
	int fd;
	bool own;		/* made for a moment */
	const ProtobufCBinaryData *name;
	int room, lock;		/* what they were; -1: not changed */
};

struct fill {
	struct unix_sock *u;
	struct sender from;
	const struct unix_address *to;	/* NULL: the sender is connected */
	size_t first, end;	/* messages of one creator */
};

static int enlarge(struct sender *s, struct cr_err *err)
{
	int room = 0;
	socklen_t len = sizeof(room);

	if (getsockopt(s->fd, SOL_SOCKET, SO_SNDBUF, &room, &len) < 0)
		return cr_err_sys(err, "SO_SNDBUF");
	if (s->room < 0) {
		s->room = room;
		len = sizeof(s->lock);
		/* 5.14; before, whether the size was asked for is not seen. */
		if (getsockopt(s->fd, SOL_SOCKET, SO_BUF_LOCK, &s->lock, &len) < 0)
			s->lock = -1;
	}
	/* A queue of datagrams is also full with so many of them. */
	if (room > ROOM_MAX)
		return cr_err_set(err, CR_SYSTEM, "it takes no more (net.unix.max_dgram_qlen?)");
	/* The kernel takes twice of what it is given. */
	if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) < 0)
		return cr_err_sys(err, "SO_SNDBUFFORCE");
	return 0;
}

static int put_room_back(struct sender *s, struct cr_err *err)
{
	int half = s->room / 2;

	if (s->room < 0 || s->own)
		return 0;
	if (setsockopt(s->fd, SOL_SOCKET, SO_SNDBUFFORCE, &half, sizeof(half)) < 0)
		return cr_err_sys(err, "SO_SNDBUFFORCE");
	if (s->lock >= 0 &&
	    setsockopt(s->fd, SOL_SOCKET, SO_BUF_LOCK, &s->lock, sizeof(s->lock)) < 0)
		return cr_err_sys(err, "SO_BUF_LOCK");
	s->room = -1;
	return 0;
}

union control {
	char buf[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static void add_control(struct msghdr *h, union control *control, int type, const void *data,
			size_t len)
{
	struct cmsghdr *c = (struct cmsghdr *)(void *)(control->buf + h->msg_controllen);

	h->msg_control = control;
	h->msg_controllen += CMSG_SPACE(len);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(len);
	memcpy(CMSG_DATA(c), data, len);
}

/* SCM_CREDENTIALS of ourselves: we are who the message is from. */
static void add_cred(struct msghdr *h, union control *control)
{
	struct ucred uc = { .pid = getpid(), .uid = geteuid(), .gid = getegid() };

	add_control(h, control, SCM_CREDENTIALS, &uc, sizeof(uc));
}

/* One that is a socket of ours is made already. */
static int descriptor_of(struct restore *r, uint32_t id, struct cr_err *err)
{
	const struct unix_sock *u = unix_find(r, id);

	return u && u->fd >= 0 ? u->fd : file_open_early(r, id, err);
}

/* For all messages, before somebody else sends them. */
static int open_rights(struct restore *r, const Cr__UnixSocket *m, struct cr_err *err)
{
	for (size_t i = 0; i < m->n_queue; i++)
		for (size_t j = 0; j < m->queue[i]->n_files; j++)
			if (descriptor_of(r, m->queue[i]->files[j], err) < 0)
				return -1;
	return 0;
}

static int add_rights(struct restore *r, struct msghdr *h, union control *control,
		      const Cr__UnixMessage *m, struct cr_err *err)
{
	int fds[FDS_MAX];

	if (m->n_files > FDS_MAX)
		return cr_err_set(err, CR_BAD_INPUT, "too many descriptors in a message");
	for (size_t i = 0; i < m->n_files; i++) {
		fds[i] = descriptor_of(r, m->files[i], err);
		if (fds[i] < 0)
			return -1;
	}
	add_control(h, control, SCM_RIGHTS, fds, m->n_files * sizeof(*fds));
	return 0;
}

static int send_message(struct restore *r, struct fill *f, const Cr__UnixMessage *m,
			struct cr_err *err)
{
	union control control = { .buf = "" };
	size_t with_cred;
	struct iovec iov = { m->data.data, m->data.len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	bool stream = f->u->m->sock_type == SOCK_STREAM;

	if (f->to) {
		h.msg_name = (void *)&f->to->un;
		h.msg_namelen = f->to->len;
	}
	if (m->cred && m->cred->tgid)
		add_cred(&h, &control);
	with_cred = h.msg_controllen;
	if (m->n_files && add_rights(r, &h, &control, m, err) < 0)
		return -1;
	for (;;) {
		ssize_t n = sendmsg(f->from.fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EMSGSIZE)) {
			if (enlarge(&f->from, err) < 0)
				return cr_err_wrap(err, "unable to fill the queue of a socket");
			continue;
		}
		if (n < 0 && errno != EINTR)
			return cr_err_sys(err, "unable to fill the queue of a socket");
		if (n < 0)
			continue;
		iov.iov_base = (uint8_t *)iov.iov_base + n;
		iov.iov_len -= (size_t)n;
		/* They go with the first part. */
		h.msg_controllen = with_cred;
		if (!stream || !iov.iov_len)
			return 0;
	}
}

static int send_run(struct restore *r, void *ctx, struct cr_err *err)
{
	struct fill *f = ctx;

	for (size_t i = f->first; i < f->end; i++)
		if (send_message(r, f, f->u->m->queue[i], err) < 0)
			return -1;
	return put_room_back(&f->from, err);
}

static bool same_name(const ProtobufCBinaryData *a, const ProtobufCBinaryData *b)
{
	return a->len == b->len && (!a->len || memcmp(a->data, b->data, a->len) == 0);
}

static int find_sender(const struct restore *r, const ProtobufCBinaryData *name)
{
	const struct unix_socks *s = r->unix_socks;

	for (unsigned int i = 0; name->len && i < s->count; i++)
		if (s->list[i].maker == getpid() && s->list[i].m->bound &&
		    s->list[i].m->sock_type == SOCK_DGRAM && same_name(&s->list[i].m->name, name))
			return s->list[i].fd;
	return -1;
}

static bool has_one_sender(const struct unix_sock *u)
{
	return u->made || u->m->sock_type != SOCK_DGRAM;
}

/* A connection has one sender, whoever it is; datagrams have any. */
static int get_sender(struct restore *r, struct unix_sock *u, const ProtobufCBinaryData *name,
		      struct sender *s, struct cr_err *err)
{
	*s = (struct sender){ .fd = u->temp, .name = name, .room = -1, .lock = -1 };
	if (has_one_sender(u) && u->temp < 0)
		s->fd = u->peer->fd;
	if (s->fd < 0)
		s->fd = find_sender(r, name);
	if (s->fd >= 0)
		return 0;
	s->own = true;
	s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s->fd < 0)
		return cr_err_sys(err, "socket");
	if (name->len && unix_bind_private(r, s->fd, name, err) < 0) {
		close(s->fd);
		return -1;
	}
	return 0;
}

static int fill_runs(struct restore *r, struct fill *f, struct cr_err *err)
{
	const Cr__UnixSocket *m = f->u->m;

	for (f->first = 0; f->first < m->n_queue; f->first = f->end) {
		const Cr__UnixMessage *first = m->queue[f->first];
		int ret;

		for (f->end = f->first + 1; f->end < m->n_queue; f->end++)
			if (!same_name(&m->queue[f->end]->from, &first->from) ||
			    creator_compare(m->queue[f->end]->cred, first->cred) != 0)
				break;
		if (get_sender(r, f->u, &first->from, &f->from, err) < 0)
			return -1;
		ret = creator_run(r, first->cred, send_run, f, err);
		if (f->from.own)
			close(f->from.fd);
		if (ret < 0)
			return -1;
	}
	return 0;
}

int unix_fill(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	struct fill f = { .u = u };
	struct unix_address a;
	int ret;

	if (!u->m->n_queue)
		return 0;
	if (open_rights(r, u->m, err) < 0)
		return -1;
	if (has_one_sender(u))
		return fill_runs(r, &f, err);
	if (unix_address_of(u->fd, &u->m->name, &a, err) < 0)
		return -1;
	f.to = &a;
	ret = fill_runs(r, &f, err);
	if (a.file >= 0)
		close(a.file);
	return ret;
}
