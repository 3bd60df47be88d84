/* SPDX-License-Identifier: MIT */
/*
 * AF_INET and AF_INET6: TCP sockets that listen or have no connection, and UDP
 * sockets.  A listener's TCP_INFO tells the length of its queue and its backlog
 * (2.6.24).
 */
#include "inet.h"

#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "common.h"

#define TCP_STATE_CLOSE 7	/* enum in the kernel's net/tcp_states.h */
#define TCP_STATE_LISTEN 10

static bool match(const struct sock *s)
{
	return s->who & (CR_SOCK_TCP | CR_SOCK_UDP);
}

Cr__InetAddress *inet_address(struct net *n, const union inet_address *a, struct cr_err *err)
{
	bool six = a->sa.sa_family == AF_INET6;
	Cr__InetAddress *m = net_alloc(n, sizeof(*m), err);
	size_t len = six ? sizeof(a->in6.sin6_addr) : sizeof(a->in.sin_addr);

	if (!m)
		return NULL;
	cr__inet_address__init(m);
	m->addr.data = net_alloc(n, len, err);
	if (!m->addr.data)
		return NULL;
	m->addr.len = len;
	memcpy(m->addr.data, six ? (const void *)&a->in6.sin6_addr : &a->in.sin_addr, len);
	m->port = ntohs(six ? a->in6.sin6_port : a->in.sin_port);
	if (six) {
		m->scope_id = a->in6.sin6_scope_id;
		m->flowinfo = ntohl(a->in6.sin6_flowinfo);
	}
	return m;
}

static bool is_any(const Cr__InetAddress *a)
{
	for (size_t i = 0; i < a->addr.len; i++)
		if (a->addr.data[i])
			return false;
	return !a->port;
}

bool inet_has_option(const Cr__InetSocket *m, const char *name)
{
	for (size_t i = 0; i < m->common->n_options; i++)
		if (strcmp(m->common->options[i]->name, name) == 0)
			return true;
	return false;
}

static int fill_names(struct net *n, int fd, Cr__InetSocket *m, struct cr_err *err)
{
	union inet_address a;
	socklen_t len = sizeof(a);

	if (getsockname(fd, &a.sa, &len) < 0)
		return cr_err_sys(err, "getsockname");
	m->local = inet_address(n, &a, err);
	if (!m->local)
		return -1;
	if (is_any(m->local))
		m->local = NULL;
	len = sizeof(a);
	if (getpeername(fd, &a.sa, &len) < 0)
		return errno == ENOTCONN ? 0 : cr_err_sys(err, "getpeername");
	m->state = CR__INET_STATE__INET_CONNECTED;
	m->remote = inet_address(n, &a, err);
	return m->remote ? 0 : -1;
}

/* --- TCP --------------------------------------------------------------------- */

static int listening(struct net *n, const struct sock *s, Cr__InetSocket *m,
		     const struct tcp_info *info, struct cr_err *err)
{
	char what[96];

	m->state = CR__INET_STATE__INET_LISTENING;
	m->backlog = info->tcpi_sacked;
	if (!info->tcpi_unacked || n->opts.skip_in_flight)
		return 0;
	snprintf(what, sizeof(what), "%u connection%s to be accepted", info->tcpi_unacked,
		 info->tcpi_unacked == 1 ? " waits" : "s wait");
	if (sock_refuse(n, s, what, "accept it, or drop it with --skip-in-flight", err) < 0)
		return -1;
	return 1;
}

/* It becomes a new socket: its address is free for the listener. */
static void closed(Cr__InetSocket *m)
{
	m->state = CR__INET_STATE__INET_UNCONNECTED;
	m->local = NULL;
	m->remote = NULL;
	/* What they tell is the connection's. */
	common_drop(m->common, "TCP_MAXSEG");
	common_drop(m->common, "TCP_WINDOW_CLAMP");
}

/*
 * It can be shut down for reading, and then reads the end instead of ENOTCONN.  Of
 * a connection that has broken --tcp-close has dropped the error: it is a new one.
 */
static int unconnected(int fd, Cr__InetSocket *m, struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLRDHUP };

	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	m->state = CR__INET_STATE__INET_UNCONNECTED;
	m->shutdown = pfd.revents & POLLRDHUP && !(pfd.revents & POLLERR) ? 1 : 0;
	return 0;
}

static int fill_tcp(struct net *n, const struct sock *s, int fd, Cr__InetSocket *m,
		    struct cr_err *err)
{
	struct tcp_info info = { 0 };
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return cr_err_sys(err, "TCP_INFO");
	if (info.tcpi_state == TCP_STATE_LISTEN)
		return listening(n, s, m, &info, err);
	if (info.tcpi_state == TCP_STATE_CLOSE)
		return unconnected(fd, m, err);
	if (n->opts.tcp_close) {
		closed(m);
		return 0;
	}
	if (sock_refuse(n, s, "a TCP connection: not supported",
			"close it, or use --tcp-close to have it closed at the restore", err) < 0)
		return -1;
	return 1;
}

static int dump(struct net *n, const struct sock *s, int fd, struct cr_err *err)
{
	Cr__InetSocket *m = net_alloc(n, sizeof(*m), err);
	bool tcp = s->who & CR_SOCK_TCP;
	int r;

	if (!m)
		return -1;
	cr__inet_socket__init(m);
	m->id = s->id;
	m->open_flags = s->flags;
	m->family = (uint32_t)s->family;
	m->sock_type = (uint32_t)s->type;
	m->protocol = (uint32_t)s->protocol;
	m->common = net_alloc(n, sizeof(*m->common), err);
	if (!m->common)
		return -1;
	r = common_fill(n, s, fd, m->common, err);
	/* A connection that has broken is a closed one. */
	if (r == 0 && !(tcp && n->opts.tcp_close))
		r = common_check_error(n, s, fd, err);
	if (r == 0)
		r = fill_names(n, fd, m, err);
	if (r == 0 && tcp)
		r = fill_tcp(n, s, fd, m, err);
	if (r == 0 && !tcp)
		r = inet_groups(n, s, fd, m, err);
	if (r == 0 && !tcp)
		r = inet_shutdown(n, s, fd, m->local && m->local->port, &m->shutdown, err);
	if (r == 0 && !tcp)
		r = inet_queue(n, s, fd, m, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return cr_stage_put(n->st, CR_KIND_INET_SOCKET, m, err);
}

const struct family inet_family = { .match = match, .dump = dump };
