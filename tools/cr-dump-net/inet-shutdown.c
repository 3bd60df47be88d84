/* SPDX-License-Identifier: MIT */
/*
 * Which directions of a UDP socket are shut down: poll(2) does not tell when it
 * is only that of writing, sock_diag does (INET_DIAG_SHUTDOWN, 3.8).
 */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>

#include "clean.h"
#include "inet.h"
#include "netlink.h"

#define TRIES 5

struct shut {
	uint32_t ino;
	uint32_t how;
};

struct shutdowns {
	struct shut *list;	/* of all UDP sockets */
	size_t count, room;
	bool absent;		/* the kernel does not tell (CONFIG_INET_UDP_DIAG) */
};

struct ask {
	struct net *n;
	struct shutdowns *all;
};

static int take(void *ctx, const struct nlmsghdr *h, struct cr_err *err)
{
	const struct ask *a = ctx;
	struct shutdowns *all = a->all;
	const struct inet_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *attr;

	if (h->nlmsg_len < NLMSG_LENGTH(sizeof(*m)))
		return cr_err_set(err, CR_SYSTEM, "sock_diag: a short answer");
	if (all->count == all->room) {
		size_t room = all->room ? all->room * 2 : 64;
		struct shut *grown = net_alloc(a->n, room * sizeof(*grown), err);

		if (!grown)
			return -1;
		if (all->count)
			memcpy(grown, all->list, all->count * sizeof(*grown));
		all->list = grown;
		all->room = room;
	}
	attr = cr_netlink_attr(m, h->nlmsg_len - NLMSG_HDRLEN, sizeof(*m), INET_DIAG_SHUTDOWN);
	all->list[all->count++] = (struct shut){
		.ino = m->idiag_inode,
		.how = attr && RTA_PAYLOAD(attr) ? *(const uint8_t *)RTA_DATA(attr) : 0,
	};
	return 0;
}

static int ask(struct net *n, struct shutdowns *all, struct cr_err *err)
{
	static const uint8_t both[] = { AF_INET, AF_INET6 };
	cr_auto_fd int fd = cr_netlink_open(NETLINK_SOCK_DIAG, err);
	struct ask a = { n, all };

	if (fd < 0)
		return -1;
	all->count = 0;
	for (size_t i = 0; i < sizeof(both); i++) {
		struct inet_diag_req_v2 req = {
			.sdiag_family = both[i],
			.sdiag_protocol = IPPROTO_UDP,
			.idiag_states = ~0u,
		};

		if (cr_netlink_list(fd, SOCK_DIAG_BY_FAMILY, &req, sizeof(req), take, &a, err) == 0)
			continue;
		if (err->errnum != ENOENT)
			return cr_err_wrap(err, "sock_diag of UDP");
		/* IPv6 may be missing alone. */
		all->absent |= i == 0;
	}
	return 0;
}

static int by_poll(int fd, uint32_t *how, struct cr_err *err)
{
	struct pollfd pfd = { .fd = fd, .events = POLLRDHUP };

	if (poll(&pfd, 1, 0) < 0)
		return cr_err_sys(err, "poll");
	*how = pfd.revents & POLLHUP ? 3 : pfd.revents & POLLRDHUP ? 1 : 0;
	return 0;
}

/* A dump of sock_diag may leave out one when others vanish meanwhile; one that
 * has no port is in none. */
int inet_shutdown(struct net *n, const struct sock *s, int fd, bool has_port, uint32_t *how,
		  struct cr_err *err)
{
	struct shutdowns *all = n->shutdowns;

	if (!all)
		all = n->shutdowns = net_alloc(n, sizeof(*all), err);
	if (!all)
		return -1;
	for (int i = 0; has_port && !all->absent && i < TRIES; i++) {
		for (size_t k = 0; k < all->count; k++)
			if (all->list[k].ino == (uint32_t)s->ino) {
				*how = all->list[k].how;
				return 0;
			}
		if (ask(n, all, err) < 0)
			return -1;
	}
	return by_poll(fd, how, err);
}
