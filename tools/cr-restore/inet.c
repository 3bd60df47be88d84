/* SPDX-License-Identifier: MIT */
/* TCP sockets that listen or have no connection, and UDP sockets. */
#include "inet.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clean.h"
#include "file-kinds.h"
#include "sock.h"

#define TEXT_MAX 80

socklen_t inet_address(const Cr__InetAddress *m, union inet_address *out)
{
	memset(out, 0, sizeof(*out));
	if (m->addr.len == sizeof(out->in.sin_addr)) {
		out->in.sin_family = AF_INET;
		out->in.sin_port = htons((uint16_t)m->port);
		memcpy(&out->in.sin_addr, m->addr.data, m->addr.len);
		return sizeof(out->in);
	}
	out->in6.sin6_family = AF_INET6;
	out->in6.sin6_port = htons((uint16_t)m->port);
	out->in6.sin6_scope_id = m->scope_id;
	out->in6.sin6_flowinfo = htonl(m->flowinfo);
	memcpy(&out->in6.sin6_addr, m->addr.data, m->addr.len);
	return sizeof(out->in6);
}

static const char *text_of(const Cr__InetAddress *m, char buf[TEXT_MAX])
{
	bool six = m->addr.len != 4;
	char host[INET6_ADDRSTRLEN];

	inet_ntop(six ? AF_INET6 : AF_INET, m->addr.data, host, sizeof(host));
	snprintf(buf, TEXT_MAX, six ? "[%s]:%u" : "%s:%u", host, m->port);
	return buf;
}

/* @family 0: of either. */
static bool is_good(const Cr__InetAddress *a, uint32_t family)
{
	size_t len = family == AF_INET ? 4 : 16;

	return !a || ((a->addr.len == len || (!family && a->addr.len == 4)) && a->port <= 65535);
}

static bool is_well_formed(const Cr__InetSocket *m)
{
	bool tcp = m->sock_type == SOCK_STREAM && m->protocol == IPPROTO_TCP;
	bool udp = m->sock_type == SOCK_DGRAM && m->protocol == IPPROTO_UDP;

	if ((m->family != AF_INET && m->family != AF_INET6) || (!tcp && !udp) ||
	    !is_good(m->local, m->family) || !is_good(m->remote, m->family))
		return false;
	if ((m->state == CR__INET_STATE__INET_LISTENING && !tcp) ||
	    (m->state == CR__INET_STATE__INET_CONNECTED && (!udp || !m->remote)))
		return false;
	if ((m->n_queue || m->n_groups) && !udp)
		return false;
	for (size_t i = 0; i < m->n_queue; i++)
		if (!m->queue[i]->from || !is_good(m->queue[i]->from, m->family) ||
		    m->queue[i]->data.len > UINT16_MAX - sizeof(struct udphdr) ||
		    (m->queue[i]->to.len &&
		     m->queue[i]->to.len != (m->family == AF_INET ? 4u : 16u)) ||
		    m->queue[i]->hops > 256 || m->queue[i]->tos > 255)
			return false;
	for (size_t i = 0; i < m->n_groups; i++)
		if (!m->groups[i]->group || !is_good(m->groups[i]->group, 0))
			return false;
	return true;
}

/*
 * A new socket with the address.  SO_REUSEADDR lets it have an address that
 * only connections of the past are in the way of; then it gets its own value.
 */
static int make(const Cr__InetSocket *m, struct cr_err *err)
{
	cr_auto_fd int fd =
		socket((int)m->family, (int)m->sock_type | SOCK_CLOEXEC, (int)m->protocol);
	bool tcp = m->sock_type == SOCK_STREAM;
	int one = 1, own = 0;
	socklen_t len = sizeof(own);
	union inet_address a;
	char text[TEXT_MAX];

	if (fd < 0)
		return cr_err_sys(err, "socket");
	if (sock_early(fd, m->common, err) < 0)
		return -1;
	if (!m->local)
		return cr_steal_fd(&fd);
	if (getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &own, &len) < 0 ||
	    (tcp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0))
		return cr_err_sys(err, "SO_REUSEADDR");
	if (bind(fd, &a.sa, inet_address(m->local, &a)) < 0)
		return cr_err_sys(err, "unable to bind to %s", text_of(m->local, text));
	if (tcp && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &own, sizeof(own)) < 0)
		return cr_err_sys(err, "SO_REUSEADDR");
	return cr_steal_fd(&fd);
}

/* Is the address to be had?  Only the kernel knows all of its rules, so a
 * socket has it for a moment. */
static int inet_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__InetSocket *m = msg;
	const struct file_image *f = image_file(&r->img, m->id);
	char what[32], object[TEXT_MAX + 16], text[TEXT_MAX];
	struct cr_err why;
	int fd;

	snprintf(what, sizeof(what), "inet socket %u", m->id);
	if (sock_check(what, m->common, err) < 0)
		return -1;
	if (!is_well_formed(m))
		return cr_err_set(err, CR_BAD_INPUT, "%s: malformed", what);
	fd = make(m, &why);
	if (fd >= 0) {
		close(fd);
		return 0;
	}
	snprintf(object, sizeof(object), "%s socket%s%s",
		 m->protocol == IPPROTO_TCP ? "tcp" : "udp", m->local ? " " : "",
		 m->local ? text_of(m->local, text) : "");
	refuse(r, f && f->first_user ? r->img.tasks[f->first_user - 1].task->pid : 0, object, "%s",
	       why.msg);
	return 0;
}

static int join_groups(int fd, const Cr__InetSocket *m, struct cr_err *err)
{
	for (size_t i = 0; i < m->n_groups; i++) {
		const Cr__InetGroup *g = m->groups[i];
		struct group_req req = { .gr_interface = if_nametoindex(g->device) };
		union inet_address a;
		socklen_t len = inet_address(g->group, &a);
		char text[TEXT_MAX];

		memcpy(&req.gr_group, &a, len);
		if (!req.gr_interface ||
		    setsockopt(fd, a.sa.sa_family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP,
			       MCAST_JOIN_GROUP, &req, sizeof(req)) < 0)
			return cr_err_sys(err, "unable to join group %s on %s",
					  text_of(g->group, text), g->device);
	}
	return 0;
}

static int connect_and_listen(int fd, const Cr__InetSocket *m, struct cr_err *err)
{
	union inet_address a;
	char text[TEXT_MAX];

	if (m->state == CR__INET_STATE__INET_CONNECTED &&
	    connect(fd, &a.sa, inet_address(m->remote, &a)) < 0)
		return cr_err_sys(err, "unable to connect to %s", text_of(m->remote, text));
	if (m->state == CR__INET_STATE__INET_LISTENING && listen(fd, (int)m->backlog) < 0)
		return cr_err_sys(err, "unable to listen at %s",
				  m->local ? text_of(m->local, text) : "no address");
	return 0;
}

static int inet_open(struct restore *r, const void *msg, struct cr_err *err)
{
	static const int how[] = { [1] = SHUT_RD, [2] = SHUT_WR, [3] = SHUT_RDWR };
	const Cr__InetSocket *m = msg;
	cr_auto_fd int fd = make(m, err);

	(void)r;
	if (fd < 0 || join_groups(fd, m, err) < 0 || connect_and_listen(fd, m, err) < 0 ||
	    inet_fill(fd, m, err) < 0 || sock_late(fd, m->common, m->open_flags, err) < 0)
		return -1;
	if (m->shutdown & 3 && shutdown(fd, how[m->shutdown & 3]) < 0 && errno != ENOTCONN)
		return cr_err_sys(err, "shutdown");
	return cr_steal_fd(&fd);
}

const struct file_ops inet_ops = {
	.kind = CR_KIND_INET_SOCKET,
	.check = inet_check,
	.open = inet_open,
};
