/* SPDX-License-Identifier: MIT */
/* AF_NETLINK sockets. */
#include <linux/netlink.h>
#include <stdio.h>
#include <sys/socket.h>

#include "clean.h"
#include "file-kinds.h"
#include "restore.h"
#include "sock.h"

static int netlink_check(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__NetlinkSocket *m = msg;
	char what[40];

	(void)r;
	snprintf(what, sizeof(what), "netlink socket %u", m->id);
	return sock_check(what, m->common, err);
}

static int set_names(int fd, const Cr__NetlinkSocket *m, struct cr_err *err)
{
	struct sockaddr_nl own = { .nl_family = AF_NETLINK, .nl_pid = m->port };
	struct sockaddr_nl dst = { .nl_family = AF_NETLINK,
				   .nl_pid = m->dst_port,
				   .nl_groups = m->dst_groups };

	if (m->bound && bind(fd, (struct sockaddr *)&own, sizeof(own)) < 0)
		return cr_err_sys(err, "unable to bind a netlink socket to port %u", m->port);
	if ((m->dst_port || m->dst_groups) && connect(fd, (struct sockaddr *)&dst, sizeof(dst)) < 0)
		return cr_err_sys(err, "unable to connect a netlink socket to port %u",
				  m->dst_port);
	for (size_t i = 0; i < m->n_groups; i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &m->groups[i],
			       sizeof(m->groups[i])) < 0)
			return cr_err_sys(err, "unable to join netlink group %u", m->groups[i]);
	return 0;
}

static int netlink_open(struct restore *r, const void *msg, struct cr_err *err)
{
	const Cr__NetlinkSocket *m = msg;
	cr_auto_fd int fd = socket(AF_NETLINK, (int)m->sock_type | SOCK_CLOEXEC, (int)m->protocol);

	(void)r;
	if (fd < 0)
		return cr_err_sys(err, "netlink socket of protocol %u", m->protocol);
	if (sock_early(fd, m->common, err) < 0 || set_names(fd, m, err) < 0 ||
	    sock_late(fd, m->common, m->open_flags, err) < 0)
		return -1;
	return cr_steal_fd(&fd);
}

const struct file_ops netlink_ops = {
	.kind = CR_KIND_NETLINK_SOCKET,
	.check = netlink_check,
	.open = netlink_open,
};
