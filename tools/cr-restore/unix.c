/* SPDX-License-Identifier: MIT */
/* AF_UNIX sockets, as a kind of open file descriptions. */
#include "unix.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "file-kinds.h"
#include "sock.h"

const char *unix_text(const ProtobufCBinaryData *name, char buf[256])
{
	size_t n = 0;

	for (size_t i = 0; i < name->len && n < 250; i++) {
		uint8_t c = name->data[i];

		if (!i && !c)
			buf[n++] = '@';
		else
			buf[n++] = c > ' ' && c < 127 ? (char)c : '?';
	}
	buf[n] = '\0';
	return buf;
}

struct unix_sock *unix_find(const struct restore *r, uint32_t id)
{
	const struct unix_socks *s = r->unix_socks;
	unsigned int lo = 0, hi = s->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;

		if (s->list[mid].m->id == id)
			return &s->list[mid];
		if (s->list[mid].m->id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

/* All of the image, in shared memory. */
static int collect(struct restore *r, struct cr_err *err)
{
	static struct unix_socks socks = { .mount = -1, .root = -1, .cwd = -1 };
	unsigned int n = r->img.kinds[CR_KIND_UNIX_SOCKET].count;

	socks.list = mmap(NULL, n * sizeof(*socks.list), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (socks.list == MAP_FAILED)
		return cr_err_sys(err, "unable to map shared memory");
	/* image.files is sorted by id. */
	for (unsigned int i = 0; i < r->img.n_files; i++)
		if (r->img.files[i].kind == CR_KIND_UNIX_SOCKET)
			socks.list[socks.count++] = (struct unix_sock){ .m = r->img.files[i].msg,
									.fd = -1,
									.temp = -1 };
	r->unix_socks = &socks;
	return 0;
}

static int bad(const struct unix_sock *u, const char *what, struct cr_err *err)
{
	return cr_err_set(err, CR_BAD_INPUT, "unix socket %u: %s", u->m->id, what);
}

static int check_name(const struct unix_sock *u, struct cr_err *err)
{
	const Cr__UnixSocket *m = u->m;

	if (m->name.len > sizeof(((struct sockaddr_un *)0)->sun_path) ||
	    m->peer_name.len > sizeof(((struct sockaddr_un *)0)->sun_path))
		return bad(u, "its name is too long", err);
	if (m->bound && !m->name.len)
		return bad(u, "it is bound to no name", err);
	if (m->bound && unix_is_path(&m->name) && !m->file)
		return bad(u, "its file is missing", err);
	if (m->file && !m->file->deleted && (m->file->path[0] != '/' || m->file->start[0] != '/'))
		return bad(u, "the path of its file is malformed", err);
	return 0;
}

int unix_bind_path(const Cr__UnixSocket *m, char *out, size_t size, struct cr_err *err)
{
	char name[sizeof(((struct sockaddr_un *)0)->sun_path) + 1];
	int dir = (int)(strrchr(m->file->path, '/') - m->file->path) + 1, len;
	const char *base;

	snprintf(name, sizeof(name), "%.*s", (int)m->name.len, (const char *)m->name.data);
	base = strrchr(name, '/');
	len = snprintf(out, size, "%.*s%s", dir, m->file->path, base ? base + 1 : name);
	return len < (int)size ? 0 : cr_err_set(err, CR_BAD_INPUT, "%s is too long", m->file->path);
}

static int link_one(struct restore *r, struct unix_sock *u, struct cr_err *err)
{
	const Cr__UnixSocket *m = u->m;

	if (m->sock_type != SOCK_STREAM && m->sock_type != SOCK_DGRAM &&
	    m->sock_type != SOCK_SEQPACKET)
		return bad(u, "its type is not known", err);
	if (m->peer) {
		u->peer = unix_find(r, m->peer);
		if (!u->peer || u->peer == u || m->peer_closed ||
		    u->peer->m->sock_type != m->sock_type || u->peer->m->group != m->group)
			return bad(u, "its peer is malformed", err);
	}
	for (size_t i = 0; i < m->n_pending; i++) {
		const struct unix_sock *c = unix_find(r, m->pending[i]);
		const struct file_image *f = c ? image_file(&r->img, c->m->id) : NULL;

		/* Who has it connects it, see unix-connect.c. */
		if (!f || !f->first_user || c->m->peer != m->id || c->m->group != m->group)
			return bad(u, "a connection that waits is malformed", err);
	}
	return check_name(u, err);
}

/* Connected to each other, to a listener, or nobody: else no step makes it. */
static int check_connection(const struct unix_sock *u, struct cr_err *err)
{
	const Cr__UnixSocket *m = u->m;

	if (m->sock_type == SOCK_DGRAM || m->state != CR__UNIX_STATE__UNIX_CONNECTED) {
		if (m->name.len && !m->bound)
			return bad(u, "its name is nobody's", err);
		if (m->peer && m->state != CR__UNIX_STATE__UNIX_CONNECTED)
			return bad(u, "it has a peer and is not connected", err);
		return 0;
	}
	if (m->peer_closed)
		return 0;
	if (u->peer && u->peer->m->state == CR__UNIX_STATE__UNIX_LISTENING)
		return 0;
	if (!u->peer || u->peer->peer != u)
		return bad(u, "it is connected to nobody", err);
	return 0;
}

static int check_all_of_them(struct restore *r, struct cr_err *err)
{
	struct unix_socks *s;

	if (collect(r, err) < 0)
		return -1;
	s = r->unix_socks;
	for (unsigned int i = 0; i < s->count; i++)
		if (link_one(r, &s->list[i], err) < 0)
			return -1;
	for (unsigned int i = 0; i < s->count; i++)
		if (check_connection(&s->list[i], err) < 0)
			return -1;
	return unix_check_names(r, err);
}

static int unix_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__UnixSocket *m = msg;
	char what[32];

	snprintf(what, sizeof(what), "unix socket %u", m->id);
	if (sock_check(what, m->common, err) < 0)
		return -1;
	return r->unix_socks ? 0 : check_all_of_them(r, err);
}

static uint64_t unix_object(const void *msg)
{
	return (uint64_t)((const Cr__UnixSocket *)msg)->group + 1;
}

static uint32_t unix_rights(const void *msg, size_t n)
{
	const Cr__UnixSocket *m = msg;

	for (size_t i = 0; i < m->n_queue; i++) {
		if (n < m->queue[i]->n_files)
			return m->queue[i]->files[n];
		n -= m->queue[i]->n_files;
	}
	return 0;
}

static bool by_other(const Cr__UnixCred *c, uint32_t pid)
{
	return c && c->tgid && c->tgid != pid;
}

/* What another process has made can only be made before that one is there. */
static bool unix_early(const struct image *img, const struct file_image *f)
{
	const Cr__UnixSocket *m = f->msg;
	uint32_t pid;

	if (unix_rights(m, 0))
		return true;
	if (!f->first_user)
		return false;
	pid = img->tasks[f->first_user - 1].task->pid;
	if (by_other(m->cred, pid))
		return true;
	for (size_t i = 0; i < m->n_queue; i++)
		if (by_other(m->queue[i]->cred, pid))
			return true;
	return false;
}

static int unix_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__UnixSocket *m = msg;
	int fd;

	if (r->unix_socks->done != getpid() && unix_make(r, err) < 0)
		return cr_err_wrap(err, "unix sockets");
	fd = fcntl(unix_find(r, m->id)->fd, F_DUPFD_CLOEXEC, 0);
	if (fd < 0)
		return cr_err_sys(err, "unable to duplicate a socket");
	return fd;
}

const struct file_ops unix_ops = {
	.kind = CR_KIND_UNIX_SOCKET,
	.object = unix_object,
	.early = unix_early,
	.uses = unix_rights,
	.check = unix_check,
	.open = unix_open,
};
