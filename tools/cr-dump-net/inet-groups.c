/* SPDX-License-Identifier: MIT */
/*
 * Multicast groups.  No call lists those that a socket is a member of, but
 * MCAST_MSFILTER tells for one group on one interface; which there are is in
 * /proc/net/igmp and igmp6.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clean.h"
#include "inet.h"

struct group {
	unsigned int index;	/* of the interface */
	union inet_address a;
};

struct groups {
	struct group *list;
	unsigned int count;
};

static int add_group(struct net *n, struct groups *g, unsigned int index,
		     const union inet_address *a, struct cr_err *err)
{
	/* Room grows at each power of two. */
	if ((g->count & (g->count - 1)) == 0) {
		struct group *grown =
			net_alloc(n, (g->count ? g->count * 2 : 1) * sizeof(*grown), err);

		if (!grown)
			return -1;
		if (g->count)
			memcpy(grown, g->list, g->count * sizeof(*grown));
		g->list = grown;
	}
	g->list[g->count++] = (struct group){ index, *a };
	return 0;
}

/* An unindented line names the interface: "1\tlo        : ..."; below are its
 * groups: "\t\t\t\t010000E0     1 0:00000000 0", 224.0.0.1 is always there. */
static int read_igmp(struct net *n, struct groups *g, struct cr_err *err)
{
	cr_auto_file FILE *f = fopen("/proc/net/igmp", "re");
	unsigned int index = 0, group;
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		union inet_address a = { .in = { .sin_family = AF_INET } };

		if (line[0] >= '0' && line[0] <= '9') {
			index = (unsigned int)strtoul(line, NULL, 10);
			continue;
		}
		if (sscanf(line, " %x %*u %*u:", &group) != 1 || line[0] != '\t')
			continue;
		a.in.sin_addr.s_addr = group;
		if (group != htonl(INADDR_ALLHOSTS_GROUP) && add_group(n, g, index, &a, err) < 0)
			return -1;
	}
	return 0;
}

/* "2    eth0            ff0200000000000000000000000000fb     1 0000000C 0" */
static int read_igmp6(struct net *n, struct groups *g, struct cr_err *err)
{
	cr_auto_file FILE *f = fopen("/proc/net/igmp6", "re");
	char line[256], text[33];
	unsigned int index, byte;

	while (f && fgets(line, sizeof(line), f)) {
		union inet_address a = { .in6 = { .sin6_family = AF_INET6 } };

		if (sscanf(line, "%u %*s %32s", &index, text) != 2 || strlen(text) != 32)
			continue;
		for (int i = 0; i < 16 && sscanf(text + 2 * i, "%2x", &byte) == 1; i++)
			a.in6.sin6_addr.s6_addr[i] = (uint8_t)byte;
		if (add_group(n, g, index, &a, err) < 0)
			return -1;
	}
	return 0;
}

static struct groups *get_groups(struct net *n, struct cr_err *err)
{
	if (n->groups)
		return n->groups;
	n->groups = net_alloc(n, sizeof(*n->groups), err);
	if (!n->groups || read_igmp(n, n->groups, err) < 0 || read_igmp6(n, n->groups, err) < 0)
		return NULL;
	return n->groups;
}

/* 1: it is a member, from any source; 2: only from some; 0: not at all. */
static int is_member(int fd, const struct group *g, struct cr_err *err)
{
	struct group_filter filter = { .gf_interface = g->index };
	socklen_t len = sizeof(filter);
	bool six = g->a.sa.sa_family == AF_INET6;

	memcpy(&filter.gf_group, &g->a, six ? sizeof(g->a.in6) : sizeof(g->a.in));
	if (getsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, MCAST_MSFILTER, &filter, &len) < 0) {
		if (errno == EADDRNOTAVAIL || errno == EINVAL || errno == ENOPROTOOPT ||
		    errno == ENODEV)
			return 0;
		return cr_err_sys(err, "MCAST_MSFILTER");
	}
	return filter.gf_fmode == MCAST_EXCLUDE && !filter.gf_numsrc ? 1 : 2;
}

static int add_membership(struct net *n, Cr__InetSocket *m, const struct group *g,
			  struct cr_err *err)
{
	Cr__InetGroup *out = net_alloc(n, sizeof(*out), err);
	Cr__InetGroup **grown = net_alloc(n, (m->n_groups + 1) * sizeof(*grown), err);

	if (!out || !grown)
		return -1;
	cr__inet_group__init(out);
	out->device = net_alloc(n, IF_NAMESIZE, err);
	out->group = inet_address(n, &g->a, err);
	if (!out->device || !out->group)
		return -1;
	if (!if_indextoname(g->index, out->device))
		return cr_err_sys(err, "the name of interface %u", g->index);
	if (m->n_groups)
		memcpy(grown, m->groups, m->n_groups * sizeof(*grown));
	m->groups = grown;
	m->groups[m->n_groups++] = out;
	return 0;
}

int inet_groups(struct net *n, const struct sock *s, int fd, Cr__InetSocket *m, struct cr_err *err)
{
	const struct groups *all = get_groups(n, err);

	if (!all)
		return -1;
	for (unsigned int i = 0; i < all->count; i++) {
		int r;

		/* AF_INET6 sockets join groups of both, each by its own call. */
		if (s->family == AF_INET && all->list[i].a.sa.sa_family == AF_INET6)
			continue;
		r = is_member(fd, &all->list[i], err);
		if (r < 0 || (r == 1 && add_membership(n, m, &all->list[i], err) < 0))
			return -1;
		if (r != 2)
			continue;
		if (sock_refuse(n, s, "a multicast group with chosen sources: not supported",
				"leave it", err) < 0)
			return -1;
		return 1;
	}
	return 0;
}
