/* SPDX-License-Identifier: MIT */
/*
 * Connections through a listener.  One that was accepted has the name of its
 * listener, so there is a listener of that name for a moment; the real one
 * begins to listen last, so that nobody else comes in between.
 */
#include "unix-connect.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "file.h"
#include "sock.h"

#define ACCEPT_TRIES 1000

/* For the steps of the listener's connections. */
static int listener;
static const ProtobufCBinaryData *listener_name;

/* The two ends: the one that is accepted, and whose name the listener has. */
static const Cr__UnixCred *listener_cred(const struct unix_sock *u)
{
	if (!unix_was_accepted(u))
		return u->m->cred;	/* a client whose server is gone */
	return u->peer ? u->peer->m->cred : NULL;
}

static const ProtobufCBinaryData *name_of_listener(const struct unix_sock *u)
{
	return unix_was_accepted(u) ? &u->m->name : &u->m->peer_name;
}

/* Is the connection made by way of @u? */
static bool is_leader(const struct unix_sock *u)
{
	if (u->made || u->m->state != CR__UNIX_STATE__UNIX_CONNECTED ||
	    u->m->sock_type == SOCK_DGRAM)
		return false;
	if (unix_was_accepted(u))
		return !u->peer || !unix_was_accepted(u->peer) || u->m->id < u->peer->m->id;
	return u->m->peer_closed && u->m->peer_name.len;
}

static int by_listener(const void *a, const void *b)
{
	const struct unix_sock *x = *(struct unix_sock *const *)a;
	const struct unix_sock *y = *(struct unix_sock *const *)b;
	const ProtobufCBinaryData *m = name_of_listener(x), *n = name_of_listener(y);

	if (x->m->sock_type != y->m->sock_type)
		return x->m->sock_type < y->m->sock_type ? -1 : 1;
	if (m->len != n->len)
		return m->len < n->len ? -1 : 1;
	if (memcmp(m->data, n->data, m->len) != 0)
		return memcmp(m->data, n->data, m->len);
	return creator_compare(listener_cred(x), listener_cred(y));
}

/* --- as the listener's creator ------------------------------------------------ */

static int start_listening(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	(void)r;
	(void)u;
	if (listen(listener, 128) < 0)
		return cr_err_sys(err, "listen");
	return 0;
}

/* --- as the client ------------------------------------------------------------ */

/* Somebody else may have found an abstract name: take only what is ours. */
static int accept_own(struct cr_err *err)
{
	for (int i = 0; i < ACCEPT_TRIES; i++) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		struct ucred uc = { 0 };
		socklen_t len = sizeof(uc);

		if (fd < 0)
			return cr_err_sys(err, "accept");
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &uc, &len) == 0 && uc.pid == getpid())
			return fd;
		close(fd);
	}
	return cr_err_set(err, CR_SYSTEM, "others connect to a socket that is being restored");
}

/* The client's descriptor, which exists or is made for a moment. */
static int client_of(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	int fd;

	if (!unix_was_accepted(u))
		return u->fd;
	if (u->peer)
		return u->peer->fd;
	fd = socket(AF_UNIX, (int)u->m->sock_type | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cr_err_sys(err, "socket");
	u->temp = file_stash(r, fd, err);
	return u->temp;
}

static int connect_one(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	int client = client_of(r, u, err), fd;

	if (client < 0 || unix_connect_to(client, listener, listener_name, err) < 0)
		return -1;
	fd = accept_own(err);
	if (fd < 0)
		return -1;
	fd = file_stash(r, fd, err);
	if (fd < 0)
		return -1;
	if (unix_was_accepted(u))
		u->fd = fd;
	else
		u->temp = fd;
	return 0;
}

/* --- in our own name ----------------------------------------------------------- */

/* A client that is itself called as somebody whom it was not bound for. */
static int name_client(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	if (!u->peer || !unix_was_accepted(u) || !unix_was_accepted(u->peer))
		return 0;
	if (u->peer->fd < 0) {
		int fd = socket(AF_UNIX, (int)u->m->sock_type | SOCK_CLOEXEC, 0);

		if (fd < 0)
			return cr_err_sys(err, "socket");
		u->peer->fd = file_stash(r, fd, err);
		if (u->peer->fd < 0)
			return -1;
	}
	return unix_bind_private(r, u->peer->fd, &u->peer->m->name, err);
}

static int make_listener(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	int fd = socket(AF_UNIX, (int)u->m->sock_type | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return cr_err_sys(err, "socket");
	listener = file_stash(r, fd, err);
	if (listener < 0)
		return -1;
	listener_name = name_of_listener(u);
	if (unix_bind_private(r, listener, listener_name, err) < 0)
		return -1;
	u->cred = listener_cred(u);
	return unix_run_as(r, &u, 1, start_listening, err);
}

/* The connections of one listener.  @u->cred: who connects. */
static int connect_run(struct restore *r, struct unix_sock **run, unsigned int n,
		       struct cr_err *err)
{
	int ret = make_listener(r, run[0], err);

	for (unsigned int i = 0; ret == 0 && i < n; i++) {
		run[i]->cred = unix_was_accepted(run[i]) ? run[i]->m->cred : NULL;
		ret = name_client(r, run[i], err);
	}
	if (ret == 0)
		ret = unix_run_as(r, run, n, connect_one, err);
	if (listener >= 0)
		close(listener);
	for (unsigned int i = 0; ret == 0 && i < n; i++)
		if (unix_was_accepted(run[i]))
			ret = sock_early(run[i]->fd, run[i]->m->common, err);
	return ret;
}

int unix_connect_streams(struct restore *r, struct unix_sock **list, unsigned int n,
			 struct cr_err *err)
{
	cr_auto_free struct unix_sock **work = calloc(n + 1, sizeof(*work));
	unsigned int count = 0, len;

	if (!work)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < n; i++)
		if (is_leader(list[i]))
			work[count++] = list[i];
	if (count)
		qsort(work, count, sizeof(*work), by_listener);
	for (unsigned int i = 0; i < count; i += len) {
		for (len = 1; i + len < count && by_listener(&work[i], &work[i + len]) == 0; len++)
			;
		if (connect_run(r, work + i, len, err) < 0)
			return -1;
	}
	return 0;
}

/* --- datagrams ------------------------------------------------------------------ */

/* The peer is closed, but getpeername(2) still tells its name. */
static int connect_closed(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	cr_auto_fd int peer = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ProtobufCBinaryData name = u->m->peer_name;
	uint8_t buf[sizeof(struct sockaddr_un)];

	if (peer < 0)
		return cr_err_sys(err, "socket");
	if (unix_bind_private(r, peer, &name, err) < 0) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };
		socklen_t len = sizeof(un);

		if (unix_is_path(&name))
			return -1;
		/* An abstract one that others have now: it is let go. */
		if (bind(peer, (struct sockaddr *)&un, sizeof(un.sun_family)) < 0 ||
		    getsockname(peer, (struct sockaddr *)&un, &len) < 0)
			return cr_err_sys(err, "unable to have a name");
		name.len = len - offsetof(struct sockaddr_un, sun_path);
		memcpy(buf, un.sun_path, name.len);
		name.data = buf;
	}
	return unix_connect_to(u->fd, peer, &name, err);
}

/* Outside of the tree, by name. */
static int connect_outside(struct unix_sock *u, struct cr_err *err)
{
	const ProtobufCBinaryData *name = &u->m->peer_name;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	size_t len = offsetof(struct sockaddr_un, sun_path) + name->len;
	char text[256];

	memcpy(un.sun_path, name->data,
	       name->len < sizeof(un.sun_path) ? name->len : sizeof(un.sun_path));
	if (connect(u->fd, (struct sockaddr *)&un, (socklen_t)len) < 0)
		return cr_err_sys(err, "unable to connect to %s, outside of the tree",
				  unix_text(name, text));
	return 0;
}

int unix_connect_datagrams(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	int error;
	socklen_t len = sizeof(error);

	if (u->m->sock_type != SOCK_DGRAM || u->m->state != CR__UNIX_STATE__UNIX_CONNECTED)
		return 0;
	if (u->m->peer_closed)
		return u->made ? 0 : connect_closed(r, u, err);
	if (!u->peer)
		return connect_outside(u, err);
	if (u->made && (u->peer->peer == u || !u->peer->m->name.len))
		return 0;
	if (unix_connect_to(u->fd, u->peer->fd, &u->peer->m->name, err) < 0)
		return -1;
	/* The other end of its pair, if it leaves one, has been told so. */
	for (unsigned int i = 0; u->made && i < r->unix_socks->count; i++) {
		const struct unix_sock *other = &r->unix_socks->list[i];

		if (other->peer == u && other->maker == u->maker)
			getsockopt(other->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
	return 0;
}

/* --- listeners ------------------------------------------------------------------- */

static int listen_one(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	(void)r;
	if (listen(u->fd, (int)u->m->backlog) < 0)
		return cr_err_sys(err, "listen");
	return 0;
}

/* Who has it now connects it: who did is told only by the other end, which
 * nobody has yet. */
static int connect_pending(struct restore *r, void *ctx, struct cr_err *err)
{
	struct unix_sock *u = ctx;

	(void)r;
	/* Not to wait when others have filled the backlog. */
	if (fcntl(u->fd, F_SETFL, O_NONBLOCK) < 0)
		return cr_err_sys(err, "F_SETFL");
	return unix_connect_to(u->fd, u->peer->fd, &u->peer->m->name, err);
}

static int connect_all_pending(struct restore *r, const struct unix_sock *u, struct cr_err *err)
{
	for (size_t i = 0; i < u->m->n_pending; i++) {
		struct unix_sock *c = unix_find(r, u->m->pending[i]);
		const struct file_image *f = image_file(&r->img, c->m->id);
		const struct task_image *t = &r->img.tasks[f->first_user - 1];
		const Cr__Creds *creds = t->threads[0].thread->creds;
		Cr__UnixCred cred = CR__UNIX_CRED__INIT;

		if (!creds)
			return cr_err_set(err, CR_BAD_INPUT, "pid %u: no credentials",
					  t->task->pid);
		cred.tgid = t->task->pid;
		cred.uid = creds->euid;
		cred.gid = creds->egid;
		cred.groups = creds->groups;
		cred.n_groups = creds->n_groups;
		if (creator_run(r, &cred, connect_pending, c, err) < 0)
			return -1;
	}
	return 0;
}

int unix_listen_all(struct restore *r, struct unix_sock **list, unsigned int n, struct cr_err *err)
{
	cr_auto_free struct unix_sock **work = calloc(n + 1, sizeof(*work));
	unsigned int count = 0;

	if (!work)
		return cr_err_sys(err, "out of memory");
	for (unsigned int i = 0; i < n; i++) {
		if (list[i]->m->state != CR__UNIX_STATE__UNIX_LISTENING)
			continue;
		list[i]->cred = list[i]->m->cred;
		work[count++] = list[i];
	}
	if (unix_run_as(r, work, count, listen_one, err) < 0)
		return -1;
	for (unsigned int i = 0; i < count; i++)
		if (connect_all_pending(r, work[i], err) < 0)
			return -1;
	return 0;
}
