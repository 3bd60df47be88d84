/* SPDX-License-Identifier: MIT */
/* AF_NETLINK sockets with an empty queue: port, destination, groups. */
#include <errno.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "common.h"
#include "netlink-bound.h"

static bool match(const struct sock *s)
{
	return s->family == AF_NETLINK;
}

static int fill_names(int fd, Cr__NetlinkSocket *m, struct cr_err *err)
{
	struct sockaddr_nl own = { 0 }, dst = { 0 };
	socklen_t len = sizeof(own);

	if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
		return cr_err_sys(err, "getsockname");
	m->bound = own.nl_pid != 0;
	m->port = own.nl_pid;
	len = sizeof(dst);
	/* Never an error: without connect(2) all is 0. */
	if (getpeername(fd, (struct sockaddr *)&dst, &len) < 0)
		return cr_err_sys(err, "getpeername");
	m->dst_port = dst.nl_pid;
	m->dst_groups = dst.nl_groups;
	return 0;
}

/* NETLINK_LIST_MEMBERSHIPS (4.2): a bit for each group. */
static int fill_groups(struct net *n, int fd, Cr__NetlinkSocket *m, struct cr_err *err)
{
	uint32_t *bits;
	socklen_t len = 0;

	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, NULL, &len) < 0)
		return cr_err_sys(err, "NETLINK_LIST_MEMBERSHIPS");
	if (!len)
		return 0;
	bits = net_alloc(n, len, err);
	m->groups = net_alloc(n, len * 8 * sizeof(*m->groups), err);
	if (!bits || !m->groups)
		return -1;
	if (getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, bits, &len) < 0)
		return cr_err_sys(err, "NETLINK_LIST_MEMBERSHIPS");
	for (uint32_t i = 0; i < len / sizeof(*bits) * 32; i++)
		if (bits[i / 32] & 1u << i % 32)
			m->groups[m->n_groups++] = i + 1;
	return 0;
}

/* Not even a look: reading has the kernel go on with an answer. */
static int check_queue(struct net *n, const struct sock *s, int fd, struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	if (!(pfd.revents & POLLIN))
		return 0;
	if (sock_refuse(n, s, "messages wait in its queue: not supported", "receive them", err) < 0)
		return -1;
	return 1;
}

static int check_bound(struct net *n, const struct sock *s, const Cr__NetlinkSocket *m,
		       struct cr_err *err)
{
	const char *what;
	char text[128];

	if (netlink_bound((int)m->protocol, m->port, m->n_groups, &what, err) < 0)
		return -1;
	if (!what)
		return 0;
	snprintf(text, sizeof(text), "%s, which ends when it is closed: not supported", what);
	return sock_refuse(n, s, text, "close it", err) < 0 ? -1 : 1;
}

static int dump(struct net *n, const struct sock *s, int fd, struct cr_err *err)
{
	Cr__NetlinkSocket *m = net_alloc(n, sizeof(*m), err);
	int r;

	if (!m)
		return -1;
	cr__netlink_socket__init(m);
	m->id = s->id;
	m->open_flags = s->flags;
	m->sock_type = (uint32_t)s->type;
	m->protocol = (uint32_t)s->protocol;
	m->common = net_alloc(n, sizeof(*m->common), err);
	if (!m->common)
		return -1;
	r = common_fill(n, s, fd, m->common, err);
	if (r == 0)
		r = common_check_error(n, s, fd, err);
	if (r == 0)
		r = fill_names(fd, m, err);
	if (r == 0)
		r = fill_groups(n, fd, m, err);
	if (r == 0)
		r = check_queue(n, s, fd, err);
	if (r == 0)
		r = check_bound(n, s, m, err);
	if (r != 0)
		return r < 0 ? -1 : 0;
	return cr_stage_put(n->st, CR_KIND_NETLINK_SOCKET, m, err);
}

const struct family netlink_family = { .match = match, .dump = dump };
